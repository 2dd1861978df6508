"""Who may change a cloud: one writer, by a Lease with a heartbeat.

Apart from the run, which only sees whether the hold is sure, in doubt or lost. A holder counts as dead when its Lease
did not move for the whole duration on *our* monotonic clock; no decision to take a Lease compares two machines' clocks.
A holder that cannot renew changes nothing any more well before that (it fences itself) until it has renewed: so two
never hold at once, and an outage of the API ends no run. See https://kubernetes.io/docs/concepts/architecture/leases/.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from kolla_k8s.errors import ConflictError, HeldError, OutsideError
from kolla_k8s.ports import Clock, Cluster, KubeObject, Resource

LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
DURATION_S = 30.0
HEARTBEAT_S = 10.0
RETRY_S = 2.0
FENCE_S = 20.0
OUTAGE_S = 300.0
ANSWER_S = 5.0
STALE_S = HEARTBEAT_S + ANSWER_S
LOOK_S = 1.0
LOOKS = math.ceil(DURATION_S / LOOK_S)
FAREWELL_S = 5.0
COMMAND = "kolla-k8s.io/command"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wants the cloud: ``user@host:pid:random``, and the command for others to see."""

    identity: str
    command: str


class Fate(StrEnum):
    """What is known for certain of a run.

    Of one that is GONE nothing is left, and nobody waits for it; one that is ENDING has died, but what it has started
    works on; one that is UNKNOWN lives, or ran where we cannot look.
    """

    GONE = "gone"
    ENDING = "ending"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Claim:
    """The Lease to hold: its name and namespace, who holds it, and how to learn the fate of a holder's identity."""

    cloud: str
    namespace: str
    holder: Holder
    fate: Callable[[str], Fate] = lambda _identity: Fate.UNKNOWN

    @property
    def name(self) -> str:
        """Name of the Lease."""
        return f"kolla-k8s-{self.cloud}"


class Hold:
    """A cloud that is held, as far as its holder can know.

    When the API is away for longer than ``FENCE_S`` nobody can tell whose the cloud is: the hold is in doubt, and
    nothing may be changed until the Lease was renewed. Only who finds another's name in it has lost it.

    Attributes:
        lost: Set when the cloud is another's, or was not renewed for ``OUTAGE_S``.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin in doubt."""
        self.lost = asyncio.Event()
        self._clock = clock
        self._until_s = -math.inf
        self._news = asyncio.Event()

    @property
    def is_sure(self) -> bool:
        """Whether nobody else can hold the cloud at this moment."""
        return not self.lost.is_set() and self._clock.monotonic() < self._until_s

    def renew(self, since_s: float) -> None:
        """Take note of a renewal that was asked for at that time."""
        self._until_s = since_s + FENCE_S
        self._wake()

    def lose(self) -> None:
        """Take note that it is over."""
        self.lost.set()
        self._wake()

    async def sure(self) -> None:
        """Return when the hold is sure; HeldError when it is lost."""
        while not self.is_sure:
            if self.lost.is_set():
                raise HeldError("the hold of the cloud was lost to another run")
            await self._news.wait()

    async def doubt(self) -> None:
        """Return when the hold is in doubt, or lost."""
        while self.is_sure:
            rest_s = self._until_s - self._clock.monotonic()
            await self._clock.sleep(min(LOOK_S, max(0.01, rest_s)))  # a machine that was suspended sleeps longer

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


@asynccontextmanager
async def hold(cluster: Cluster, clock: Clock, claim: Claim) -> AsyncIterator[Hold]:
    """Hold the cloud for the length of a block.

    Yields:
        What is known of the hold: whoever finds it in doubt changes nothing, whoever finds it lost stops.

    Raises:
        HeldError: Another run holds it. At once, when by our wall clock no heartbeat is missing; when one is, as soon
            as it moves. A holder that never moves is outlived, which takes ``DURATION_S``.
    """
    lease, renewed_s = await _acquire(cluster, clock, claim)
    mine = Hold(clock)
    mine.renew(renewed_s)
    beating = asyncio.create_task(_beat(cluster, clock, lease, renewed_s, mine))
    beating.add_done_callback(lambda _: mine.lose())  # whatever ends the heartbeat ends the hold
    try:
        yield mine
    finally:
        beating.cancel()
        await asyncio.wait([beating])
        with contextlib.suppress(OutsideError, TimeoutError):
            await _within(clock, FAREWELL_S, _release(cluster, claim))
        if not beating.cancelled() and (error := beating.exception()):
            raise error


async def _acquire(cluster: Cluster, clock: Clock, claim: Claim) -> tuple[KubeObject, float]:
    """The Lease as we hold it, and since when."""
    seen = await cluster.get(LEASES, claim.name, claim.namespace)
    if seen is not None and seen["spec"].get("holderIdentity"):
        seen = await _outlive(cluster, clock, claim, seen)
    asked_s = clock.monotonic()
    mine = _lease(clock, claim, seen or {})
    try:
        if seen is None:
            return await cluster.create(LEASES, mine, claim.namespace), asked_s
        return await cluster.replace(LEASES, mine, claim.namespace), asked_s
    except ConflictError:
        winner = await cluster.get(LEASES, claim.name, claim.namespace)
        raise HeldError(_who(clock, winner or {}, claim)) from None


async def unlock(cluster: Cluster, clock: Clock, claim: Claim, *, is_forced: bool = False) -> str:
    """Take the hold away from a run that is dead; gives who held it, empty when nobody did.

    Raises:
        HeldError: The holder lives, or may, and this is not forced; found out as by ``hold``.
    """
    lease = await cluster.get(LEASES, claim.name, claim.namespace)
    if lease is not None and lease["spec"].get("holderIdentity") and not is_forced:
        lease = await _outlive(cluster, clock, claim, lease)
    who = str(lease["spec"].get("holderIdentity") or "") if lease else ""
    if lease is None or not who:
        return ""
    await cluster.replace(LEASES, {**lease, "spec": {**lease["spec"], "holderIdentity": ""}}, claim.namespace)
    return who


async def _outlive(cluster: Cluster, clock: Clock, claim: Claim, seen: KubeObject) -> KubeObject | None:
    """The Lease of a holder that is seen to be dead (or has gone); HeldError for one that lives.

    The wall clock only shortens the wait of whoever will be refused anyway: a wrong one never takes a Lease. Looks are
    counted, not seconds: our machine may have slept between two.
    """
    if await _has_ended(clock, claim, seen):
        return seen
    if abs(_age_s(clock, seen, "renewTime")) < STALE_S:
        raise HeldError(_who(clock, seen, claim))
    for _ in range(LOOKS):
        await clock.sleep(LOOK_S)
        again = await cluster.get(LEASES, claim.name, claim.namespace)
        if again is None or not again["spec"].get("holderIdentity"):
            return again
        if again["spec"] != seen["spec"]:
            raise HeldError(_who(clock, again, claim))
        seen = again
    return seen


async def _has_ended(clock: Clock, claim: Claim, seen: KubeObject) -> bool:
    """Whether the holder is known to have ended; HeldError when what it left at work here outlasts ``DURATION_S``."""
    for _ in range(LOOKS):
        fate = claim.fate(seen["spec"]["holderIdentity"])
        if fate is not Fate.ENDING:
            return fate is Fate.GONE
        await clock.sleep(LOOK_S)
    raise HeldError(f"{_held_by(clock, seen, claim)}; helm of it still works here, end it and repeat")


def _lease(clock: Clock, claim: Claim, before: KubeObject) -> KubeObject:
    now = _spelled(clock.wall())
    about = before.get("metadata", {})
    notes = {**about.get("annotations", {}), COMMAND: claim.holder.command}
    moves = int(before.get("spec", {}).get("leaseTransitions", 0)) + 1
    spec = {
        "holderIdentity": claim.holder.identity,
        "leaseDurationSeconds": int(DURATION_S),
        "acquireTime": now,
        "renewTime": now,
        "leaseTransitions": moves,
    }
    metadata = {**about, "name": claim.name, "annotations": notes}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


async def _beat(cluster: Cluster, clock: Clock, lease: KubeObject, renewed_s: float, mine: Hold) -> None:
    """Renew until the hold is lost: taken by another, or not renewed for ``OUTAGE_S``."""
    pause_s = HEARTBEAT_S
    while True:
        await clock.sleep(pause_s)
        asked_s = clock.monotonic()  # the hold counts from the request: its answer may have been long on its way
        try:
            renewed = await _within(clock, ANSWER_S, _renew(cluster, clock, lease))
        except (OutsideError, TimeoutError):
            if clock.monotonic() - renewed_s >= OUTAGE_S:
                return
            pause_s = RETRY_S
            continue
        if renewed is None:
            return
        lease, renewed_s, pause_s = renewed, asked_s, HEARTBEAT_S
        mine.renew(renewed_s)


async def _renew(cluster: Cluster, clock: Clock, lease: KubeObject) -> KubeObject | None:
    """The Lease with a new time; None when it is not ours any more."""
    about, spec = lease["metadata"], {**lease["spec"], "renewTime": _spelled(clock.wall())}
    try:
        return await cluster.replace(LEASES, {**lease, "spec": spec}, about["namespace"])
    except (ConflictError, OutsideError):  # it moved, or it is gone; in an outage this fails, too
        there = await cluster.get(LEASES, about["name"], about["namespace"])
    if there is None or any(there["spec"].get(key) != spec[key] for key in ("holderIdentity", "leaseTransitions")):
        return None
    return await cluster.replace(LEASES, {**there, "spec": spec}, about["namespace"])  # only labels or notes had moved


async def _release(cluster: Cluster, claim: Claim) -> None:
    lease = await cluster.get(LEASES, claim.name, claim.namespace)
    if lease and lease["spec"].get("holderIdentity") == claim.holder.identity:
        spec = {**lease["spec"], "holderIdentity": ""}
        await cluster.replace(LEASES, {**lease, "spec": spec}, claim.namespace)


async def _within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; TimeoutError (and the work cancelled) when it takes longer by the clock."""
    working, alarm = asyncio.ensure_future(work), asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((working, alarm), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise TimeoutError
        return working.result()
    finally:
        working.cancel()
        alarm.cancel()
        await asyncio.gather(working, alarm, return_exceptions=True)


def _age_s(clock: Clock, lease: KubeObject, field: str) -> float:
    """Seconds since a time of the Lease by our wall clock; infinite when it has none."""
    try:
        moment = datetime.fromisoformat(lease["spec"].get(field) or "")
    except ValueError:
        return math.inf
    return clock.wall() - moment.timestamp()


def _spelled(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _who(clock: Clock, lease: KubeObject, claim: Claim) -> str:
    if not lease.get("spec", {}).get("holderIdentity"):
        return f"cloud {claim.cloud}: another run was faster; repeat to see which"
    return f"{_held_by(clock, lease, claim)}; wait for it, or end it and repeat after {DURATION_S:.0f} s"


def _held_by(clock: Clock, lease: KubeObject, claim: Claim) -> str:
    command = lease["metadata"].get("annotations", {}).get(COMMAND, "a run")
    held, seen = (_words(_age_s(clock, lease, field)) for field in ("acquireTime", "renewTime"))
    who = lease["spec"]["holderIdentity"]
    return f"cloud {claim.cloud}: held by {who} ({command}) since {held}, last seen {seen}"


def _words(age_s: float) -> str:
    return f"{max(0.0, age_s):.0f} s ago" if math.isfinite(age_s) else "an unknown time"
