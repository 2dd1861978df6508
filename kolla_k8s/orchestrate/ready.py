"""Is this object ready, still on its way, or failed? One pure table, kind -> rule.

Apart from everything that waits, so that each rule can be read, tested and argued about alone. Helm's own waiter drops
failed objects, fails a StatefulSet at its first crash and counts a running Job as ready (docs/adr/0002); these rules
say what an operator means by "up". They look at one object as the API gave it: no clock, no second object, no request.
A Deployment that passed its progress deadline is not failed here: our own deadlines judge patience.
A kind that nobody wrote a rule for is judged by its conditions; without any it *waits*, and says which annotation ends
that: nothing is taken for ready because we do not know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

KubeObject = Mapping[str, Any]

EXISTS_ANNOTATION = "kolla-k8s.io/ready"
"""On an object of an unknown kind, the value ``exists`` says that to exist is all it has to do."""


class State(StrEnum):
    """What an object is, for those who wait for it."""

    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state and the sentence that says why, without the object's name."""

    state: State
    why: str


def assess(thing: KubeObject) -> Verdict:
    """Say whether an object is ready, by the rule of its kind.

    Args:
        thing: The object with ``apiVersion``, ``kind``, ``metadata``, ``spec`` and ``status`` as the API serves it.

    Returns:
        READY, WAITING or FAILED and why. An object that is being deleted waits, whatever its status says.

    >>> assess({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "etc"}})
    Verdict(state=<State.READY: 'ready'>, why='exists')
    """
    if "deletionTimestamp" in thing.get("metadata", {}):
        holders = ", ".join(thing["metadata"].get("finalizers", ()))
        return _waiting(f"is being deleted (held by {holders})" if holders else "is being deleted")
    return _RULES.get(group_kind(thing), _custom)(thing)


def group_kind(thing: KubeObject) -> str:
    """Name the kind with its API group but without a version: ``apps/Deployment``; core kinds stand alone: ``Pod``."""
    group, _, _ = thing.get("apiVersion", "").rpartition("/")
    kind = str(thing.get("kind", ""))
    return f"{group}/{kind}" if group else kind


def is_passive(thing: KubeObject) -> bool:
    """Tell whether an object of this kind is ready as soon as it exists, so that nobody needs to watch it."""
    return _RULES.get(group_kind(thing)) is _exists or _is_marked(thing)


def conditions(thing: KubeObject) -> dict[str, Mapping[str, Any]]:
    """Map the type of each condition in the status to the condition."""
    return {str(c.get("type", "")): c for c in thing.get("status", {}).get("conditions") or ()}


def holds(thing: KubeObject, name: str) -> bool:
    """Tell whether the condition of that type is ``True``."""
    return bool(conditions(thing).get(name, {}).get("status") == "True")


def is_stale(thing: KubeObject) -> bool:
    """Tell whether the status speaks of an older generation than the one asked for."""
    return bool(thing.get("status", {}).get("observedGeneration", 0) < thing.get("metadata", {}).get("generation", 0))


def _ready(why: str) -> Verdict:
    return Verdict(State.READY, why)


def _waiting(why: str) -> Verdict:
    return Verdict(State.WAITING, why)


def _failed(why: str) -> Verdict:
    return Verdict(State.FAILED, why)


def _said(condition: Mapping[str, Any]) -> str:
    """Quote a condition: its reason and its message, as far as there are any."""
    return ": ".join(str(condition[key]) for key in ("reason", "message") if condition.get(key)) or "no reason given"


def _wanted(thing: KubeObject) -> int:
    replicas = thing.get("spec", {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def _count(thing: KubeObject, key: str) -> int:
    return int(thing.get("status", {}).get(key) or 0)


def _exists(_: KubeObject) -> Verdict:
    return _ready("exists")


def _deployment(thing: KubeObject) -> Verdict:
    """All replicas are of the newest template and available, and none of the old ones is left."""
    if is_stale(thing):
        return _waiting("its controller has not seen the change")
    if thing.get("spec", {}).get("paused"):
        return _waiting("is paused; resume it with `kubectl rollout resume`")
    want = _wanted(thing)
    total, updated, available = (_count(thing, key) for key in ("replicas", "updatedReplicas", "availableReplicas"))
    if holds(thing, "ReplicaFailure") and total < want:
        return _waiting(f"{total} of {want} pods exist: {_said(conditions(thing)['ReplicaFailure'])}")
    if updated < want:
        return _waiting(f"{updated} of {want} pods are updated")
    if total > updated:
        return _waiting(f"{total - updated} old pods have not gone")
    return (_ready if available >= want else _waiting)(f"{available} of {want} pods are available")


def _stateful_set(thing: KubeObject) -> Verdict:
    """All replicas are ready, and those at or above the partition run the newest revision."""
    if is_stale(thing):
        return _waiting("its controller has not seen the change")
    want = _wanted(thing)
    ready = _count(thing, "readyReplicas")
    if _count(thing, "replicas") != want:
        return _waiting(f"{_count(thing, 'replicas')} of {want} pods exist")
    if ready < want:
        return _waiting(f"{ready} of {want} pods are ready")
    if _count(thing, "availableReplicas") < want and "availableReplicas" in thing["status"]:
        return _waiting(f"{_count(thing, 'availableReplicas')} of {want} pods have been ready for long enough")
    return _stateful_revision(thing, want)


def _stateful_revision(thing: KubeObject, want: int) -> Verdict:
    status, strategy = thing["status"], thing.get("spec", {}).get("updateStrategy", {})
    updated = _count(thing, "updatedReplicas")
    is_current = status.get("updateRevision", "") == status.get("currentRevision", "")
    if is_current:
        return _ready(f"{want} of {want} pods are ready")
    if strategy.get("type") == "OnDelete":
        return _ready(f"{want} of {want} pods are ready; {want - updated} keep the old revision until they are deleted")
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    if partition and updated >= want - partition:
        return _ready(f"{updated} pods from partition {partition} on are updated")
    return _waiting(f"{updated} of {max(want - partition, 0)} pods are updated")


def _daemon_set(thing: KubeObject) -> Verdict:
    """Every node that wants a pod has a ready one; of the newest template, unless pods change only when deleted."""
    if is_stale(thing):
        return _waiting("its controller has not seen the change")
    want, updated = _count(thing, "desiredNumberScheduled"), _count(thing, "updatedNumberScheduled")
    is_on_delete = thing.get("spec", {}).get("updateStrategy", {}).get("type") == "OnDelete"
    if want == 0:
        return _ready("no node wants it")
    if updated < want and not is_on_delete:
        return _waiting(f"{updated} of {want} nodes run the newest pod")
    for key, what in (("numberReady", "ready"), ("numberAvailable", "available")):
        if _count(thing, key) < want:
            return _waiting(f"{_count(thing, key)} of {want} pods are {what}")
    if updated < want:
        return _ready(f"{want} of {want} pods are ready; {want - updated} keep the old revision until they are deleted")
    return _ready(f"{want} of {want} pods are ready")


def _replica_set(thing: KubeObject) -> Verdict:
    if is_stale(thing):
        return _waiting("its controller has not seen the change")
    want, available = _wanted(thing), _count(thing, "availableReplicas")
    return (_ready if available >= want else _waiting)(f"{available} of {want} pods are available")


def _job(thing: KubeObject) -> Verdict:
    """A Job is ready when it has completed, not when it has started."""
    for name in ("Failed", "FailureTarget"):
        if holds(thing, name):
            return _failed(_said(conditions(thing)[name]))
    if holds(thing, "Complete"):
        return _ready("has completed")
    if holds(thing, "Suspended") or thing.get("spec", {}).get("suspend"):
        return _waiting("is suspended")
    failed = _count(thing, "failed")
    return _waiting(f"has not completed ({failed} tries failed)" if failed else "has not completed")


def _pod(thing: KubeObject) -> Verdict:
    status = thing.get("status", {})
    if status.get("phase") == "Failed":
        return _failed(_said(status))
    if status.get("phase") == "Succeeded" or holds(thing, "Ready"):
        return _ready("has succeeded" if status["phase"] == "Succeeded" else "is ready")
    return _waiting(_said(conditions(thing)["Ready"]) if "Ready" in conditions(thing) else "is not ready")


def _claim(thing: KubeObject) -> Verdict:
    """A claim that waits for its first pod is waiting: whether that pod is there only its neighbours can tell."""
    phase = thing.get("status", {}).get("phase", "Pending")
    if phase == "Bound":
        return _ready("is bound")
    if phase == "Lost":
        return _failed("has lost its volume")
    return _waiting("is not bound")


def _service(thing: KubeObject) -> Verdict:
    """Only a load balancer has to be waited for; that pods stand behind a Service is what gates ask."""
    if thing.get("spec", {}).get("type") != "LoadBalancer":
        return _ready("exists")
    addresses = thing.get("status", {}).get("loadBalancer", {}).get("ingress") or thing["spec"].get("externalIPs")
    return _ready("has an address") if addresses else _waiting("its load balancer has no address")


def _route(thing: KubeObject) -> Verdict:
    """A route is ready when each Gateway that it names has taken it and finds what stands behind it."""
    parents = thing.get("status", {}).get("parents") or ()
    if not parents:
        return _waiting("no Gateway has taken it")
    generation = thing["metadata"].get("generation", 0)
    for parent in parents:
        told = {c["type"]: c for c in parent.get("conditions") or ()}
        for name in ("Accepted", "ResolvedRefs"):
            condition = told.get(name, {})
            if condition.get("observedGeneration", generation) < generation:
                return _waiting("its controller has not seen the change")
            if condition.get("status") != "True":
                return _waiting(f"{name} is {condition.get('status', 'unknown')}: {_said(condition)}")
    return _ready("its Gateway has taken it")


def _namespace(thing: KubeObject) -> Verdict:
    phase = thing.get("status", {}).get("phase", "Active")
    return _ready("is active") if phase == "Active" else _waiting(f"is {str(phase).lower()}")


def _definition(thing: KubeObject) -> Verdict:
    """A CustomResourceDefinition is ready when its kind is served."""
    names = conditions(thing).get("NamesAccepted", {})
    if names.get("status") == "False":
        return _failed(_said(names))
    return _ready("is established") if holds(thing, "Established") else _waiting("is not established")


def _api_service(thing: KubeObject) -> Verdict:
    available = conditions(thing).get("Available", {})
    return _ready("is available") if available.get("status") == "True" else _waiting(_said(available))


def _custom(thing: KubeObject) -> Verdict:
    """Judge a kind without a rule by what most controllers say: Stalled, Reconciling, Ready and their like, a phase.

    A negative condition waits: for a controller we do not know, "not ready" is no proof of "never".
    """
    if _is_marked(thing):
        return _ready("exists, which is all it has to do")
    if "observedGeneration" in thing.get("status", {}) and is_stale(thing):
        return _waiting("its controller has not seen the change")
    if holds(thing, "Stalled"):
        return _failed(_said(conditions(thing)["Stalled"]))
    if holds(thing, "Reconciling"):
        return _waiting(_said(conditions(thing)["Reconciling"]))
    told = conditions(thing)
    for name in _POSITIVE:
        if name in told:
            give = _ready if holds(thing, name) else _waiting
            return give(f"{name} is {told[name].get('status')}: {_said(told[name])}")
    return _custom_phase(thing)


def _custom_phase(thing: KubeObject) -> Verdict:
    phase = str(thing.get("status", {}).get("phase", ""))
    if phase.lower() in _GOOD_PHASES:
        return _ready(f"its phase is {phase}")
    if phase:
        return _waiting(f"its phase is {phase}")
    return _waiting(f'says nothing about itself; if to exist is enough, annotate it with {EXISTS_ANNOTATION}: "exists"')


def _is_marked(thing: KubeObject) -> bool:
    annotations = thing.get("metadata", {}).get("annotations") or {}
    return bool(annotations.get(EXISTS_ANNOTATION) == "exists")


_POSITIVE = ("Ready", "Available", "Programmed", "Accepted", "Established", "Synced", "Complete")
_GOOD_PHASES = frozenset({"ready", "running", "bound", "active", "available", "succeeded", "healthy", "established"})

_PASSIVE = {
    "": ("ConfigMap", "Secret", "ServiceAccount", "Endpoints", "Event", "LimitRange", "ResourceQuota", "PodTemplate"),
    "admissionregistration.k8s.io": (
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ),
    "apps": ("ControllerRevision",),
    "autoscaling": ("HorizontalPodAutoscaler",),
    "batch": ("CronJob",),
    "coordination.k8s.io": ("Lease",),
    "discovery.k8s.io": ("EndpointSlice",),
    "gateway.networking.k8s.io": ("GatewayClass", "ReferenceGrant"),
    "k8s.cni.cncf.io": ("NetworkAttachmentDefinition",),
    "monitoring.coreos.com": ("PodMonitor", "PrometheusRule", "ServiceMonitor"),
    "networking.k8s.io": ("Ingress", "IngressClass", "NetworkPolicy"),
    "node.k8s.io": ("RuntimeClass",),
    "policy": ("PodDisruptionBudget",),
    "rbac.authorization.k8s.io": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    "scheduling.k8s.io": ("PriorityClass",),
    "storage.k8s.io": ("CSIDriver", "StorageClass"),
}
"""Kinds whose objects do their work by being there, or whose state holds nothing back; by API group."""

_RULES: dict[str, Callable[[KubeObject], Verdict]] = {
    **{(f"{group}/{kind}" if group else kind): _exists for group, kinds in _PASSIVE.items() for kind in kinds},
    "apps/Deployment": _deployment,
    "apps/StatefulSet": _stateful_set,
    "apps/DaemonSet": _daemon_set,
    "apps/ReplicaSet": _replica_set,
    "ReplicationController": _replica_set,
    "batch/Job": _job,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
    "Service": _service,
    "Namespace": _namespace,
    "gateway.networking.k8s.io/HTTPRoute": _route,
    "apiextensions.k8s.io/CustomResourceDefinition": _definition,
    "apiregistration.k8s.io/APIService": _api_service,
}
