"""Which objects belong to a release, and which of its pods prove anything."""

import pytest

from kolla_k8s.orchestrate.ready import State
from kolla_k8s.orchestrate.store import EVENTS_KEPT, Store
from kolla_k8s.orchestrate.view import newest_replica_set, view_of
from tests.unit.orchestrate.objects import (
    claim,
    condition,
    daemon_set,
    deployment,
    event,
    job,
    labels,
    owned_by,
    pod,
    replica_set,
    stateful_set,
    thing,
)


def store_of(*things):
    store = Store()
    for one in things:
        store.put(one)
    return store


def view(manifest, *others):
    return view_of(store_of(*manifest, *others), "openstack", "keystone", manifest)


def names(found):
    return [one.pod["metadata"]["name"] for one in found.pods]


def test_replica_set_of_the_template_counts_not_the_one_of_the_highest_revision():
    """
    The watch of ReplicaSets may lag: then the highest revision is still the old one, and its pods prove nothing.
    """
    mother = deployment()
    old = replica_set(mother, "old")
    old["spec"]["template"] = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "old"}]}}
    new = replica_set(mother, "new")

    assert "new" == newest_replica_set(store_of(mother, old, new), mother)["metadata"]["name"]
    assert newest_replica_set(store_of(mother, old), mother) is None
    assert ["b"] == names(view([mother], old, new, pod("a", owner=old), pod("b", owner=new)))


def test_pods_of_a_template_that_the_controller_has_not_seen_do_not_count():
    """
    Until then the newest ReplicaSet is the old one.
    """
    mother = deployment(observedGeneration=0)
    only = replica_set(mother)

    assert [] == names(view([mother], only, pod("a", owner=only)))


@pytest.mark.parametrize(
    ("maker", "revision", "expected"),
    [
        (stateful_set(), {"controller-revision-hash": "r1"}, [True]),
        (stateful_set(), {"controller-revision-hash": "r0"}, [False]),
        (stateful_set(observedGeneration=0), {"controller-revision-hash": "r1"}, []),
        (stateful_set(strategy={"type": "OnDelete"}), {"controller-revision-hash": "r0"}, [True]),
        (daemon_set(), {"pod-template-generation": "1"}, [True]),
        (daemon_set(), {"pod-template-generation": "0"}, []),
        (daemon_set(strategy="OnDelete"), {"pod-template-generation": "0"}, [True]),
        (job("boot"), {}, [True]),
        (thing("ReplicaSet", api="apps/v1", spec={"replicas": 1}), {}, [True]),
        (thing("ConfigMap"), {}, []),
    ],
)
def test_pods_count_by_the_revision_of_their_maker(maker, revision, expected):
    """
    Old pods of a StatefulSet are kept apart, others are left out; where pods change only when deleted, all count.
    """
    found = view([maker], pod(owner=maker, labels=revision))

    assert expected == [one.is_newest for one in found.pods]


def test_daemon_set_without_a_generation_counts_all_its_pods():
    """
    The annotation is deprecated; without it nothing tells old from new.
    """
    maker = daemon_set()
    maker["metadata"]["annotations"] = {}

    assert ["api-1"] == names(view([maker], pod(owner=maker)))


def test_pod_that_is_being_deleted_and_things_that_are_no_pods_do_not_count():
    """
    What goes away proves nothing about what stays.
    """
    maker = job("boot")
    going = pod("going", owner=maker, meta={"deletionTimestamp": "now"} | owned_by(maker))
    other = thing("ConfigMap", "owned", meta=owned_by(maker))

    assert [] == names(view([maker], going, other))


def test_pod_of_the_manifest_counts_itself():
    """
    A bare pod is its own workload.
    """
    assert ["alone"] == names(view([pod("alone")]))


def test_passive_objects_are_taken_to_exist_and_others_are_looked_for():
    """
    Helm said that it applied them; a Deployment that is not there yet is waited for.
    """
    found = view_of(Store(), "openstack", "keystone", [thing("ConfigMap"), deployment(), thing("Namespace", "n")])

    assert [State.READY, State.WAITING, State.WAITING] == [seen.verdict.state for seen in found.objects]
    assert "is not there" == found.objects[1].verdict.why


def test_manifest_without_namespaces_means_that_of_the_release():
    """
    Charts leave it out.
    """
    wanted = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "boot"}}
    store = store_of(job("boot", condition("Complete")))

    assert State.READY is view_of(store, "openstack", "keystone", [wanted]).objects[0].verdict.state


def test_claim_is_ready_when_it_only_waits_for_its_first_pod():
    """
    A claim in the manifest that no pod uses yet would else be waited for for ever.
    """
    one = claim()

    assert State.WAITING is view([one]).objects[0].verdict.state
    assert State.READY is view([one], event(one, "WaitForFirstConsumer")).objects[0].verdict.state


def test_claims_of_pods_belong_to_the_release():
    """
    A StatefulSet's claims stand in no manifest.
    """
    maker = stateful_set()
    volumes = [{"persistentVolumeClaim": {"claimName": "data-db-0"}}, {"emptyDir": {}}]
    gone = [{"persistentVolumeClaim": {"claimName": "gone"}}]
    told = {"controller-revision-hash": "r1"}
    one = pod("db-0", owner=maker, labels=told, spec={"volumes": volumes})
    two = pod("db-1", owner=maker, labels=told, spec={"volumes": gone})

    assert ["data-db-0"] == [c["metadata"]["name"] for c in view([maker], claim(), one, two).claims]


def test_events_come_with_what_they_are_about_and_the_number_of_their_change():
    """
    So that old proofs can be told from new ones.
    """
    one = claim()
    found = view([one], event(one, "ProvisioningFailed", uid="a"), event(one, "FailedBinding", uid="b"))

    assert ["a", "b"] == [e["metadata"]["uid"] for e in found.events["persistentvolumeclaim-data-db-0"]]
    assert [1, 2, 3] == [found.changed[uid] for uid in ("persistentvolumeclaim-data-db-0", "a", "b")]


def test_event_that_is_said_again_is_the_newest():
    """
    Kubernetes counts it up under its old name.
    """
    one = claim()
    store = store_of(one, event(one, "A", uid="a"), event(one, "B", uid="b"), event(one, "A", uid="a", count=2))

    assert ["b", "a"] == [e["metadata"]["uid"] for e in store.events("persistentvolumeclaim-data-db-0")]


def test_events_of_one_object_are_bounded_and_go_with_it():
    """
    An object that fails for days does not fill the memory.
    """
    one = claim()
    store = store_of(one, *(event(one, "A", uid=str(number)) for number in range(EVENTS_KEPT + 5)))
    uid = one["metadata"]["uid"]
    assert EVENTS_KEPT == len(store.events(uid))

    store.drop(event(one, "A", uid="54"))
    assert EVENTS_KEPT - 1 == len(store.events(uid))

    store.drop(one)
    assert ((), {uid: 0}) == (store.events(uid), store.changed([uid]))


def test_completed_job_is_remembered_when_its_time_to_live_ends():
    """
    What is done stays done; a Job that was deleted before it completed is gone.
    """
    done, undone = job("done", condition("Complete")), job("undone")
    store = store_of(done, undone)

    store.drop(done)
    store.drop(undone)

    assert "done" == store.get(("batch/Job", "openstack", "done"))["metadata"]["name"]
    assert store.get(("batch/Job", "openstack", "undone")) is None


def test_object_made_anew_replaces_the_old_one_and_a_late_deletion_of_that_one_is_ignored():
    """
    Names come back, uids do not.
    """
    old, new = pod("p", labels=labels("keystone")), pod("p", labels=labels("keystone"), meta={"uid": "new"})
    store = store_of(old, new)

    store.drop(old)

    assert ["new"] == [p["metadata"]["uid"] for p in store.of_release("openstack", "keystone", "Pod")]
    store.drop(thing("Pod", "never seen"))


def test_release_is_found_through_owners_and_events():
    """
    Helm annotates its own objects; what they own, and events about it, follow the chain.
    """
    mother = deployment()
    mother["metadata"]["annotations"] = {"meta.helm.sh/release-name": "keystone"}
    middle = replica_set(mother)
    bare = thing("Pod", "bare", meta=owned_by(middle))
    stray = thing("ConfigMap", "stray")
    store = store_of(mother, middle, bare, stray)

    owner = ("openstack", "keystone")
    assert [owner, owner, None, None] == [
        store.release_of(t) for t in (bare, event(bare, "X"), stray, event(thing("Pod", "unknown"), "X"))
    ]
    assert ["deployment-api"] == [t["metadata"]["uid"] for t in store.of_release(*owner, "apps/Deployment")]
    assert store.release_of(thing("Pod", "orphan", meta=owned_by(thing("Job", "unknown")))) is None


def test_job_can_be_taken_as_completed():
    """
    When a record says that its work is done.
    """
    store = Store()
    store.take_as_completed({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "boot"}}, "openstack")

    found = view_of(store, "openstack", "keystone", [job("boot")])

    assert State.READY is found.objects[0].verdict.state
