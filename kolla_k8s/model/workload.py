"""The words for what runs: workloads, their containers, checks, volumes, and what they may do on a node.

Apart from the rest of a definition because it mirrors Kubernetes' words, and the rest OpenStack's. Each model checks
what it can see alone; whether a named port, secret or image exists is ``compile.validate``'s business.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from kolla_k8s.model.base import AbsolutePath, Argv, FileName, Name, Port, Quantity, Reason, Strict


class Kind(StrEnum):
    """Kubernetes' workload kinds a definition may ask for."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"


class Resources(Strict):
    """Requests and limits of a container, as Kubernetes writes them."""

    cpu: Quantity = "100m"
    memory: Quantity = "256Mi"
    cpu_limit: Quantity = "2"
    memory_limit: Quantity = "512Mi"


class Probe(Strict):
    """A check by kubelet: exactly one of ``http`` (path), ``tcp`` or ``exec``; times in seconds."""

    http: str | None = None
    tcp: bool = False
    exec: Argv | None = None
    port: Name | None = None
    period_s: Annotated[int, Field(ge=1)] = 5
    timeout_s: Annotated[int, Field(ge=1)] = 3
    failures: Annotated[int, Field(ge=1)] = 3

    @model_validator(mode="after")
    def _has_one_way(self) -> Probe:
        if sum((self.http is not None, self.tcp, self.exec is not None)) != 1:
            raise ValueError("a probe has exactly one of http, tcp and exec")
        if self.exec is None and self.port is None:
            raise ValueError("an http or tcp probe names its port")
        return self


class Persistent(Strict):
    """A volume that outlives the pod: one PersistentVolumeClaim for each replica of a StatefulSet."""

    size: Quantity


class HostPath(Strict):
    """A path of the node. Node plane only, and never without a reason."""

    path: AbsolutePath
    reason: Reason
    type: Literal["Directory", "DirectoryOrCreate", "File", "Socket", "CharDevice"] = "Directory"
    propagation: Literal["None", "HostToContainer", "Bidirectional"] = "None"
    read_only: bool = False


class Volume(Strict):
    """A directory of the pod: exactly one of scratch, persistent, secret (mounted as a directory) and host."""

    path: AbsolutePath
    scratch: Literal["disk", "memory"] | None = None
    persistent: Persistent | None = None
    secret: Name | None = None
    host: HostPath | None = None
    when: dict[Name, Any] = Field(default={}, description="options under which pods have it; always when empty")

    @model_validator(mode="after")
    def _has_one_source(self) -> Volume:
        if sum(source is not None for source in (self.scratch, self.persistent, self.secret, self.host)) != 1:
            raise ValueError("a volume has exactly one of scratch, persistent, secret and host")
        if self.persistent and self.when:
            raise ValueError("the claims of a StatefulSet never change: a persistent volume has no when; remove it")
        return self


class Privilege(Strict):
    """What a container of the node plane may do beyond ``restricted``, and why."""

    reason: Reason
    privileged: bool = False
    root: bool = False
    writable_root: bool = False
    capabilities: list[str] = []


class Outlive(Strict):
    """Programs that run on when the pod ends, and why: their names in /run/kolla-k8s/outlive start them outside.

    They go into cgroups of the node's own, so the pod gets the node's /sys/fs/cgroup.
    """

    programs: Annotated[list[FileName], Field(min_length=1)]
    reason: Reason


class Host(Strict):
    """Which namespaces of the node the pod shares, and why."""

    reason: Reason
    network: bool = False
    pid: bool = False
    ipc: bool = False
    ports: dict[Name, Port | tuple[Port, Port]] = Field(
        default={}, description="a port of the node, or first and last: open to services that need this one"
    )
    outlive: Outlive | None = None

    @model_validator(mode="after")
    def _can_let_go(self) -> Host:
        if self.outlive and not self.pid:
            raise ValueError("what outlives the pod is a process of the node: outlive needs pid")
        if self.ports and not self.network:
            raise ValueError("ports of the node are of pods on its network: ports needs network")
        return self


class Wsgi(Strict):
    """An API under uwsgi: its module, the port it answers on, the path that says whether it does.

    The command, uwsgi's file (``<workload>-uwsgi.ini``, which a site may change), probes and an orderly stop follow.
    """

    module: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    port: Name = "api"
    health: str = "/healthcheck"
    options: dict[str, str | int | bool | list[str]] = Field(default={}, description="of uwsgi, laid over the usual")


class Container(Strict):
    """One process: its image, its command (run directly, never through ``kolla_start``), ports, checks and limits."""

    image: Name
    run: Argv
    env: dict[str, str] = {}
    ports: dict[Name, Port] = {}
    ready: Probe | None = None
    startup: Probe | None = None
    live: Probe | None = None
    stop: Argv = Field(default=[], description="preStop command")
    resources: Resources = Resources()
    privilege: Privilege | None = None


class Prepare(Strict):
    """A command that runs before the processes of each pod, with the pod's files and volumes."""

    run: Argv
    image: Name | None = None
    privilege: Privilege | None = None


class Peers(Strict):
    """How members of a cluster live together: ports only they use, who speaks for a member, how one goes for good.

    The agent alone has a token. It may write the ConfigMap ``<service>-members``, and with ``writer`` the Lease and the
    EndpointSlice ``<service>-writer``.
    """

    ports: dict[Name, Port] = {}
    odd: bool = Field(default=False, description="members decide by majority: an even number of them is refused")
    programs: list[FileName] = Field(default=[], description="programs of ours, found by the processes in /kolla-k8s")
    agent: Name | None = Field(default=None, description="container that decides with the other members' agents")
    writer: bool = Field(default=False, description="clients reach one member at a time: the agents agree which")
    addresses: bool = Field(
        default=False,
        description="each member has an address that stays, for clients that must choose: ${addresses:...}",
    )
    leave: Argv = Field(
        default=[],
        description="run in a member that scaling down takes away; the number of those that stay is its last word",
    )
    force: Argv = Field(
        default=[],
        description="run in a member that waits for others which are lost for good: it starts without them next time",
    )


class Roll(Strict):
    """How pods are replaced. With OnDelete each stays until somebody asks for another, and is told what that costs."""

    strategy: Literal["RollingUpdate", "OnDelete"] = "RollingUpdate"
    max_unavailable: Annotated[int, Field(ge=0)] = 0
    parallel: bool = Field(default=False, description="start and stop all members at once (StatefulSet)")
    costs: Reason | None = Field(default=None, description="what a node has to bear when its pod is made anew")

    @model_validator(mode="after")
    def _says_what_it_costs(self) -> Roll:
        if self.strategy == "OnDelete" and self.costs is None:
            raise ValueError("a pod that changes only when it is deleted says what that costs; add costs")
        return self


class Attachment(Strict):
    """A second interface by Multus: the NetworkAttachmentDefinition's name and the interface in the pod."""

    network: str
    interface: str


class Metrics(Strict):
    """Where Prometheus finds the workload's figures; only for software that has them."""

    port: Name = Field(description="one of the workload's ports, which is then none for clients")
    path: str = "/metrics"


class Workload(Container):
    """Pods of one kind: a main process and, where needed, further ``containers`` beside it."""

    kind: Kind
    run: Argv = []
    wsgi: Wsgi | None = Field(default=None, description="instead of run")
    replicas: Annotated[int, Field(ge=1)] = 1
    spread: Literal["ScheduleAnyway", "DoNotSchedule", "OneANode"] = Field(
        default="ScheduleAnyway", description="how strictly replicas keep apart; OneANode: never two on a node"
    )
    service: Name | None = Field(default=None, description="name of the Kubernetes Service, when not the usual one")
    keep_address: bool = Field(
        default=False,
        description="its Service, and so the address, outlives an uninstall: for clients that keep it, ${host:...|ip}",
    )
    config: list[FileName] | None = Field(default=None, description="files this workload gets; all when left out")
    containers: dict[Name, Container] = {}
    prepare: dict[Name, Prepare] = {}
    volumes: dict[Name, Volume] = {}
    peers: Peers | None = None
    roll: Roll = Roll()
    stop_s: Annotated[int, Field(ge=1)] = 30
    host: Host | None = None
    same_node: Name | None = None
    node_selector: dict[str, str] = {}
    attachments: dict[Name, Attachment] = {}
    when: dict[Name, Any] = {}
    alone: dict[Name, Any] = Field(
        default={},
        description="option -> value with which no more than one replica can be: replicas share nothing then",
    )
    for_each: Name | None = Field(default=None, description="option (a map) for each key of which the workload exists")
    metrics: Metrics | None = None
    syslog: Name | None = Field(
        default=None,
        description="volume for a socket that the process finds as /dev/log: what programs that know no other way say "
        "there, a container `syslog` writes out",
    )

    @property
    def has_own_network(self) -> bool:
        """Whether its pods are not on the network of their node, where no policy holds."""
        return not (self.host and self.host.network)

    @property
    def client_ports(self) -> dict[str, int]:
        """Ports of clients: all but that of figures, which the site opens to whom it wants."""
        return {name: port for name, port in self.ports.items() if not self.metrics or name != self.metrics.port}

    @property
    def programs(self) -> tuple[str, ...]:
        """Programs of ours that its pods have beside ``init.py``."""
        of_peers = self.peers.programs if self.peers else ()
        outlive = ("outlive.sh",) if self.host and self.host.outlive else ()
        return (*of_peers, *outlive, *(("syslog_listener.py",) if self.syslog else ()))

    @model_validator(mode="after")
    def _may_listen_to_syslog(self) -> Workload:
        if self.syslog is None:
            return self
        if not (self.privilege and self.privilege.root):
            raise ValueError("/dev of a container belongs to root: syslog needs privilege with root")
        if "syslog" in self.containers:
            raise ValueError("the container that listens to syslog has this name: call the other one something else")
        if any(volume.path == "/dev" for volume in self.volumes.values()):
            raise ValueError("/dev is not the container's own: syslog would change it for others")
        volume = self.volumes.get(self.syslog)
        if volume and (volume.when or volume.secret or (volume.host and volume.host.read_only)):
            raise ValueError("a socket of syslog needs a volume that is always there and can be written to")
        return self

    @model_validator(mode="after")
    def _has_one_process(self) -> Workload:
        if bool(self.run) == (self.wsgi is not None):
            raise ValueError("a workload has exactly one of run and wsgi")
        return self
