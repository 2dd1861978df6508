"""The committed charts as helm renders them, each once, and what is asked of all their objects."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from kolla_k8s.model.service import Service
from kolla_k8s.yamlio import manifest
from tests.contract.rendered import pod_of

CHARTS = Path(__file__).parents[2] / "charts"
NAMES = sorted(path.name for path in CHARTS.iterdir())
RBAC = frozenset({"ServiceAccount", "Role", "RoleBinding"})
VERSIONS = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")


@cache
def rendered(name: str, *options: str) -> str:
    """Give what helm renders a chart to, with these options of its command."""
    command = ["helm", "template", name, str(CHARTS / name), "--namespace", "openstack", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def objects(name: str, *options: str) -> list[dict[str, Any]]:
    """Give the objects that it renders."""
    return manifest(rendered(name, *options))


def pods(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give kind and pod of each object of a chart that makes pods."""
    return pods_of(objects(name))


def pods_of(items: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give kind and pod of each of these objects that makes pods."""
    for item in items:
        if pod := pod_of(item):
            yield item["kind"], pod["spec"]


def are_rights_few(items: Collection[dict[str, Any]]) -> bool:
    """Under a fifth of the objects, and each names what it is for: only to create, there is no name yet."""
    kinds = [item["kind"] for item in items if "helm.sh/hook" not in str(item["metadata"])]
    rules = [rule for item in items if item["kind"] == "Role" for rule in item["rules"]]
    unnamed = {verb for rule in rules if not rule.get("resourceNames") for verb in rule["verbs"]}
    return sum(kind in RBAC for kind in kinds) / len(kinds) < 0.2 and unnamed <= {"create"}


def excused(service: Service) -> Iterator[str]:
    """Containers that may do more than others, each for a reason that its definition gives."""
    for name, workload in service.spec.workloads.items():
        for part, process in {name: workload, **workload.containers, **workload.prepare}.items():
            if process.privilege:
                yield part


def loose_ends(pod: dict[str, Any], free: Collection[str]) -> Iterator[str]:
    """What of a pod is not restricted or not limited, but for containers that are free."""
    context = pod["securityContext"]
    if not context["runAsUser"] or pod["automountServiceAccountToken"]:
        yield "the pod runs as root or has a token"
    if context["seccompProfile"]["type"] != "RuntimeDefault":
        yield "the pod has no seccomp profile"
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        if set(container["resources"]) != {"requests", "limits"}:
            yield f"{container['name']} is not limited"
        own = container["securityContext"]
        is_tight = container["name"] in free or (
            own["capabilities"]["drop"] == ["ALL"]
            and own["readOnlyRootFilesystem"]
            and not own["allowPrivilegeEscalation"]
        )
        if not is_tight:
            yield f"{container['name']} may do more than it needs"
