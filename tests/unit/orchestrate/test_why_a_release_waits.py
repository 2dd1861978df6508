"""The one line that says what is really waited for."""

import pytest

from kolla_k8s.orchestrate.store import Store
from kolla_k8s.orchestrate.view import view_of
from kolla_k8s.orchestrate.why import Blocker, blocker_of
from tests.unit.orchestrate.objects import (
    claim,
    condition,
    ended,
    event,
    job,
    pod,
    runs,
    stateful_set,
    thing,
    waits,
)

SET = stateful_set(readyReplicas=0)


def blocker(manifest, *others):
    store = Store()
    for one in [*manifest, *others]:
        store.put(one)
    return blocker_of(view_of(store, "openstack", "keystone", manifest))


def a_pod(*statuses, **more):
    return pod("db-0", owner=SET, labels={"controller-revision-hash": "r1"}, statuses=list(statuses), **more)


def line(one, *events):
    return str(blocker([SET], one, *(event(one, *told) for told in events)))


def test_nothing_is_waited_for_when_all_is_ready():
    """
    None, not an empty line.
    """
    assert blocker([stateful_set(), thing("ConfigMap")]) is None


@pytest.mark.parametrize(
    ("one", "events", "expected"),
    [
        (a_pod(waits("ErrImagePull", "no such image")), [], "api: ErrImagePull: no such image"),
        (a_pod(waits("ContainerCreating")), [("Pulling", "Pulling image r/db:1")], "api: Pulling image r/db:1"),
        (a_pod(waits("ContainerCreating")), [], "api: ContainerCreating"),
        (a_pod(waits("")), [], "api: waits"),
        (a_pod(runs()), [("Unhealthy", "Readiness probe failed: 503")], "api: Readiness probe failed: 503"),
        (a_pod(runs()), [], "api: runs, but is not ready"),
        (a_pod(ended(3)), [], "api: ended with exit code 3"),
        (a_pod(runs(), init=[ended(0, name="prepare")]), [], "api: runs, but is not ready"),
        (a_pod(runs(ready=True), runs("second")), [], "second: runs, but is not ready"),
        (a_pod(waits(""), init=[runs("prepare")]), [], "prepare: is at work"),
    ],
)
def test_line_goes_down_to_the_container(one, events, expected):
    """
    Object, pod, container, and the last word about it.
    """
    assert f"StatefulSet db > Pod db-0 > {expected}" == line(one, *events)


@pytest.mark.parametrize(
    ("one", "events", "expected"),
    [
        (a_pod(conditions=[condition("PodScheduled", "False", "Unschedulable", "no room")]), [], "no room"),
        (a_pod(), [("FailedMount", "no volume")], "no volume"),
        (a_pod(), [], "is not ready"),
    ],
)
def test_pod_without_containers_yet_speaks_for_itself(one, events, expected):
    """
    The scheduler, an event, or nobody.
    """
    assert f"StatefulSet db > Pod db-0: {expected}" == line(one, *events)


def test_object_without_pods_quotes_its_last_warning():
    """
    It says why more often than the status does.
    """
    normal = event(SET, "SuccessfulCreate", "fine", type="Normal")

    assert "StatefulSet db: quota" == str(blocker([SET], event(SET, "FailedCreate", "quota"), normal))
    assert "StatefulSet db: 0 of 1 pods are ready" == str(blocker([SET], normal))
    assert "PersistentVolumeClaim data-db-0: is not bound" == str(blocker([claim()]))


def test_ready_pods_of_an_object_that_waits_are_passed_over():
    """
    One of three is enough to wait for.
    """
    fine = pod("db-1", owner=SET, labels={"controller-revision-hash": "r1"}, conditions=[condition("Ready")])

    assert "Pod db-0" in str(blocker([SET], fine, a_pod(runs())))


def test_failed_objects_come_first_then_jobs():
    """
    The others wait for them.
    """
    failed = thing("Pod", "once", spec={}, status={"phase": "Failed", "reason": "Evicted"})

    assert "Job boot" == blocker([SET, job("boot")]).thing
    assert "Pod once" == blocker([SET, job("boot"), failed]).thing
    assert "Job boot" == blocker([SET, {**job("boot"), "status": {}}]).thing


def test_running_container_of_a_job_is_at_work_though_it_is_ready():
    """
    Ready it is as soon as it runs: Kubernetes knows no more of it, its log does.
    """
    boot = job("boot")
    found = blocker([boot], pod("boot-x", owner=boot, statuses=[runs("identity-record", ready=True)]))

    assert "Job boot > Pod boot-x > identity-record: is at work" == str(found)
    assert found.is_working


def test_object_that_is_not_there_is_named():
    """
    Helm applied it, and the API has not shown it yet.
    """
    assert "StatefulSet db: is not there" == str(blocker_of(view_of(Store(), "openstack", "keystone", [SET])))


def test_working_init_step_speaks_through_its_log():
    """
    Its last line takes the place of Kubernetes' words, where there is one.
    """
    one = Blocker("Job boot", "is at work", "boot-x", "schema", is_working=True)

    assert "Job boot > Pod boot-x > schema: waiting for mariadb" == str(one.with_log("waiting for mariadb"))
    assert one == one.with_log("")
