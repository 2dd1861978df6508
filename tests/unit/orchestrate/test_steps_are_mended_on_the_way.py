"""What a step tidies, hands over and mends on its way to green, and what it never deletes."""

from __future__ import annotations

from kolla_k8s.errors import RefusedError
from kolla_k8s.orchestrate.kinds import CLAIM, EVENT, STATEFUL_SET
from kolla_k8s.orchestrate.mend import NUDGED
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import claim, event
from tests.unit.orchestrate.test_running_a_plan import a_plan, a_step
from tests.unit.orchestrate.virtual import run
from tests.unit.orchestrate.watched_steps import Chart, a_set, carrying, cause_of, of_release, refusing, shrinking

FIXED = "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden"


def test_green_step_that_cannot_be_tidied_is_green_with_a_warning():
    """
    Old ConfigMaps harm nobody.
    """
    cluster = FakeCluster()
    refusing(cluster, "list", "configmaps")

    report = run(carrying(a_plan(a_step("a")), cluster, Chart(cluster)))

    assert report.is_green
    assert ["old ConfigMaps stay: api: forbidden"] == report.rows["a"].warnings


def test_members_leave_before_helm_takes_them_away():
    """
    The command has run when helm begins.
    """
    cluster, step = shrinking(0)
    helm = Chart(cluster)

    report = run(carrying(a_plan(step), cluster, helm))

    assert report.is_green
    assert ["a-1"] == [request.name for request in cluster.requests if request.verb == "exec"]
    assert ["a"] == helm.applied


def test_member_that_cannot_leave_keeps_helm_away():
    """
    It is still there to be mended.
    """
    cluster, step = shrinking(1)
    helm = Chart(cluster)

    cause = cause_of(a_plan(step), cluster, helm)

    assert "refused" == cause.reason
    assert "quorum critical" in cause.message
    assert [] == helm.applied


def unbound(cluster):
    cluster.put(STATEFUL_SET, a_set())
    cluster.put(CLAIM, of_release("a", claim("data-a-0")))


def test_set_that_never_had_a_volume_is_made_anew_when_it_must_change():
    """
    A wrong storage class is mended by the same command.
    """
    cluster = FakeCluster()
    unbound(cluster)
    helm = Chart(cluster, [RefusedError("a", FIXED)], a=[(STATEFUL_SET, a_set(ready=1))])

    report = run(carrying(a_plan(a_step("a")), cluster, helm))

    assert report.is_green
    assert ["a", "a"] == helm.applied
    assert cluster.peek(CLAIM, "data-a-0", "openstack") is None


def test_set_with_data_is_never_made_anew():
    """
    That its template cannot change is for the operator to solve.
    """
    cluster = FakeCluster()
    cluster.put(CLAIM, of_release("a", {**claim("data-a-0"), "spec": {"volumeName": "pv-1"}}))
    helm = Chart(cluster, [RefusedError("a", FIXED)])

    cause = cause_of(a_plan(a_step("a")), cluster, helm)

    assert ("refused", ["a"]) == (cause.reason, helm.applied)
    assert cluster.peek(CLAIM, "data-a-0", "openstack") is not None


def test_other_refusals_delete_nothing():
    """
    Policies say no to what is asked, not to what is there.
    """
    cluster = FakeCluster()
    unbound(cluster)

    cause = cause_of(a_plan(a_step("a")), cluster, Chart(cluster, [RefusedError("a", "denied by policy")]))

    assert "refused" == cause.reason
    assert cluster.peek(CLAIM, "data-a-0", "openstack") is not None


def test_trouble_of_an_earlier_run_is_touched_so_that_it_is_tried_again():
    """
    The class is there by now, and the controller would wait out its back-off.
    """
    cluster = FakeCluster()
    cluster.put(CLAIM, claim())
    cluster.put(EVENT, event(claim(), "ProvisioningFailed", "no such class"))

    def provision(news):
        about = news.object["metadata"]
        if NUDGED in about.get("annotations", {}) and news.object["status"]["phase"] == "Pending":
            cluster.set_status(CLAIM, about["name"], "openstack", {"phase": "Bound"})

    cluster.reactors.append(provision)

    report = run(carrying(a_plan(a_step("a")), cluster, Chart(cluster, a=[(CLAIM, claim())])))

    assert report.is_green
    assert 2 > report.took_s
