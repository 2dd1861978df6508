"""Steps that are carried out against a cluster that is watched: charts that bring objects, and what becomes of them."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from dataclasses import replace
from typing import Any

from kolla_k8s.errors import OutsideError
from kolla_k8s.model.plan import HelmRequest, LeaveSpec, Plan, Step
from kolla_k8s.orchestrate.kinds import POD
from kolla_k8s.orchestrate.observe import observing
from kolla_k8s.orchestrate.report import Cause, Report
from kolla_k8s.orchestrate.run import Means, execute
from kolla_k8s.ports import ExecResult, Resource
from tests.fake_cluster import FakeCluster, Request
from tests.unit.orchestrate.objects import Thing, labels, pod, stateful_set
from tests.unit.orchestrate.test_running_a_plan import SlowHelm, a_step, always_green
from tests.unit.orchestrate.virtual import VirtualClock, run


class Chart(SlowHelm):
    """Brings the objects of each release into the cluster; ``says`` are errors that its next upgrades end with."""

    def __init__(
        self, cluster: FakeCluster, says: Iterable[Exception] = (), **charts: list[tuple[Resource, Thing]]
    ) -> None:
        """Have these objects for each release."""
        super().__init__()
        self.cluster, self.says, self.charts = cluster, list(says), charts

    async def upgrade_install(self, request: HelmRequest) -> list[Thing]:
        """Bring what is not there yet, or say the next error."""
        await super().upgrade_install(request)
        if self.says:
            raise self.says.pop(0)
        for resource, one in self.charts.get(request.release, ()):
            if self.cluster.peek(resource, one["metadata"]["name"], "openstack") is None:
                self.cluster.put(resource, one)
        return await self.manifest(request.release, "openstack")

    async def manifest(self, release: str, _namespace: str) -> list[Thing]:
        """The objects of a release."""
        return [one for _, one in self.charts.get(release, ())]


def carrying(plan: Plan, cluster: FakeCluster, helm: Any, **options: Any) -> Awaitable[Report]:
    """Carry out a plan against a cluster that is watched."""

    async def begun() -> Report:
        async with observing(cluster, ["openstack"]) as observer:
            return await execute(plan, Means(helm, cluster, VirtualClock(), observer, always_green, **options))

    return begun()


def of_release(service: str, one: Thing) -> Thing:
    """An object with the labels that tell whose it is."""
    return {**one, "metadata": {**one["metadata"], "labels": {**one["metadata"].get("labels", {}), **labels(service)}}}


def a_set(name: str = "a", ready: int = 0) -> Thing:
    """The StatefulSet of a release."""
    return of_release(name, stateful_set(name, readyReplicas=ready))


def broken_pod(owner: Thing, *statuses: Thing) -> Thing:
    """The first pod of such a set, whose containers are in these states."""
    name = owner["metadata"]["name"]
    return of_release(
        name, pod(f"{name}-0", owner=owner, labels={"controller-revision-hash": "r1"}, statuses=[*statuses])
    )


def refusing(cluster: FakeCluster, verb: str, plural: str, fact: str = "forbidden") -> None:
    """Let the API refuse one thing."""

    def refuse(request: Request) -> None:
        if (request.verb, request.plural) == (verb, plural):
            raise OutsideError("api", fact)

    cluster.fail = refuse


def cause_of(plan: Plan, cluster: FakeCluster, helm: Any, **options: Any) -> Cause:
    """Why step ``a`` of a plan fails."""
    report = run(carrying(plan, cluster, helm, **options))
    assert not report.is_green
    return report.rows["a"].cause


def shrinking(exit_code: int) -> tuple[FakeCluster, Step]:
    """A step that takes one of two members away, and whose leave command ends so."""
    cluster = FakeCluster()
    for number in range(2):
        cluster.put(POD, of_release("a", pod(f"a-{number}")))
    cluster.on_exec = lambda _call: ExecResult(exit_code, "", "quorum critical")
    return cluster, replace(a_step("a"), leaves=(LeaveSpec("api", ("leave",), 1),))
