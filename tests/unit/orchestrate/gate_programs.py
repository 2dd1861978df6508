"""Running the programs of gates as pods do, and servers in this process for them to ask."""

from __future__ import annotations

import json
import os
import runpy
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from kolla_k8s.orchestrate import gate

Answers = Mapping[tuple[str, str], Callable[[Any, Any], tuple[int, dict[str, str], Any]]]

PROGRAMS = Path(gate.__file__).parent / "gates"
# Addresses of this process alone: two runs of the tests on one machine never meet.
HOSTS = [f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}.{number}" for number in (1, 2)]
LOGIN = {"username": "gate", "password": "s3cret", "project": "service", "vhost": "gate", "host": HOSTS[0]}


def check(program: str, **arguments: Any) -> Any:
    """Run a program as a pod would, but for the loader."""
    return runpy.run_path(str(PROGRAMS / f"{program}.py"))["check"]({"nonce": "n0nce", **arguments})


@contextmanager
def serving(server: socketserver.ThreadingTCPServer | ThreadingHTTPServer) -> Iterator[int]:
    """Let a server answer for the length of a block."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Api(BaseHTTPRequestHandler):
    """Answers as ``answers`` says: (method, path) -> function of body and headers -> status, headers, content."""

    answers: ClassVar[Answers] = {}

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.answers[self.command, self.path]
        status, headers, content = answer(json.loads(body or "null"), self.headers)
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names that the base class calls

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def an_api(host: str, port: int, answers: Answers) -> AbstractContextManager[int]:
    """Let an API answer so for the length of a block, which gets its port."""
    return serving(ThreadingHTTPServer((host, port), type("Answering", (Api,), {"answers": answers})))
