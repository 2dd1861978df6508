"""The words of a site file: what an operator says about one cloud.

Knobs below ``services.<name>`` are the values of that service's chart and are checked by the chart's own schema.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from kolla_k8s.model.base import Name


def _network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is no network; write one as 192.0.2.0/24 or 2001:db8::/32") from None
    return text


Namespace = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Cidr = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F:.]+/[0-9]{1,3}$"), AfterValidator(_network)]
NodeName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$")]
Reference = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*$")]
Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][-.A-Za-z0-9_]{0,127}$")]


class Strict(BaseModel):
    """A part of a site file: immutable, no unknown keys, camelCase as in Kubernetes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:]),
    )


class Images(Strict):
    """Where images come from, such as quay.io/openstack.kolla."""

    registry: Reference | None = Field(default=None, description="host and path; null: the charts' own")
    tag: Tag | None = Field(default=None, description="one for all images; null: the charts' own")
    pull_policy: Literal["IfNotPresent", "Always", "Never"] | None = Field(
        default=None, description="Always, for tags that move; null: IfNotPresent"
    )
    pull_secrets: list[Namespace] | None = Field(default=None, description="Secrets with credentials, by name")


class Storage(Strict):
    """Where claims of volumes go."""

    class_: Annotated[str, Field(alias="class", description="StorageClass; empty: the cluster's default")] = ""


class Namespaces(Strict):
    """Namespaces of the cloud's two planes: two, for Pod Security is enforced by namespace."""

    control: Namespace = Field(default="openstack", description="APIs and what keeps data; restricted")
    node: Namespace = Field(default="openstack-node", description="what works on nodes; privileged")

    @model_validator(mode="after")
    def _are_two(self) -> Namespaces:
        if self.control == self.node:
            fact = f'both planes are in "{self.node}", where one must be restricted and the other privileged'
            raise ValueError(f"{fact}; name two namespaces")
        return self


class ApiServer(Strict):
    """Where the Kubernetes API answers, after address translation, for NetworkPolicies."""

    cidrs: list[Cidr] = Field(default=[], description="its addresses; none is anywhere")
    ports: list[Annotated[int, Field(ge=1, le=65535)]] = Field(default=[443, 6443], description="its TCP ports")


class Network(Strict):
    """What NetworkPolicies must know of the cluster."""

    policies: bool = Field(default=True, description="make NetworkPolicies: nothing but what definitions need")
    node_cidrs: list[Cidr] = Field(default=[], description="addresses of nodes, for pods on the host's network")
    api_server: ApiServer = ApiServer()


class External(Strict):
    """A system outside the cluster, as every service that uses it sees it."""

    cidrs: list[Cidr] = Field(default=[], description="where it answers, for NetworkPolicies; none is anywhere")


class Gateway(Strict):
    """An existing Gateway of the Gateway API that routes attach to."""

    name: Namespace = Field(description="of the Gateway")
    namespace: Namespace = Field(description="in which it lies")
    listener: str = Field(default="", description="one of its listeners; all that fit when left out")
    proxies: Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")] = Field(
        default="", description="namespace of the pods that carry its traffic, when it is another"
    )


class Tls(Strict):
    """Where certificates of the cloud's own listeners come from: exactly one of secret and issuer."""

    secret: Namespace | None = Field(default=None, description="TLS Secret in the namespaces of the cloud")
    issuer: Namespace | None = Field(default=None, description="ClusterIssuer of cert-manager")

    @model_validator(mode="after")
    def _has_one_source(self) -> Tls:
        if (self.secret is None) == (self.issuer is None):
            raise ValueError("tls has exactly one of secret and issuer")
        return self


class Expose(Strict):
    """How clients outside the cluster reach the cloud, and so what its catalogue calls public."""

    mode: Literal["none", "gateway", "loadBalancer", "nodePort"] = Field(
        default="none", description="what charts make: nothing, routes of a Gateway, Services with a way in"
    )
    domain: Annotated[
        str, StringConstraints(pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$")
    ] = Field(default="", description="public names are SERVICE.domain")
    scheme: Literal["http", "https"] | None = Field(
        default=None, description="https in mode gateway, else http, unless something in front ends TLS"
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="port that clients use, when something in front changes it"
    )
    gateway: Gateway | None = None
    tls: Tls | None = Field(
        default=None,
        description="listeners of our own on the Gateway, by secret or issuer; left out: the Gateway's",
    )
    class_: Annotated[str, Field(alias="class", description="loadBalancerClass of Services")] = ""
    annotations: dict[str, str] = Field(default={}, description="of routes and public Services")

    @model_validator(mode="after")
    def _is_whole(self) -> Expose:
        if self.mode == "none":
            return self
        if not self.domain:
            raise ValueError(f"mode {self.mode} needs a domain")
        if self.mode == "gateway" and self.gateway is None:
            raise ValueError("mode gateway needs a gateway with name and namespace")
        if self.mode != "gateway" and (self.gateway or self.tls):
            raise ValueError(f"gateway and tls are of mode gateway, and the mode is {self.mode}")
        if self.tls and self.scheme == "http":
            raise ValueError("scheme http has no use for tls")
        return self


class Logs(Strict):
    """How records are written, where the software has a choice; each is one line on stdout or stderr."""

    format: Literal["text", "json"] = Field(default="text", description="json: one object on a line")


class Metrics(Strict):
    """Who reads the figures of what has some."""

    monitors: bool = Field(default=False, description="make a PodMonitor each; the cluster has Prometheus' operator")
    from_: dict[str, str] = Field(default={}, description="labels of the namespaces that may read them; none: nobody")


class Match(Strict):
    """Which nodes: exactly one of labels, all of which a node has, and names."""

    labels: Annotated[dict[str, str], Field(min_length=1)] | None = Field(
        default=None, description="looked up when install runs; a node that comes later is matched by the next one"
    )
    names: Annotated[list[NodeName], Field(min_length=1)] | None = Field(
        default=None, description="names of nodes as Kubernetes knows them, also of those that are yet to come"
    )

    @model_validator(mode="after")
    def _is_one_question(self) -> Match:
        if (self.labels is None) == (self.names is None):
            raise ValueError("match has exactly one of labels and names; name nodes, or labels that they have")
        return self


class NodeService(Strict):
    """What a service of the node plane has of its own on some nodes."""

    config: dict[str, Any] = Field(
        default={}, description="file -> what is laid over it, as in services.NAME.config; null deletes an option"
    )
    options: dict[str, Any] = Field(
        default={}, description="as in services.NAME.options, of those that only pods read; laid over before config"
    )


class Nodes(Strict):
    """Some nodes, and what services have of their own there."""

    match: Match
    services: dict[Name, NodeService] = Field(default={}, description="service of the node plane -> what is its own")


class Site(Strict):
    """A whole site: presets, then site files in the order given, merged as Helm merges values."""

    api_version: Literal["kolla-k8s.io/v1"] = Field(alias="apiVersion", description="of this format")
    kind: Literal["Site"] = Field(description="what this file is")
    name: Name = Field(default="openstack", description="the cloud's name; one run at a time holds it")
    release: str = Field(default="2026.1", description="OpenStack release; that of the charts")
    presets: list[Name] = Field(default=[], description="files of values/presets, each laid over the one before")
    images: Images = Images()
    storage: Storage = Storage()
    namespaces: Namespaces = Namespaces()
    region: str = Field(default="RegionOne", description="the cloud's region in its catalogue")
    network: Network = Network()
    expose: Expose = Expose()
    external: dict[Name, External] = Field(default={}, description="systems outside the cluster, such as ceph")
    logs: Logs = Logs()
    metrics: Metrics = Metrics()
    priority_class: str = Field(default="", description="PriorityClass of every pod; empty: the cluster's default")
    want: list[Name] = Field(
        default=[],
        description="services of the cloud; what they need comes with them; left out: every service but alternatives",
    )
    services: dict[Name, dict[str, Any]] = Field(
        default={}, description="service -> enabled (true asks for it as want does), and the values of its chart"
    )
    nodes: dict[Name, Nodes] = Field(
        default={}, description="name of our choice -> nodes and what they have of their own; later entries win"
    )
