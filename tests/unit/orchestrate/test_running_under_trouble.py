"""What a run does when news come early, gates break, helm waits in line and objects are gone."""

from __future__ import annotations

import asyncio

from kolla_k8s.errors import OutsideError
from kolla_k8s.model.plan import Action, GateSpec
from kolla_k8s.orchestrate.gate import GateResult
from kolla_k8s.orchestrate.kinds import EVENT, POD, STATEFUL_SET
from kolla_k8s.orchestrate.observe import observing
from kolla_k8s.orchestrate.report import Phase
from kolla_k8s.orchestrate.run import Means, execute
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import labels, pod, stateful_set
from tests.unit.orchestrate.test_running_a_plan import SlowHelm, a_plan, a_step, always_green, carried_out, means
from tests.unit.orchestrate.virtual import VirtualClock, run

SET = stateful_set("a", readyReplicas=0)


class OneSet(SlowHelm):
    """Installs one StatefulSet; ``brings`` does what the cluster does then."""

    def __init__(self):
        super().__init__()
        self.brings = lambda: None

    async def upgrade_install(self, request):
        self.applied.append(request.release)
        self.brings()
        return [SET]

    async def manifest(self, _release, _namespace):
        return [SET]


def test_gate_that_breaks_is_red_and_asked_again():
    """
    A pod that went away under an exec says nothing about the service.
    """
    asked = []

    async def breaks_once(_step, _gate):
        asked.append(1)
        if len(asked) == 1:
            raise OutsideError("api", "container not found")
        return GateResult(is_green=True, evidence="fine")

    report = run(carried_out(a_plan(a_step("a", gates=[GateSpec("g", "k", "w")])), SlowHelm(), check=breaks_once))

    assert report.is_green
    assert 2 == len(asked)


def test_step_in_line_for_helm_does_not_start_after_a_stop():
    """
    Only what already runs is finished.
    """

    async def stopped():
        helm = SlowHelm()
        work = means(helm, slots=1)
        task = asyncio.create_task(execute(a_plan(a_step("a"), a_step("b")), work))
        await asyncio.sleep(0.5)
        work.stop.set()
        return helm, await task

    helm, report = run(stopped())

    assert ["a"] == helm.applied
    assert Phase.STOPPED is report.rows["b"].phase


async def begun(plan, cluster, helm, patience_s=600.0):
    """Carry out a plan against a cluster that is watched."""
    async with observing(cluster, ["openstack"]) as observer:
        work = Means(helm, cluster, VirtualClock(), observer, always_green, patience_s=patience_s)
        return await execute(plan, work)


def test_object_deleted_by_hand_is_applied_again():
    """
    A release that is what is wanted, but for an object that is gone.
    """
    cluster, helm = FakeCluster(), OneSet()
    helm.brings = lambda: cluster.put(STATEFUL_SET, stateful_set("a"))

    report = run(begun(a_plan(a_step("a", action=Action.UNCHANGED)), cluster, helm))

    assert ["a"] == helm.applied
    assert ["StatefulSet a"] == report.rows["a"].repairs
    assert report.is_green


def test_step_that_is_only_a_check_applies_nothing():
    """
    What a named service needs is waited for, never changed, whatever is gone of it.
    """
    cluster, helm = FakeCluster(), OneSet()

    report = run(begun(a_plan(a_step("a", action=Action.CHECK)), cluster, helm, patience_s=60))

    assert [] == helm.applied
    assert "StatefulSet a: is not there" == report.rows["a"].cause.place


def test_repeated_events_are_no_progress():
    """
    A probe that fails for ever says so for ever; patience ends all the same.
    """
    cluster = FakeCluster()
    cluster.put(STATEFUL_SET, SET)

    async def stuck():
        task = asyncio.create_task(begun(a_plan(a_step("a")), cluster, OneSet()))
        number = 0
        while not task.done():
            number += 1
            subject = {"kind": "StatefulSet", "name": "a", "uid": SET["metadata"]["uid"]}
            event = {"metadata": {"name": f"e{number}"}, "involvedObject": subject}
            cluster.put(EVENT, {**event, "reason": "Unhealthy", "message": "not ready"}, "openstack")
            await asyncio.sleep(30)
        return await task

    report = run(stuck())

    assert "no progress" == report.rows["a"].cause.reason
    assert 660 > report.took_s


def test_change_wakes_the_step_that_waits_for_it():
    """
    No polling: the step is green in the moment in which the API tells.
    """
    cluster = FakeCluster()
    cluster.put(STATEFUL_SET, SET)

    async def coming():
        task = asyncio.create_task(begun(a_plan(a_step("a")), cluster, OneSet()))
        await asyncio.sleep(7)
        cluster.put(STATEFUL_SET, stateful_set("a"))
        return await task

    assert 7 == run(coming()).took_s


def test_uninstall_waits_until_the_pods_are_gone():
    """
    What it uses stays until then.
    """
    cluster = FakeCluster()
    cluster.put(POD, {**pod("a-0"), "metadata": {**pod("a-0")["metadata"], "labels": labels("a")}})
    plan = a_plan(a_step("mariadb", "a", action=Action.REMOVE), a_step("a", action=Action.REMOVE))

    async def going():
        task = asyncio.create_task(begun(plan, cluster, SlowHelm()))
        await asyncio.sleep(20)
        cluster.remove(POD, "a-0", "openstack")
        return await task

    report = run(going())

    assert report.is_green
    assert 20 <= report.rows["mariadb"].started_s


def test_what_failed_first_is_named_by_all_that_were_not_tried():
    """
    Not the neighbour that was not tried either.
    """
    plan = a_plan(a_step("a"), a_step("b", "a"), a_step("c", "b"))

    report = run(carried_out(plan, SlowHelm(refusing={"a"})))

    assert "a did not become ready" == report.rows["c"].not_tried_because
