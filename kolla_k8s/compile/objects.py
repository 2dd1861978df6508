"""Parts that every object shares: names, labels, and the ConfigMap that is named by its content."""

from __future__ import annotations

from typing import Any

from kolla_k8s.compile.emit import Block, Go
from kolla_k8s.model.service import Service

NEEDS = "needs.kolla-k8s.io/"


def selector(service: Service, component: str) -> dict[str, Any]:
    """Labels that never change during a workload's life."""
    return {
        "app.kubernetes.io/name": service.name,
        "app.kubernetes.io/instance": Go("{{ .Release.Name }}"),
        "app.kubernetes.io/component": component,
    }


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


def config_map(service: Service, pod: str, programs: tuple[str, ...] = ("init.py",)) -> dict[str, Any]:
    """ConfigMap of a pod's file and programs; named by content and kept while an old pod may still need it."""
    about = metadata(service, "", pod)
    about["name"] = Go(f'{{{{ include "@@.configName" (dict "root" $ "pod" "{pod}") }}}}')
    about["annotations"] = {"helm.sh/resource-policy": "keep"}
    data: dict[str, Any] = {"pod.json": Block(f'include "@@.podFile" (dict "root" $ "pod" "{pod}") | toJson')}
    data |= {program: Block(f'$.Files.Get "files/{program}" | toJson') for program in programs}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "immutable": True, "data": data}
