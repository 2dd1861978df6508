"""What a service shows to the world outside the cluster: which ports, under which names.

Apart because two rooms must agree on it: a service's own chart makes the way in, and every chart whose pods name a
public address must come to the same one, from the site's values alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kolla_k8s.model.catalog import main_workload, service_name
from kolla_k8s.model.service import Expose, Service

NODE_PORTS = range(30000, 32768)
HTTP = frozenset({"http", "websocket"})


@dataclass(frozen=True, slots=True)
class Exposed:
    """A port that clients outside may reach.

    Attributes:
        name: Its key in the definition.
        label: First label of its host name, and so ``<label>-public`` the name of its objects.
        host: Kubernetes Service inside the cluster.
    """

    service: str
    name: str
    label: str
    host: str
    workload: str
    port_name: str
    port: int
    node_port: int
    protocol: str
    is_public: bool

    @property
    def facts(self) -> dict[str, Any]:
        """What the charts' helper needs to tell its public address."""
        return {
            "service": self.service,
            "name": self.name,
            "label": self.label,
            "port": self.port,
            "nodePort": self.node_port,
            "isHttp": self.protocol in HTTP,
            "isPublic": self.is_public,
        }


def exposed_ports(service: Service) -> Iterator[Exposed]:
    """Every port of a service that ``expose`` names, in the definition's order."""
    main = main_workload(service)
    for name, said in service.spec.expose.items():
        port = service.spec.workloads[said.workload].ports[said.port]
        is_main = main is not None and main[0] == said.workload and next(iter(main[1].ports)) == said.port
        yield Exposed(
            service=service.name,
            name=name,
            label=service.name if is_main else f"{service.name}-{name}",
            host=service_name(service, said.workload),
            workload=said.workload,
            port_name=said.port,
            port=port,
            node_port=node_port(said, port),
            protocol=said.protocol,
            is_public=said.public,
        )


def node_port(said: Expose, port: int) -> int:
    """Port of every node in mode nodePort: the definition's, or one that follows from the service's own.

    >>> node_port(Expose(workload="api", port="api"), 5000)
    32232
    """
    return said.node_port or NODE_PORTS.start + port % len(NODE_PORTS)


def way_in(service: Service, workload: str, port: str) -> Exposed | None:
    """The exposed port behind an address inside, if it is one."""
    return next((e for e in exposed_ports(service) if (e.workload, e.port_name) == (workload, port)), None)
