"""Network policies: nothing in, nothing out, but the edges that definitions name.

A pod carries a label for each service it needs, and a service lets in the pods that carry its label: so no chart has
to know the others. Pods on the host's network match no label; ``global.nodeCidrs`` lets them in.
"""

from __future__ import annotations

from typing import Any

from kolla_k8s.compile.emit import Block, Go, structure
from kolla_k8s.compile.members import agent_of
from kolla_k8s.compile.objects import NEEDS, both, metadata, network_policy, selector, switch
from kolla_k8s.model.catalog import Catalog, host_of, is_control, pods_name
from kolla_k8s.model.service import Service
from kolla_k8s.model.workload import Workload

Objects = dict[str, tuple[dict[str, Any], str]]


def default_policy(catalog: Catalog, service: Service) -> Objects:
    """Template file name -> policy of all pods of a service: nothing in, and out to what its definition names."""
    has_pods = any(workload.has_own_network for workload in service.spec.workloads.values())
    if not (has_pods or service.spec.bootstrap or service.spec.periodic):
        return {}
    egress = [*_dns(), *_needs(catalog, service), *_own(service), *_api(service)]
    spec = {"podSelector": _all(service), "policyTypes": ["Ingress", "Egress"], "egress": egress}
    return {"networkpolicy": network_policy(metadata(service, f"{service.name}-default", "default"), spec)}


def workload_policy(service: Service, name: str) -> Objects:
    """Template file name -> policy that lets clients and peers in to a workload that listens on its own network."""
    workload = service.spec.workloads[name]
    if not (workload.has_own_network and (ports := _ports(workload))):
        return {}
    pods = {"matchLabels": selector(service, name)}
    for_clients = list(workload.client_ports.values())
    ingress: list[dict[str, Any]] = []
    if among_members := [port for port in ports if port not in for_clients]:
        ingress.append({"from": [{"podSelector": pods}], "ports": _tcp(among_members)})
    if for_clients:
        clients = Block(f'include "@@.clients" (dict "root" $ "label" "{NEEDS}{service.name}")')
        ingress.append({"from": clients, "ports": _tcp(for_clients)})
        ingress.append({"from": [{"podSelector": _all(service)}], "ports": _tcp(for_clients)})
    spec = {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": ingress}
    return {f"{name}-networkpolicy": network_policy(metadata(service, pods_name(service, name), name), spec)}


def _listening(service: Service, *, on_nodes: bool) -> list[int]:
    """Ports of the workloads of a service that listen on the network of their node, or of those that do not."""
    workloads = (one for one in service.spec.workloads.values() if one.has_own_network is not on_nodes)
    return sorted({port for workload in workloads for port in _ports(workload)})


def _ports(workload: Workload) -> list[int]:
    return [*workload.ports.values(), *(workload.peers.ports.values() if workload.peers else ())]


def _all(service: Service) -> dict[str, Any]:
    """Selector of all pods of a service."""
    found = selector(service, "")
    return {"matchLabels": {key: value for key, value in found.items() if not key.endswith("/component")}}


def goes_outside(catalog: Catalog, service: Service) -> bool:
    """Whether its policies name addresses that no label stands for."""
    others = (catalog[need] for need in catalog.needs(service.name))
    return (
        bool(service.spec.external)
        or any(_ports_of_nodes(one) for one in others)
        or bool(_listening(service, on_nodes=True))
    )


def external_objects(service: Service) -> Objects:
    """Template file name -> policy that lets a service's pods out to a system outside, and its condition."""
    found: Objects = {}
    for name, external in service.spec.external.items():
        rule: dict[str, Any] = {"to": Block(f'include "@@.outside" (index .Values.external "{name}").cidrs')}
        if external.ports:
            rule["ports"] = [_range(port) for port in external.ports.values()]
        spec = {"podSelector": _all(service), "policyTypes": ["Egress"], "egress": [rule]}
        item, always = network_policy(metadata(service, f"{service.name}-to-{name}", name), spec)
        found[f"to-{name}-networkpolicy"] = (item, both(always, switch(external.when)))
    return found


def _range(port: int | tuple[int, int]) -> dict[str, Any]:
    first, last = port if isinstance(port, tuple) else (port, port)
    return {"port": first, "protocol": "TCP", **({"endPort": last} if last > first else {})}


def _tcp(ports: Any) -> list[dict[str, Any]]:
    return [{"port": port, "protocol": "TCP"} for port in ports]


def _dns() -> list[dict[str, Any]]:
    return [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}]


def _needs(catalog: Catalog, service: Service) -> list[dict[str, Any]]:
    wanted = catalog.needs(service.name)
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
        space = Go(f"{{{{ .Values.global.namespaces.{host.plane} | quote }}}}")
        target["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": space}}
    return {"to": [target], "ports": _tcp(host.ports)}


def _own(service: Service) -> list[dict[str, Any]]:
    """The way to the service itself: to its members, other workloads, and what its bootstrap speaks to."""
    ports, on_nodes = (_tcp(_listening(service, on_nodes=where)) for where in (False, True))
    own = [{"to": [{"podSelector": _all(service)}], "ports": ports}] if ports else []
    return [*own, *([_to_nodes(on_nodes)] if on_nodes else [])]


def _api(service: Service) -> list[dict[str, Any]]:
    workloads, tasks = service.spec.workloads.values(), service.spec.periodic.values()
    if not (service.spec.bootstrap or any(task.rotate for task in tasks) or any(map(agent_of, workloads))):
        return []
    return [{"to": Block('include "@@.apiServer" $'), "ports": structure(".Values.global.apiServer.ports")}]
