"""Parts that every object shares: names, labels, and the ConfigMaps that are named by their content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kolla_k8s.compile.emit import Go
from kolla_k8s.model.service import Service

NEEDS = "needs.kolla-k8s.io/"
EACH = "kolla-k8s.io/each"
KEPT = {"annotations": {"helm.sh/resource-policy": "keep"}}
"""Metadata of what helm leaves when its release goes, and takes back when it comes again."""


def selector(service: Service, component: str) -> dict[str, Any]:
    """Labels that never change during a workload's life."""
    return {
        "app.kubernetes.io/name": service.name,
        "app.kubernetes.io/instance": Go("{{ .Release.Name | quote }}"),
        "app.kubernetes.io/component": component,
    }


def switch(when: Mapping[str, Any]) -> str:
    """Go condition of a ``when``; empty when there is none.

    >>> switch({"http": True})
    'and (eq (toString (index .Values.options "http")) "true")'
    """
    wanted = {option: str(value).lower() if isinstance(value, bool) else value for option, value in when.items()}
    tests = [f'(eq (toString (index .Values.options "{option}")) "{value}")' for option, value in wanted.items()]
    return " ".join(["and", *tests]) if tests else ""


def both(one: str, other: str) -> str:
    """Go condition under which two conditions hold; an empty one always does."""
    return f"and ({one}) ({other})" if one and other else one or other


def for_each(item: dict[str, Any], selecting: dict[str, Any]) -> dict[str, Any]:
    """Make an object one of several: the key of the option in its name and in every selector."""

    def marked(part: Any) -> Any:
        if isinstance(part, dict):
            found = {key: marked(value) for key, value in part.items()}
            return {**found, EACH: Go("{{ $each }}")} if selecting.items() <= part.items() else found
        return [marked(value) for value in part] if isinstance(part, list) else part

    found: dict[str, Any] = marked(item)
    name = found["metadata"]["name"]
    if not isinstance(name, Go):
        found["metadata"]["name"] = Go(f"{name}-{{{{ $each }}}}")
    return found


def labels(service: Service, component: str, needs: list[str]) -> dict[str, Any]:
    """Labels of a pod: its selector, and what it needs, which opens the network to it."""
    return {**selector(service, component), **{f"{NEEDS}{need}": "true" for need in needs}}


def metadata(service: Service, name: str, component: str) -> dict[str, Any]:
    """Name and labels of an object."""
    return {
        "name": name,
        "labels": {
            **selector(service, component),
            "app.kubernetes.io/part-of": "openstack",
            "app.kubernetes.io/managed-by": Go("{{ .Release.Service }}"),
            "helm.sh/chart": Go('{{ printf "%s-%s" .Chart.Name .Chart.Version }}'),
        },
    }


def network_policy(about: dict[str, Any], spec: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A NetworkPolicy of this metadata and spec, and the Go condition under which it exists."""
    item = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": about, "spec": spec}
    return item, ".Values.global.networkPolicy"


def config_map(service: Service, pod: str, *, is_each: bool = False) -> dict[str, Any]:
    """ConfigMap of a pod's file."""
    asked = f'(dict "root" $ "pod" "{pod}"' + (' "each" $each)' if is_each else ")")
    told = Go(f'{{{{ include "@@.podFile" {asked} | toJson }}}}')
    return _kept(service, pod, f'"@@.configName" {asked}', {"pod.json": told})


def programs_map(service: Service, programs: Iterable[str]) -> dict[str, Any]:
    """ConfigMap of the programs that all pods of a service find beside their file."""
    data = {program: Go(f'{{{{ $.Files.Get "files/{program}" | toJson }}}}') for program in programs}
    return _kept(service, "programs", '"@@.programsName" $', data)


def _kept(service: Service, component: str, name: str, data: dict[str, Any]) -> dict[str, Any]:
    """ConfigMap that is named by its content and kept while an old pod may still need it."""
    about = {**metadata(service, "", component), "name": Go(f"{{{{ include {name} }}}}"), **KEPT}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "immutable": True, "data": data}
