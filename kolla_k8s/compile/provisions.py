"""Check what a service has made for it before its pods start: databases, users, catalogue entries, and who logs in."""

from __future__ import annotations

from collections.abc import Iterator

from kolla_k8s.compile.room import Path, Room
from kolla_k8s.errors import Problem
from kolla_k8s.model.catalog import derived_secrets, user_passwords


def bootstrap_problems(room: Room) -> Iterator[Problem]:
    """Problems of the bootstrap, and of what is made in one that is not there."""
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
    for name, gate in spec.gates.items():
        yield from room.unknown(("spec", "gates", name, "workload"), "workload", gate.workload, spec.workloads)
