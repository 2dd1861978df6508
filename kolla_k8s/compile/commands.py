"""Check what commands say: who lists processes reads their arguments and environments, so no password is in them.

The init step fills in placeholders of schema commands and bootstrap steps alone; elsewhere nobody would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kolla_k8s.compile.room import Path, Room
from kolla_k8s.errors import Problem
from kolla_k8s.model.placeholders import placeholders
from kolla_k8s.model.service import Service


def steps(service: Service) -> Iterator[tuple[Path, Sequence[str], bool]]:
    """Commands that the init step fills in, and whether nobody can read their arguments."""
    spec = service.spec
    for phase in ("expand", "migrate", "contract"):
        yield ("spec", "schema", phase), getattr(spec.db_schema, phase), False
    for name, step in spec.bootstrap.steps.items() if spec.bootstrap else ():
        yield ("spec", "bootstrap", "steps", name, "run"), step.run, step.in_process


def secret_arguments(room: Room) -> Iterator[Problem]:
    """Passwords in arguments that others could read."""
    for path, command, is_in_process in steps(room.service):
        for found in placeholders(command):
            if found.is_secret and not is_in_process:
                fact = f"{found} would show a password to who lists processes"
                yield room.problem(path, fact, "put it into a config file; a Python program may run in-process")


def command_line(room: Room, path: Path, command: Sequence[str]) -> Iterator[Problem]:
    """Placeholders where nobody fills them in."""
    for found in placeholders(command):
        what = "environment" if "env" in path else "command line"
        yield room.problem(path, f"{found} cannot be filled in on a process's {what}", "put it into a config file")
