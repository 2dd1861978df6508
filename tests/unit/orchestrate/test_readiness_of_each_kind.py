"""The readiness table: one state of one kind a line, with the words that the operator reads."""

import pytest

from kolla_k8s.orchestrate.ready import State, assess, group_kind, is_passive
from tests.unit.orchestrate.objects import condition, daemon_set, deployment, job, stateful_set, thing

READY, WAITING, FAILED = State.READY, State.WAITING, State.FAILED
ON_DELETE = {"type": "OnDelete"}


def partition(number):
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": number}}


def custom(*conditions, generation=1, **status):
    told = {"conditions": list(conditions), **status}
    return thing("Certificate", "c", "cert-manager.io/v1", meta={"generation": generation}, status=told)


DEPLOYMENTS = {
    "all available": (deployment(want=2), READY, "2 of 2 pods are available"),
    "scaled to nothing": (deployment(want=0), READY, "0 of 0 pods are available"),
    "stale": (deployment(generation=3, observedGeneration=2), WAITING, "its controller has not seen the change"),
    "old pods linger": (deployment(want=2, replicas=3), WAITING, "1 old pods have not gone"),
    "new pods missing": (deployment(want=2, updatedReplicas=1), WAITING, "1 of 2 pods are updated"),
    "not available": (deployment(want=2, availableReplicas=0), WAITING, "0 of 2 pods are available"),
    "no status yet": (
        thing("Deployment", api="apps/v1", meta={"generation": 1}, spec={}),
        WAITING,
        "its controller has not seen the change",
    ),
    "old ones ready, the new one stuck": (
        deployment(want=1, replicas=2, updatedReplicas=1, availableReplicas=1),
        WAITING,
        "1 old pods have not gone",
    ),
    "past its progress deadline": (
        deployment(availableReplicas=0, conditions=[condition("Progressing", "False", "ProgressDeadlineExceeded")]),
        WAITING,
        "0 of 1 pods are available",
    ),
    "pods refused": (
        deployment(
            replicas=0,
            updatedReplicas=0,
            conditions=[condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")],
        ),
        WAITING,
        "0 of 1 pods exist: FailedCreate: exceeded quota",
    ),
    "paused": (
        {**deployment(), "spec": {"paused": True}},
        WAITING,
        "is paused; resume it with `kubectl rollout resume`",
    ),
    "default of one replica": ({**deployment(), "spec": {}}, READY, "1 of 1 pods are available"),
}

STATEFUL_SETS = {
    "all ready": (stateful_set(want=3), READY, "3 of 3 pods are ready"),
    "stale": (stateful_set(observedGeneration=0), WAITING, "its controller has not seen the change"),
    "pods missing": (stateful_set(want=3, replicas=1), WAITING, "1 of 3 pods exist"),
    "not ready": (stateful_set(want=3, readyReplicas=2), WAITING, "2 of 3 pods are ready"),
    "not ready for long": (stateful_set(availableReplicas=0), WAITING, "0 of 1 pods have been ready for long enough"),
    "old revision": (
        stateful_set(want=3, updateRevision="r2", updatedReplicas=1),
        WAITING,
        "1 of 3 pods are updated",
    ),
    "updated down to the partition": (
        stateful_set(want=3, strategy=partition(2), updateRevision="r2", updatedReplicas=1),
        READY,
        "1 pods from partition 2 on are updated",
    ),
    "not updated down to the partition": (
        stateful_set(want=3, strategy=partition(1), updateRevision="r2", updatedReplicas=1),
        WAITING,
        "1 of 2 pods are updated",
    ),
    "changes only when deleted": (
        stateful_set(want=3, strategy=ON_DELETE, updateRevision="r2", updatedReplicas=1),
        READY,
        "3 of 3 pods are ready; 2 keep the old revision until they are deleted",
    ),
    "changes only when deleted, and is not ready": (
        stateful_set(want=3, strategy=ON_DELETE, readyReplicas=1),
        WAITING,
        "1 of 3 pods are ready",
    ),
}

DAEMON_SETS = {
    "all ready": (daemon_set(want=2), READY, "2 of 2 pods are ready"),
    "no node": (daemon_set(want=0), READY, "no node wants it"),
    "stale": (daemon_set(observedGeneration=0), WAITING, "its controller has not seen the change"),
    "old pods": (daemon_set(want=2, updatedNumberScheduled=1), WAITING, "1 of 2 nodes run the newest pod"),
    "not ready": (daemon_set(want=2, numberReady=1), WAITING, "1 of 2 pods are ready"),
    "not available": (daemon_set(want=2, numberAvailable=1), WAITING, "1 of 2 pods are available"),
    "changes only when deleted": (
        daemon_set(want=2, strategy="OnDelete", updatedNumberScheduled=0),
        READY,
        "2 of 2 pods are ready; 2 keep the old revision until they are deleted",
    ),
}

JOBS = {
    "complete": (job("a", condition("Complete")), READY, "has completed"),
    "runs": (job("a", active=1), WAITING, "has not completed"),
    "tries again": (job("a", failed=2), WAITING, "has not completed (2 tries failed)"),
    "succeeded, but pods still end": (job("a", condition("SuccessCriteriaMet")), WAITING, "has not completed"),
    "failed": (
        job("a", condition("Failed", "True", "BackoffLimitExceeded", "too often")),
        FAILED,
        "BackoffLimitExceeded: too often",
    ),
    "bound to fail": (job("a", condition("FailureTarget", "True", "PodFailurePolicy")), FAILED, "PodFailurePolicy"),
    "suspended": (job("a", condition("Suspended")), WAITING, "is suspended"),
    "to be suspended": ({**job("a"), "spec": {"suspend": True}}, WAITING, "is suspended"),
    "said false": (job("a", condition("Complete", "False")), WAITING, "has not completed"),
}

PODS_AND_CLAIMS = {
    "pod ready": (thing("Pod", status={"phase": "Running", "conditions": [condition("Ready")]}), READY, "is ready"),
    "pod succeeded": (thing("Pod", status={"phase": "Succeeded"}), READY, "has succeeded"),
    "pod failed": (
        thing("Pod", status={"phase": "Failed", "reason": "Evicted", "message": "low on memory"}),
        FAILED,
        "Evicted: low on memory",
    ),
    "pod failed silently": (thing("Pod", status={"phase": "Failed"}), FAILED, "no reason given"),
    "pod runs": (
        thing("Pod", status={"phase": "Running", "conditions": [condition("Ready", "False", "ContainersNotReady")]}),
        WAITING,
        "ContainersNotReady",
    ),
    "pod new": (thing("Pod"), WAITING, "is not ready"),
    "claim bound": (thing("PersistentVolumeClaim", status={"phase": "Bound"}), READY, "is bound"),
    "claim waits for its first pod": (
        thing("PersistentVolumeClaim", status={"phase": "Pending"}),
        WAITING,
        "is not bound",
    ),
    "claim lost": (thing("PersistentVolumeClaim", status={"phase": "Lost"}), FAILED, "has lost its volume"),
    "claim new": (thing("PersistentVolumeClaim"), WAITING, "is not bound"),
}

OTHERS = {
    "replica set": (
        thing("ReplicaSet", api="apps/v1", spec={"replicas": 1}, status={"availableReplicas": 1}),
        READY,
        "1 of 1 pods are available",
    ),
    "replication controller": (thing("ReplicationController", spec={}), WAITING, "0 of 1 pods are available"),
    "stale replica set": (
        thing("ReplicaSet", api="apps/v1", meta={"generation": 2}),
        WAITING,
        "its controller has not seen the change",
    ),
    "cluster service": (thing("Service", spec={"type": "ClusterIP"}), READY, "exists"),
    "external name": (thing("Service", spec={"type": "ExternalName"}), READY, "exists"),
    "service without a type": (thing("Service", spec={}), READY, "exists"),
    "load balancer": (
        thing("Service", spec={"type": "LoadBalancer"}, status={"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}),
        READY,
        "has an address",
    ),
    "load balancer with addresses of its own": (
        thing("Service", spec={"type": "LoadBalancer", "externalIPs": ["192.0.2.1"]}),
        READY,
        "has an address",
    ),
    "load balancer without address": (
        thing("Service", spec={"type": "LoadBalancer"}, status={"loadBalancer": {}}),
        WAITING,
        "its load balancer has no address",
    ),
    "namespace": (thing("Namespace", status={"phase": "Active"}), READY, "is active"),
    "namespace that goes": (thing("Namespace", status={"phase": "Terminating"}), WAITING, "is terminating"),
    "config map": (thing("ConfigMap"), READY, "exists"),
    "secret": (thing("Secret"), READY, "exists"),
    "role": (thing("Role", api="rbac.authorization.k8s.io/v1"), READY, "exists"),
    "autoscaler": (thing("HorizontalPodAutoscaler", api="autoscaling/v2"), READY, "exists"),
    "budget": (thing("PodDisruptionBudget", api="policy/v1"), READY, "exists"),
    "policy": (thing("NetworkPolicy", api="networking.k8s.io/v1"), READY, "exists"),
    "cron job": (thing("CronJob", api="batch/v1"), READY, "exists"),
    "deleted": (
        thing("ConfigMap", meta={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        WAITING,
        "is being deleted",
    ),
    "deleted but held": (
        thing("ConfigMap", meta={"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b", "c"]}),
        WAITING,
        "is being deleted (held by a/b, c)",
    ),
}

_CRD = "apiextensions.k8s.io/v1"
DEFINITIONS = {
    "served": (
        thing("CustomResourceDefinition", api=_CRD, status={"conditions": [condition("Established")]}),
        READY,
        "is established",
    ),
    "not served": (thing("CustomResourceDefinition", api=_CRD), WAITING, "is not established"),
    "name taken": (
        thing(
            "CustomResourceDefinition",
            api=_CRD,
            status={"conditions": [condition("NamesAccepted", "False", "ListKindConflict", "taken")]},
        ),
        FAILED,
        "ListKindConflict: taken",
    ),
    "api available": (
        thing("APIService", api="apiregistration.k8s.io/v1", status={"conditions": [condition("Available")]}),
        READY,
        "is available",
    ),
    "api missing": (
        thing(
            "APIService",
            api="apiregistration.k8s.io/v1",
            status={"conditions": [condition("Available", "False", "MissingEndpoints")]},
        ),
        WAITING,
        "MissingEndpoints",
    ),
}

_SILENT = 'says nothing about itself; if to exist is enough, annotate it with kolla-k8s.io/ready: "exists"'
CUSTOM = {
    "ready": (custom(condition("Ready", "True", "Issued")), READY, "Ready is True: Issued"),
    "not ready": (custom(condition("Ready", "False", "Pending")), WAITING, "Ready is False: Pending"),
    "not known": (custom(condition("Available", "Unknown")), WAITING, "Available is Unknown: no reason given"),
    "stalled": (custom(condition("Stalled", "True", "BadSpec"), condition("Ready")), FAILED, "BadSpec"),
    "reconciling": (custom(condition("Reconciling", "True", "Busy"), condition("Ready")), WAITING, "Busy"),
    "stale": (
        custom(condition("Ready"), generation=2, observedGeneration=1),
        WAITING,
        "its controller has not seen the change",
    ),
    "good phase": (custom(phase="Running"), READY, "its phase is Running"),
    "other phase": (custom(phase="Creating"), WAITING, "its phase is Creating"),
    "silent": (thing("Widget", api="example.org/v1"), WAITING, _SILENT),
    "marked": (
        thing("Widget", api="example.org/v1", meta={"annotations": {"kolla-k8s.io/ready": "exists"}}),
        READY,
        "exists, which is all it has to do",
    ),
}


def route(*conditions, generation=1):
    told = {"parents": [{"conditions": list(conditions)}]} if conditions else {}
    return thing("HTTPRoute", api="gateway.networking.k8s.io/v1", meta={"generation": generation}, status=told)


_TAKEN = {**condition("Accepted"), "observedGeneration": 1}
ROUTES = {
    "nobody": (route(), WAITING, "no Gateway has taken it"),
    "refused": (
        route(condition("Accepted", "False", "NotAllowedByListeners")),
        WAITING,
        "Accepted is False: NotAllowedByListeners",
    ),
    "half": (route(_TAKEN), WAITING, "ResolvedRefs is unknown: no reason given"),
    "stale": (route(_TAKEN, generation=2), WAITING, "its controller has not seen the change"),
    "taken": (route(_TAKEN, condition("ResolvedRefs")), READY, "its Gateway has taken it"),
}

TABLE = {
    f"{name}: {case}": row
    for name, rows in {
        "Deployment": DEPLOYMENTS,
        "StatefulSet": STATEFUL_SETS,
        "DaemonSet": DAEMON_SETS,
        "Job": JOBS,
        "Pod and claim": PODS_AND_CLAIMS,
        "other": OTHERS,
        "definition": DEFINITIONS,
        "custom": CUSTOM,
        "route": ROUTES,
    }.items()
    for case, row in rows.items()
}


@pytest.mark.parametrize("case", TABLE)
def test_state_and_words_follow_the_table(case):
    """
    Each state of each kind gives the verdict of its rule, and says why.
    """
    given, state, why = TABLE[case]

    verdict = assess(given)

    assert (state, why) == (verdict.state, verdict.why)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (thing("Pod"), "Pod"),
        (thing("Deployment", api="apps/v1"), "apps/Deployment"),
        (thing("Role", api="rbac.authorization.k8s.io/v1"), "rbac.authorization.k8s.io/Role"),
        ({}, ""),
    ],
)
def test_kind_is_named_without_its_version(given, expected):
    """
    A kind keeps its rule when its API moves from v1beta1 to v1.
    """
    assert expected == group_kind(given)


def test_only_kinds_that_do_nothing_are_passive():
    """
    What is ready by existing needs no watch; what can be not ready does.
    """
    marked = thing("Widget", api="example.org/v1", meta={"annotations": {"kolla-k8s.io/ready": "exists"}})

    assert [True, True, False, False, False] == [
        is_passive(o) for o in (thing("ConfigMap"), marked, deployment(), thing("Service"), custom())
    ]
