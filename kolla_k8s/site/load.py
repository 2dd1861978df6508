"""Read a site: its presets, its files, its ``--set`` words, in that order, checked against the services' charts.

Every problem of every file is said at once, each at the line that said the wrong thing last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kolla_k8s.checked import in_our_words
from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.model.catalog import DEFAULT_RELEASE, Catalog
from kolla_k8s.model.site import Site
from kolla_k8s.site.merge import Layers
from kolla_k8s.site.nodes import node_problems
from kolla_k8s.site.options import set_document
from kolla_k8s.site.problems import (
    Charts,
    naming,
    place_of,
    schema_problems,
    unfilled,
    unknown_in_variants,
    unknown_options,
)
from kolla_k8s.suggest import did_you_mean
from kolla_k8s.yamlio import Document, Keys, load, spell

PRESET_KEYS = frozenset({"apiVersion", "kind", "title"})


@dataclass(frozen=True, slots=True)
class LoadedSite:
    """A site and the layers it was made of."""

    site: Site
    layers: Layers

    def values(self, service: str) -> dict[str, Any]:
        """What the site says of a service's chart; null means: delete the chart's default."""
        said = dict(self.site.services.get(service, {}))
        said.pop("enabled", None)
        return said

    def is_enabled(self, service: str) -> bool:
        """Whether a service may be part of the cloud; it may unless the site says no."""
        return bool(self.site.services.get(service, {}).get("enabled", True))

    def wants(self, catalog: Catalog) -> set[str]:
        """What the cloud is made of: what the site asks for, or else what it gets unasked, and what all that needs."""
        asked = {name for name, said in self.site.services.items() if said.get("enabled")}
        asked |= set(self.site.want) or {name for name, each in catalog.services.items() if each.spec.wanted}
        return catalog.with_needs(asked, {name for name in catalog.services if self.is_enabled(name)})

    @property
    def place_of_release(self) -> str:
        """Where the release was named last."""
        return place_of(self.layers, ("release",))

    def place_of_enabled(self, service: str) -> str:
        """Where it was said last whether a service is part of the cloud."""
        return place_of(self.layers, ("services", service, "enabled"))


@dataclass(frozen=True, slots=True)
class ReadSite:
    """What a site says before anybody has checked it.

    Attributes:
        documents: Its files and ``--set`` words that could be read.
        layers: They, and its presets, merged.
        problems: Why others could not be read.
    """

    documents: Sequence[Document]
    layers: Layers
    problems: Sequence[Problem] = ()

    @property
    def release(self) -> str:
        """OpenStack release that it names."""
        said = self.layers.data.get("release")
        return said if isinstance(said, str) else DEFAULT_RELEASE

    @property
    def place_of_release(self) -> str:
        """Where it names its release."""
        return place_of(self.layers, ("release",))


def read_site(files: Sequence[Path], sets: Sequence[str], presets: Path) -> ReadSite:
    """Read and merge a site.

    Args:
        files: Site files, the first one least important.
        sets: ``--set`` arguments, laid over the files.
        presets: Folder of preset files.

    Raises:
        UserFilesError: When there is no file, or nothing of what there is can be read.
    """
    if not files:
        raise UserFilesError([Problem("--values", "", "no site file is named", "name one: --values site.yaml")])
    documents: list[Document] = []
    problems: list[Problem] = []
    for read in [*(partial(load, file) for file in files), *(partial(set_document, argument) for argument in sets)]:
        try:
            documents.append(_required_map(read()))
        except UserFilesError as error:
            problems += error.problems
    if not documents:
        raise UserFilesError(problems)
    layers = Layers()
    known, unknown = _presets(_named_presets(documents), presets, documents)
    for document in [*known, *documents]:
        layers.add(document)
    return ReadSite(documents, layers, [*problems, *unknown])


def check_site(read: ReadSite, charts: Charts) -> LoadedSite:
    """Check a site against what is known of its release's services; raises with all problems, those of reading too."""
    documents, layers = read.documents, read.layers
    services = layers.data.get("services")
    problems = [*read.problems]
    problems += _service_problems(services, layers, charts) if isinstance(services, dict) else []
    problems += _unknown_wants(layers, charts.schemas)
    problems += _unknown_externals(layers, charts.schemas)
    problems += node_problems(layers, charts)
    merged_document = Document(documents[0].name, layers.data, {})
    try:
        with in_our_words(_Pointing(merged_document, documents), Site, is_whole=not read.problems):
            site = Site.model_validate(layers.data)
    except UserFilesError as error:
        raise UserFilesError([*error.problems, *problems]) from None
    if problems:
        raise UserFilesError(problems)
    return LoadedSite(site, layers)


def _named_presets(documents: Sequence[Document]) -> list[Any]:
    """Presets of the last file that names any."""
    lists = (d.data["presets"] for d in reversed(documents) if isinstance(d.data.get("presets"), list))
    return next(lists, [])


def _required_map(document: Document) -> Document:
    if not isinstance(document.data, dict):
        raise UserFilesError([Problem(document.place(()), "", "is no map", "begin it with apiVersion and kind: Site")])
    return document


def _presets(named: Iterable[Any], folder: Path, documents: Sequence[Document]) -> tuple[list[Document], list[Problem]]:
    """Presets that there are, and a problem for each that there is not."""
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    found, problems = [], []
    for number, name in enumerate(named):
        if name in known:
            document = load(folder / f"{name}.yaml")
            kept = {key: value for key, value in document.data.items() if key not in PRESET_KEYS}
            found.append(Document(document.name, kept, document.positions))
        else:
            place = _last_place(documents, ("presets", number))
            problems.append(
                Problem(place, f"presets[{number}]", f'no preset is called "{name}"', did_you_mean(str(name), known))
            )
    return found, problems


def _last_place(documents: Sequence[Document], path: Keys) -> str:
    owner = next((d for d in reversed(documents) if path in d.positions), documents[-1])
    return owner.place(path)


class _Pointing(Document):
    """Stands for all documents at once: a path's place is in the last one that has it."""

    def __init__(self, document: Document, documents: Sequence[Document]) -> None:
        super().__init__(document.name, document.data, document.positions)
        object.__setattr__(self, "documents", tuple(documents))

    __slots__ = ("documents",)
    documents: tuple[Document, ...]

    def place(self, path: Keys) -> str:
        while path:
            for document in reversed(self.documents):
                if path in document.positions:
                    return document.place(path)
            path = path[:-1]
        return self.documents[0].place(()) if self.documents else self.name


def _service_problems(services: Mapping[str, Any], layers: Layers, charts: Charts) -> Iterable[Problem]:
    schemas = charts.schemas
    for name, knobs in services.items():
        if not isinstance(knobs, dict):
            continue
        path: Keys = ("services", name)
        if name not in schemas:
            yield Problem(
                place_of(layers, path), spell(path), f'no service is called "{name}"', did_you_mean(name, schemas)
            )
            continue
        if not isinstance(knobs.get("enabled", True), bool):
            yield Problem(
                place_of(layers, (*path, "enabled")),
                spell((*path, "enabled")),
                "is neither true nor false",
                "write one of them",
            )
        yield from schema_problems(layers, path, knobs, schemas[name])
        files = naming(charts.options.get(name, {}), knobs)
        yield from unknown_options(layers, (*path, "config"), knobs.get("config"), files)
        yield from unknown_in_variants(layers, (*path, "variants"), knobs.get("variants"), files)
        for key in ("config", "variants"):
            yield from unfilled(layers, (*path, key), knobs.get(key), charts.filled.get(name, frozenset()))


def _unknown_wants(layers: Layers, known: Mapping[str, Any]) -> Iterable[Problem]:
    wanted = layers.data.get("want")
    for number, name in enumerate(wanted if isinstance(wanted, list) else ()):
        if isinstance(name, str) and name not in known:
            path: Keys = ("want", number)
            yield Problem(
                place_of(layers, path), spell(path), f'no service is called "{name}"', did_you_mean(name, known)
            )


def _unknown_externals(layers: Layers, schemas: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
    """Systems outside that no service talks to."""
    parts = (schema.get("properties", {}).get("external", {}).get("properties", {}) for schema in schemas.values())
    known = {name for part in parts for name in part}
    said = layers.data.get("external")
    for name in said if isinstance(said, dict) else ():
        if name not in known:
            path: Keys = ("external", name)
            fact = f'no service talks to a system called "{name}"'
            yield Problem(place_of(layers, path), spell(path), fact, did_you_mean(name, known))
