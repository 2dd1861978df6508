"""One definition under examination: what a check is given, and how it says what is wrong and where."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from kolla_k8s.compile.load import Definition
from kolla_k8s.errors import Problem
from kolla_k8s.model.catalog import Catalog
from kolla_k8s.model.service import Service
from kolla_k8s.suggest import did_you_mean
from kolla_k8s.yamlio import Keys, spell

Path = Keys


@dataclass(frozen=True, slots=True)
class Room:
    """One definition under examination, among the others; of those that are ``unread`` only the names are known."""

    definition: Definition
    catalog: Catalog
    unread: frozenset[str] = frozenset()

    @property
    def service(self) -> Service:
        """The service under examination."""
        return self.definition.service

    def is_said(self, path: Path) -> bool:
        """Whether a path stands in the file, and does not only follow from it."""
        return path in self.definition.document.positions

    def problem(self, path: Path, fact: str, way_out: str = "") -> Problem:
        """A problem at a path of the definition."""
        return Problem(self.definition.document.place(path), spell(path), fact, way_out)

    def unknown(self, path: Path, what: str, name: str, known: Collection[str]) -> Iterator[Problem]:
        """A problem when a name is not among the known ones."""
        if name not in known:
            yield self.problem(path, f'no {what} is called "{name}"', did_you_mean(name, known))
