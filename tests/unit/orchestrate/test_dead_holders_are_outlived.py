"""A cloud is taken from the dead, and from nobody who lives or may live still, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from kolla_k8s.errors import HeldError
from kolla_k8s.orchestrate.lease import DURATION_S, LEASES, Claim, Fate, hold, unlock
from tests.fakes import FakeClock, FakeCluster, SkewedClock
from tests.unit.orchestrate.leases import BOB, SuspendedClock, claim, held, holder, leave_dead

pytestmark = pytest.mark.usefixtures("no_task_is_left")


@pytest.mark.parametrize("ahead_s", [-600.0, 0.0, 600.0])
async def test_dead_holder_is_outlived(cluster: FakeCluster, clock: FakeClock, ahead_s: float) -> None:
    """
    A Lease that does not move for its whole duration before our eyes is taken, whatever the clocks say.
    """
    await leave_dead(cluster, SkewedClock(clock, ahead_s), claim())
    await clock.sleep(DURATION_S + 1)
    began_s = clock.monotonic()
    async with hold(cluster, clock, BOB):
        took_s = clock.monotonic() - began_s

        assert DURATION_S <= took_s <= DURATION_S + 2
        assert ("bob@b:2:y", 2) == (holder(cluster), held(cluster)["spec"]["leaseTransitions"])


async def test_dead_holder_is_named_as_long_as_it_could_live(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Right after a kill -9 nobody can know: the next run is refused, not let in.
    """
    await leave_dead(cluster, clock, claim())
    await clock.sleep(5)

    with pytest.raises(HeldError, match="last seen 5 s ago"):
        await hold(cluster, clock, BOB).__aenter__()


async def test_who_asks_again_and_again_takes_over_from_the_dead_soon(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Within one and a half times the Lease's duration: once a heartbeat is missing, the next run watches.
    """
    await leave_dead(cluster, clock, claim())
    died_s, taken_s = clock.monotonic(), None
    while taken_s is None:
        await clock.sleep(1)
        with suppress(HeldError):
            async with hold(cluster, clock, BOB):
                taken_s = clock.monotonic()

    assert taken_s - died_s <= 1.5 * DURATION_S + 1


async def test_label_does_not_keep_a_dead_holder_alive(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Only a renewal is a sign of life.
    """
    await leave_dead(cluster, clock, claim())
    await clock.sleep(60)

    async def label() -> None:
        for number in range(100):
            await cluster.patch(LEASES, "kolla-k8s-sky", {"metadata": {"labels": {"n": str(number)}}}, "openstack")
            await clock.sleep(5)

    labelling = asyncio.create_task(label())
    async with hold(cluster, clock, BOB):
        labelling.cancel()

        assert "bob@b:2:y" == holder(cluster)


@pytest.mark.parametrize("verb", ["delete", "release"])
async def test_dead_holder_that_is_removed_by_hand_is_not_waited_for(
    cluster: FakeCluster, clock: FakeClock, verb: str
) -> None:
    """
    An operator who knows better deletes the Lease, and the waiting run goes on.
    """
    await leave_dead(cluster, clock, claim())
    await clock.sleep(60)

    async def remove() -> None:
        await clock.sleep(3.5)
        if verb == "delete":
            await cluster.delete(LEASES, "kolla-k8s-sky", "openstack")
        else:
            await cluster.patch(LEASES, "kolla-k8s-sky", {"spec": {"holderIdentity": None}}, "openstack")

    removing = asyncio.create_task(remove())
    began_s = clock.monotonic()
    async with hold(cluster, clock, BOB):
        assert clock.monotonic() - began_s < 6
    await removing


async def test_twenty_heirs_of_the_dead_are_one(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    When many have outlived a holder in the same second, the version decides.
    """
    await leave_dead(cluster, clock, claim())
    await clock.sleep(60)
    most_s, inside, refused = 0, 0, 0

    async def run(who: str) -> None:
        nonlocal most_s, inside, refused
        try:
            async with hold(cluster, clock, claim(who)):
                inside += 1
                most_s = max(most_s, inside)
                await clock.sleep(50)
                inside -= 1
        except HeldError:
            refused += 1

    await asyncio.gather(*(run(f"run-{number}") for number in range(20)))

    assert (1, 19) == (most_s, refused)


async def test_lease_without_times_is_outlived_too(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    What another program wrote is judged by whether it moves.
    """
    body = {"metadata": {"name": "kolla-k8s-sky"}, "spec": {"holderIdentity": "stranger"}}
    cluster.put(LEASES, body, "openstack")
    async with hold(cluster, clock, BOB):
        assert DURATION_S <= clock.monotonic() <= DURATION_S + 2


async def test_heir_that_was_suspended_does_not_outlive_the_living(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    It did not see that nothing moved: it saw nothing.
    """
    its_own = SuspendedClock(clock, 600.0)
    async with hold(cluster, clock, claim()) as mine:
        waiting = asyncio.ensure_future(hold(cluster, its_own, BOB).__aenter__())
        await clock.sleep(1)
        its_own.suspended_s = 3600.0
        with pytest.raises(HeldError, match="held by ann"):
            await waiting

        assert not mine.lost.is_set()


def heir(clock: FakeClock, *, ends_s: float) -> Claim:
    """A claim of who knows that ann's run is dead, and that her helm ends then."""

    def fate(who: str) -> Fate:
        if who != "ann@a:1:x":
            return Fate.UNKNOWN
        return Fate.GONE if clock.monotonic() >= ends_s else Fate.ENDING

    return Claim("sky", "openstack", BOB.holder, fate)


async def test_holder_known_to_be_gone_is_not_waited_for(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    A run that was killed on this machine: the next one goes on at once.
    """
    await leave_dead(cluster, clock, claim())
    began_s = clock.monotonic()

    async with hold(cluster, clock, heir(clock, ends_s=0.0)):
        assert BOB.holder.identity == holder(cluster)

    assert 1 > clock.monotonic() - began_s


async def test_helm_of_a_dead_run_is_waited_for(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    As long as it works, it may change anything.
    """
    await leave_dead(cluster, clock, claim())
    began_s = clock.monotonic()

    async with hold(cluster, clock, heir(clock, ends_s=began_s + 7)):
        assert 7 <= clock.monotonic() - began_s < 9


@pytest.mark.parametrize("silent_s", [0.0, 3600.0])
async def test_helm_of_a_dead_run_that_does_not_end_keeps_the_cloud(
    cluster: FakeCluster, clock: FakeClock, silent_s: float
) -> None:
    """
    However old the last sign of its run is.
    """
    await leave_dead(cluster, clock, claim())
    await clock.sleep(silent_s)
    began_s = clock.monotonic()
    with pytest.raises(HeldError, match=r"held by ann@a:1:x .*; helm of it still works here, end it and repeat"):
        await hold(cluster, clock, heir(clock, ends_s=1e9)).__aenter__()

    assert DURATION_S <= clock.monotonic() - began_s <= DURATION_S + 2


async def test_unlock_takes_a_cloud_from_the_dead_only(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Not from a run that gave a sign lately, unless forced.
    """
    await leave_dead(cluster, clock, claim())
    with pytest.raises(HeldError, match="held by ann"):
        await unlock(cluster, clock, BOB)

    forced = await unlock(cluster, clock, BOB, is_forced=True)
    again = await unlock(cluster, clock, BOB)

    assert ("ann@a:1:x", "", "") == (forced, again, holder(cluster))


async def test_unlock_takes_a_cloud_that_does_not_move(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    Without force, when it has stood still before our eyes.
    """
    await leave_dead(cluster, clock, claim())
    await clock.sleep(DURATION_S + 1)
    began_s = clock.monotonic()

    assert "ann@a:1:x" == await unlock(cluster, clock, BOB)
    assert DURATION_S <= clock.monotonic() - began_s <= DURATION_S + 2


@pytest.mark.parametrize("ahead_s", [-600.0, 600.0])
async def test_unlock_by_a_wrong_clock_takes_no_cloud_from_the_living(
    cluster: FakeCluster, clock: FakeClock, ahead_s: float
) -> None:
    """
    The Lease looks old, and moves.
    """
    async with hold(cluster, clock, claim()) as mine:
        with pytest.raises(HeldError, match="held by ann@a:1:x"):
            await unlock(cluster, SkewedClock(clock, ahead_s), BOB)

        assert not mine.lost.is_set()
