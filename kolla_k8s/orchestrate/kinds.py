"""Where in the API does an object of this kind live?

Apart because a manifest names a kind and the API wants a plural: discovery could tell, but costs a request per group
and a cluster that is there. Known kinds stand in a table; an unknown one gets the plural that almost every CRD has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kolla_k8s.ports import Resource

POD = Resource("", "v1", "pods", "Pod")
EVENT = Resource("", "v1", "events", "Event")
CLAIM = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
CONFIG_MAP = Resource("", "v1", "configmaps", "ConfigMap")
REPLICA_SET = Resource("apps", "v1", "replicasets", "ReplicaSet")
STATEFUL_SET = Resource("apps", "v1", "statefulsets", "StatefulSet")
DAEMON_SET = Resource("apps", "v1", "daemonsets", "DaemonSet")
CONTROLLER_REVISION = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
NODE = Resource("", "v1", "nodes", "Node", is_namespaced=False)
JOB = Resource("batch", "v1", "jobs", "Job")
SERVICE = Resource("", "v1", "services", "Service")

ALWAYS_WATCHED = (
    POD,
    EVENT,
    CLAIM,
    REPLICA_SET,
    JOB,
    Resource("apps", "v1", "deployments", "Deployment"),
    STATEFUL_SET,
    DAEMON_SET,
    SERVICE,
    Resource("batch", "v1", "cronjobs", "CronJob"),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
)
"""What tells whether a release comes up, and why not, in every namespace that a plan names."""

_CLUSTER_WIDE = frozenset(
    {
        "Namespace",
        "Node",
        "PersistentVolume",
        "admissionregistration.k8s.io/MutatingWebhookConfiguration",
        "admissionregistration.k8s.io/ValidatingAdmissionPolicy",
        "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding",
        "admissionregistration.k8s.io/ValidatingWebhookConfiguration",
        "apiextensions.k8s.io/CustomResourceDefinition",
        "apiregistration.k8s.io/APIService",
        "cert-manager.io/ClusterIssuer",
        "gateway.networking.k8s.io/GatewayClass",
        "networking.k8s.io/IngressClass",
        "node.k8s.io/RuntimeClass",
        "rbac.authorization.k8s.io/ClusterRole",
        "rbac.authorization.k8s.io/ClusterRoleBinding",
        "scheduling.k8s.io/PriorityClass",
        "storage.k8s.io/CSIDriver",
        "storage.k8s.io/StorageClass",
    }
)
_ODD_PLURALS = {"NetworkAttachmentDefinition": "network-attachment-definitions", "Endpoints": "endpoints"}


def resource_of(thing: Mapping[str, Any]) -> Resource:
    """Give the address of an object's kind.

    >>> resource_of({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}).plural
    'networkpolicies'
    """
    group, _, version = thing["apiVersion"].rpartition("/")
    kind = thing["kind"]
    full = f"{group}/{kind}" if group else kind
    return Resource(group, version, _ODD_PLURALS.get(kind, _plural(kind.lower())), kind, full not in _CLUSTER_WIDE)


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"
