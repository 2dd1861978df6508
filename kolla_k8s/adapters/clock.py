"""The machine's clock."""

from __future__ import annotations

import asyncio
import time

_WITH_SLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The Clock port over the operating system."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary point; where the system can tell, those too in which the machine was suspended."""
        return time.clock_gettime(_WITH_SLEEP)

    def wall(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        await asyncio.sleep(seconds)
