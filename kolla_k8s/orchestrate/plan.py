"""Decide what a run will do: compare what is wanted with the releases that are there.

Pure: charts, values and the labels of releases come in, a plan goes out. Digests decide; helm is not asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.model.catalog import Catalog, clustered, is_control
from kolla_k8s.model.node_parts import NodeParts
from kolla_k8s.model.plan import Action, GateSpec, HelmRequest, LeaveSpec, Plan, Step
from kolla_k8s.model.service import Service
from kolla_k8s.ports import KubeObject, Release

ROLLING = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the site asks for.

    Attributes:
        values: Service -> the one values dict its chart gets; its keys are the enabled services.
        charts: Service -> chart directory or reference.
        namespaces: ``control`` and ``node`` -> namespace.
        chart_digests: Service -> digest of the chart's content; empty where nothing is installed.
        services: Only these are changed, what they need is checked; empty for all.
        node_parts: Service of the node plane -> what single nodes have of their own.
    """

    cloud: str
    catalog: Catalog
    values: Mapping[str, Mapping[str, Any]]
    charts: Mapping[str, Path | str]
    namespaces: Mapping[str, str]
    chart_digests: Mapping[str, str] = field(default_factory=dict)
    services: Collection[str] = field(default=())
    node_parts: Mapping[str, NodeParts] = field(default_factory=dict)


def build_plan(wanted: Wanted, releases: Mapping[str, Release]) -> Plan:
    """Plan an install: one step for each service that is wanted or needed by one that is."""
    named = set(wanted.services) or set(wanted.values)
    steps = tuple(
        _step(wanted, name, releases, named) for name in sorted(wanted.catalog.with_needs(named, wanted.values))
    )
    return Plan(wanted.cloud, wanted.catalog.release, steps)


def build_removal(wanted: Wanted, releases: Mapping[str, Release], *, with_data: bool = False) -> Plan:
    """Plan an uninstall: users before what they use; only releases that are there.

    Raises:
        UserFilesError: When data are to go on which services stand that stay.
    """
    named = set(wanted.services) or set(wanted.catalog.services)
    names = sorted(named & set(releases))
    stay = sorted(set(releases) & set(wanted.catalog.services) - named)
    stranded = [name for name in stay if named & set(_needs(wanted, name))]
    if with_data and stranded:
        fact = f"{', '.join(stranded)} would stay, and without these data no longer work"
        raise UserFilesError([Problem("--delete-data", "", fact, "name them, too, or leave the data")])
    steps = tuple(_removal(wanted, name, names) for name in names)
    return Plan(wanted.cloud, wanted.catalog.release, steps)


def build_roll(wanted: Wanted, name: str, parts: NodeParts, nodes: Collection[str]) -> Plan:
    """Plan to make the pods of nodes anew that run what was there before; only of these nodes, if any are named."""
    reason = "asked to be rolled"
    gates = _gates(wanted.catalog[name])
    request = _request(wanted, name)
    step = Step(name, Action.ROLL, reason, (), request, gates, node_parts=parts, nodes=frozenset(nodes))
    return Plan(wanted.cloud, wanted.catalog.release, (step,))


def restarted(before: Iterable[KubeObject], after: Iterable[KubeObject], *, on_delete: bool = False) -> list[str]:
    """Workloads whose pods are made anew when one manifest follows the other, as ``Deployment nova-api (2 pods)``.

    Those of an ``OnDelete`` strategy are not among them: their pods stay until somebody rolls them. They are asked for
    by ``on_delete``, and then alone.
    """
    old = _rolling(before, on_delete=on_delete)
    templates = {(item["kind"], item["metadata"]["name"]): item["spec"].get("template") for item in old}
    found = []
    for item in _rolling(after, on_delete=on_delete):
        kind, name = item["kind"], item["metadata"]["name"]
        if (kind, name) in templates and templates[kind, name] != item["spec"]["template"]:
            count = item["spec"].get("replicas")
            pods = "a pod on each node" if count is None else f"{count} pod{'s' * (count != 1)}"
            found.append(f"{kind} {name} ({pods})")
    return sorted(found)


def input_digest(chart_digest: str, values: Mapping[str, Any]) -> str:
    """Digest of all that decides what helm would apply; fits a label (32 hex digits)."""
    content = json.dumps([chart_digest, values], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _rolling(manifest: Iterable[KubeObject], *, on_delete: bool) -> Iterator[KubeObject]:
    for item in manifest:
        strategy = item.get("spec", {}).get("updateStrategy", {}).get("type")
        if item["kind"] in ROLLING and (strategy == "OnDelete") is on_delete:
            yield item


def _gates(service: Service) -> tuple[GateSpec, ...]:
    return tuple(
        GateSpec(name, gate.kind, gate.workload, gate.settings, float(gate.timeout_s))
        for name, gate in service.spec.gates.items()
    )


def _needs(wanted: Wanted, name: str) -> tuple[str, ...]:
    """What a service needs to start, of what the site has."""
    return tuple(need for need in wanted.catalog[name].spec.needs.start if need in wanted.values)


def _step(wanted: Wanted, name: str, releases: Mapping[str, Release], named: Collection[str]) -> Step:
    service = wanted.catalog[name]
    request = _request(wanted, name)
    release = releases.get(name)
    action, reason = _decide(request.digest, release)
    if name not in named and release is not None and action is Action.CHANGE:
        action, reason = Action.CHECK, "only checked: not among the services named"
    elif name not in named and release is None:
        reason = "not installed, and needed"
    leaves = tuple(_leaves(service, request.values))
    return Step(
        name, action, reason, _needs(wanted, name), request, _gates(service), leaves, wanted.node_parts.get(name)
    )


def _leaves(service: Service, values: Mapping[str, Any]) -> Iterator[LeaveSpec]:
    members = values.get("global", {}).get("members", {})
    for workload in sorted(set(clustered(service).values())):
        peers = service.spec.workloads[workload].peers
        counts = [
            members[called] for called, name in clustered(service).items() if name == workload and called in members
        ]
        if peers and peers.leave and counts:
            yield LeaveSpec(workload, tuple(peers.leave), int(counts[-1]))


def _decide(digest: str, release: Release | None) -> tuple[Action, str]:
    if release is None:
        return Action.INSTALL, "not installed"
    if release.status != "deployed":
        return Action.RECOVER, f"revision {release.revision} is {release.status}"
    if release.digest != digest:
        return Action.CHANGE, "chart or values differ from what is installed"
    return Action.UNCHANGED, f"revision {release.revision} is what is wanted"


def _request(wanted: Wanted, name: str) -> HelmRequest:
    service = wanted.catalog[name]
    namespace = wanted.namespaces["control" if is_control(service) else "node"]
    values = wanted.values.get(name, {})
    digest = input_digest(wanted.chart_digests.get(name, ""), values)
    labels = {"kolla-k8s.io/cloud": wanted.cloud}
    return HelmRequest(name, namespace, wanted.charts.get(name, ""), values, digest, labels)


def _removal(wanted: Wanted, name: str, names: Collection[str]) -> Step:
    users = tuple(other for other in names if name in wanted.catalog[other].spec.needs.start)
    return Step(name, Action.REMOVE, "asked to be removed", users, _request(wanted, name))
