"""A hold that outages, others or a bug put in doubt is sure again or lost, and never written over, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kolla_k8s.errors import HeldError, OutsideError
from kolla_k8s.orchestrate.lease import DURATION_S, FENCE_S, HEARTBEAT_S, LEASES, OUTAGE_S, hold
from tests.fakes import FakeClock, FakeCluster, Request
from tests.unit.orchestrate.leases import SuspendedClock, claim, held, holder

pytestmark = pytest.mark.usefixtures("no_task_is_left")


def _outage(_request: Request) -> None:
    raise OutsideError("https://fake.cluster", "cannot be reached")


def _bug(request: Request) -> None:
    if request.verb == "update":
        raise KeyError("a bug")


class SilentCluster(FakeCluster):
    """Takes the Lease, and then never answers any more."""

    def __init__(self, _cluster: FakeCluster, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    async def _receive(self, verb: str, resource: Any, namespace: str, name: str = "") -> None:
        if self.peek(LEASES, "kolla-k8s-sky", "openstack") is not None:
            await self._clock.sleep(1e9)
        await super()._receive(verb, resource, namespace, name)


async def test_holder_fences_itself_before_it_can_be_outlived(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    An API that is away for longer than twenty seconds puts the hold in doubt, ten seconds before anyone can take it.
    """
    async with hold(cluster, clock, claim()) as mine:
        await clock.sleep(HEARTBEAT_S + 1)
        renewed_s = HEARTBEAT_S
        cluster.fail = _outage
        await mine.doubt()

        assert FENCE_S == clock.monotonic() - renewed_s < DURATION_S


async def test_holder_fences_itself_when_the_api_is_silent(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    A request that hangs counts as a renewal that failed.
    """
    async with hold(SilentCluster(cluster, clock), clock, claim()) as mine:
        await mine.doubt()

        assert FENCE_S == clock.monotonic()


async def test_short_outage_is_survived(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Two heartbeats may fail: they are repeated sooner than every ten seconds.
    """
    async with hold(cluster, clock, claim()) as mine:
        await clock.sleep(HEARTBEAT_S - 1)
        cluster.fail = _outage
        await clock.sleep(8)
        cluster.fail = lambda _request: None
        await clock.sleep(100)

        assert not mine.lost.is_set()
        assert "ann@a:1:x" == holder(cluster)


async def test_taken_cloud_is_lost_and_not_taken_back(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    When another name stands in the Lease, the hold is lost at the next heartbeat, and the other's Lease is left alone.
    """
    async with hold(cluster, clock, claim()) as mine:
        taken = {"spec": {"holderIdentity": "bob@b:2:y", "leaseTransitions": 2}}
        await cluster.patch(LEASES, "kolla-k8s-sky", taken, "openstack")
        await mine.lost.wait()

        assert clock.monotonic() <= HEARTBEAT_S
    assert "bob@b:2:y" == holder(cluster)


async def test_deleted_lease_is_lost(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Without a Lease nobody is held off, so nobody may go on.
    """
    async with hold(cluster, clock, claim()) as mine:
        await cluster.delete(LEASES, "kolla-k8s-sky", "openstack")
        await mine.lost.wait()

        assert clock.monotonic() <= FENCE_S


async def test_leaving_does_not_wait_for_a_dead_api(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    A run that ends in an outage ends.
    """
    silent = SilentCluster(cluster, clock)
    async with hold(silent, clock, claim()):
        pass

    assert clock.monotonic() <= 5


async def test_bug_of_the_heartbeat_ends_the_hold_and_is_seen(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Whatever ends the heartbeat, the run stops; and the fault is not swallowed.
    """

    async def run() -> None:
        async with hold(cluster, clock, claim()) as mine:
            cluster.fail = _bug
            await mine.lost.wait()
            cluster.fail = lambda _request: None

    with pytest.raises(KeyError, match="a bug"):
        await run()


async def test_hold_is_sure_again_after_a_long_outage(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Nobody could take it meanwhile: the run goes on.
    """
    async with hold(cluster, clock, claim()) as mine:
        cluster.fail = _outage
        await mine.doubt()
        await clock.sleep(100)
        is_sure_meanwhile = mine.is_sure
        cluster.fail = lambda _request: None
        await mine.sure()

        assert not is_sure_meanwhile
        assert clock.monotonic() < FENCE_S + 100 + HEARTBEAT_S
        assert "ann@a:1:x" == holder(cluster)


async def test_hold_that_was_taken_in_an_outage_is_lost(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    It is never written over, and whoever waits for it is told.
    """
    async with hold(cluster, clock, claim()) as mine:
        cluster.fail = _outage
        await mine.doubt()
        lease = held(cluster)
        cluster.put(
            LEASES, {**lease, "spec": {**lease["spec"], "holderIdentity": "bob", "leaseTransitions": 2}}, "openstack"
        )
        cluster.fail = lambda _request: None
        with pytest.raises(HeldError, match="lost to another run"):
            await mine.sure()

    assert "bob" == holder(cluster)


async def test_outage_without_end_ends_the_hold(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    After five minutes.
    """
    async with hold(cluster, clock, claim()) as mine:
        cluster.fail = _outage
        await mine.lost.wait()

        assert OUTAGE_S <= clock.monotonic() < OUTAGE_S + 2 * HEARTBEAT_S


async def test_machine_that_wakes_up_doubts_its_hold_at_once(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Helm is broken off before it writes much, and goes on when nobody has taken the cloud meanwhile.
    """
    mine_own = SuspendedClock(clock, 0.0)
    async with hold(cluster, mine_own, claim()) as mine:
        doubting = asyncio.ensure_future(mine.doubt())
        await clock.sleep(1)
        mine_own.suspended_s = 3600.0
        await doubting
        noticed_s = clock.monotonic()
        await mine.sure()

        assert noticed_s <= 2
        assert clock.monotonic() <= HEARTBEAT_S
