"""Check definitions against each other: what one names, another must have.

Every check yields problems with their places; nothing stops at the first. A definition that passes here compiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from kolla_k8s.compile.commands import command_line, secret_arguments, steps
from kolla_k8s.compile.load import Definition
from kolla_k8s.compile.members import programs
from kolla_k8s.compile.pod import OWN_VOLUMES, SECRETS_OF
from kolla_k8s.compile.room import Path, Room
from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.model.catalog import Catalog, derived_secrets, has_addresses, user_passwords
from kolla_k8s.model.exposed import node_port
from kolla_k8s.model.placeholders import FILTERS, OF_HOSTS, WORDS, placeholders
from kolla_k8s.model.service import Plane, Rotate, SecretKind, Service
from kolla_k8s.model.workload import Container, Kind, Volume, Workload
from kolla_k8s.suggest import did_you_mean


def validate(definitions: Mapping[str, Definition], catalog: Catalog) -> None:
    """Raise ``UserFilesError`` with every problem of every definition, or return."""
    problems = [
        problem
        for definition in definitions.values()
        for check in CHECKS
        for problem in check(Room(definition, catalog))
    ]
    problems += _cycles(definitions)
    if problems:
        raise UserFilesError(problems)


def _needs(room: Room) -> Iterator[Problem]:
    needs = room.service.spec.needs
    for kind, names in (("start", needs.start), ("run", needs.run)):
        for number, name in enumerate(names):
            path = ("spec", "needs", kind, number)
            yield from room.unknown(path, "service", name, room.catalog.services)
            if name == room.service.name:
                yield room.problem(path, "a service cannot need itself", "remove it")


def _conditional_needs(room: Room) -> Iterator[Problem]:
    needs = room.service.spec.needs
    for name in needs.when:
        yield from room.unknown(("spec", "needs", "when", name), "need of start", name, needs.start)


def _cycles(definitions: Mapping[str, Definition]) -> Iterator[Problem]:
    graph = {name: set(d.service.spec.needs.start) & set(definitions) - {name} for name, d in definitions.items()}
    try:
        TopologicalSorter({name: sorted(needs) for name, needs in sorted(graph.items())}).prepare()
    except CycleError as error:
        around = list(reversed(error.args[1]))
        start = definitions[around[0]]
        place = start.document.place(("spec", "needs", "start"))
        way_out = "move one of the needs to needs.run, which sets no order"
        yield Problem(place, "spec.needs.start", "needs go round in a circle: " + " -> ".join(around), way_out)


def _placeholders(room: Room) -> Iterator[Problem]:
    for path, text in _texts(room.service):
        for found in placeholders(text):
            if found.word not in WORDS:
                yield room.problem(path, f'no placeholder is called "{found.word}"', did_you_mean(found.word, WORDS))
            for name in set(found.filters) - FILTERS:
                yield room.problem(path, f'{found}: no filter is called "{name}"', did_you_mean(name, FILTERS))
            yield from _argument(room, path, found.word, found.argument)


def _texts(service: Service) -> Iterator[tuple[Path, Any]]:
    spec = service.spec
    for name, file in spec.config.items():
        yield ("spec", "config", name, "content"), file.content
        for variant, details in file.variants.items():
            yield ("spec", "config", name, "variants", variant, "content"), details.content
    yield from ((path, command) for path, command, _ in steps(service))


def _argument(room: Room, path: Path, word: str, argument: str) -> Iterator[Problem]:
    services = room.catalog.services
    if word == "secret":
        owner, _, name = argument.rpartition("/")
        if owner and owner not in services:
            yield from room.unknown(path, "service", owner, services)
            return
        known = derived_secrets(services[owner] if owner else room.service)
        yield from room.unknown(path, "secret", name, known)
    elif word in OF_HOSTS:
        yield from _host(room, path, word, argument)
    elif word == "transport":
        yield from _transport(room, path, argument)
    elif word == "option":
        yield from room.unknown(path, "option", argument, room.service.spec.options)
    elif word == "url":
        yield from room.unknown(path, "catalogue entry or exposed port", argument, _addresses(room.catalog))


def _addresses(catalog: Catalog) -> set[str]:
    entries = {entry for service in catalog.services.values() for entry in service.spec.identity.services}
    return entries | {f"{name}/{key}" for name, service in catalog.services.items() for key in service.spec.expose}


def _transport(room: Room, path: Path, argument: str) -> Iterator[Problem]:
    owner, _, user = argument.rpartition("/")
    if owner and owner not in room.catalog.services:
        yield from room.unknown(path, "service", owner, room.catalog.services)
        return
    known = (room.catalog[owner] if owner else room.service).spec.messaging
    yield from room.unknown(path, "messaging user", user, known)
    yield from _host(room, path, "transport", "rabbitmq")


def _host(room: Room, path: Path, word: str, argument: str) -> Iterator[Problem]:
    name, _, workload = argument.partition("/")
    if name not in room.catalog.services:
        yield from room.unknown(path, "service", name, room.catalog.services)
    elif workload and workload not in room.catalog[name].spec.workloads:
        yield from room.unknown(path, f"workload of {name}", workload, room.catalog[name].spec.workloads)
    elif room.catalog.host(argument) is None:
        yield room.problem(path, f"${{{word}:{argument}}}: nothing of it listens", "give a workload of it a port")
    elif word == "addresses" and not has_addresses(room.catalog[name], workload):
        fact = f"${{{word}:{argument}}}: its members have no addresses that stay"
        yield room.problem(path, fact, "say peers.addresses: true in the workload, or use ${hosts:...}")
    elif name not in {room.service.name, *room.catalog.needs(room.service.name)}:
        yield room.problem(path, f'"{name}" is used but not needed', f"add {name} to needs.start or needs.run")


def _workloads(room: Room) -> Iterator[Problem]:
    for name, workload in room.service.spec.workloads.items():
        path: Path = ("spec", "workloads", name)
        for number, file in enumerate(workload.config or ()):
            yield from room.unknown((*path, "config", number), "config file", file, room.service.spec.config)
        yield from _process(room, path, workload)
        for beside, process in workload.containers.items():
            yield from _process(room, (*path, "containers", beside), process)
        for step, prepare in workload.prepare.items():
            yield from command_line(room, (*path, "prepare", step, "run"), prepare.run)
        yield from _volumes(room, path, workload.volumes, has_claims=workload.kind is Kind.STATEFUL_SET)
        yield from _mounts(room, path, workload)
        yield from _members(room, path, workload)
        if workload.metrics:
            yield from room.unknown((*path, "metrics", "port"), "port", workload.metrics.port, workload.ports)
        if workload.for_each:
            yield from room.unknown((*path, "for-each"), "option", workload.for_each, room.service.spec.options)
        if workload.same_node and workload.spread == "OneANode":
            yield room.problem((*path, "spread"), "same-node says where replicas are", "remove one of the two")
        if workload.same_node:
            yield from room.unknown((*path, "same-node"), "service", workload.same_node, room.catalog.services)
        if workload.host and room.service.spec.plane is Plane.CONTROL:
            yield room.problem((*path, "host"), "the control plane shares nothing with the node", "use plane: node")


def _mounts(room: Room, path: Path, workload: Workload) -> Iterator[Problem]:
    """What a pod mounts is seen outside of it only when its main container is privileged: Kubernetes' own rule."""
    for name, volume in workload.volumes.items():
        is_shared = volume.host is not None and volume.host.propagation == "Bidirectional"
        if is_shared and not (workload.privilege and workload.privilege.privileged):
            here = (*path, "volumes", name, "host", "propagation")
            yield room.problem(here, "mounts of a container without privileges stay with it", "use HostToContainer")


def _members(room: Room, path: Path, workload: Workload) -> Iterator[Problem]:
    peers = workload.peers
    if peers is None:
        return
    yield from command_line(room, (*path, "peers", "leave"), peers.leave)
    for number, program in enumerate(peers.programs):
        yield from room.unknown((*path, "peers", "programs", number), "program", program, programs())
    if peers.agent is not None:
        yield from room.unknown((*path, "peers", "agent"), "container", peers.agent, workload.containers)
    elif peers.writer:
        yield room.problem((*path, "peers", "writer"), "nobody agrees on a writer", "name an agent in peers.agent")
    for word in ("agent", "addresses"):
        if getattr(peers, word) and workload.kind is not Kind.STATEFUL_SET:
            yield room.problem((*path, "peers", word), "only a StatefulSet has members", "use kind: StatefulSet")
    if peers.addresses and not workload.ports:
        yield room.problem((*path, "peers", "addresses"), "nothing of it listens", "give the workload a port")


def _process(room: Room, path: Path, process: Container) -> Iterator[Problem]:
    for kind in ("ready", "startup", "live"):
        probe = getattr(process, kind)
        if probe and probe.port is not None:
            yield from room.unknown((*path, kind, "port"), "port", probe.port, process.ports)
        if probe and probe.exec:
            yield from command_line(room, (*path, kind, "exec"), probe.exec)
    for word in ("run", "stop"):
        yield from command_line(room, (*path, word), getattr(process, word))
    for name, value in process.env.items():
        yield from command_line(room, (*path, "env", name), [value])
    if room.service.spec.plane is Plane.NODE:
        return
    if process.start == "kolla":
        way_out = "write a direct start; only the node plane may use kolla_start"
        yield room.problem((*path, "start"), "kolla_start needs sudo and a writable root", way_out)
    if process.privilege:
        yield room.problem((*path, "privilege"), "the control plane is restricted", "use plane: node, or do without")


def _volumes(room: Room, path: Path, volumes: Mapping[str, Volume], *, has_claims: bool) -> Iterator[Problem]:
    for name, volume in volumes.items():
        here = (*path, "volumes", name)
        if name in OWN_VOLUMES or name.startswith(SECRETS_OF):
            yield room.problem(here, "every pod may have a volume of ours with this name", "call it something else")
        yield from _when(room, (*here, "when"), volume.when)
        if volume.secret:
            yield from room.unknown((*here, "secret"), "secret", volume.secret, room.service.spec.secrets)
        if volume.persistent and not has_claims:
            way_out = "use kind: StatefulSet, or scratch"
            yield room.problem((*here, "persistent"), "only a StatefulSet has claims", way_out)
        if volume.host and room.service.spec.plane is Plane.CONTROL:
            yield room.problem((*here, "host"), "the control plane has no host paths", "use plane: node")


def _bootstrap(room: Room) -> Iterator[Problem]:
    bootstrap, spec = room.service.spec.bootstrap, room.service.spec
    if bootstrap is None:
        for word in ("databases", "messaging"):
            if getattr(spec, word):
                yield room.problem(
                    ("spec", word), "needs a bootstrap to be made in", "add spec.bootstrap with an image"
                )
        return
    for file, sections in bootstrap.config.items():
        path = ("spec", "bootstrap", "config", file)
        yield from room.unknown(path, "config file", file, spec.config)
        content = spec.config[file].content if file in spec.config else {}
        for number, section in enumerate(sections):
            yield from room.unknown((*path, number), "section", section, content)


def _references(room: Room) -> Iterator[Problem]:
    spec = room.service.spec
    for name, entry in spec.identity.services.items():
        path: Path = ("spec", "identity", "services", name)
        owner = entry.workload
        if owner is not None:
            yield from room.unknown((*path, "workload"), "workload", owner, spec.workloads)
        ports = {port for n, w in spec.workloads.items() if owner in (None, n) for port in w.ports}
        yield from room.unknown((*path, "port"), "port", entry.port, ports)
    for where, password in user_passwords(room.service):
        path = ("spec", "identity", *where, "password")
        yield from room.unknown(path, "secret", password, derived_secrets(room.service))
    for name, gate in spec.gates.items():
        yield from room.unknown(("spec", "gates", name, "workload"), "workload", gate.workload, spec.workloads)


def _expose(room: Room) -> Iterator[Problem]:
    spec = room.service.spec
    for name, said in spec.expose.items():
        path: Path = ("spec", "expose", name)
        yield from room.unknown((*path, "workload"), "workload", said.workload, spec.workloads)
        if said.workload not in spec.workloads:
            continue
        workload = spec.workloads[said.workload]
        yield from room.unknown((*path, "port"), "port", said.port, set(workload.ports))
        if workload.for_each:
            fact = "there is one of it for each key of an option, and one name outside"
            yield room.problem((*path, "workload"), fact, "expose another workload")
        if said.port in workload.ports:
            yield from _node_port(room, name)


def _node_port(room: Room, name: str) -> Iterator[Problem]:
    """Two exposed ports cannot share a port of the nodes."""
    mine = f"{room.service.name}/{name}"
    taken = _node_ports(room.catalog)
    others = [other for other, port in taken.items() if other != mine and port == taken[mine]]
    if others:
        fact = f"port {taken[mine]} of the nodes is also that of {others[0]}"
        yield room.problem(("spec", "expose", name), fact, "say another node-port for one of them")


def _node_ports(catalog: Catalog) -> dict[str, int]:
    return {
        f"{name}/{key}": node_port(said, service.spec.workloads[said.workload].ports[said.port])
        for name, service in catalog.services.items()
        for key, said in service.spec.expose.items()
        if said.workload in service.spec.workloads and said.port in service.spec.workloads[said.workload].ports
    }


def _periodic(room: Room) -> Iterator[Problem]:
    for name, task in room.service.spec.periodic.items():
        path: Path = ("spec", "periodic", name)
        for number, file in enumerate(task.config or ()):
            yield from room.unknown((*path, "config", number), "config file", file, room.service.spec.config)
        yield from command_line(room, (*path, "run"), task.run or ())
        yield from _volumes(room, path, task.volumes, has_claims=False)
        yield from _rotation(room, (*path, "rotate", "secret"), task.rotate)


def _rotation(room: Room, path: Path, rotate: Rotate | None) -> Iterator[Problem]:
    if rotate is not None:
        secrets = room.service.spec.secrets
        yield from room.unknown(path, "secret", rotate.secret, secrets)
        found = secrets.get(rotate.secret)
        if found and found.kind is not SecretKind.FERNET_KEYS:
            yield room.problem(path, f"a {found.kind} cannot be rotated as a key repository", "use kind: fernet-keys")
        if found and found.owner != "cluster":
            yield room.problem(path, "a rotated secret belongs to the cluster", "set owner: cluster on the secret")


def _options(room: Room) -> Iterator[Problem]:
    spec = room.service.spec
    whens: list[tuple[Path, Mapping[str, Any]]] = [
        (("spec", "workloads", name, "when"), workload.when) for name, workload in spec.workloads.items()
    ]
    whens += [
        (("spec", "config", file, "variants", name, "when"), variant.when)
        for file, details in spec.config.items()
        for name, variant in details.variants.items()
    ]
    whens += [(("spec", "needs", "when", name), when) for name, when in spec.needs.when.items()]
    whens += [(("spec", "secrets", name, "when"), secret.when) for name, secret in spec.secrets.items()]
    whens += [(("spec", "external", name, "when"), external.when) for name, external in spec.external.items()]
    whens += [(("spec", "gates", name, "when"), gate.when) for name, gate in spec.gates.items()]
    for path, when in whens:
        yield from _when(room, path, when)


def _when(room: Room, path: Path, when: Mapping[str, Any]) -> Iterator[Problem]:
    for option, value in when.items():
        yield from room.unknown((*path, option), "option", option, room.service.spec.options)
        yield from _choice(room, (*path, option), option, value)


def _choice(room: Room, path: Path, option: str, value: Any) -> Iterator[Problem]:
    """A problem when an option that has choices has no such one; of one that has none, anything goes."""
    choices = room.service.spec.options[option].one_of if option in room.service.spec.options else []
    if choices and value not in choices:
        fact = f'"{value}" is no choice of option "{option}"'
        yield room.problem(path, fact, did_you_mean(str(value), [str(c) for c in choices]))


def _choices_fit(room: Room) -> Iterator[Problem]:
    options = room.service.spec.options
    for name, option in options.items():
        for choice, needs in option.needs.items():
            path: Path = ("spec", "options", name, "needs", choice)
            yield from room.unknown(path, "choice", choice, [str(c) for c in option.one_of])
            for need, value in needs.items():
                yield from room.unknown((*path, need), "option", need, options)
                if value != "*":
                    yield from _choice(room, (*path, need), need, value)


def _listed_options(room: Room) -> Iterator[Problem]:
    for file, details in room.service.spec.config.items():
        path: Path = ("spec", "config", file)
        if details.oslo and details.oslo.options:
            yield from room.unknown(
                (*path, "oslo", "options"), "list of options", details.oslo.options, room.catalog.options
            )
    for file, known in room.catalog.known_options(room.service.name).items():
        details = room.service.spec.config[file]
        contents = [("content", details.content), ("json-logs", details.json_logs)]
        contents += [(f"variants.{n}.content", variant.content) for n, variant in details.variants.items()]
        for where, content in contents:
            for section, option, names in known.unknown(content):
                fact = f'[{section}] has no option "{option}"' if option else f'there is no section "{section}"'
                place = ("spec", "config", file, *where.split("."))
                yield room.problem(
                    (*place, section, *([option] if option else [])), fact, did_you_mean(option or section, names)
                )


CHECKS: tuple[Callable[[Room], Iterator[Problem]], ...] = (
    _needs,
    _conditional_needs,
    _placeholders,
    secret_arguments,
    _workloads,
    _bootstrap,
    _references,
    _expose,
    _periodic,
    _options,
    _choices_fit,
    _listed_options,
)
