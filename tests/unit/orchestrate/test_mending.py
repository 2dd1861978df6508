"""What an earlier run left is cleared away, and nothing else."""

from __future__ import annotations

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.evidence import Evidence, Remedy
from kolla_k8s.orchestrate.kinds import CLAIM, CONFIG_MAP, JOB, POD, STATEFUL_SET
from kolla_k8s.orchestrate.mend import (
    NUDGED,
    SECRET,
    apply_remedy,
    delete_data,
    delete_failed_jobs,
    delete_kept,
    delete_stuck_pods,
    delete_unbound_sets,
    prune_config_maps,
)
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import condition, labels, thing, waits
from tests.unit.orchestrate.virtual import run

SPACE = ("openstack", "keystone")
KEPT = {"helm.sh/resource-policy": "keep"}


@pytest.fixture
def cluster():
    return FakeCluster()


def put(cluster, resource, name, component="bootstrap", **parts):
    meta = {"labels": labels("keystone", component), **parts.pop("meta", {})}
    return cluster.put(resource, thing(resource.kind, name, meta=meta, **parts))


def names(cluster, resource):
    return [item["metadata"]["name"] for item in cluster.matching(resource, "openstack")]


def test_only_jobs_with_a_failure_behind_them_go(cluster):
    """
    One that is complete, or works on, stays.
    """
    put(cluster, JOB, "gave-up", status={"conditions": [condition("Failed")]})
    put(cluster, JOB, "tries-again", status={"failed": 1})
    put(cluster, JOB, "works", status={"active": 1})
    put(cluster, JOB, "done", status={"failed": 1, "conditions": [condition("Complete")]})

    assert ["gave-up", "tries-again"] == run(delete_failed_jobs(cluster, *SPACE))
    assert ["done", "works"] == names(cluster, JOB)


def test_only_pods_in_back_off_go(cluster):
    """
    One that is going already, or waits for its turn, stays.
    """
    stuck = {"containerStatuses": [waits("CrashLoopBackOff")]}
    put(cluster, POD, "stuck", "api", status=stuck)
    put(cluster, POD, "creating", "api", status={"containerStatuses": [waits("ContainerCreating")]})
    put(cluster, POD, "going", "api", status=stuck, meta={"deletionTimestamp": "now", "finalizers": ["x"]})

    assert ["stuck"] == run(delete_stuck_pods(cluster, *SPACE))
    assert ["creating", "going"] == names(cluster, POD)


@pytest.mark.parametrize(("volume", "gone"), [("", ["StatefulSet db", "PersistentVolumeClaim data"]), ("pv-1", [])])
def test_sets_go_only_while_no_volume_was_ever_bound(cluster, volume, gone):
    """
    Data are never touched.
    """
    put(cluster, STATEFUL_SET, "db", "server")
    put(cluster, CLAIM, "data", "server", spec={"volumeName": volume} if volume else {})

    assert gone == run(delete_unbound_sets(cluster, *SPACE))


def test_set_without_claims_is_left_alone(cluster):
    """
    There is nothing to mend.
    """
    put(cluster, STATEFUL_SET, "db", "server")

    assert [] == run(delete_unbound_sets(cluster, *SPACE))


def test_config_maps_that_a_pod_or_the_release_names_stay(cluster):
    """
    An old pod that restarts in mid-rollout still has its own.
    """
    for name in ("now", "used", "old"):
        put(cluster, CONFIG_MAP, name, "api", meta={"annotations": KEPT})
    put(cluster, CONFIG_MAP, "record", "api")
    put(cluster, POD, "api-1", "api", spec={"containers": [], "volumes": [{"configMap": {"name": "used"}}]})

    gone = run(prune_config_maps(cluster, *SPACE, [thing("ConfigMap", "now"), thing("Service", "x")]))

    assert ["old"] == gone
    assert [] == run(prune_config_maps(cluster, *SPACE, [thing("ConfigMap", "now"), thing("ConfigMap", "used")]))
    assert ["now", "record", "used"] == names(cluster, CONFIG_MAP)


def test_uninstall_clears_what_helm_was_told_to_keep(cluster):
    """
    Not what another service owns, nor what helm takes itself.
    """
    put(cluster, CONFIG_MAP, "kept", "api", meta={"annotations": KEPT})
    put(cluster, CONFIG_MAP, "plain", "api")

    run(delete_kept(cluster, *SPACE))

    assert ["plain"] == names(cluster, CONFIG_MAP)


def test_data_go_when_asked(cluster):
    """
    Claims, and the Secrets we made for that service.
    """
    put(cluster, CLAIM, "data", "server")
    ours = {"labels": {"app.kubernetes.io/managed-by": "kolla-k8s"}}
    for name in ("keystone-secrets", "mariadb-secrets"):
        cluster.put(SECRET, thing("Secret", name, meta=ours))
    cluster.put(SECRET, thing("Secret", "keystone-theirs"))

    run(delete_data(cluster, *SPACE))

    assert [] == names(cluster, CLAIM)
    assert ["keystone-theirs", "mariadb-secrets"] == names(cluster, SECRET)


def proof(of, remedy):
    return Evidence(of, "u", "refused", "FailedCreate", "quota", "kubectl", remedy=remedy)


def test_refused_maker_is_nudged_to_try_again(cluster):
    """
    A change of its metadata is all a controller needs.
    """
    maker = put(cluster, STATEFUL_SET, "db", "server")

    run(apply_remedy(cluster, proof(maker, Remedy.NUDGE), 7.0))

    assert "7.000" == cluster.peek(STATEFUL_SET, "db", "openstack")["metadata"]["annotations"][NUDGED]


def test_broken_pod_is_made_anew_and_another_of_its_name_is_not(cluster):
    """
    Under its uid; that it cannot be done fails nothing.
    """
    first = put(cluster, POD, "api-1", "api")
    run(apply_remedy(cluster, proof(first, Remedy.REMAKE_POD), 7.0))
    gone = names(cluster, POD)
    put(cluster, POD, "api-1", "api", meta={"uid": "another"})

    run(apply_remedy(cluster, proof(first, Remedy.REMAKE_POD), 7.0))

    assert [] == gone
    assert ["api-1"] == names(cluster, POD)


def test_remedy_that_is_refused_fails_nothing(cluster):
    """
    The proof then stands, and becomes the verdict.
    """
    maker = put(cluster, STATEFUL_SET, "db", "server")

    def refuse(_request):
        raise OutsideError("api", "forbidden")

    cluster.fail = refuse

    run(apply_remedy(cluster, proof(maker, Remedy.NUDGE), 7.0))

    assert "annotations" not in cluster.peek(STATEFUL_SET, "db", "openstack")["metadata"]
