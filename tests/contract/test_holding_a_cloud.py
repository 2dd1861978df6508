"""The Lease of a cloud, on the fake and on a real API server."""

from __future__ import annotations

import pytest

from kolla_k8s.adapters.clock import SystemClock
from kolla_k8s.errors import HeldError
from kolla_k8s.orchestrate.lease import LEASES, Claim, Holder, hold
from kolla_k8s.ports import Cluster


def claim(space: str, who: str) -> Claim:
    return Claim("sky", space, Holder(who, f"kolla-k8s install # {who}"))


class CountingClock(SystemClock):
    """Knows how often it was slept by."""

    slept = 0

    async def sleep(self, seconds: float) -> None:
        """As the machine's clock."""
        self.slept += 1
        await super().sleep(seconds)


async def test_second_holder_is_refused_at_once(cluster: Cluster, space: str) -> None:
    """
    The loser learns without waiting who holds the cloud and with which command.
    """
    clock = CountingClock()
    async with hold(cluster, SystemClock(), claim(space, "ann@a:1:x")):
        with pytest.raises(HeldError, match=r"held by ann@a:1:x \(kolla-k8s install # ann@a:1:x\) since \d+ s ago"):
            async with hold(cluster, clock, claim(space, "bob@b:2:y")):
                pytest.fail("two hold at once")

    assert 0 == clock.slept


async def test_released_cloud_is_free_at_once(cluster: Cluster, space: str) -> None:
    """
    A finished run leaves the Lease without a holder; the next one takes it and counts the change.
    """
    for who in ("ann@a:1:x", "bob@b:2:y"):
        async with hold(cluster, SystemClock(), claim(space, who)) as mine:
            held = await cluster.get(LEASES, "kolla-k8s-sky", space)

            assert held is not None
            assert who == held["spec"]["holderIdentity"]
            assert not mine.lost.is_set()

    left = await cluster.get(LEASES, "kolla-k8s-sky", space)
    assert left is not None
    assert ("", 2) == (left["spec"].get("holderIdentity", ""), left["spec"]["leaseTransitions"])
