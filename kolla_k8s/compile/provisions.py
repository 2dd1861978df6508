"""Check what a service has made for it before its pods start: databases, users, catalogue entries, and who logs in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kolla_k8s.compile.commands import command_line
from kolla_k8s.compile.room import Path, Room
from kolla_k8s.errors import Problem
from kolla_k8s.model.catalog import database_owner, derived_secrets, registers, user_passwords
from kolla_k8s.model.placeholders import placeholders
from kolla_k8s.model.service import Bootstrap, GateKind, Schema, Service


def bootstrap_problems(room: Room) -> Iterator[Problem]:
    """Problems of the bootstrap, and of what is made in one that is not there."""
    bootstrap = room.service.spec.bootstrap
    if bootstrap is None:
        for word in _made(room.service):
            yield room.problem(("spec", word), "needs a bootstrap to be made in", "add spec.bootstrap with an image")
        return
    yield from _files(room, bootstrap)
    yield from _steps(room, bootstrap)


def _made(service: Service) -> Iterator[str]:
    """Words that only a bootstrap carries out."""
    spec = service.spec
    yield from (word for word in ("databases", "messaging") if getattr(spec, word))
    if registers(service):
        yield "identity"
    if spec.db_schema != Schema():
        yield "schema"


def _files(room: Room, bootstrap: Bootstrap) -> Iterator[Problem]:
    config = room.service.spec.config
    for file, sections in bootstrap.config.items():
        path: Path = ("spec", "bootstrap", "config", file)
        yield from room.unknown(path, "config file", file, config)
        content = config[file].content if file in config else {}
        for number, section in enumerate(sections):
            yield from room.unknown((*path, number), "section", section, content)
        used = {section: content.get(section) for section in sections} if sections else content
        yield from _facts(room, path, used)


def _steps(room: Room, bootstrap: Bootstrap) -> Iterator[Problem]:
    times = Counter(name for step in bootstrap.steps.values() for name in step.outputs)
    for name, step in bootstrap.steps.items():
        path: Path = ("spec", "bootstrap", "steps", name)
        yield from _facts(room, (*path, "run"), step.run)
        for number, output in enumerate(step.outputs):
            if times[output] > 1:
                fact = f'"{output}" is found by more than one step'
                yield room.problem((*path, "outputs", number), fact, "call one of them something else")
        if step.late and "keystone" not in room.service.spec.needs.start:
            way_out = "add keystone to needs.start, or leave it out"
            yield room.problem((*path, "late"), "this service registers when all is done", way_out)


def _facts(room: Room, path: Path, item: object) -> Iterator[Problem]:
    """Facts that the bootstrap itself would have to know before it finds them."""
    for found in placeholders(item):
        if found.word == "fact":
            fact = f"{found} is known only when the bootstrap is done"
            yield room.problem(path, fact, "leave its section to the workloads")


def reference_problems(room: Room) -> Iterator[Problem]:
    """Problems of the names in catalogue entries, users and gates."""
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
    yield from _gates(room)
    yield from _logins(room)


def _gates(room: Room) -> Iterator[Problem]:
    workloads = room.service.spec.workloads
    for name, gate in room.service.spec.gates.items():
        path: Path = ("spec", "gates", name)
        yield from room.unknown((*path, "workload"), "workload", gate.workload, workloads)
        if gate.kind is GateKind.HTTP and gate.workload in workloads:
            ports = workloads[gate.workload].ports
            yield from room.unknown((*path, "settings", "port"), "port", gate.settings["port"], ports)
        if gate.kind is GateKind.EXEC:
            yield from command_line(room, (*path, "settings", "run"), gate.settings["run"])


def _logins(room: Room) -> Iterator[Problem]:
    """Pods have one file that gates log in with, so all gates of a service are one user."""
    logins = {name: gate.login for name, gate in room.service.spec.gates.items() if gate.login}
    first = next(iter(logins.values()), "")
    for name, login in logins.items():
        path: Path = ("spec", "gates", name, "login")
        yield from _user(room, path, login)
        if login != first:
            yield room.problem(path, f'another gate logs in as "{first}"', "let all gates of a service be one user")


def _user(room: Room, path: Path, said: str) -> Iterator[Problem]:
    """A Keystone user, of this service or as ``service/user`` of another."""
    owner, _, user = said.rpartition("/")
    if owner and owner not in room.catalog.services:
        yield from room.unknown(path, "service", owner, room.catalog.services)
        return
    service = room.catalog[owner] if owner else room.service
    yield from room.unknown(path, "Keystone user", user, service.spec.identity.users)


def word_problems(room: Room) -> Iterator[Problem]:
    """Problems of the databases and users that ``oslo`` names."""
    for file, details in room.service.spec.config.items():
        path: Path = ("spec", "config", file, "oslo")
        oslo = details.oslo
        for section, said in oslo.databases.items() if oslo else ():
            yield from _database(room, (*path, "databases", section), said)
        if oslo and oslo.identity:
            yield from _user(room, (*path, "identity"), oslo.identity)


def _database(room: Room, path: Path, said: str) -> Iterator[Problem]:
    """A problem of a database that its service does not have."""
    name, _, database = said.rpartition("/")
    if name and name not in room.catalog.services:
        yield from room.unknown(path, "service", name, room.catalog.services)
        return
    service = room.catalog[name] if name else room.service
    if database_owner(service, database) is None:
        known = {one for key, entry in service.spec.databases.items() for one in (key, *entry.also)}
        yield from room.unknown(path, "database", database, known)
