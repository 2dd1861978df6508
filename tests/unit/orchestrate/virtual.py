"""A loop whose clock jumps: sleeping costs nothing, and time passes only when everyone waits."""

from __future__ import annotations

import asyncio
import selectors


class _Selector(selectors.SelectSelector):
    def __init__(self):
        super().__init__()
        self.loop = None

    def select(self, timeout=None):
        if timeout:
            self.loop.now_s += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self):
        selector = _Selector()
        self.now_s = 0.0
        selector.loop = self
        super().__init__(selector)

    def time(self):
        return self.now_s


class VirtualClock:
    """The Clock port on the running loop."""

    def monotonic(self):
        return asyncio.get_running_loop().time()

    def wall(self):
        return 1_700_000_000.0 + self.monotonic()

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)


def run(coroutine):
    """Run a coroutine in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
