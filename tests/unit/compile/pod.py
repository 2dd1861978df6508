"""What a pod's programs talk to, small and real: a Kubernetes API over TLS, Keystone and RabbitMQ over HTTP."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

PROGRAMS = Path(__file__).parents[3] / "kolla_k8s" / "compile" / "files"

POD = {
    "service": "keystone",
    "wait": [],
    "site": {"region": "RegionOne", "namespaces": {"control": "openstack"}},
    "hosts": {
        "mariadb": {"service": "mariadb", "port": 3306, "peers": "mariadb-peers", "pods": "m", "plane": "control"}
    },
    "members": {"mariadb": 2},
    "urls": {},
    "files": {"a.conf": {"format": "sysctl", "mode": "0440", "content": {"b": True, "a": 1, "c": None}}},
}
HERE = f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}.2"
"""An address of this process alone: two that test at once on one machine never meet."""

Answer = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What a program asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Server:
    """Where it listens, and what it was asked so far."""

    port: int = 0
    asked: list[Request] = field(default_factory=list)


@contextmanager
def serving(
    answer: Callable[[Request], Answer], *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """Serve until the block ends; an answer of status 0 closes the connection without a word."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.command, self.path, dict(self.headers), json.loads(text) if text else None)
            server.asked.append(request)
            status, body = answer(request)
            self.close_connection = True
            if status:
                self.send_response(status)
                self.send_header("X-Subject-Token", "a-token")
                self.end_headers()
                self.wfile.write(b"" if body is None else json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            pass

    listener = ThreadingHTTPServer((host, port), Handler)
    if tls is not None:
        listener.socket = tls.wrap_socket(listener.socket, server_side=True)
    server.port = listener.server_address[1]
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


def in_turn(*answers: Answer) -> Callable[[Request], Answer]:
    """Give each answer once, then the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


class FakeKeystone:
    """Things by kind, passwords of users, and the calls of the Identity API that registration makes."""

    def __init__(self, **passwords: str) -> None:
        """Know these users' passwords."""
        self.passwords = passwords
        self.things: dict[str, list[dict[str, Any]]] = {}
        self.roles: list[str] = []

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        path, _, query = request.path.removeprefix("/v3/").partition("?")
        kind, _, rest = path.partition("/")
        if path == "auth/tokens":
            user = request.body["auth"]["identity"]["password"]["user"]
            return (201, {}) if self.passwords.get(user["name"]) == user["password"] else (401, {})
        if request.headers.get("X-Auth-Token") != "a-token":
            return 403, {"error": "no token"}
        if request.method == "GET":
            wanted = dict(part.split("=") for part in query.split("&")) if query else {}
            return 200, {kind: [t for t in self.things.get(kind, []) if wanted.items() <= t.items()]}
        if request.method == "PUT":
            self.roles.append(rest)
            return 204, None
        return self._changed(request, kind, rest)

    def _changed(self, request: Request, kind: str, rest: str) -> Answer:
        [body] = request.body.values()
        if body.get("name") == "forbidden":
            return 409, {"error": "forbidden"}
        if request.method == "PATCH":
            thing = next(thing for thing in self.things[kind] if thing["id"] == rest)
        else:
            thing = {"id": f"{kind}-{len(self.things.get(kind, []))}"}
            self.things.setdefault(kind, []).append(thing)
        thing |= body
        if kind == "users" and "password" in body and request.method == "PATCH":
            self.passwords[thing["name"]] = body["password"]
        return 201, {kind.removesuffix("s"): thing}


class FakeDatabase:
    """Stands for PyMySQL and a MariaDB that refuses the first connections; keeps the statements."""

    class err:  # noqa: N801 - as PyMySQL spells it
        """Errors of the library."""

        class OperationalError(Exception):
            """The server cannot be reached."""

    def __init__(self, refusals: int) -> None:
        """Refuse so many times."""
        self.refusals = refusals
        self.asked: dict[str, Any] = {}
        self.statements: list[tuple[str, Any]] = []

    def connect(self, **asked: Any) -> FakeDatabase:
        """Connect, or refuse."""
        if self.refusals:
            self.refusals -= 1
            raise self.err.OperationalError("not yet")
        self.asked = asked
        return self

    def __enter__(self) -> Self:
        """Connections and cursors alike."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""

    def cursor(self) -> FakeDatabase:
        """Give a cursor."""
        return self

    def execute(self, statement: str, values: Any = ()) -> None:
        """Keep a statement."""
        self.statements.append((statement, values))


def told(server: Server) -> dict[str, str]:
    """Where a pod finds the Kubernetes API."""
    return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}


def run(*command: str, pod: dict[str, Any] | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the pod of this test; ``pod`` is laid over what its file tells it."""
    if pod is not None:
        (Path(os.environ["KOLLA_K8S_ROOT"]) / "kolla-k8s/pod.json").write_text(json.dumps({**POD, **pod}))
    about: dict[str, Any] = {"cwd": PROGRAMS, "env": {**os.environ, **environment}}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, **about)


def here(init: Any, pod: dict[str, Any]) -> Any:
    """Facts of a pod whose services all answer on one address of this machine."""

    class Here(init.Facts):
        def host(self, _name: str) -> str:
            return HERE

    return Here({**POD, **pod})


def a_secret(**more: Any) -> dict[str, Any]:
    """A Secret with three keys of a repository, the newest months old."""
    return {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", **more}, "data": {"0": "s", "1": "o", "2": "p"}}
