"""What keeps pods from being made, placed and mounted: told by events and conditions, while it can still be so."""

import pytest

from kolla_k8s.orchestrate.evidence import AT_ONCE_S, TRANSIENT_S, UNSCHEDULABLE_S, Remedy
from kolla_k8s.orchestrate.refusals import of_release
from kolla_k8s.orchestrate.store import Store
from kolla_k8s.orchestrate.view import view_of
from tests.unit.orchestrate.objects import (
    claim,
    condition,
    daemon_set,
    deployment,
    ended,
    event,
    job,
    labels,
    pod,
    replica_set,
    runs,
    stateful_set,
    thing,
    waits,
)

QUOTA = 'pods "api-x" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=1, limited: pods=1'
SECURITY = 'pods "api-x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
DENIED = 'admission webhook "policy.example.org" denied the request: no'
BROKEN_HOOK = 'failed calling webhook "policy.example.org": no endpoints available for service "policy"'


def proofs(manifest, *others):
    store = Store()
    for one in [*manifest, *others]:
        store.put(one)
    return list(of_release(view_of(store, "openstack", "keystone", manifest)))


def refused(message, maker=None, **more):
    mother = deployment(replicas=0, updatedReplicas=0, availableReplicas=0)
    maker = maker or replica_set(mother, have=0)
    return proofs([mother], maker, event(maker, "FailedCreate", message, **more))


@pytest.mark.parametrize(
    ("message", "grace_s", "command"),
    [
        (QUOTA, AT_ONCE_S, "kubectl -n openstack describe resourcequota"),
        (SECURITY, AT_ONCE_S, "kubectl get namespace openstack --show-labels"),
        (DENIED, AT_ONCE_S, "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"),
        (BROKEN_HOOK, TRANSIENT_S, "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"),
        ("maximum cpu usage per Container is 1", AT_ONCE_S, "kubectl -n openstack describe replicaset api-rs"),
        (
            'error looking up service account openstack/api: serviceaccount "api" not found',
            TRANSIENT_S,
            "kubectl -n openstack describe replicaset api-rs",
        ),
    ],
)
def test_refused_pods_are_told_by_their_maker(message, grace_s, command):
    """
    Quota, Pod Security and webhooks are quoted; what may pass has its time.
    """
    [found] = refused(message)

    assert (message, command) == (found.message, found.command)
    assert (grace_s, Remedy.NUDGE) == (found.grace_s, found.remedy)
    assert "ReplicaSet api-rs" == found.place


def test_maker_that_has_its_pods_was_not_refused_for_good():
    """
    The event outlives the refusal.
    """
    mother = deployment()

    assert [] == proofs([mother], replica_set(mother), event(replica_set(mother), "FailedCreate", QUOTA))


@pytest.mark.parametrize(
    ("maker", "is_lacking"),
    [
        (stateful_set(replicas=0), True),
        (stateful_set(), False),
        ({**stateful_set(), "spec": {}}, False),
        (daemon_set(currentNumberScheduled=0), True),
        (daemon_set(), False),
        (job("boot"), True),
        (job("boot", active=1), False),
        (job("boot", condition("Complete")), False),
    ],
)
def test_other_makers_tell_refusals_only_in_events(maker, is_lacking):
    """
    A StatefulSet, DaemonSet or Job has no condition for it; its own counts say whether pods are missing.
    """
    assert is_lacking is bool(proofs([maker], event(maker, "FailedCreate", QUOTA)))


def test_events_of_other_reasons_prove_nothing():
    """
    A maker tells much that is no refusal.
    """
    maker = stateful_set(replicas=0)

    assert [] == proofs([maker], event(maker, "SuccessfulCreate"))


@pytest.mark.parametrize(
    ("storage_class", "reason", "message", "grace_s", "command"),
    [
        (
            None,
            "FailedBinding",
            "no persistent volumes available for this claim and no storage class is set",
            AT_ONCE_S,
            "kubectl get storageclass",
        ),
        (
            "fast",
            "ProvisioningFailed",
            'storageclass.storage.k8s.io "fast" not found',
            AT_ONCE_S,
            "kubectl get storageclass",
        ),
        (
            "fast",
            "ProvisioningFailed",
            "pool is full",
            AT_ONCE_S,
            "kubectl -n openstack describe persistentvolumeclaim c",
        ),
        (
            "fast",
            "ProvisioningFailed",
            "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
            TRANSIENT_S,
            "kubectl -n openstack describe persistentvolumeclaim c",
        ),
    ],
)
def test_claim_that_nobody_serves(storage_class, reason, message, grace_s, command):
    """
    No class, an unknown class, a provisioner that says no; the site's own key is named where it would help.
    """
    one = claim("c", storage_class=storage_class)
    [found] = proofs([one], event(one, reason, message))

    assert (grace_s, command) == (found.grace_s, found.command)
    assert found.message.startswith(message)
    assert ("storage.class" in found.message) is (storage_class is None)


@pytest.mark.parametrize(
    "things",
    [
        [claim()],
        [claim(), event(claim(), "WaitForFirstConsumer", type="Normal")],
        [claim(phase="Bound"), event(claim(), "ProvisioningFailed", "once")],
    ],
)
def test_claim_that_waits_or_is_bound_proves_nothing(things):
    """
    Waiting for the first pod is how most classes work.
    """
    assert [] == proofs(things[:1], *things[1:])


def a_set_with(one, *more):
    """A StatefulSet whose newest pod is this one, and what is proven about them."""
    mother = stateful_set(readyReplicas=0)
    one = one(owner=mother, labels={"controller-revision-hash": "r1"})
    return proofs([mother], one, *(make(one) for make in more))


def test_pod_that_no_node_takes_has_two_minutes():
    """
    An autoscaler may be at work; the scheduler's words are quoted.
    """
    told = condition("PodScheduled", "False", "Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.")
    [found] = a_set_with(lambda **how: pod(conditions=[told], **how))

    assert (30.0, UNSCHEDULABLE_S) == (found.warn_s, found.grace_s)
    assert "0/1 nodes are available: 1 Insufficient cpu." == found.message


@pytest.mark.parametrize("told", [condition("PodScheduled"), condition("PodScheduled", "False", "SchedulingGated")])
def test_pod_that_is_placed_or_gated_proves_nothing(told):
    """
    A gate is somebody's will.
    """
    assert [] == a_set_with(lambda **how: pod(conditions=[told], **how))


@pytest.mark.parametrize(
    ("message", "grace_s", "command"),
    [
        (
            'MountVolume.SetUp failed for volume "s" : secret "keystone-admin" not found',
            AT_ONCE_S,
            "kubectl -n openstack describe secret keystone-admin",
        ),
        (
            'MountVolume.SetUp failed for volume "s" : references non-existent secret key: password',
            AT_ONCE_S,
            "kubectl -n openstack describe pod api-1",
        ),
        (
            'MountVolume.SetUp failed for volume "kvm" : hostPath type check failed: /dev/kvm is no device',
            AT_ONCE_S,
            "kubectl -n openstack describe pod api-1",
        ),
        ("failed to sync secret cache: timed out", UNSCHEDULABLE_S, "kubectl -n openstack describe pod api-1"),
    ],
)
def test_volume_that_cannot_be_mounted(message, grace_s, command):
    """
    A missing Secret or key is final, a slow volume is not.
    """
    [found] = a_set_with(
        lambda **how: pod(statuses=[waits("ContainerCreating")], **how), lambda one: event(one, "FailedMount", message)
    )

    assert (message, grace_s, command) == (found.message, found.grace_s, found.command)


@pytest.mark.parametrize(
    ("volume", "said", "command"),
    [
        ({"secret": {"secretName": "db"}}, "(volume s: Secret db)", "describe secret db"),
        ({"configMap": {"name": "etc"}}, "(volume s: ConfigMap etc)", "describe configmap etc"),
        (
            {"projected": {"sources": [{"secret": {"name": "a"}}, {"configMap": {"name": "b"}}, {"downwardAPI": {}}]}},
            "(volume s: Secret a, ConfigMap b)",
            "describe secret a",
        ),
        ({"hostPath": {}}, "key: password", "describe pod api-1"),
    ],
)
def test_missing_key_is_told_with_the_secret_that_lacks_it(volume, said, command):
    """
    Kubernetes names only the volume; the pod says what that is made of.
    """
    spec = {"volumes": [{"name": "s", **volume}, {"name": "other", "secret": {"secretName": "other"}}]}
    message = 'MountVolume.SetUp failed for volume "s" : references non-existent secret key: password'

    [found] = a_set_with(
        lambda **how: pod(statuses=[waits("ContainerCreating")], spec=spec, **how),
        lambda one: event(one, "FailedMount", message),
    )

    assert found.message.endswith(said)
    assert f"kubectl -n openstack {command}" == found.command


def test_final_mount_trouble_is_told_before_a_later_vague_one():
    """
    The last event is not always the one that tells.
    """
    [found] = a_set_with(
        lambda **how: pod(statuses=[waits("ContainerCreating")], **how),
        lambda one: event(one, "FailedMount", 'secret "s" not found', uid="a"),
        lambda one: event(one, "FailedMount", "timed out waiting for the condition", uid="b"),
    )

    assert 'secret "s" not found' == found.message


@pytest.mark.parametrize(
    "how",
    [{"phase": "Running", "statuses": [runs()]}, {"statuses": [waits("ErrImagePull")]}, {"init": [runs("prepare")]}],
)
def test_pod_that_has_begun_was_mounted(how):
    """
    The event outlives the trouble.
    """
    assert [] == [
        found
        for found in a_set_with(
            lambda **more: pod(**how, **more), lambda one: event(one, "FailedMount", 'secret "s" not found')
        )
        if found.family == "mount"
    ]


def test_broken_old_pod_holds_up_its_set():
    """
    A StatefulSet that updates in order never replaces it by itself, so a rerun must.
    """
    mother = stateful_set(updateRevision="r2", updatedReplicas=0)
    old = {"controller-revision-hash": "r1"}
    stuck = pod("db-0", owner=mother, labels=old, statuses=[waits("ImagePullBackOff")])
    fine = pod("db-1", owner=mother, labels=old, statuses=[runs(ready=True)])

    [found] = proofs([mother], stuck, fine)

    assert ("old", Remedy.REMAKE_POD, "Pod db-0") == (found.family, found.remedy, found.place)
    assert "StatefulSet db" in found.message


def test_job_that_gave_up_is_explained_by_its_last_failed_pod():
    """
    The Job's reason, the container, its exit code and its log.
    """
    mother = job("boot", condition("Failed", "True", "BackoffLimitExceeded", "too often"))
    first = pod("boot-a", owner=mother, phase="Failed", born="1", init=[ended(1, name="schema")])
    last = pod("boot-b", owner=mother, phase="Failed", born="2", init=[ended(7, name="register")])
    silent = pod("boot-c", owner=mother, phase="Failed", born="3")

    [found] = proofs([mother], first, last, silent)

    assert ("register", "BackoffLimitExceeded") == (found.container, found.reason)
    assert "too often; register: exit code 7" == found.message
    assert "kubectl -n openstack logs boot-b -c register" == found.command
    assert "boot-b" == found.log.pod


def test_job_out_of_memory_names_the_limit():
    """
    Where the site file can mend it.
    """
    mother = job("boot", condition("Failed", "True", "BackoffLimitExceeded"))
    dead = pod(
        "boot-a", owner=mother, phase="Failed", statuses=[ended(137, "OOMKilled")], labels=labels("keystone", "boot")
    )

    [found] = proofs([mother], dead)

    assert found.message.endswith("raise services.keystone.workloads.boot.resources")


def test_job_that_gave_up_without_pods_quotes_its_condition():
    """
    A deadline takes the pods away.
    """
    [found] = proofs([job("boot", condition("Failed", "True", "DeadlineExceeded", "was active longer than it may"))])

    assert "DeadlineExceeded: was active longer than it may" == found.message
    assert "kubectl -n openstack describe job boot" == found.command


def test_pod_of_the_manifest_that_failed_is_final():
    """
    Nobody makes it anew.
    """
    [found] = proofs([thing("Pod", "once", spec={}, status={"phase": "Failed", "reason": "Evicted"})])

    assert ("failed", "Evicted", 0.0) == (found.family, found.message, found.grace_s)
