"""The one values dict each chart gets: what the site shares, and what it says of the service."""

from __future__ import annotations

from typing import Any

from kolla_k8s.model.catalog import Catalog, clustered
from kolla_k8s.site.load import LoadedSite
from kolla_k8s.site.merge import overlaid


def chart_values(loaded: LoadedSite, catalog: Catalog, service: str) -> dict[str, Any]:
    """Values of a service's chart: only what differs from its defaults, so that defaults stay the chart's own."""
    said = loaded.site.external
    external = {name: said[name].model_dump() for name in catalog[service].spec.external if name in said}
    base = {"global": _shared(loaded, catalog, service), **({"external": external} if external else {})}
    return overlaid(base, loaded.values(service))


def _shared(loaded: LoadedSite, catalog: Catalog, service: str) -> dict[str, Any]:
    site = loaded.site
    images = {
        "registry": site.images.registry,
        "tag": site.images.tag,
        "pullPolicy": site.images.pull_policy,
        "pullSecrets": [{"name": name} for name in site.images.pull_secrets or ()] or None,
    }
    api = site.network.api_server
    return {
        "images": {key: value for key, value in images.items() if value is not None},
        "storage": {"class": site.storage.class_},
        "region": site.region,
        "namespaces": {"control": site.namespaces.control, "node": site.namespaces.node},
        "members": _members(loaded, catalog, service),
        "networkPolicy": site.network.policies,
        "nodeCidrs": list(site.network.node_cidrs),
        "apiServer": {
            "cidrs": list(api.cidrs),
            "ports": [{"port": port, "protocol": "TCP"} for port in api.ports],
        },
        "expose": _expose(loaded),
        "logs": {"format": site.logs.format},
        "metrics": {"monitors": site.metrics.monitors, "from": dict(site.metrics.from_)},
        "priorityClass": site.priority_class,
    }


def _expose(loaded: LoadedSite) -> dict[str, Any]:
    """How the cloud is reached from outside; what the site says of single ports goes to all who name their address."""
    site = loaded.site
    said = site.expose.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
    if site.expose.mode == "none":
        return {"mode": "none"}
    services = {name: (loaded.values(name).get("expose") or {}) for name in sorted(site.services)}
    return {**said, "services": {name: ports for name, ports in services.items() if ports}}


def _members(loaded: LoadedSite, catalog: Catalog, service: str) -> dict[str, int]:
    """How many members each clustered service has that this one talks to, itself included."""
    found = {}
    for name in sorted({service, *catalog.needs(service)}):
        said = loaded.values(name).get("workloads") or {}
        for called, workload in clustered(catalog[name]).items():
            default = catalog[name].spec.workloads[workload].replicas
            found[called] = int((said.get(workload) or {}).get("replicas") or default)
    return found
