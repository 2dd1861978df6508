"""Is there room for a cloud: what its pods ask for, held against what nodes have and others have taken. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from kolla_k8s.ports import KubeObject

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
OVER = frozenset({"Succeeded", "Failed"})
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "m": 1e-3}


def quantity(text: object) -> float:
    """Number of a Kubernetes quantity: ``512Mi`` is 536870912.0, ``100m`` is 0.1.

    >>> quantity("1500m")
    1.5
    """
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text))
    return float(found[1]) * _UNITS.get(found[2], 1.0) if found else 0.0


def wanted(items: Iterable[KubeObject], nodes: Sequence[KubeObject], kind: str) -> float:
    """What all pods of workloads ask for, of ``cpu`` (cores) or ``memory`` (bytes)."""
    return sum(
        _requests(item["spec"]["template"]["spec"], kind) * _pods(item, nodes)
        for item in items
        if item["kind"] in WORKLOADS
    )


def taken(pods: Iterable[KubeObject], nodes: Iterable[KubeObject], ours: Collection[str], kind: str) -> float:
    """What pods have on these nodes already; those in our own namespaces are what is wanted, and do not count."""
    names = {node["metadata"]["name"] for node in nodes}
    return sum(
        _requests(pod["spec"], kind)
        for pod in pods
        if pod["spec"].get("nodeName") in names
        and pod["metadata"].get("namespace") not in ours
        and pod.get("status", {}).get("phase") not in OVER
    )


def homeless(items: Iterable[KubeObject], nodes: Sequence[KubeObject]) -> dict[tuple[str, ...], list[str]]:
    """Labels (``key=value``) that no node bears -> names of the workloads whose node selector asks for them."""
    found: dict[tuple[str, ...], list[str]] = {}
    for item in items:
        if item["kind"] in WORKLOADS and not any(chooses(item, node) for node in nodes):
            labels = tuple(f"{key}={value}" for key, value in sorted(_selector(item).items()))
            found.setdefault(labels, []).append(item["metadata"]["name"])
    return {labels: sorted(names) for labels, names in sorted(found.items())}


def chooses(item: KubeObject, node: KubeObject) -> bool:
    """Whether the node selector of a workload lets its pods run on a node."""
    return _selector(item).items() <= (node["metadata"].get("labels") or {}).items()


def _selector(item: KubeObject) -> Mapping[str, str]:
    return item["spec"]["template"]["spec"].get("nodeSelector") or {}


def _requests(pod: Mapping[str, Any], kind: str) -> float:
    """Give what the scheduler sets aside for a pod: init containers run before the others, sidecars beside them."""
    first = pod.get("initContainers") or ()
    beside = [*pod.get("containers", ()), *(one for one in first if one.get("restartPolicy") == "Always")]
    return max(sum(_of(one, kind) for one in beside), *(_of(one, kind) for one in first), 0.0)


def _of(container: Mapping[str, Any], kind: str) -> float:
    return quantity(container.get("resources", {}).get("requests", {}).get(kind, 0))


def _pods(item: KubeObject, nodes: Iterable[KubeObject]) -> int:
    """Count the pods of a workload: those of a DaemonSet by the nodes that its selector chooses."""
    if item["kind"] != "DaemonSet":
        return int(item["spec"].get("replicas", 1))
    return sum(chooses(item, node) for node in nodes)
