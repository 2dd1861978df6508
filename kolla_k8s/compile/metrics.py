"""Figures for Prometheus, of what has some: who may read them, and where they are.

Annotations of the pods say where; a PodMonitor says it again where the site has the operator. Each pod counts, so no
Service stands between. Clients have no business there: the port is open to the namespaces that the site names.
"""

from __future__ import annotations

from typing import Any

from kolla_k8s.compile.emit import structure
from kolla_k8s.compile.objects import both, metadata, network_policy, selector
from kolla_k8s.model.catalog import pods_name
from kolla_k8s.model.service import Service
from kolla_k8s.model.workload import Workload

Objects = dict[str, tuple[dict[str, Any], str]]
SITE = ".Values.global.metrics"


def scrape_annotations(workload: Workload) -> dict[str, str]:
    """Where a pod has its figures; nothing for software that has none."""
    if workload.metrics is None:
        return {}
    about = {"scrape": "true", "port": str(workload.ports[workload.metrics.port]), "path": workload.metrics.path}
    return {f"prometheus.io/{key}": value for key, value in about.items()}


def metrics_objects(service: Service, name: str) -> Objects:
    """Template file name -> object and the Go condition under which it exists."""
    workload = service.spec.workloads[name]
    if workload.metrics is None:
        return {}
    about = metadata(service, f"{pods_name(service, name)}-metrics", name)
    pods = {"matchLabels": selector(service, name)}
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": about,
        "spec": {
            "selector": pods,
            "podMetricsEndpoints": [{"port": workload.metrics.port, "path": workload.metrics.path}],
        },
    }
    found: Objects = {f"{name}-podmonitor": (monitor, f"{SITE}.monitors")}
    if workload.has_own_network:
        readers = [{"namespaceSelector": {"matchLabels": structure(f"{SITE}.from")}}]
        ports = [{"port": workload.ports[workload.metrics.port], "protocol": "TCP"}]
        spec = {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": [{"from": readers, "ports": ports}]}
        policy, when = network_policy(about, spec)
        found[f"{name}-metrics-networkpolicy"] = (policy, both(when, f"{SITE}.from"))
    return found
