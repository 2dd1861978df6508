"""A command's line over TLS whose other end takes its time to go."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kolla_k8s.adapters.channels import V5
from kolla_k8s.adapters.kube import connect
from kolla_k8s.ports import Command, ExecResult
from sandbox import pki
from sandbox.control_plane import write_kubeconfig

VERDICT = b"\3" + json.dumps({"status": "Success"}).encode()
SAID = bytes([0x82, len(VERDICT)]) + VERDICT + bytes([0x88, 2, 3, 0xE8])
"""A message with the verdict, and the end of the talk (1000)."""


class Slow(threading.Thread):
    """An API server that, once all is said, neither listens nor hangs up before it is told to end."""

    def __init__(self, listening: socket.socket) -> None:
        super().__init__()
        self.over = threading.Event()
        self._listening = listening

    def run(self) -> None:
        with suppress(OSError):
            while True:
                line = self._listening.accept()[0]
                threading.Thread(target=self._serve, args=(line,)).start()

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            while request := line.recv(65536).decode():
                if request.startswith("GET /version"):
                    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    continue
                key = request.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
                accepted = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324
                head = f"Sec-WebSocket-Accept: {base64.b64encode(accepted).decode()}\r\nSec-WebSocket-Protocol: {V5}"
                upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade"
                line.sendall(f"{upgrade}\r\n{head}\r\n\r\n".encode() + SAID)
                self.over.wait()
                return


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """The way to such a server."""
    pki.make(tmp_path / "pki", {name: (f"/CN={name}", "IP:127.0.0.1") for name in ("server", "admin")})
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "pki/server.crt", tmp_path / "pki/server.key")
    with context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as listening:
        server = Slow(listening)
        server.start()
        write_kubeconfig(tmp_path, tmp_path / "kubeconfig", f"https://127.0.0.1:{listening.getsockname()[1]}", "admin")
        yield tmp_path / "kubeconfig"
        server.over.set()
        listening.shutdown(socket.SHUT_RDWR)
        server.join()


def test_line_goes_with_the_command(kubeconfig: Path) -> None:
    """
    The loop may end at once, and a line that it forgot would be found open.
    """

    async def run() -> ExecResult:
        async with connect(str(kubeconfig), None) as cluster:
            return await cluster.exec("s", "p", "main", Command(["true"]))

    assert ExecResult(0, "", "") == asyncio.run(run())
    gc.collect()
