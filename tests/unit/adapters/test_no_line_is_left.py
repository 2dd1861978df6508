"""Lines over TLS whose other end takes its time to go."""

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
from kolla_k8s.ports import Cluster, Command, ExecResult, Resource
from sandbox import pki
from sandbox.control_plane import write_kubeconfig

VERDICT = b"\3" + json.dumps({"status": "Success"}).encode()
SAID = bytes([0x82, len(VERDICT)]) + VERDICT + bytes([0x88, 2, 3, 0xE8])
"""A message with the verdict, and the end of the talk (1000)."""


LIST = b'HTTP/1.1 200 OK\r\nContent-Length: 36\r\n\r\n{"metadata":{"resourceVersion":"1"}}'
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Slow(threading.Thread):
    """An API server that, once all is said, neither listens nor hangs up before it is told to end."""

    def __init__(self, listening: socket.socket, kubeconfig: Path) -> None:
        super().__init__()
        self.kubeconfig = str(kubeconfig)
        self.asked, self.over = threading.Event(), threading.Event()
        self._listening = listening

    def run(self) -> None:
        with suppress(OSError):
            while True:
                line = self._listening.accept()[0]
                threading.Thread(target=self._serve, args=(line,)).start()

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            while request := line.recv(65536).decode():
                if "Upgrade" not in request:
                    if "slow" in request or "watch=" in request:
                        line.sendall(STREAM if "watch=" in request else b"")
                        self.asked.set()
                        self.over.wait()
                        return
                    line.sendall(LIST)
                    continue
                key = request.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
                accepted = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324
                head = f"Sec-WebSocket-Accept: {base64.b64encode(accepted).decode()}\r\nSec-WebSocket-Protocol: {V5}"
                upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade"
                line.sendall(f"{upgrade}\r\n{head}\r\n\r\n".encode() + SAID)
                self.over.wait()
                return


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Slow]:
    """Such a server, and a kubeconfig that leads to it."""
    pki.make(tmp_path / "pki", {name: (f"/CN={name}", "IP:127.0.0.1") for name in ("server", "admin")})
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "pki/server.crt", tmp_path / "pki/server.key")
    with context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as listening:
        server = Slow(listening, tmp_path / "kubeconfig")
        server.start()
        write_kubeconfig(tmp_path, tmp_path / "kubeconfig", f"https://127.0.0.1:{listening.getsockname()[1]}", "admin")
        yield server
        server.over.set()
        listening.shutdown(socket.SHUT_RDWR)
        server.join()


@pytest.mark.parametrize("resource", ["slow", "maps"])
def test_line_goes_with_a_request_that_is_given_up(server: Slow, resource: str) -> None:
    """
    Before its answer has begun, or while it goes on.
    """

    async def run() -> None:
        async with connect(server.kubeconfig, None) as cluster:
            following = asyncio.create_task(_follow(cluster, Resource("", "v1", resource, "Map")))
            assert await asyncio.to_thread(server.asked.wait, 10)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    asyncio.run(run())
    gc.collect()


async def _follow(cluster: Cluster, resource: Resource) -> None:
    async for _ in cluster.watch(resource):
        continue


def test_line_goes_with_the_command(server: Slow) -> None:
    """
    The loop may end at once, and a line that it forgot would be found open.
    """

    async def run() -> ExecResult:
        async with connect(server.kubeconfig, None) as cluster:
            return await cluster.exec("s", "p", "main", Command(["true"]))

    assert ExecResult(0, "", "") == asyncio.run(run())
    gc.collect()
