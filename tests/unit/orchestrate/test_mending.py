"""What an earlier run left is cleared away, and nothing else is."""

from __future__ import annotations

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.evidence import Evidence, Remedy
from kolla_k8s.orchestrate.kinds import CLAIM, CONFIG_MAP, JOB, POD, SERVICE, STATEFUL_SET
from kolla_k8s.orchestrate.mend import (
    KEEP,
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
from tests.unit.orchestrate.objects import (
    claim,
    condition,
    crashing,
    job,
    labels,
    pod,
    runs,
    stateful_set,
    thing,
)
from tests.unit.orchestrate.virtual import run

OPENSTACK = "openstack"


def of(service, one, workload="bootstrap", **meta):
    """An object with the labels of a service's chart."""
    return {**one, "metadata": {**one["metadata"], "labels": labels(service, workload), **meta}}


def a_cluster(resource, *things):
    cluster = FakeCluster()
    for one in things:
        cluster.put(resource, one)
    return cluster


def names(cluster, resource):
    return [one["metadata"]["name"] for one in cluster.matching(resource, OPENSTACK)]


def config_map(name, service="nova", *, is_kept=True):
    return of(service, thing("ConfigMap", name), annotations={KEEP: "keep"} if is_kept else {})


def pod_with(name, *config_maps):
    """A pod that mounts the first of these ConfigMaps, and the others as parts of one volume."""
    first, *others = [{"configMap": {"name": one}} for one in config_maps]
    volumes = [{"name": "log", "emptyDir": {}}, first, {"projected": {"sources": [{"secret": {}}, *others]}}]
    return of("nova", pod(name, spec={"containers": [], "volumes": volumes}))


def test_jobs_with_a_failure_behind_them_go():
    """
    Those that completed in the end, work on without a failure or belong to another service stay.
    """
    jobs = [
        job("nova-gone", condition("Failed")),
        job("nova-retrying", failed=1),
        job("nova-done", condition("Complete"), failed=1),
        job("nova-working", active=1),
    ]
    cluster = a_cluster(JOB, *(of("nova", one) for one in jobs), of("heat", job("heat-gone", condition("Failed"))))

    gone = run(delete_failed_jobs(cluster, OPENSTACK, "nova"))

    assert ["nova-gone", "nova-retrying"] == gone
    assert ["heat-gone", "nova-done", "nova-working"] == names(cluster, JOB)


def test_pods_in_back_off_go():
    """
    Those that run, or go already, are left alone.
    """
    stuck, going = (of("nova", pod(name, statuses=[crashing(1, 3)])) for name in ("stuck", "going"))
    going["metadata"] |= {"deletionTimestamp": "now", "finalizers": ["held"]}
    cluster = a_cluster(POD, stuck, going, of("nova", pod("well", statuses=[runs(ready=True)])))

    gone = run(delete_stuck_pods(cluster, OPENSTACK, "nova"))

    assert ["stuck"] == gone
    assert ["going", "well"] == names(cluster, POD)


def bound(one):
    return {**one, "spec": {**one["spec"], "volumeName": "pv-1"}}


def test_sets_whose_volumes_never_came_to_be_go_with_their_claims():
    """
    So that a mended storage class is taken.
    """
    cluster = a_cluster(STATEFUL_SET, of("nova", stateful_set("nova")), of("heat", stateful_set("heat")))
    cluster.put(CLAIM, of("nova", claim("data-nova-0")))

    gone = run(delete_unbound_sets(cluster, OPENSTACK, "nova"))

    assert ["StatefulSet nova", "PersistentVolumeClaim data-nova-0"] == gone
    assert (["heat"], []) == (names(cluster, STATEFUL_SET), names(cluster, CLAIM))


@pytest.mark.parametrize("claims", [[], [claim("data-nova-0"), bound(claim("data-nova-1"))]])
def test_sets_that_may_hold_data_stay(claims):
    """
    One bound claim is enough, and so is no claim at all.
    """
    cluster = a_cluster(STATEFUL_SET, of("nova", stateful_set("nova")))
    for one in claims:
        cluster.put(CLAIM, of("nova", one))

    assert [] == run(delete_unbound_sets(cluster, OPENSTACK, "nova"))
    assert ["nova"] == names(cluster, STATEFUL_SET)
    assert len(claims) == len(names(cluster, CLAIM))


@pytest.mark.parametrize("deleted", ["statefulsets", "persistentvolumeclaims"])
def test_claim_that_is_bound_meanwhile_stays(deleted):
    """
    Between our two looks, or between the second one and the deletion.
    """
    cluster = a_cluster(STATEFUL_SET, of("nova", stateful_set("nova")))
    cluster.put(CLAIM, of("nova", claim("data-nova-0")))

    def bind(request):
        if ("delete", deleted) == (request.verb, request.plural):
            cluster.put(CLAIM, of("nova", bound(claim("data-nova-0"))))

    cluster.fail = bind
    gone = run(delete_unbound_sets(cluster, OPENSTACK, "nova"))

    assert ["StatefulSet nova"] == gone
    assert ["data-nova-0"] == names(cluster, CLAIM)


def proof_of(one, remedy):
    return Evidence(one, "source", "family", "reason", "message", "command", remedy=remedy)


def test_pod_in_the_way_is_deleted_to_be_made_anew():
    """
    Only the one that was seen: a new pod of that name stays.
    """
    old = pod("api-1")
    cluster = a_cluster(POD, old)

    run(apply_remedy(cluster, proof_of(old, Remedy.REMAKE_POD), 1.0))

    assert [] == names(cluster, POD)


def test_pod_that_is_new_by_now_stays():
    """
    And that the old one is gone fails nothing.
    """
    old = pod("api-1")
    cluster = a_cluster(POD, pod("api-1", meta={"uid": "new"}))

    run(apply_remedy(cluster, proof_of(old, Remedy.REMAKE_POD), 1.0))

    assert ["api-1"] == names(cluster, POD)


def test_nudged_object_is_touched_and_nothing_more():
    """
    Its controller tries again at once.
    """
    before = a_cluster(CLAIM, claim()).peek(CLAIM, "data-db-0", OPENSTACK)
    cluster = a_cluster(CLAIM, claim())

    run(apply_remedy(cluster, proof_of(claim(), Remedy.NUDGE), 1700.25))

    after = cluster.peek(CLAIM, "data-db-0", OPENSTACK)
    assert {NUDGED: "1700.250"} == after["metadata"]["annotations"]
    assert (before["spec"], before["status"]) == (after["spec"], after["status"])


def test_proof_without_a_remedy_changes_nothing():
    """
    Not every trouble has one.
    """
    cluster = a_cluster(POD, pod("api-1"))

    run(apply_remedy(cluster, proof_of(pod("api-1"), Remedy.NONE), 1.0))

    assert [] == cluster.requests


def test_remedy_that_is_refused_fails_nothing():
    """
    The trouble is reported anyway when it stays.
    """
    cluster = a_cluster(CLAIM, claim())

    def refuse(_request):
        raise OutsideError("api", "forbidden")

    cluster.fail = refuse

    run(apply_remedy(cluster, proof_of(claim(), Remedy.NUDGE), 1.0))

    assert "annotations" not in cluster.peek(CLAIM, "data-db-0", OPENSTACK)["metadata"]


def test_config_maps_that_no_pod_uses_are_pruned():
    """
    What the manifest names, what a pod still reads and what helm deletes by itself stays.
    """
    kept = [config_map(f"nova-{name}") for name in ("new", "read", "run", "old")]
    cluster = a_cluster(CONFIG_MAP, *kept, config_map("nova-helms", is_kept=False), config_map("heat-old", "heat"))
    cluster.put(POD, pod_with("nova-1", "nova-read", "nova-run"))
    manifest = [thing("ConfigMap", "nova-new"), thing("Secret", "nova-old")]

    gone = run(prune_config_maps(cluster, OPENSTACK, "nova", manifest))

    assert ["nova-old"] == gone
    assert ["heat-old", "nova-helms", "nova-new", "nova-read", "nova-run"] == names(cluster, CONFIG_MAP)


def test_pods_are_not_asked_for_when_nothing_is_old():
    """
    Most runs change nothing.
    """
    cluster = a_cluster(CONFIG_MAP, config_map("nova-new"))

    assert [] == run(prune_config_maps(cluster, OPENSTACK, "nova", [thing("ConfigMap", "nova-new")]))
    assert ["configmaps"] == [request.plural for request in cluster.requests]


def test_uninstall_takes_what_helm_was_told_to_keep_and_what_we_made():
    """
    Of this service only: our own is what single nodes have of their own.
    """
    ours = {"app.kubernetes.io/name": "nova", "app.kubernetes.io/managed-by": "kolla-k8s"}
    cluster = a_cluster(
        CONFIG_MAP,
        thing("ConfigMap", "nova-nodes", meta={"labels": ours}),
        config_map("nova-old"),
        config_map("nova-mine", is_kept=False),
        config_map("heat-old", "heat"),
    )

    run(delete_kept(cluster, OPENSTACK, "nova"))

    assert ["heat-old", "nova-mine"] == names(cluster, CONFIG_MAP)


def secret(name, maker="kolla-k8s"):
    return thing("Secret", name, meta={"labels": {"app.kubernetes.io/managed-by": maker}})


def test_data_of_a_service_are_its_claims_secrets_and_kept_addresses():
    """
    Those that the operator made stay, and so do those of a service whose name begins with this one's.
    """
    kept = {"helm.sh/resource-policy": "keep"}
    secrets = [secret("nova-secrets"), secret("nova-keys", "me"), secret("nova-compute-secrets")]
    cluster = a_cluster(SECRET, *secrets)
    cluster.put(CLAIM, of("nova", claim("data-nova-0")))
    cluster.put(CLAIM, of("nova-compute", claim("data-nova-compute-0")))
    cluster.put(SERVICE, of("nova", thing("Service", "nova-0"), annotations=kept))
    cluster.put(SERVICE, of("nova", thing("Service", "nova-mine")))

    run(delete_data(cluster, OPENSTACK, "nova", {"nova-secrets", "nova-keys"}))

    assert ["nova-compute-secrets", "nova-keys"] == names(cluster, SECRET)
    assert ["data-nova-compute-0"] == names(cluster, CLAIM)
    assert ["nova-mine"] == names(cluster, SERVICE)
