"""Lines to one API server, of which none is left when the pool ends.

A request that is given up closes its line, and TLS then waits for the other end's goodbye: a loop that ends meanwhile
would forget the line, open.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakSet

from kolla_k8s.adapters.aio import aiohttp

BUFFER = 2**21
"""Bytes of a line of a watch: objects may be as large as etcd takes them."""
LIMIT = aiohttp.ClientTimeout(total=300)
"""Of a request that says none of its own."""
TURNS = 20
"""Of the loop, in which a line whose socket was shut finds its end; it needs about five."""


@asynccontextmanager
async def pool(context: ssl.SSLContext, limit: int, **more: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A session of at most so many lines at once (0: of any number); ``more`` is for aiohttp."""
    lines: WeakSet[socket.socket] = WeakSet()

    def line(address: tuple[Any, ...]) -> socket.socket:
        made = socket.socket(*address[:3])
        lines.add(made)
        return made

    connector = aiohttp.TCPConnector(ssl=context, limit=limit, socket_factory=line)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=LIMIT, read_bufsize=BUFFER, **more) as session:
            yield session
    finally:
        for _ in range(TURNS):
            await _shut([one for one in lines if one.fileno() != -1])


async def _shut(lines: list[socket.socket]) -> None:
    for line in lines:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
    if lines:
        await asyncio.sleep(0)
