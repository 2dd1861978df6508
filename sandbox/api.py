"""Speak to the sandbox's own API server: a dozen requests need no client library."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any


class Api:
    """JSON over HTTPS, as the holder of a client certificate of ``pki``; who asks often keeps the connection."""

    def __init__(self, pki: Path, who: str, host: str, port: int, *, is_kept: bool = False) -> None:
        """Prepare; nothing is sent yet."""
        self.is_kept = is_kept
        self.context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self.context.load_cert_chain(pki / f"{who}.crt", pki / f"{who}.key")
        self.address = (host, port)
        self.connection: http.client.HTTPSConnection | None = None

    def ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> tuple[int, Any]:
        """One request; gives status and JSON (text where it is none). Raises OSError when there is no server."""
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(*self.address, context=self.context, timeout=10)
        text = None if body is None else json.dumps(body)
        try:
            self.connection.request(method, path, text, {"Content-Type": content_type})
            answer = self.connection.getresponse()
            said = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self._close()
            raise OSError(str(error)) from error
        if not self.is_kept:
            self._close()
        try:
            return answer.status, json.loads(said)
        except ValueError:
            return answer.status, said

    def _close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def items(self, path: str) -> list[Any]:
        """Items of a list; empty while the server does not give it."""
        status, body = self.ask("GET", path)
        return list(body["items"]) if status == 200 else []

    def create(self, path: str, body: Any) -> None:
        """Create what may be there already."""
        status, answer = self.ask("POST", path, body)
        if status not in (200, 201, 409):
            raise RuntimeError(f"POST {path}: {status} {answer}")
