"""Helm is tried again when the API was away, and only then."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kolla_k8s.adapters.patience import TRIES, PatientHelm
from kolla_k8s.adapters.releases import releases
from kolla_k8s.adapters.wire import OUTAGE_S
from kolla_k8s.adapters.words import HelmError, UnreachableError
from kolla_k8s.errors import HeldError
from kolla_k8s.model.plan import HelmRequest
from kolla_k8s.orchestrate.lease import FENCE_S, Hold
from kolla_k8s.ports import KubeObject
from tests.fakes import FakeCluster, FakeHelm
from tests.unit.orchestrate.virtual import VirtualClock, run

REQUEST = HelmRequest("keystone", "openstack", Path("keystone"), {}, digest="d")
GONE = UnreachableError("keystone", "dial tcp: connection refused")
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


class Shaky(FakeHelm):
    """A helm whose next calls end as told, after it has left a record that is still pending."""

    def __init__(self, cluster: FakeCluster, *errors: Exception) -> None:
        super().__init__(cluster, VirtualClock(), {"keystone": [MAP]}, takes_s=1.0)
        self.errors = list(errors)
        self.tries = 0

    async def upgrade_install(self, request: HelmRequest) -> list[KubeObject]:
        self.tries += 1
        if not self.errors:
            return await super().upgrade_install(request)
        self.dies.add("keystone")
        with pytest.raises(HelmError):
            await super().upgrade_install(request)
        raise self.errors.pop(0)


class Forgetful(Shaky):
    """A helm whose first call leaves a pending record, and says that all is done."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__(cluster, GONE)

    async def upgrade_install(self, request: HelmRequest) -> list[KubeObject]:
        try:
            return await super().upgrade_install(request)
        except UnreachableError:
            return []


def sure() -> Hold:
    """A hold that nobody can doubt for a day."""
    mine = Hold(VirtualClock())
    mine.renew(86_400.0)
    return mine


def test_doubt_breaks_helm_off_and_it_goes_on_when_the_hold_is_sure() -> None:
    """
    Between the two nothing is changed: another run could hold the cloud.
    """

    async def work() -> tuple[float, int]:
        cluster, clock = FakeCluster(), VirtualClock()
        mine = Hold(clock)
        mine.renew(clock.monotonic() - FENCE_S + 0.5)
        helm = Shaky(cluster)
        patient = PatientHelm(helm, cluster, clock, asyncio.Event(), mine)
        trying = asyncio.ensure_future(patient.upgrade_install(REQUEST))
        await clock.sleep(60)
        tries = helm.tries
        mine.renew(clock.monotonic())
        await trying
        return clock.monotonic(), tries

    ended_s, tries = run(work())

    assert 1 == tries
    assert 61 <= ended_s < 65


def test_end_that_helm_could_not_record_is_tried_again() -> None:
    """
    Helm says that all is done; the record of the release still says that it goes on.
    """

    async def counted() -> tuple[int, str]:
        cluster = FakeCluster()
        helm = Forgetful(cluster)
        await PatientHelm(helm, cluster, VirtualClock(), asyncio.Event(), sure()).upgrade_install(REQUEST)
        return helm.tries, (await releases(cluster, "openstack"))["keystone"].status

    assert (2, "deployed") == run(counted())


def test_lost_hold_ends_the_tries() -> None:
    """
    The cloud is another's.
    """

    async def work() -> None:
        cluster = FakeCluster()
        mine = Hold(VirtualClock())
        mine.lose()
        await PatientHelm(Shaky(cluster), cluster, VirtualClock(), asyncio.Event(), mine).upgrade_install(REQUEST)

    with pytest.raises(HeldError):
        run(work())


def test_api_that_was_away_costs_a_try_and_no_more() -> None:
    """
    The record that the broken try left is unlocked, and upgraded from.
    """

    async def work() -> tuple[int, str]:
        cluster = FakeCluster()
        helm = Shaky(cluster, GONE, GONE)
        made = await PatientHelm(helm, cluster, VirtualClock(), asyncio.Event(), sure()).upgrade_install(REQUEST)
        return helm.tries, made[0]["metadata"]["name"]

    assert (3, "a") == run(work())


def test_api_that_stays_away_ends_the_tries() -> None:
    """
    Helm's own words are what is said.
    """

    async def work() -> int:
        cluster = FakeCluster()
        helm = Shaky(cluster, *[GONE] * 100)
        with pytest.raises(UnreachableError, match="connection refused"):
            await PatientHelm(helm, cluster, VirtualClock(), asyncio.Event(), sure()).upgrade_install(REQUEST)
        return helm.tries

    assert TRIES == run(work())


def test_helm_that_hangs_each_time_is_not_tried_for_longer_than_an_outage() -> None:
    """
    Each try may take minutes: the time counts, not only the tries.
    """

    async def work() -> tuple[int, float]:
        cluster, clock = FakeCluster(), VirtualClock()
        helm = Shaky(cluster, *[GONE] * 100)
        helm.takes_s = 180.0
        with pytest.raises(UnreachableError):
            await PatientHelm(helm, cluster, clock, asyncio.Event(), sure()).upgrade_install(REQUEST)
        return helm.tries, clock.monotonic()

    tries, ended_s = run(work())

    assert 3 == tries
    assert ended_s < 180 + OUTAGE_S + 180


def test_refusal_is_not_tried_again() -> None:
    """
    Repeating it changes nothing.
    """

    async def work() -> int:
        cluster = FakeCluster()
        helm = Shaky(cluster, HelmError("keystone", "parse error"))
        with pytest.raises(HelmError, match="parse error"):
            await PatientHelm(helm, cluster, VirtualClock(), asyncio.Event(), sure()).upgrade_install(REQUEST)
        return helm.tries

    assert 1 == run(work())


def test_stopped_run_tries_no_more() -> None:
    """
    Whoever lost the cloud must not write to it, and nobody waits out a pause.
    """

    async def work() -> tuple[int, float]:
        cluster, stop, clock = FakeCluster(), asyncio.Event(), VirtualClock()
        helm = Shaky(cluster, GONE, GONE)
        trying = asyncio.ensure_future(PatientHelm(helm, cluster, clock, stop, sure()).upgrade_install(REQUEST))
        await clock.sleep(1.3)
        stop.set()
        with pytest.raises(UnreachableError):
            await trying
        return helm.tries, clock.monotonic()

    assert (1, 1.3) == run(work())


def test_two_runs_do_not_try_again_at_the_same_moments() -> None:
    """
    An API that has just come back is not met by all at once.
    """

    async def work() -> float:
        cluster, clock = FakeCluster(), VirtualClock()
        await PatientHelm(Shaky(cluster, GONE), cluster, clock, asyncio.Event(), sure()).upgrade_install(REQUEST)
        return clock.monotonic()

    assert 5 == len({run(work()) for _ in range(5)})


@pytest.mark.parametrize("verb", ["manifest", "uninstall", "template", "version"])
def test_every_call_reaches_helm(verb: str) -> None:
    """
    What reads, removes or needs no cluster goes through as well.
    """

    async def work() -> object:
        cluster = FakeCluster()
        helm = Shaky(cluster)
        patient = PatientHelm(helm, cluster, VirtualClock(), asyncio.Event(), sure())
        await patient.upgrade_install(REQUEST)
        given = {"manifest": ("keystone", "openstack"), "uninstall": ("keystone", "openstack"), "template": (REQUEST,)}
        return await getattr(patient, verb)(*given.get(verb, ()))

    assert {"manifest": [MAP], "template": [MAP], "uninstall": None}.get(verb, "4.3.1") == run(work())
