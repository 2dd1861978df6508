"""Is this cluster fit for this cloud? Read-only questions, each with a fact and a way out.

What cannot be told, because the API refuses to say or does not answer, is a warning that says so: it is never ``ok``,
and never in the way of an install that may well succeed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kolla_k8s.errors import KollaK8sError
from kolla_k8s.orchestrate import room
from kolla_k8s.orchestrate.kinds import NODE, POD
from kolla_k8s.orchestrate.permissions import Right, refused, rights
from kolla_k8s.orchestrate.secrets import NAMESPACES
from kolla_k8s.ports import Cluster, KubeObject, Resource

OLDEST_KUBERNETES = (1, 30)
CLASSES = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", is_namespaced=False)
SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: ``ok``, ``warning`` or ``problem``."""

    subject: str
    level: str
    fact: str
    way_out: str = ""


async def preflight(
    cluster: Cluster, namespaces: Mapping[str, str], objects: Mapping[str, Sequence[KubeObject]]
) -> list[Finding]:
    """Ask a cluster everything.

    Args:
        cluster: Who is asked.
        namespaces: ``control`` and ``node`` -> namespace.
        objects: Namespace -> objects of the rendered charts.
    """
    items = [item for part in objects.values() for item in part]
    questions = {
        "Kubernetes": _version(cluster),
        "kinds": _kinds(cluster, items),
        "rights": _rights(cluster, namespaces, objects),
        "storage": _storage(cluster, items),
        "nodes": _selectors(cluster, items),
        "capacity": _capacity(cluster, items, set(namespaces.values())),
        "DNS": _dns(cluster),
    }
    answers = await asyncio.gather(*(_told(subject, question) for subject, question in questions.items()))
    return [finding for answer in answers for finding in answer]


async def _told(subject: str, question: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        return await question
    except KollaK8sError as error:
        return [Finding(subject, "warning", f"cannot be told: {error}")]


async def _version(cluster: Cluster) -> list[Finding]:
    server = await cluster.server()
    version = server["version"]
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_KUBERNETES:
        return [Finding("Kubernetes", "problem", f"{version} at {server['url']} is too old", "1.30 or later is needed")]
    return [Finding("Kubernetes", "ok", f"{version} at {server['url']}")]


async def _kinds(cluster: Cluster, items: list[KubeObject]) -> list[Finding]:
    missing = sorted({f"{item['apiVersion']}/{item['kind']}" for item in items} - await cluster.discover())
    if missing:
        return [Finding("kinds", "problem", f"not served: {', '.join(missing)}", "install what serves them")]
    return [Finding("kinds", "ok", "every kind of the charts is served")]


async def _rights(
    cluster: Cluster, namespaces: Mapping[str, str], objects: Mapping[str, Sequence[KubeObject]]
) -> list[Finding]:
    wanted = rights(objects, namespaces)
    if await _lacks_namespaces(cluster, namespaces.values()):
        wanted.add(Right("", "namespaces", "create"))
    missing: dict[str, list[str]] = {}
    for right in await refused(cluster, wanted):
        missing.setdefault(right.namespace, []).append(f"{right.verb} {right.resource}")
    if not missing:
        places = ", ".join(sorted(namespaces.values()))
        return [Finding("rights", "ok", f"{len(wanted)} rights in {places} and in the cluster")]
    return [_without(space, what) for space, what in sorted(missing.items())]


def _without(namespace: str, what: list[str]) -> Finding:
    fact = f"missing in {namespace or 'the cluster'}: {', '.join(what)}"
    return Finding("rights", "problem", fact, f"ask for a {'Role' if namespace else 'ClusterRole'} with these rights")


async def _lacks_namespaces(cluster: Cluster, names: Iterable[str]) -> bool:
    """Whether one must be made; who may not even look is told so by the review of that right."""
    try:
        return None in [await cluster.get(NAMESPACES, name) for name in names]
    except KollaK8sError:
        return False


async def _storage(cluster: Cluster, items: list[KubeObject]) -> list[Finding]:
    wanted = set(_classes_of_claims(items))
    if not wanted:
        return [Finding("storage", "ok", "no claims")]
    classes = {c["metadata"]["name"]: c["metadata"].get("annotations") or {} for c in await cluster.list(CLASSES)}
    defaults = [name for name, annotations in classes.items() if annotations.get(DEFAULT_CLASS) == "true"]
    if missing := sorted(wanted - {"", *classes}):
        fact = f"no StorageClass is called {_quoted(missing)}"
        return [Finding("storage", "problem", fact, f"known: {', '.join(classes) or 'none'}")]
    if "" in wanted and not defaults:
        return [Finding("storage", "problem", "no default StorageClass", "name one in storage.class of the site")]
    used = [
        f"StorageClass {_quoted([name])}" if name else f"default StorageClass {_quoted(defaults[:1])}"
        for name in sorted(wanted)
    ]
    return [Finding("storage", "ok", ", ".join(used))]


def _classes_of_claims(items: list[KubeObject]) -> Iterator[str]:
    """Give the class of every claim that a StatefulSet makes; empty for the cluster's default."""
    for item in items:
        if item["kind"] == "StatefulSet":
            for claim in item["spec"].get("volumeClaimTemplates") or ():
                yield claim["spec"].get("storageClassName") or ""


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


async def _selectors(cluster: Cluster, items: list[KubeObject]) -> list[Finding]:
    """A workload whose node selector no node satisfies never gets a pod: an install would wait out its deadline."""
    homeless = room.homeless(items, await cluster.list(NODE))
    if not homeless:
        return [Finding("nodes", "ok", "every node selector finds a node")]
    return [
        Finding(
            "nodes",
            "problem",
            f"no node is labelled {', '.join(labels)}, as {', '.join(names)} want" + "s" * (len(names) == 1),
            f"`kubectl label node NODE {' '.join(labels)}`",
        )
        for labels, names in homeless.items()
    ]


async def _capacity(cluster: Cluster, items: list[KubeObject], ours: Collection[str]) -> list[Finding]:
    nodes = [n for n in await cluster.list(NODE) if not n["spec"].get("unschedulable")]
    pods = await cluster.list(POD)
    findings = []
    for kind, unit, divisor in (("cpu", "cores", 1.0), ("memory", "GiB", 2.0**30)):
        have = sum(room.quantity(node["status"]["allocatable"][kind]) for node in nodes)
        free = (have - room.taken(pods, nodes, ours, kind)) / divisor
        want = room.wanted(items, nodes, kind) / divisor
        level = "ok" if want <= free else "problem"
        fact = f"{want:.1f} {unit} are requested, {free:.1f} of {have / divisor:.1f} on {len(nodes)} nodes are free"
        findings.append(Finding(kind, level, fact, "" if level == "ok" else "add nodes or lower resources"))
    return findings


async def _dns(cluster: Cluster) -> list[Finding]:
    slices = await cluster.list(SLICES, "kube-system", labels="kubernetes.io/service-name=kube-dns")
    endpoints = [endpoint for one in slices for endpoint in one.get("endpoints") or ()]
    if any(one.get("conditions", {}).get("ready", True) for one in endpoints):  # nothing said is ready
        return [Finding("DNS", "ok", "kube-dns has endpoints")]
    fact = "the Service kube-system/kube-dns has no ready endpoints"
    return [Finding("DNS", "warning", fact, "look at its pods: `kubectl -n kube-system get pods -l k8s-app=kube-dns`")]
