"""What does the step that runs right now say about its own progress?

Only the container knows whether it waits for a port, for a bootstrap or works on row 4000: the last line of its log
says so. It is read in the background, a request every two seconds for what is being waited for, so that no judgement
waits for a log. Text that changes in more than whole numbers counts as progress.
"""

from __future__ import annotations

import asyncio
import re

from kolla_k8s.errors import KollaK8sError
from kolla_k8s.orchestrate.records import said
from kolla_k8s.orchestrate.why import Blocker
from kolla_k8s.ports import Clock, Cluster

LOG_PERIOD_S = 2.0


class LogLine:
    """The last log line of one container at a time.

    Attributes:
        line: What it said last; empty when nothing is known yet.
        is_open: Whether there is a container to listen to.
    """

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        """Listen to nobody."""
        self.line = ""
        self.is_open = False
        self._cluster, self._clock = cluster, clock
        self._place = ("", "")
        self._next_s = clock.monotonic()
        self._reading: asyncio.Task[None] | None = None
        self._facts: set[tuple[str, ...]] = set()

    def follow(self, blocker: Blocker | None, namespace: str) -> None:
        """Listen to the container that a blocker names when that is at work, else to nobody."""
        self.is_open = blocker is not None and blocker.is_working
        place = (blocker.pod, blocker.container) if blocker and blocker.is_working else ("", "")
        if place != self._place:
            self.close()
            self._place, self.line, self._next_s = place, "", self._clock.monotonic()
        is_busy = self._reading is not None and not self._reading.done()
        if self.is_open and not is_busy and self._clock.monotonic() >= self._next_s:
            self._next_s = self._clock.monotonic() + LOG_PERIOD_S
            self._reading = asyncio.create_task(self._read(namespace, *place))

    def facts(self) -> frozenset[tuple[str, ...]]:
        """Give everything that was said so far, without its numbers."""
        return frozenset(self._facts)

    def close(self) -> None:
        """Stop listening."""
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self, namespace: str, pod: str, container: str) -> None:
        try:
            lines = said(await self._cluster.logs(namespace, pod, container, lines=1))
        except KollaK8sError:
            return  # the container may be gone by now: its pod will tell
        last = lines[-1] if lines else ""
        self.line = last or self.line
        self._facts.add((pod, container, re.sub(r"\b\d+\b", "", last)))
