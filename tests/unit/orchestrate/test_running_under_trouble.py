"""What a run does when news come early, gates break, helm waits in line and objects are gone."""

from __future__ import annotations

import asyncio

from kolla_k8s.errors import OutsideError
from kolla_k8s.model.plan import Action, GateSpec
from kolla_k8s.orchestrate.gate import GateResult
from kolla_k8s.orchestrate.report import Phase
from kolla_k8s.orchestrate.run import execute
from tests.unit.orchestrate.test_running_a_plan import SlowHelm, a_plan, a_step, always_green, carried_out, means
from tests.unit.orchestrate.virtual import run

SET = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "a", "namespace": "openstack", "uid": "s", "generation": 1},
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 1, "replicas": 1},
}


class OneSet(SlowHelm):
    """Installs one StatefulSet."""

    async def upgrade_install(self, request):
        self.applied.append(request.release)
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


def test_object_deleted_by_hand_is_applied_again():
    """
    A release that is what is wanted, but for an object that is gone.
    """

    async def repaired():
        helm = OneSet()
        work = means(helm)
        task = asyncio.create_task(execute(a_plan(a_step("a", action=Action.UNCHANGED)), work))
        await asyncio.sleep(0.5)
        work.stop.set()
        await task
        return helm

    assert ["a"] == run(repaired()).applied


def test_repeated_events_are_no_progress():
    """
    A probe that fails for ever says so for ever; patience ends all the same.
    """

    async def stuck():
        work = means(OneSet(), always_green)
        work.observer.store.put(SET)
        task = asyncio.create_task(execute(a_plan(a_step("a")), work))
        for number in range(100):
            if task.done():
                break
            about = {"name": "e", "namespace": "openstack", "uid": f"e{number}"}
            subject = {"kind": "StatefulSet", "name": "a", "uid": "s"}
            event = {"kind": "Event", "apiVersion": "v1", "metadata": about, "involvedObject": subject}
            work.observer.store.put({**event, "reason": "Unhealthy", "message": "not ready"})
            work.observer.wake()
            await asyncio.sleep(30)
        return await asyncio.wait_for(task, 1)

    report = run(stuck())

    assert "no progress" == report.rows["a"].cause.reason


def test_news_between_a_look_and_the_wait_are_not_lost():
    """
    Who takes the news before looking is woken by whatever comes after.
    """

    async def early():
        observer = means(SlowHelm()).observer
        news = observer.news()
        observer.wake()
        await asyncio.wait_for(news.wait(), 1)
        return news.is_set()

    assert run(early())
