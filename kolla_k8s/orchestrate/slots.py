"""A limited number of places, given to the most important who waits, not to the first."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """So many at once; a higher weight goes first, equals in the order of their names."""

    def __init__(self, count: int) -> None:
        """Offer this many places."""
        self._free = count
        self._waiting: list[tuple[float, str, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def place(self, weight: float, name: str) -> AsyncIterator[None]:
        """Hold a place for the length of a block."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-weight, name, future))
        self._give()
        try:
            await future
            yield
        finally:
            if future.done() and not future.cancelled():
                self._free += 1
            self._give()

    def _give(self) -> None:
        while self._free and self._waiting:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                self._free -= 1
                future.set_result(None)
