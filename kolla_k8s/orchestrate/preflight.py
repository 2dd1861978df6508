"""Is this cluster fit for this cloud? Read-only questions, each with a fact and a way out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kolla_k8s.errors import KollaK8sError
from kolla_k8s.orchestrate.kinds import NODE, resource_of
from kolla_k8s.orchestrate.ready import KubeObject
from kolla_k8s.ports import Cluster, Resource

OLDEST_KUBERNETES = (1, 30)
CLASSES = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", is_namespaced=False)
REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", is_namespaced=False
)
SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "m": 1e-3}


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: ``ok``, ``warning`` or ``problem``."""

    subject: str
    level: str
    fact: str
    way_out: str = ""


def quantity(text: object) -> float:
    """Number of a Kubernetes quantity: ``512Mi`` is 536870912.0, ``100m`` is 0.1.

    >>> quantity("1500m")
    1.5
    """
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text))
    return float(found[1]) * _UNITS.get(found[2], 1.0) if found else 0.0


async def preflight(cluster: Cluster, namespace: str, objects: Iterable[KubeObject]) -> list[Finding]:
    """Ask a cluster everything; ``objects`` are the rendered charts."""
    items = list(objects)
    findings = [await _version(cluster), await _kinds(cluster, items), *await _rights(cluster, namespace, items)]
    findings += [await _storage(cluster, items), *await _capacity(cluster, items), await _dns(cluster)]
    return findings


async def _version(cluster: Cluster) -> Finding:
    server = await cluster.server()
    version = server["version"]
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_KUBERNETES:
        return Finding("Kubernetes", "problem", f"{version} at {server['url']} is too old", "1.30 or later is needed")
    return Finding("Kubernetes", "ok", f"{version} at {server['url']}")


async def _kinds(cluster: Cluster, items: list[KubeObject]) -> Finding:
    missing = sorted({f"{item['apiVersion']}/{item['kind']}" for item in items} - await cluster.discover())
    if missing:
        return Finding("kinds", "problem", f"not served: {', '.join(missing)}", "install what serves them")
    return Finding("kinds", "ok", "every kind of the charts is served")


async def _rights(cluster: Cluster, namespace: str, items: list[KubeObject]) -> list[Finding]:
    wanted = {(r.group, r.plural, verb) for r in map(resource_of, items) for verb in ("create", "patch", "delete")}
    wanted |= {("", "secrets", verb) for verb in ("get", "list", "create", "update")}
    wanted |= {("", kind, "list") for kind in ("pods", "events")} | {("", "pods/exec", "get")}
    wanted |= {("apps", "controllerrevisions", "list")}
    missing = []
    for group, plural, verb in sorted(wanted):
        kind, _, part = plural.partition("/")
        about = {"namespace": namespace, "verb": verb, "group": group, "resource": kind}
        attributes = {**about, "subresource": part} if part else about
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "spec": {"resourceAttributes": attributes},
        }
        try:
            answer = await cluster.create(REVIEWS, body)
        except KollaK8sError as error:
            return [Finding("rights", "warning", f"cannot be asked: {error}")]
        if not answer.get("status", {}).get("allowed"):
            missing.append(f"{verb} {plural}{'.' + group if group else ''}")
    if missing:
        fact = f"missing in {namespace}: {', '.join(missing)}"
        return [Finding("rights", "problem", fact, "ask for a Role with these rights")]
    return [Finding("rights", "ok", f"{len(wanted)} rights in {namespace}")]


async def _storage(cluster: Cluster, items: list[KubeObject]) -> Finding:
    wanted = set(_classes_of_claims(items))
    if not wanted:
        return Finding("storage", "ok", "no claims")
    classes = {c["metadata"]["name"]: c["metadata"].get("annotations") or {} for c in await cluster.list(CLASSES)}
    defaults = [name for name, annotations in classes.items() if annotations.get(DEFAULT_CLASS) == "true"]
    if missing := sorted(wanted - {"", *classes}):
        fact = f"no StorageClass is called {_quoted(missing)}"
        return Finding("storage", "problem", fact, f"known: {', '.join(classes) or 'none'}")
    if "" in wanted and not defaults:
        return Finding("storage", "problem", "no default StorageClass", "name one in storage.class of the site")
    used = [
        f"StorageClass {_quoted([name])}" if name else f"default StorageClass {_quoted(defaults[:1])}"
        for name in sorted(wanted)
    ]
    return Finding("storage", "ok", ", ".join(used))


def _classes_of_claims(items: list[KubeObject]) -> Iterator[str]:
    """Give the class of every claim that a StatefulSet makes; empty for the cluster's default."""
    for item in items:
        if item["kind"] == "StatefulSet":
            for claim in item["spec"].get("volumeClaimTemplates") or ():
                yield claim["spec"].get("storageClassName") or ""


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


async def _capacity(cluster: Cluster, items: list[KubeObject]) -> list[Finding]:
    nodes = [n for n in await cluster.list(NODE) if not n["spec"].get("unschedulable")]
    findings = []
    for kind, unit, divisor in (("cpu", "cores", 1.0), ("memory", "GiB", 2.0**30)):
        have = sum(quantity(node["status"]["allocatable"][kind]) for node in nodes) / divisor
        want = sum(_requests(item, kind) * _pods(item, nodes) for item in items) / divisor
        level = "ok" if want <= have else "problem"
        fact = f"{want:.1f} of {have:.1f} {unit} on {len(nodes)} nodes are requested"
        findings.append(Finding(kind, level, fact, "" if level == "ok" else "add nodes or lower resources"))
    return findings


def _requests(item: KubeObject, kind: str) -> float:
    """Give what one pod of a workload requests; nothing for what is no workload."""
    if item["kind"] not in {"Deployment", "StatefulSet", "DaemonSet"}:
        return 0.0
    containers = item["spec"]["template"]["spec"]["containers"]
    return sum(quantity(c.get("resources", {}).get("requests", {}).get(kind, 0)) for c in containers)


def _pods(item: KubeObject, nodes: Sequence[KubeObject]) -> int:
    """Count the pods of a workload: those of a DaemonSet by the nodes that its selector chooses."""
    spec: Mapping[str, Any] = item.get("spec", {})
    if item["kind"] != "DaemonSet":
        return int(spec.get("replicas", 1))
    wanted: Mapping[str, str] = spec["template"]["spec"].get("nodeSelector") or {}
    return sum(wanted.items() <= (node["metadata"].get("labels") or {}).items() for node in nodes)


async def _dns(cluster: Cluster) -> Finding:
    slices = await cluster.list(SLICES, "kube-system", labels="kubernetes.io/service-name=kube-dns")
    if any(one.get("endpoints") for one in slices):
        return Finding("DNS", "ok", "kube-dns has endpoints")
    return Finding("DNS", "warning", "the Service kube-system/kube-dns has no endpoints", "check the cluster's DNS")
