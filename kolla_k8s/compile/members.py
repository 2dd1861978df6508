"""What the agents of a clustered service share: a record and a Lease.

The chart renders them without content and never writes one: Helm leaves alone what a chart does not name.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from kolla_k8s.compile.objects import metadata
from kolla_k8s.model.catalog import pods_name
from kolla_k8s.model.service import Service
from kolla_k8s.model.workload import Workload

WRITER = "kolla-k8s.io/writer"

Objects = dict[str, tuple[dict[str, Any], str]]


def programs() -> list[str]:
    """Programs that pods can run."""
    files = (resources.files("kolla_k8s.compile") / "files").iterdir()
    return sorted(file.name for file in files if file.name.endswith(".py"))


def agent_of(workload: Workload) -> str | None:
    """Name of the container that decides with the other members' agents."""
    return workload.peers.agent if workload.peers else None


def has_agents(service: Service) -> bool:
    """Whether any workload's members decide together."""
    return any(agent_of(workload) for workload in service.spec.workloads.values())


def chosen(workload: Workload) -> dict[str, str]:
    """What else the Service selects: a label that no pod has, where agents write the EndpointSlice themselves.

    Without a selector Kubernetes would leave the slices of an older chart, with addresses of pods long gone.
    """
    return {WRITER: "in-endpointslice"} if workload.peers and workload.peers.writer else {}


def member_objects(service: Service, name: str) -> Objects:
    """Template file name -> object and condition; nothing for a workload without an agent."""
    workload = service.spec.workloads[name]
    if agent_of(workload) is None:
        return {}
    pods = pods_name(service, name)
    found: Objects = {f"{name}-members-configmap": (_bare("v1", "ConfigMap", service, name, f"{pods}-members"), "")}
    if workload.peers and workload.peers.writer:
        lease = _bare("coordination.k8s.io/v1", "Lease", service, name, f"{pods}-writer")
        found[f"{name}-writer-lease"] = (lease, "")
    return found


def _bare(version: str, kind: str, service: Service, component: str, name: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": metadata(service, name, component)}
