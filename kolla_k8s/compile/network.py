"""Network policies: nothing in, nothing out, but the edges that definitions name.

A pod carries a label for each service it needs, and a service lets in the pods that carry its label: so no chart has
to know the others. Pods on the host's network match no label; ``global.nodeCidrs`` lets them in.
"""

from __future__ import annotations

from typing import Any

from kolla_k8s.compile.emit import Block
from kolla_k8s.compile.members import agent_of
from kolla_k8s.compile.objects import NEEDS, both, metadata, selector, switch
from kolla_k8s.model.catalog import Catalog, host_of, is_control, pods_name
from kolla_k8s.model.service import Service


def policy(catalog: Catalog, service: Service, component: str) -> dict[str, Any]:
    """NetworkPolicy of a workload's pods, or of a Job's when ``component`` is no workload."""
    workload = service.spec.workloads.get(component)
    ingress: list[dict[str, Any]] = []
    own = {"podSelector": {"matchLabels": selector(service, component)}}
    if workload and (workload.ports or workload.peers):
        ports = [*workload.ports.values(), *(workload.peers.ports.values() if workload.peers else ())]
        ingress = [{"from": [own], "ports": _tcp(ports)}]
        if open_ports := _tcp(workload.client_ports.values()):
            clients = Block(f'include "@@.clients" (dict "root" $ "label" "{NEEDS}{service.name}")')
            ingress.append({"from": clients, "ports": open_ports})
            ingress += [{"from": [all_own], "ports": open_ports} for all_own in _siblings(service)]
    name = f"{pods_name(service, component)}" if workload else f"{service.name}-{component}"
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(service, name, component),
        "spec": {
            "podSelector": {"matchLabels": selector(service, component)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": [
                *_dns(),
                *_needs(catalog, service, component),
                *_own(workload, own),
                *({"to": [all_own], "ports": _tcp(_all_ports(service))} for all_own in _siblings(service)),
                *_api(service, component),
            ],
        },
    }


def _siblings(service: Service) -> list[dict[str, Any]]:
    """Workloads of one service may talk to each other, where there are several and one listens."""
    if len(service.spec.workloads) == 1 or not _all_ports(service):
        return []
    whole = {key: value for key, value in selector(service, "").items() if not key.endswith("/component")}
    return [{"podSelector": {"matchLabels": whole}}]


def _all_ports(service: Service) -> list[int]:
    return [port for workload in service.spec.workloads.values() for port in workload.client_ports.values()]


def goes_outside(catalog: Catalog, service: Service) -> bool:
    """Whether its policies name addresses that no label stands for."""
    return bool(service.spec.external) or any(_ports_of_nodes(catalog[need]) for need in catalog.needs(service.name))


def external_objects(service: Service) -> dict[str, tuple[dict[str, Any], str]]:
    """Template file name -> policy that lets a service's pods out to a system outside, and its condition."""
    found = {}
    for name, external in service.spec.external.items():
        rule: dict[str, Any] = {"to": Block(f'include "@@.outside" (index .Values.external "{name}").cidrs')}
        if external.ports:
            rule["ports"] = [_range(port) for port in external.ports.values()]
        pods = {key: value for key, value in selector(service, "").items() if not key.endswith("/component")}
        item = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata(service, f"{service.name}-to-{name}", name),
            "spec": {"podSelector": {"matchLabels": pods}, "policyTypes": ["Egress"], "egress": [rule]},
        }
        found[f"to-{name}-networkpolicy"] = (item, both(".Values.global.networkPolicy", switch(external.when)))
    return found


def _range(port: int | tuple[int, int]) -> dict[str, Any]:
    first, last = port if isinstance(port, tuple) else (port, port)
    return {"port": first, "protocol": "TCP", **({"endPort": last} if last > first else {})}


def _tcp(ports: Any) -> list[dict[str, Any]]:
    return [{"port": port, "protocol": "TCP"} for port in ports]


def _dns() -> list[dict[str, Any]]:
    return [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}]


def _needs(catalog: Catalog, service: Service, component: str) -> list[dict[str, Any]]:
    wanted = catalog.needs(service.name)
    if component == "bootstrap" and service.spec.identity.services and "keystone" not in wanted:
        wanted = [*wanted, service.name]
    edges = [_edge(service, catalog[need]) for need in wanted if host_of(catalog[need])]
    return [*edges, *(_to_nodes(ports) for need in wanted if (ports := _ports_of_nodes(catalog[need])))]


def _ports_of_nodes(need: Service) -> list[dict[str, Any]]:
    hosts = [workload.host for workload in need.spec.workloads.values() if workload.host]
    return [_range(port) for host in hosts for port in host.ports.values()]


def _to_nodes(ports: list[dict[str, Any]]) -> dict[str, Any]:
    """Pods on the host's network match no label: the way to them is the way to their nodes."""
    return {"to": Block('include "@@.outside" .Values.global.nodeCidrs'), "ports": ports}


def _edge(service: Service, need: Service) -> dict[str, Any]:
    host = host_of(need)
    assert host is not None  # noqa: S101 - callers ask first
    target: dict[str, Any] = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": need.name}}}
    if is_control(service) != is_control(need):
        space = f'dict "kubernetes.io/metadata.name" .Values.global.namespaces.{host.plane}'
        target["namespaceSelector"] = {"matchLabels": Block(f"toYaml ({space})")}
    return {"to": [target], "ports": _tcp(host.ports)}


def _own(workload: Any, own: dict[str, Any]) -> list[dict[str, Any]]:
    if workload is None or not (workload.ports or workload.peers):
        return []
    ports = [*workload.ports.values(), *(workload.peers.ports.values() if workload.peers else ())]
    return [{"to": [own], "ports": _tcp(ports)}]


def _api(service: Service, component: str) -> list[dict[str, Any]]:
    workload, task = service.spec.workloads.get(component), service.spec.periodic.get(component)
    if not (service.spec.bootstrap or (task and task.rotate) or (workload and agent_of(workload))):
        return []
    return [
        {
            "to": Block('include "@@.apiServer" $'),
            "ports": Block("toYaml .Values.global.apiServer.ports"),
        }
    ]
