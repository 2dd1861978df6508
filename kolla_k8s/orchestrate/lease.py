"""One writer for each cloud: a Lease with a heartbeat, judged by what is seen to change, never by other clocks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from kolla_k8s.errors import ConflictError, HeldError, OutsideError
from kolla_k8s.ports import Clock, Cluster, KubeObject, Resource

LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
DURATION_S = 30.0
HEARTBEAT_S = 10.0
FENCE_S = 20.0
LOOK_S = 12.0
COMMAND = "kolla-k8s.io/command"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wants the cloud: ``user@host:pid:random``, and the command for others to see."""

    identity: str
    command: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The Lease to hold: its name and namespace, and who holds it."""

    cloud: str
    namespace: str
    holder: Holder

    @property
    def name(self) -> str:
        """Name of the Lease."""
        return f"kolla-k8s-{self.cloud}"


@asynccontextmanager
async def hold(cluster: Cluster, clock: Clock, claim: Claim) -> AsyncIterator[asyncio.Event]:
    """Hold the cloud for the length of a block.

    Yields:
        An event that is set when the hold was lost: whoever sees it stops changing things.

    Raises:
        HeldError: Another run holds it and is seen to live, within three seconds of asking.
    """
    lease = await _acquire(cluster, clock, claim)
    lost = asyncio.Event()
    beating = asyncio.create_task(_beat(cluster, clock, lease, lost))
    try:
        yield lost
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
        with contextlib.suppress(OutsideError):
            await _release(cluster, claim)


async def _acquire(cluster: Cluster, clock: Clock, claim: Claim) -> KubeObject:
    seen = await cluster.get(LEASES, claim.name, claim.namespace)
    if seen is None:
        with contextlib.suppress(ConflictError):
            return await cluster.create(
                LEASES, _lease(clock, claim, {"metadata": {"name": claim.name}}), claim.namespace
            )
        seen = await cluster.get(LEASES, claim.name, claim.namespace)
    while seen is not None and seen["spec"].get("holderIdentity"):
        if _age_s(clock, seen) < DURATION_S:
            raise HeldError(_who(clock, seen, claim))
        # The other clock may be wrong: it counts as dead only if nothing moves while we look.
        await clock.sleep(LOOK_S)
        again = await cluster.get(LEASES, claim.name, claim.namespace)
        if again is None or again["metadata"]["resourceVersion"] == seen["metadata"]["resourceVersion"]:
            seen = again
            break
        seen = again
    try:
        return await cluster.replace(LEASES, _lease(clock, claim, seen or {}), claim.namespace)
    except ConflictError:
        seen = await cluster.get(LEASES, claim.name, claim.namespace)
        raise HeldError(_who(clock, seen or {}, claim)) from None


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


async def _beat(cluster: Cluster, clock: Clock, lease: KubeObject, lost: asyncio.Event) -> None:
    about, renewed_s = lease["metadata"], clock.monotonic()
    while not lost.is_set():
        await clock.sleep(HEARTBEAT_S)
        spec = {**lease["spec"], "renewTime": _spelled(clock.wall())}
        try:
            async with asyncio.timeout(FENCE_S - HEARTBEAT_S):
                lease = await cluster.replace(LEASES, {**lease, "spec": spec}, about["namespace"])
            renewed_s = clock.monotonic()
        except ConflictError:
            lost.set()
        except (OutsideError, TimeoutError):
            if clock.monotonic() - renewed_s > FENCE_S:
                lost.set()


async def _release(cluster: Cluster, claim: Claim) -> None:
    lease = await cluster.get(LEASES, claim.name, claim.namespace)
    if lease and lease["spec"].get("holderIdentity") == claim.holder.identity:
        spec = {**lease["spec"], "holderIdentity": ""}
        await cluster.replace(LEASES, {**lease, "spec": spec}, claim.namespace)


def _age_s(clock: Clock, lease: KubeObject) -> float:
    renewed = lease["spec"].get("renewTime") or "1970-01-01T00:00:00.000000Z"
    return clock.wall() - datetime.strptime(renewed, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()


def _spelled(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _who(clock: Clock, lease: KubeObject, claim: Claim) -> str:
    spec = lease.get("spec", {})
    command = lease.get("metadata", {}).get("annotations", {}).get(COMMAND, "a run")
    age = f"{max(0.0, _age_s(clock, lease)):.0f} s ago" if spec else "just now"
    who = spec.get("holderIdentity", "another run")
    return f"cloud {claim.cloud}: held by {who} ({command}), last seen {age}; wait for it, or end it and repeat"
