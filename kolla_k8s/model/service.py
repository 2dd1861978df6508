"""The words of a service definition: one frozen model a word, strict, with a sentence each.

Apart from the compiler so that the JSON Schema, the reference page and the checks are made from one place. It refuses
unknown keys and wrong types; what needs other definitions (does this need exist?) is ``compile.validate``'s business.
What runs in pods is said in ``workload``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from kolla_k8s.model.base import AbsolutePath, Argv, FileName, Name, Port, Strict
from kolla_k8s.model.workload import Resources, Volume, Workload


class Plane(StrEnum):
    """Where pods run and how much they may: restricted ``control``, privileged ``node``."""

    CONTROL = "control"
    NODE = "node"


class SecretKind(StrEnum):
    """What a secret holds."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    GIVEN = "given"
    FERNET_KEYS = "fernet-keys"
    ERLANG_COOKIE = "erlang-cookie"
    KEYRING = "keyring"


class Format(StrEnum):
    """How a configuration file is written, and so how values in it are escaped."""

    INI = "ini"
    MY_CNF = "my.cnf"
    PYMYSQL = "pymysql"
    UWSGI = "uwsgi"
    SYSCTL = "sysctl"
    YAML = "yaml"
    JSON = "json"
    RAW = "raw"


class GateKind(StrEnum):
    """What a gate asks; ``orchestrate.gate`` knows how."""

    CINDER_VOLUME = "cinder-volume"
    COMPUTE_UP = "compute-up"
    EXEC = "exec"
    GLANCE_IMAGE = "glance-image"
    HEAT_STACK = "heat-stack"
    HORIZON_LOGIN = "horizon-login"
    HTTP = "http"
    KEYSTONE_TOKEN = "keystone-token"  # noqa: S105 - the name of a kind
    LIBVIRT_ANSWERS = "libvirt-answers"
    MARIADB_WRITE_READ = "mariadb-write-read"
    MEMCACHED_SET_GET = "memcached-set-get"
    NEUTRON_AGENTS = "neutron-agents"
    NEUTRON_METADATA = "neutron-metadata"
    NEUTRON_NETWORK = "neutron-network"
    NOVA_CELLS = "nova-cells"
    OPENSTACK_REQUEST = "openstack-request"
    OPENVSWITCH_BRIDGE = "openvswitch-bridge"
    OVN_CHASSIS = "ovn-chassis"
    OVN_LEADER = "ovn-leader"
    RABBITMQ_PUBLISH_CONSUME = "rabbitmq-publish-consume"


class Metadata(Strict):
    """Who the service is.

    ``revision`` is the last part of the chart's version; raise it with every change of the definition.
    """

    name: Name
    title: str
    revision: Annotated[int, Field(ge=1)]
    description: str = ""


class User(Strict):
    """The account of the image the processes run as; uid and gid are equal in Kolla's images."""

    name: Name
    uid: Annotated[int, Field(ge=0, le=65535)]


class Needs(Strict):
    """Which services this one talks to: ``start`` orders, ``run`` only opens the network."""

    start: list[Name] = []
    run: list[Name] = []
    when: dict[Name, dict[Name, Any]] = Field(
        default={}, description="need of start -> options under which pods wait for it; always when not named"
    )


class Database(Strict):
    """A database with a user of its own; both are called like the map's key unless said otherwise."""

    user: Name | None = None
    also: list[str] = Field(default=[], description="further databases the same user may use, such as nova_cell0")


class MessagingUser(Strict):
    """A RabbitMQ user; its virtual host is called like the service unless said otherwise."""

    vhost: Name | None = None
    also: list[Name] = Field(default=[], description="further virtual hosts that it may use, such as a cell's")


class IdentityService(Strict):
    """An entry of the service catalogue; endpoints are made from a workload's port and a path."""

    type: str
    port: Name
    workload: Name | None = None
    path: str = ""
    description: str = ""


class IdentityUser(Strict):
    """A Keystone user, its password (a secret of this service) and its roles in a project."""

    password: Name
    project: str = "service"
    roles: list[str] = ["admin"]


class DomainUser(Strict):
    """A user in a domain of its own service, its password (a secret of this service) and its roles in that domain."""

    password: Name
    roles: list[str] = ["admin"]


class IdentityDomain(Strict):
    """A Keystone domain beside the default one, and the users that look after it."""

    users: dict[str, DomainUser] = {}


class Identity(Strict):
    """What is registered in Keystone: catalogue entries, users, roles, projects and domains."""

    services: dict[Name, IdentityService] = {}
    users: dict[Name, IdentityUser] = {}
    domains: dict[str, IdentityDomain] = {}
    roles: list[str] = []
    admin_roles: list[str] = Field(default=[], description="roles of the cloud's administrator in project admin")
    projects: list[str] = []


class Secret(Strict):
    """A secret. ``owner: cluster`` is changed in the cluster (rotation) and never exported or reverted.

    Kinds are generated, but for two that a system outside knows: ``given``, a word, and ``keyring``, a Secret of whole
    files.
    """

    kind: SecretKind
    owner: Literal["site", "cluster"] = "site"
    help: str = ""
    when: dict[Name, Any] = Field(default={}, description="options under which there must be one; always when empty")


class Variant(Strict):
    """Content laid over a file's content when options have these values."""

    when: dict[Name, Any]
    content: dict[str, Any]


class Oslo(Strict):
    """Which sections of an oslo file follow from the rest of the definition; ``content`` is laid over them.

    Users are named as in ``messaging`` and ``identity.users``, those of another service as ``service/user``.
    """

    options: Name | None = Field(default=None, description="list of the options that the release knows")
    further: bool = Field(
        default=False,
        description="whether it is laid over another file, which says what all have: how to log, how to queue, pools",
    )
    like: dict[str, str] = Field(
        default={}, description="section that an option names, such as a backend's -> section of the list it takes"
    )
    named_by: dict[str, str] = Field(
        default={},
        description="section/option that lists sections, as name or name:type -> section of the list that they take; "
        "* is the type, and prefix* one of dynamic: the prefix is before each name",
    )
    dynamic: dict[str, list[str]] = Field(
        default={},
        description="prefix* -> options of sections so named, which no list has: the service learns them from its file",
    )
    databases: dict[str, str] = Field(
        default={}, description="section -> database, or service/database of another service that has one alone"
    )
    messaging: str | None = Field(default=None, description="messaging user of transport_url")
    identity: str | None = Field(default=None, description="Keystone user of the sections with a login")
    authtoken: bool = Field(default=True, description="whether tokens are validated: [keystone_authtoken]")
    clients: list[str] = Field(default=[], description="sections with the same login, such as neutron")
    service_user: bool = Field(default=False, description="whether requests carry a service token: [service_user]")
    cache: bool = Field(default=False, description="whether [cache] is memcached")


class ConfigFile(Strict):
    """A file the init step writes into memory: placeholders are filled in, values escaped for the format."""

    path: AbsolutePath
    format: Format
    oslo: Oslo | None = None
    content: Any = {}
    mode: Annotated[str, StringConstraints(pattern=r"^0[0-7]{3}$")] = "0440"
    variants: dict[Name, Variant] = {}
    json_logs: dict[str, Any] = Field(default={}, description="laid over content where the site wants logs as JSON")

    @model_validator(mode="after")
    def _has_keys(self) -> ConfigFile:
        if self.json_logs and self.format is Format.RAW:
            raise ValueError("a raw file has no keys that json-logs could say otherwise")
        return self


class Schema(Strict):
    """Database schema commands by phase; ``contract`` runs only on a fresh database or after an upgrade."""

    expand: Argv = []
    migrate: Argv = []
    contract: Argv = []


class BootstrapStep(Strict):
    """One idempotent command of the bootstrap Job. Others can read a process's arguments: they hold no secret."""

    run: Argv
    in_process: bool = Field(
        default=False,
        description="only as a script of the image's own Python, in a fork: nobody reads what arguments it is given",
    )
    late: bool = Field(default=False, description="run after registration in Keystone, when the users can log in")
    outputs: list[Name] = Field(
        default=[],
        description="what it finds, each written into /run/kolla-k8s/facts/NAME; configuration has it as ${fact:NAME}",
    )
    when: dict[Name, Any] = Field(default={}, description="options under which it runs; always when empty")


class Bootstrap(Strict):
    """The one Job of a service: databases, messaging, schema, these steps in order, registration in Keystone."""

    image: Name
    config: dict[FileName, list[str]] = Field(
        default={}, description="file -> sections the steps need (none named: all); only they make the Job run again"
    )
    volumes: dict[Name, Volume] = {}
    steps: dict[Name, BootstrapStep] = {}
    resources: Resources = Resources()


class Rotate(Strict):
    """Rotation of a fernet key repository in a Secret of this service."""

    secret: Name
    max_active_keys: Annotated[int, Field(ge=3)]
    min_age_s: Annotated[int, Field(ge=600)] = 43200


class Periodic(Strict):
    """A CronJob: exactly one of ``run`` (a command with the service's files) and ``rotate`` (a key repository)."""

    schedule: str
    image: Name
    run: Argv | None = None
    rotate: Rotate | None = None
    config: list[FileName] | None = Field(default=None, description="files the command gets; all when left out")
    volumes: dict[Name, Volume] = Field(default={}, description="directories the command gets; none is persistent")
    resources: Resources = Resources.model_validate({"memory": "64Mi", "memory-limit": "256Mi", "cpu-limit": "1"})

    @model_validator(mode="after")
    def _does_one_thing(self) -> Periodic:
        if (self.run is None) == (self.rotate is None):
            raise ValueError("a periodic task has exactly one of run and rotate")
        if self.rotate and (self.config is not None or self.volumes):
            raise ValueError("a rotation reads neither config nor volumes; remove them")
        return self


class Expose(Strict):
    """A port that clients outside the cluster reach where the site has a way in.

    Its host name is ``<service>.<domain>`` for the main workload's first port, ``<service>-<key>.<domain>`` for others.
    A Gateway carries http and websocket alone.
    """

    workload: Name
    port: Name
    protocol: Literal["http", "websocket", "tcp", "udp"] = "http"
    public: bool = Field(default=True, description="whether it is reached unless the site says otherwise")
    node_port: Annotated[int, Field(ge=30000, le=32767)] | None = Field(
        default=None, description="port of every node; 30000 + port % 2768 when left out"
    )


class Gate(Strict):
    """A check on function that must pass before dependants start, asked of the workload's pods from inside them.

    Two kinds need no code of ours. ``exec``: the command ``run`` of the settings ends with 0 in each pod, in its
    ``container`` when that is not the workload's own. ``http``: ``path`` at the port called ``port`` gives ``status``,
    200 when left out.
    """

    kind: GateKind
    workload: Name
    login: str | None = Field(default=None, description="Keystone user that asks, or service/user of another service")
    timeout_s: Annotated[int, Field(ge=1)] = 300
    settings: dict[str, Any] = {}
    when: dict[Name, Any] = Field(default={}, description="options under which it is asked; always when empty")

    @model_validator(mode="after")
    def _has_settings(self) -> Gate:
        said = self.settings
        if self.kind is GateKind.EXEC and not _is_argv(said.get("run")):
            raise ValueError("a gate of kind exec has a command; write settings: {run: [WORD, ...]}")
        if self.kind is GateKind.HTTP and not (isinstance(said.get("path"), str) and isinstance(said.get("port"), str)):
            raise ValueError("a gate of kind http asks a path of a port; write settings: {path: /PATH, port: NAME}")
        if self.kind is GateKind.HTTP and not isinstance(said.get("status", 200), int):
            raise ValueError("the status of a gate of kind http is a number; write one such as 200")
        return self


def _is_argv(said: Any) -> bool:
    return isinstance(said, list) and bool(said) and all(isinstance(word, str) for word in said)


class Option(Strict):
    """A choice of the site that switches blocks on and off with ``when`` and ``variants``."""

    default: Any
    one_of: list[Any] = []
    needs: dict[str, dict[Name, Any]] = Field(
        default={}, description='choice -> what other options must be with it; "*": anything but their default'
    )
    help: str


class External(Strict):
    """A system outside the cluster, such as Ceph: the network is open to the addresses that the site says."""

    help: str
    ports: dict[Name, Port | tuple[Port, Port]] = Field(default={}, description="a port or first and last; all if none")
    when: dict[Name, Any] = Field(default={}, description="options under which it is used; always when empty")


class Spec(Strict):
    """What the service is made of."""

    plane: Plane = Plane.CONTROL
    wanted: bool = Field(default=True, description="whether a site gets it that does not ask for it by name")
    user: User
    needs: Needs = Needs()
    options: dict[Name, Option] = {}
    external: dict[Name, External] = Field(default={}, description="systems outside the cluster that its pods talk to")
    databases: dict[str, Database] = {}
    messaging: dict[Name, MessagingUser] = {}
    identity: Identity = Identity()
    secrets: dict[Name, Secret] = {}
    config: dict[FileName, ConfigFile] = {}
    db_schema: Schema = Field(default=Schema(), alias="schema")
    bootstrap: Bootstrap | None = None
    workloads: dict[Name, Workload] = {}
    expose: dict[Name, Expose] = Field(default={}, description="ports for clients outside the cluster")
    periodic: dict[Name, Periodic] = {}
    gates: dict[Name, Gate] = {}


class Service(Strict):
    """A whole definition: one file of ``service_defs/``."""

    api_version: Literal["kolla-k8s.io/v1"] = Field(alias="apiVersion")
    kind: Literal["Service"]
    metadata: Metadata
    spec: Spec
    releases: dict[str, dict[str, Any]] = Field(
        default={}, description="OpenStack release -> merge patch on spec for charts of that release"
    )

    @property
    def name(self) -> str:
        """The service's name."""
        return self.metadata.name
