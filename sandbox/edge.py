"""Play the load balancer of a real site: end TLS and carry each host name to the node port of its public Service.

For tests only: it asks the API for every connection, and lets a connection carry one request, to which it adds what a
load balancer adds. ``keystone.cloud.sandbox`` is the Service ``keystone-public``, in whatever namespace.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

from sandbox.api import Api
from sandbox.forward import pipe
from sandbox.layout import NODE

HEAD_BYTES = 65536
PATIENCE_S = 30
_OURS = re.compile(rb"^(connection|x-forwarded-[a-z]+):", re.IGNORECASE)


def forwarded(head: bytes) -> tuple[str, bytes]:
    r"""Host name of a request, and its head as the service behind gets it.

    >>> forwarded(b"GET / HTTP/1.1\r\nHost: a.sandbox:8443\r\nConnection: keep-alive\r\n\r\n")
    ('a.sandbox', b'GET / HTTP/1.1\r\nHost: a.sandbox:8443\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n')
    """
    first, *lines = head.rstrip(b"\r\n").split(b"\r\n")
    hosts = [line.partition(b":")[2].strip().decode() for line in lines if line.lower().startswith(b"host:")]
    is_upgrade = any(line.lower().startswith(b"upgrade:") for line in lines)
    kept = [line for line in lines if not _OURS.match(line)]
    added = [b"X-Forwarded-Proto: https", b"Connection: " + (b"Upgrade" if is_upgrade else b"close")]
    return hosts[0].partition(":")[0] if hosts else "", b"\r\n".join([first, *kept, *added, b"", b""])


def node_port(api: Api, host: str) -> int:
    """Node port of a host name's Service; 0 when there is none."""
    name = host.partition(".")[0] + "-public"
    services = api.items(f"/api/v1/services?fieldSelector=metadata.name%3D{name}")
    return next((int(p.get("nodePort", 0)) for s in services for p in s["spec"]["ports"]), 0)


class Edge:
    """What the edge knows: how to find a host's node port, and the node that answers there."""

    def __init__(self, find: Callable[[str], int], node: str = NODE) -> None:
        """Prepare; nothing is asked yet."""
        self.find, self.node = find, node

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection; 502 says that nothing stands behind its name."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                host, head = forwarded(await reader.readuntil(b"\r\n\r\n"))
                port = await asyncio.to_thread(self.find, host)
            try:
                there = await asyncio.open_connection(self.node, port)
            except OSError:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
            else:
                there[1].write(head)
                await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer))
        writer.close()


async def _serve(listener: socket.socket, state: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(state / "pki/edge.crt", state / "pki/edge.key")
    edge = Edge(lambda host: node_port(Api(state / "pki", "agent", NODE, 6443), host))
    server = await asyncio.start_server(edge.carry, sock=listener, ssl=context, limit=HEAD_BYTES)
    await server.serve_forever()


if __name__ == "__main__":
    handle, folder = sys.argv[1:]
    asyncio.run(_serve(socket.socket(fileno=int(handle)), Path(folder)))
