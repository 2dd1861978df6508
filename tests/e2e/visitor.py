"""A client outside the cluster: it knows host names, one certificate authority, and the sandbox's edge on loopback."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

PATIENCE_S = 60


class Visitor:
    """Comes in by the edge, and trusts nobody but this authority."""

    def __init__(self, authority: Path) -> None:
        """Prepare; nothing is asked yet."""
        self.trusts = ssl.create_default_context(cafile=str(authority))

    def ask(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request: status, headers and content of its answer."""
        where = urlsplit(url)
        content = None if body is None else json.dumps(body)
        kind = {"Content-Type": "application/json", **(headers or {})}
        path = (where.path or "/") + (f"?{where.query}" if where.query else "")
        with self._connected(url) as way:
            connection = http.client.HTTPConnection(where.netloc)
            connection.sock = way
            connection.request(method, path, content, kind)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def log_in(self, keystone: str, password: str) -> tuple[str, dict[str, str]]:
        """A token of the administrator, and the public addresses of the catalogue that comes with it, by type."""
        user = {"name": "admin", "domain": {"id": "default"}, "password": password}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        asked = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        status, headers, content = self.ask("POST", f"{keystone}/v3/auth/tokens", asked)
        assert 201 == status, content
        entries = json.loads(content)["token"]["catalog"]
        return headers["X-Subject-Token"], {
            entry["type"]: endpoint["url"]
            for entry in entries
            for endpoint in entry["endpoints"]
            if endpoint["interface"] == "public"
        }

    def first_words(self, console: str) -> bytes:
        """What a server's screen says first to a browser that was given this address of noVNC."""
        where = urlsplit(console)
        path = parse_qs(where.query)["path"][0]
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        said = {
            "Host": where.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Origin": f"https://{where.netloc}",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Protocol": "binary",
            "Sec-WebSocket-Version": "13",
        }
        lines = [f"GET /{path.lstrip('/')} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items())]
        with self._connected(console) as way, way.makefile("rb") as answer:
            way.sendall("\r\n".join([*lines, "", ""]).encode())
            status = answer.readline()
            assert b" 101 " in status, status
            while answer.readline().strip():
                pass
            _, length = answer.read(2)  # a short frame of a server: two octets and what it says
            return answer.read(length)

    def _connected(self, url: str) -> ssl.SSLSocket:
        where = urlsplit(url)
        plain = socket.create_connection(("127.0.0.1", where.port or 443), PATIENCE_S)
        return self.trusts.wrap_socket(plain, server_hostname=where.hostname)
