"""Load the catalogue: what every command needs, and all that ``gen-charts`` needs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kolla_k8s import places
from kolla_k8s.compile.load import known_releases, load_options, read_definitions
from kolla_k8s.compile.validate import validate
from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.model.catalog import DEFAULT_RELEASE, Catalog
from kolla_k8s.suggest import did_you_mean


def load_catalog(definitions: Path | None, release: str = DEFAULT_RELEASE, *, said: str = "--release") -> Catalog:
    """Load and check all definitions for a release; ``said`` is where the release was named."""
    folder = definitions or places.data("service_defs")
    read = read_definitions(folder, release)
    known = known_releases(folder, read.found)
    if release not in known and not read.unread:
        unknown = Problem(said, "", f'no release is called "{release}"', did_you_mean(release, known))
        raise UserFilesError([unknown, *read.problems])
    services = {name: definition.service for name, definition in sorted(read.found.items())}
    try:
        catalog = Catalog(release, services, load_options(folder, release))
    except UserFilesError as error:
        raise UserFilesError([*read.problems, *error.problems]) from None
    validate(read, catalog)
    return catalog


def require_known(services: Iterable[str], known: Any) -> None:
    """Raise for names that are no service."""
    problems = [
        Problem(name, "", f'no service is called "{name}"', did_you_mean(name, known))
        for name in services
        if name not in known
    ]
    if problems:
        raise UserFilesError(problems)
