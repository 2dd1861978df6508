"""Who holds the cloud ``sky``: claims to it, what its Lease says, and machines on which time passes unseen."""

from __future__ import annotations

from typing import Any

from kolla_k8s.orchestrate.lease import LEASES, Claim, Holder, hold
from kolla_k8s.ports import Clock
from tests.fakes import FakeCluster, SkewedClock


def claim(who: str = "ann@a:1:x") -> Claim:
    """The claim of a run."""
    return Claim("sky", "openstack", Holder(who, "kolla-k8s install"))


BOB = claim("bob@b:2:y")


def held(cluster: FakeCluster) -> dict[str, Any]:
    """The Lease of the cloud."""
    lease = cluster.peek(LEASES, "kolla-k8s-sky", "openstack")
    assert lease is not None
    return lease


def holder(cluster: FakeCluster) -> str:
    """Who stands in it."""
    return str(held(cluster)["spec"]["holderIdentity"])


async def leave_dead(cluster: FakeCluster, clock: Clock, who: Claim) -> None:
    """Leave the Lease as a run does that was killed."""
    async with hold(cluster, clock, who):
        lease = held(cluster)
    cluster.put(LEASES, lease, "openstack")


class SuspendedClock(SkewedClock):
    """The same time on a machine that can be suspended: what sleeps on it then sleeps longer."""

    suspended_s = 0.0

    def monotonic(self) -> float:
        """As the other, and as long as it was suspended besides."""
        return super().monotonic() + self.suspended_s
