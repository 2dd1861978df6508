"""One writer at a time: a cloud is taken, kept from others and left again, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from kolla_k8s.errors import HeldError
from kolla_k8s.orchestrate.lease import HEARTBEAT_S, LEASES, hold
from tests.fakes import FakeClock, FakeCluster, Request, SkewedClock
from tests.unit.orchestrate.leases import BOB, claim, held, holder

pytestmark = pytest.mark.usefixtures("no_task_is_left")


async def test_held_cloud_is_kept_by_a_heartbeat(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Over a long run, the Lease is renewed every ten seconds and never lost.
    """
    async with hold(cluster, clock, claim()) as mine:
        await clock.sleep(1000)
        renewals = [request for request in cluster.requests if request.verb == "update"]

        assert not mine.lost.is_set()
        assert ("ann@a:1:x", 30, 1) == tuple(
            held(cluster)["spec"][key] for key in ("holderIdentity", "leaseDurationSeconds", "leaseTransitions")
        )
        assert len(renewals) in (99, 100)
        assert "kolla-k8s install" == held(cluster)["metadata"]["annotations"]["kolla-k8s.io/command"]


async def test_live_holder_is_named_at_once(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Who comes second reads who holds the cloud, with what, since when, and what to do.
    """
    async with hold(cluster, clock, claim()):
        await clock.sleep(95)
        began_s = clock.monotonic()
        with pytest.raises(HeldError) as raised:
            await hold(cluster, clock, BOB).__aenter__()

        assert clock.monotonic() - began_s < 3
        expected = "cloud sky: held by ann@a:1:x (kolla-k8s install) since 95 s ago, last seen 5 s ago; "
        assert f"{expected}wait for it, or end it and repeat after 30 s" == str(raised.value)


@pytest.mark.parametrize("ahead_s", [-600.0, -40.0, 40.0, 600.0])
async def test_wrong_clock_takes_no_cloud_from_the_living(
    cluster: FakeCluster, clock: FakeClock, ahead_s: float
) -> None:
    """
    A machine whose clock is wrong sees the Lease move, and is refused.
    """
    async with hold(cluster, clock, claim()) as mine:
        await clock.sleep(7)
        began_s = clock.monotonic()
        with pytest.raises(HeldError, match="held by ann@a:1:x"):
            await hold(cluster, SkewedClock(clock, ahead_s), BOB).__aenter__()

        assert clock.monotonic() - began_s <= HEARTBEAT_S + 1
        assert not mine.lost.is_set()


async def test_of_many_at_once_one_holds(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    However many start in the same moment, exactly one gets in.
    """
    inside: list[str] = []
    refused: list[str] = []

    async def run(who: str) -> None:
        try:
            async with hold(cluster, clock, claim(who)):
                inside.append(who)
                await clock.sleep(100)
        except HeldError as error:
            refused.append(str(error))

    await asyncio.gather(*(run(f"run-{number}") for number in range(20)))

    assert 1 == len(inside)
    assert 19 == len(refused)
    assert "" == holder(cluster)


async def test_note_of_another_does_not_end_the_hold(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    An annotation set by hand moves the version, not the holder.
    """
    async with hold(cluster, clock, claim()) as mine:
        await cluster.patch(LEASES, "kolla-k8s-sky", {"metadata": {"annotations": {"note": "hello"}}}, "openstack")
        await clock.sleep(100)

        assert not mine.lost.is_set()
        assert "hello" == held(cluster)["metadata"]["annotations"]["note"]


async def test_cloud_is_left_when_the_run_fails(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    An error of the run goes through, and the next run need not wait.
    """
    with pytest.raises(ZeroDivisionError):
        async with hold(cluster, clock, claim()):
            raise ZeroDivisionError

    assert "" == holder(cluster)


async def test_cloud_is_left_when_the_run_is_cancelled(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Likewise after an interrupt.
    """

    async def run() -> None:
        async with hold(cluster, clock, claim()):
            await clock.sleep(1000)

    running = asyncio.create_task(run())
    await clock.sleep(5)
    running.cancel()
    await asyncio.wait([running])

    assert running.cancelled()
    assert "" == holder(cluster)


async def test_faster_run_that_has_left_again_is_not_named(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    It took the Lease while we wrote ours, and holds it no more.
    """

    def be_faster(request: Request) -> None:
        if request.verb == "create":
            cluster.put(LEASES, {"metadata": {"name": "kolla-k8s-sky"}, "spec": {"holderIdentity": ""}}, "openstack")

    cluster.fail = be_faster

    with pytest.raises(HeldError, match="cloud sky: another run was faster; repeat to see which"):
        await hold(cluster, clock, claim()).__aenter__()
