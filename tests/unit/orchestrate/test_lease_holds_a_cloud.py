"""One writer at a time: taking, keeping, losing and leaving a cloud, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from kolla_k8s.errors import HeldError, OutsideError
from kolla_k8s.orchestrate.lease import (
    DURATION_S,
    FENCE_S,
    HEARTBEAT_S,
    LEASES,
    OUTAGE_S,
    Claim,
    Fate,
    Holder,
    hold,
    unlock,
)
from kolla_k8s.ports import Clock
from tests.fakes import FakeClock, FakeCluster, Request, SkewedClock


def claim(who: str = "ann@a:1:x") -> Claim:
    return Claim("sky", "openstack", Holder(who, "kolla-k8s install"))


BOB = claim("bob@b:2:y")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def held(cluster: FakeCluster) -> dict[str, Any]:
    lease = cluster.peek(LEASES, "kolla-k8s-sky", "openstack")
    assert lease is not None
    return lease


def holder(cluster: FakeCluster) -> str:
    return str(held(cluster)["spec"]["holderIdentity"])


async def leave_dead(cluster: FakeCluster, clock: Clock, who: Claim) -> None:
    """Leave the Lease as a run does that was killed."""
    async with hold(cluster, clock, who):
        lease = held(cluster)
    cluster.put(LEASES, lease, "openstack")


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


async def test_lease_without_times_is_outlived_too(cluster: FakeCluster, clock: FakeClock) -> None:
    """
    What another program wrote is judged by whether it moves.
    """
    body = {"metadata": {"name": "kolla-k8s-sky"}, "spec": {"holderIdentity": "stranger"}}
    cluster.put(LEASES, body, "openstack")
    async with hold(cluster, clock, BOB):
        assert DURATION_S <= clock.monotonic() <= DURATION_S + 2


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


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    """Every heartbeat ends with its block."""
    yield
    beats = [task for task in asyncio.all_tasks() if "_beat" in str(task.get_coro())]
    assert [] == [task for task in beats if not task.done()]


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


def heir(clock: FakeClock, *, ends_s: float) -> Claim:
    """A claim of who knows that ann's run is dead, and that her helm ends then."""

    def fate(who: str) -> Fate:
        if who != "ann@a:1:x":
            return Fate.UNKNOWN
        return Fate.GONE if clock.monotonic() >= ends_s else Fate.ENDING

    return Claim("sky", "openstack", BOB.holder, fate)


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


class SuspendedClock(SkewedClock):
    """The same time on a machine that can be suspended: what sleeps on it then sleeps longer."""

    suspended_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.suspended_s


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
