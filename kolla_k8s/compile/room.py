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
    """One definition under examination, among the others."""

    definition: Definition
    catalog: Catalog

    @property
    def service(self) -> Service:
        """The service under examination."""
        return self.definition.service

    def is_said(self, path: Path) -> bool:
        """Whether a path stands in the file, in ``spec`` or in the patch of the release."""
        positions = self.definition.document.positions
        return path in positions or self._patched(path) in positions

    def _patched(self, path: Path) -> Path:
        return ("releases", self.catalog.release, *path[1:])

    def problem(self, path: Path, fact: str, way_out: str = "") -> Problem:
        """A problem at a path of the definition."""
        document = self.definition.document
        here = self._patched(path) if self._patched(path) in document.positions else path
        return Problem(document.place(here), spell(here), fact, way_out)

    def unknown(self, path: Path, what: str, name: str, known: Collection[str]) -> Iterator[Problem]:
        """A problem when a name is not among the known ones."""
        if name not in known:
            yield self.problem(path, f'no {what} is called "{name}"', did_you_mean(name, known))
