"""Check definitions against each other: what one names, another must have.

Every check yields problems with their places; nothing stops at the first. A definition that passes here compiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from kolla_k8s.compile.commands import command_line, secret_arguments
from kolla_k8s.compile.filled import placeholder_problems
from kolla_k8s.compile.load import Definition, Definitions
from kolla_k8s.compile.members import programs
from kolla_k8s.compile.pod import OWN_VOLUMES, SECRETS_OF
from kolla_k8s.compile.provisions import bootstrap_problems, reference_problems, word_problems
from kolla_k8s.compile.room import Path, Room
from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.model.catalog import Catalog
from kolla_k8s.model.choices import conditions
from kolla_k8s.model.exposed import node_port
from kolla_k8s.model.service import Oslo, Plane, Rotate, SecretKind
from kolla_k8s.model.workload import Container, Kind, Privilege, Volume, Workload
from kolla_k8s.suggest import did_you_mean

OWN_PODS = frozenset({"bootstrap", "bootstrap-record", "default", "programs"})


def validate(read: Definitions, catalog: Catalog) -> None:
    """Raise ``UserFilesError`` with every problem of every definition, or return.

    Of one that needs what could not be read only the needs are judged: what else it names may stand there.
    """
    problems = [*read.problems]
    for definition in read.found.values():
        needs = definition.service.spec.needs
        checks = (_needs,) if read.unread & {*needs.start, *needs.run} else CHECKS
        room = Room(definition, catalog, read.unread)
        problems += [problem for check in checks for problem in check(room)]
    problems += _cycles(read.found)
    if problems:
        raise UserFilesError(problems)


def _needs(room: Room) -> Iterator[Problem]:
    needs = room.service.spec.needs
    for kind, names in (("start", needs.start), ("run", needs.run)):
        for number, name in enumerate(names):
            path = ("spec", "needs", kind, number)
            yield from room.unknown(path, "service", name, {*room.catalog.services, *room.unread})
            if name == room.service.name:
                yield room.problem(path, "a service cannot need itself", "remove it")


def _user(room: Room) -> Iterator[Problem]:
    spec = room.service.spec
    if spec.user.uid == 0 and spec.plane is Plane.CONTROL:
        way_out = "name the image's own account, or use plane: node"
        yield room.problem(("spec", "user", "uid"), "nobody is root on the control plane", way_out)


def _bootstrap_volumes(room: Room) -> Iterator[Problem]:
    bootstrap = room.service.spec.bootstrap
    yield from _volumes(room, ("spec", "bootstrap"), bootstrap.volumes if bootstrap else {}, has_claims=False)


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


def _pod_names(room: Room) -> Iterator[Problem]:
    """Names of pods name objects: workloads and periodic tasks share them with each other and with ours."""
    spec = room.service.spec
    for kind, names, taken in (
        ("workloads", spec.workloads, OWN_PODS),
        ("periodic", spec.periodic, {*OWN_PODS, *spec.workloads}),
    ):
        for name in names:
            if name in taken:
                yield room.problem(("spec", kind, name), "other objects have this name", "call it something else")


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
            yield from _privilege(room, (*path, "prepare", step), prepare.privilege)
        yield from _volumes(room, path, workload.volumes, has_claims=workload.kind is Kind.STATEFUL_SET)
        yield from _mounts(room, path, workload)
        yield from _members(room, path, workload)
        yield from _named(room, path, workload)
        if workload.same_node and workload.spread == "OneANode":
            yield room.problem((*path, "spread"), "same-node says where replicas are", "remove one of the two")
        if workload.host and room.service.spec.plane is Plane.CONTROL:
            yield room.problem((*path, "host"), "the control plane shares nothing with the node", "use plane: node")


def _named(room: Room, path: Path, workload: Workload) -> Iterator[Problem]:
    """What a workload names elsewhere in the definitions is there."""
    spec = room.service.spec
    if workload.metrics:
        yield from room.unknown((*path, "metrics", "port"), "port", workload.metrics.port, workload.ports)
    if workload.for_each:
        yield from room.unknown((*path, "for-each"), "option", workload.for_each, spec.options)
    if workload.same_node:
        yield from room.unknown((*path, "same-node"), "service", workload.same_node, room.catalog.services)
    if workload.syslog:
        yield from room.unknown((*path, "syslog"), "volume", workload.syslog, workload.volumes)


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
    yield from command_line(room, (*path, "peers", "force"), peers.force)
    for number, program in enumerate(peers.programs):
        yield from room.unknown((*path, "peers", "programs", number), "program", program, programs())
    if peers.agent is not None:
        yield from room.unknown((*path, "peers", "agent"), "container", peers.agent, workload.containers)
    elif peers.writer:
        yield room.problem((*path, "peers", "writer"), "nobody agrees on a writer", "name an agent in peers.agent")
    if peers.agent and peers.force:
        yield room.problem((*path, "peers", "force"), "the agent starts members", "name one of the two")
    for word in ("agent", "addresses", "force"):
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
    yield from _privilege(room, path, process.privilege)


def _privilege(room: Room, path: Path, privilege: Privilege | None) -> Iterator[Problem]:
    if privilege and room.service.spec.plane is Plane.CONTROL:
        yield room.problem((*path, "privilege"), "the control plane is restricted", "use plane: node, or do without")


def _volumes(room: Room, path: Path, volumes: Mapping[str, Volume], *, has_claims: bool) -> Iterator[Problem]:
    for name, volume in volumes.items():
        here = (*path, "volumes", name)
        if name in OWN_VOLUMES or name.startswith(SECRETS_OF):
            yield room.problem(here, "every pod may have a volume of ours with this name", "call it something else")
        if volume.secret:
            yield from room.unknown((*here, "secret"), "secret", volume.secret, room.service.spec.secrets)
        if volume.persistent and not has_claims:
            way_out = "use kind: StatefulSet, or scratch"
            yield room.problem((*here, "persistent"), "only a StatefulSet has claims", way_out)
        if volume.host and room.service.spec.plane is Plane.CONTROL:
            yield room.problem((*here, "host"), "the control plane has no host paths", "use plane: node")


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
    for path, when in conditions(room.service):
        for option, value in when.items():
            yield from room.unknown((*path, option), "option", option, spec.options)
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
        if details.oslo and details.oslo.options and room.catalog.options:
            yield from room.unknown(
                (*path, "oslo", "options"), "list of options", details.oslo.options, room.catalog.options
            )
    for file, known in room.catalog.known_options(room.service.name).items():
        details = room.service.spec.config[file]
        path = ("spec", "config", file, "oslo")
        oslo = details.oslo or Oslo()
        for section, listed in oslo.like.items():
            yield from room.unknown((*path, "like", section), "section", listed, known.sections)
        for option, listed in oslo.named_by.items():
            yield from room.unknown((*path, "named-by", option), "section", listed, {*known.sections, "*"})
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
    _user,
    _needs,
    _conditional_needs,
    placeholder_problems,
    secret_arguments,
    _pod_names,
    _workloads,
    bootstrap_problems,
    _bootstrap_volumes,
    reference_problems,
    word_problems,
    _expose,
    _periodic,
    _options,
    _choices_fit,
    _listed_options,
)
