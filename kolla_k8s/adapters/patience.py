"""The Helm port for who holds a cloud: patient, and still while nobody can tell whose the cloud is.

Helm itself gives up at the first request that finds nobody, and leaves a record that says it is still at work. Our own
requests outlive an outage (see ``wire``), so between two tries the record is looked up and unlocked through them: by
then the API is back. Apart from the helm program, because it needs a cluster and the hold of the cloud, under which
alone a record may be unlocked. Helm works only while the hold is sure; our own requests see to that in ``wire``.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kolla_k8s.adapters.releases import UNFINISHED, releases, unlock
from kolla_k8s.adapters.wire import OUTAGE_S
from kolla_k8s.adapters.words import UnreachableError
from kolla_k8s.model.plan import HelmRequest
from kolla_k8s.orchestrate.lease import Hold
from kolla_k8s.ports import Clock, Cluster, Helm, KubeObject

TRIES = 8
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 10.0

T = TypeVar("T")


class PatientHelm:
    """A helm that is tried again, for who holds the cloud.

    Up to ``TRIES`` times, while ``stop`` is not set, and not when an outage has lasted for ``OUTAGE_S``.
    """

    def __init__(self, helm: Helm, cluster: Cluster, clock: Clock, stop: asyncio.Event, hold: Hold) -> None:
        """Try this helm again, unlocking its records in this cluster, while the hold of the cloud is sure."""
        self._helm, self._cluster, self._clock, self._stop, self._hold = helm, cluster, clock, stop, hold
        self._random = random.Random()  # noqa: S311 - jitter

    async def version(self) -> str:
        """Version of the program."""
        return await self._helm.version()

    async def upgrade_install(self, request: HelmRequest) -> list[KubeObject]:
        """Install or upgrade; a try that broke off is upgraded from."""
        return await self._tried(
            lambda: self._recorded(request), lambda: self._unlock(request.release, request.namespace)
        )

    async def manifest(self, release: str, namespace: str) -> list[KubeObject]:
        """Objects of the newest revision's manifest."""
        return await self._tried(lambda: self._helm.manifest(release, namespace))

    async def template(self, request: HelmRequest) -> list[KubeObject]:
        """Render without a cluster."""
        return await self._helm.template(request)

    async def uninstall(self, release: str, namespace: str) -> None:
        """Remove a release; a removal that broke off is begun again."""
        await self._tried(lambda: self._helm.uninstall(release, namespace), lambda: self._unlock(release, namespace))

    async def _recorded(self, request: HelmRequest) -> list[KubeObject]:
        """Helm's work, once its record says so too: helm calls an install done whose end it could not record."""
        objects = await self._helm.upgrade_install(request)
        release = (await releases(self._cluster, request.namespace)).get(request.release)
        if release is not None and release.status in UNFINISHED:
            raise UnreachableError(request.release, f"is done, but its record says {release.status}", "run it again")
        return objects

    async def _tried(self, work: Callable[[], Awaitable[T]], between: Callable[[], Awaitable[None]] | None = None) -> T:
        """The work's result; ``UnreachableError`` of the last try when none reached the API's end."""
        pause_s, until_s = FIRST_PAUSE_S, math.inf
        for _ in range(TRIES - 1):
            try:
                return await self._while_sure(work)
            except UnreachableError:
                until_s = min(until_s, self._clock.monotonic() + OUTAGE_S)
                await self._pause(pause_s * self._random.uniform(0.5, 1.5))
                if self._stop.is_set() or self._clock.monotonic() > until_s:
                    raise
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            if between:
                await between()
        return await self._while_sure(work)

    async def _while_sure(self, work: Callable[[], Awaitable[T]]) -> T:
        """The work's result; it is broken off, as by an outage, when the hold comes into doubt meanwhile."""
        await self._hold.sure()
        working, doubting = asyncio.ensure_future(work()), asyncio.ensure_future(self._hold.doubt())
        try:
            await asyncio.wait((working, doubting), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise UnreachableError("helm", "was broken off: the API did not answer for too long", "run it again")
            return working.result()
        finally:
            working.cancel()
            doubting.cancel()
            await asyncio.gather(working, doubting, return_exceptions=True)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond a stop."""
        waiting = [asyncio.ensure_future(one) for one in (self._clock.sleep(seconds), self._stop.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    async def _unlock(self, name: str, namespace: str) -> None:
        release = (await releases(self._cluster, namespace)).get(name)
        if release is not None:
            await unlock(self._cluster, release)
