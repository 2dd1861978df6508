"""All services of one OpenStack release together, and what one says about another: hosts, ports, addresses, secrets.

Definitions never spell a host name: they name a service, and this room knows what Kubernetes calls it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from kolla_k8s.model.known_options import Known, Lists
from kolla_k8s.model.service import Identity, IdentityService, Plane, SecretKind, Service
from kolla_k8s.model.workload import Kind, Workload

DEFAULT_RELEASE = "2026.1"
RELEASES = (DEFAULT_RELEASE, "2026.2")
SINGLE_KEY = frozenset({SecretKind.PASSWORD, SecretKind.GIVEN, SecretKind.ERLANG_COOKIE})


@dataclass(frozen=True, slots=True)
class Host:
    """How a service is reached: Kubernetes Service, its first port, all client ports, and its members' names."""

    service: str
    port: int
    ports: tuple[int, ...]
    peers: str
    pods: str
    plane: str


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret of a definition lies in Kubernetes: Secret, key (empty: the whole Secret is the repository)."""

    secret: str
    key: str


@dataclass(frozen=True, slots=True)
class MessagingLogin:
    """A RabbitMQ user, its virtual host, and the service and secret that hold its password."""

    user: str
    vhost: str
    owner: str
    secret: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """Services by name, resolved for one release, and the options that the release knows."""

    release: str
    services: Mapping[str, Service]
    options: Lists = field(default_factory=dict)

    def __getitem__(self, name: str) -> Service:
        """Give a service; KeyError when there is none, which validation has excluded."""
        return self.services[name]

    def host(self, argument: str) -> Host | None:
        """Host that a placeholder means: ``service``, or ``service/workload`` for another than the main workload."""
        service, _, workload = argument.partition("/")
        return host_of(self.services[service], workload)

    def known_options(self, name: str) -> dict[str, Known]:
        """What each file of a service may say, for those files whose options are listed."""
        found: dict[str, Known] = {}
        for file, details in self.services[name].spec.config.items():
            oslo = details.oslo
            if oslo and oslo.options and oslo.options in self.options:
                variants = [variant.content for variant in details.variants.values()]
                known = Known({**self.options[oslo.options], **oslo.dynamic}, oslo.like, oslo.named_by)
                found[file] = known.naming(details.content, *variants)
        return found

    def messaging(self, argument: str, of: Service) -> MessagingLogin | None:
        """Messaging user that a placeholder means: ``user`` of this service, or ``service/user`` of another."""
        owner, _, user = argument.rpartition("/")
        service = self.services.get(owner) if owner else of
        if service is None or user not in service.spec.messaging:
            return None
        vhost = service.spec.messaging[user].vhost or service.name
        secret = messaging_secret(service, user)
        return MessagingLogin(user, vhost, service.name, secret)

    def with_needs(self, names: Iterable[str], among: Container[str] | None = None) -> set[str]:
        """These services and, transitively, those they need to start; ``among`` leaves out what is not in it."""
        found: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in found and (among is None or name in among):
                found.add(name)
                todo.extend(self.services[name].spec.needs.start)
        return found

    def needs(self, name: str) -> list[str]:
        """Every service that this one talks to, start before run, each once, its own registration included."""
        service = self.services[name]
        wanted = [*service.spec.needs.start, *service.spec.needs.run]
        return list(dict.fromkeys(need for need in wanted if need != name))


def main_workload(service: Service) -> tuple[str, Workload] | None:
    """The workload that other services mean by this service's name: the first one with ports.

    A definition's order counts here; the API comes first.
    """
    return next(((n, w) for n, w in service.spec.workloads.items() if w.ports), None)


def clustered(service: Service) -> dict[str, str]:
    """Members that others count, by what ``${hosts:...}`` calls them -> workload.

    A service's name means its main workload. Of a service with several that have peers, ``service/workload`` is each.
    """
    main = main_workload(service)
    found = {service.name: main[0]} if main and main[1].kind is Kind.STATEFUL_SET else {}
    peers = [name for name, workload in service.spec.workloads.items() if workload.peers]
    return found | ({f"{service.name}/{name}": name for name in peers} if len(peers) > 1 else {})


def workload_of(service: Service, workload_name: str = "") -> Workload | None:
    """A workload by its name, or the main one; None when there is none."""
    main = main_workload(service)
    return service.spec.workloads.get(workload_name) if workload_name else main and main[1]


def has_addresses(service: Service, workload_name: str = "") -> bool:
    """Whether each member of a workload, or of the main one, has an address that stays."""
    workload = workload_of(service, workload_name)
    return bool(workload and workload.peers and workload.peers.addresses)


def service_name(service: Service, workload_name: str) -> str:
    """Name of the Kubernetes Service of a workload: the service's own for its main workload."""
    workload = service.spec.workloads[workload_name]
    if workload.service:
        return workload.service
    main = main_workload(service)
    is_main = main is not None and main[0] == workload_name
    return service.name if is_main else f"{service.name}-{workload_name}"


def pods_name(service: Service, workload_name: str) -> str:
    """Name of the Deployment, StatefulSet or DaemonSet: the service's own when it is the only workload."""
    alone = len(service.spec.workloads) == 1
    is_member = service.spec.workloads[workload_name].kind is Kind.STATEFUL_SET and alone
    return service.name if is_member else f"{service.name}-{workload_name}"


def host_of(service: Service, workload_name: str = "") -> Host | None:
    """How others reach a service, by its main workload or a named one; None when nothing of it listens."""
    main = main_workload(service)
    named = service.spec.workloads.get(workload_name)
    if main is None or (named is not None and not named.ports):
        return None
    name, workload = (workload_name, named) if named else main
    kubernetes_service = service_name(service, name)
    ports = tuple(port for w in service.spec.workloads.values() for port in w.client_ports.values())
    return Host(
        service=kubernetes_service,
        port=next(iter(workload.ports.values())),
        ports=tuple(dict.fromkeys(ports)),
        peers=f"{kubernetes_service}-peers",
        pods=pods_name(service, name),
        plane=service.spec.plane.value,
    )


def endpoint(service: Service, entry: IdentityService) -> dict[str, str | int]:
    """Parts of a catalogue entry's internal address."""
    name = entry_workload(service, entry)
    return {
        "service": service_name(service, name),
        "of": service.name,
        "port": service.spec.workloads[name].ports[entry.port],
        "path": entry.path,
    }


def entry_workload(service: Service, entry: IdentityService) -> str:
    """Workload that a catalogue entry leads to: the one it names, or the main one."""
    main = main_workload(service)
    return entry.workload or (main[0] if main else "")


def derived_secrets(service: Service) -> dict[str, SecretKind]:
    """Every secret of a service: those it declares and a password for each database and messaging user."""
    found = {name: secret.kind for name, secret in service.spec.secrets.items()}
    for name in service.spec.databases:
        found[database_secret(service, name)] = SecretKind.PASSWORD
    for name in service.spec.messaging:
        found[messaging_secret(service, name)] = SecretKind.PASSWORD
    return found


def user_passwords(service: Service) -> list[tuple[tuple[str, ...], str]]:
    """Where a Keystone user stands in the definition, and the secret that holds its password."""
    identity = service.spec.identity
    found: list[tuple[tuple[str, ...], str]] = [(("users", n), user.password) for n, user in identity.users.items()]
    for domain, about in identity.domains.items():
        found += [(("domains", domain, "users", name), user.password) for name, user in about.users.items()]
    return found


def registers(service: Service) -> bool:
    """Whether anything of a service is registered in Keystone."""
    return service.spec.identity != Identity()


def facts_of(service: Service) -> list[str]:
    """What steps of a service's bootstrap find, for ``${fact:...}``."""
    steps = service.spec.bootstrap.steps.values() if service.spec.bootstrap else ()
    return [name for step in steps for name in step.outputs]


def database_owner(service: Service, name: str) -> str | None:
    """Key of the ``databases`` entry whose user may use a database: its own, or one named in ``also``."""
    return next((key for key, entry in service.spec.databases.items() if name in (key, *entry.also)), None)


def database_secret(service: Service, database: str) -> str:
    """Name of the secret that holds a database user's password."""
    return "database-password" if len(service.spec.databases) == 1 else f"{_dashed(database)}-database-password"


def messaging_secret(service: Service, user: str) -> str:
    """Name of the secret that holds a messaging user's password."""
    return "messaging-password" if len(service.spec.messaging) == 1 else f"{user}-messaging-password"


def is_messaging_secret(key: str) -> bool:
    """Whether a key of a service's Secret is a password of ``messaging_secret``."""
    return key.endswith("messaging-password")


def secret_ref(service: Service, name: str) -> SecretRef:
    """Where a secret lies: passwords are keys of one Secret, key repositories have a Secret each."""
    if derived_secrets(service)[name] in SINGLE_KEY:
        return SecretRef(f"{service.name}-secrets", name)
    return SecretRef(f"{service.name}-{name}", "")


def is_optional(service: Service, secret: str) -> bool:
    """Whether only some sites have a secret."""
    return secret in service.spec.secrets and bool(service.spec.secrets[secret].when)


def is_control(service: Service) -> bool:
    """Whether the service runs in the restricted namespace."""
    return service.spec.plane is Plane.CONTROL


def belongs_to_nodes(service: Service, workload: Workload) -> bool:
    """Whether each pod of a workload is the one of its node, and so may have configuration of its own."""
    return workload.kind is Kind.DAEMON_SET and not is_control(service)


def _dashed(name: str) -> str:
    return name.replace("_", "-")
