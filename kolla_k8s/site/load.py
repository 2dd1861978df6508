"""Read a site: its presets, its files, its ``--set`` words, in that order, checked against the services' charts.

Every problem of every file is said at once, each at the line that said the wrong thing last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import ValidationError

from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.model.known_options import Known
from kolla_k8s.model.site import Site
from kolla_k8s.site.merge import Layers
from kolla_k8s.site.options import set_document
from kolla_k8s.suggest import did_you_mean
from kolla_k8s.yamlio import Document, Keys, load, problems_from_pydantic

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
        """Whether a service is part of the cloud; it is unless the site says no."""
        return bool(self.site.services.get(service, {}).get("enabled", True))

    def place_of_enabled(self, service: str) -> str:
        """Where it was said last whether a service is part of the cloud."""
        return _place(self.layers, ("services", service, "enabled"))


def load_site(
    files: Sequence[Path],
    sets: Sequence[str],
    presets: Path,
    schemas: Mapping[str, Mapping[str, Any]],
    options: Mapping[str, Mapping[str, Known]],
) -> LoadedSite:
    """Load, merge and check a site.

    Args:
        files: Site files, the first one least important.
        sets: ``--set`` arguments, laid over the files.
        presets: Folder of preset files.
        schemas: Service -> JSON Schema of its chart's values; its keys are the known services.
        options: Service -> file -> the options that its release knows.

    Raises:
        UserFilesError: With all problems.
    """
    documents = [load(file) for file in files] + [set_document(argument) for argument in sets]
    for document in documents:
        _require_map(document)
    named = _named_presets(documents)
    layers = Layers()
    for document in [*_presets(named, presets, documents), *documents]:
        layers.add(document)
    services = layers.data.get("services")
    problems = list(_service_problems(services, layers, schemas)) if isinstance(services, dict) else []
    problems += _unknown_wants(layers, schemas)
    problems += _unknown_options(layers, services, options) if isinstance(services, dict) else []
    try:
        site = Site.model_validate(layers.data)
    except ValidationError as error:
        merged_document = Document(documents[0].name if documents else "--values", layers.data, {})
        pointing = _Pointing(merged_document, documents)
        raise UserFilesError([*problems_from_pydantic(error, pointing, Site), *problems]) from None
    if problems:
        raise UserFilesError(problems)
    return LoadedSite(site, layers)


def _named_presets(documents: Sequence[Document]) -> list[Any]:
    """Presets of the last file that names any."""
    lists = (d.data["presets"] for d in reversed(documents) if isinstance(d.data.get("presets"), list))
    return next(lists, [])


def _require_map(document: Document) -> None:
    if not isinstance(document.data, dict):
        raise UserFilesError([Problem(document.place(()), "", "is no map", "begin it with apiVersion and kind: Site")])


def _presets(named: Iterable[Any], folder: Path, documents: Sequence[Document]) -> list[Document]:
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
    if problems:
        raise UserFilesError(problems)
    return found


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


def _service_problems(
    services: Mapping[str, Any], layers: Layers, schemas: Mapping[str, Mapping[str, Any]]
) -> Iterable[Problem]:
    for name, knobs in services.items():
        if not isinstance(knobs, dict):
            continue
        path: Keys = ("services", name)
        if name not in schemas:
            yield Problem(
                _place(layers, path), _spell(path), f'no service is called "{name}"', did_you_mean(name, schemas)
            )
            continue
        if not isinstance(knobs.get("enabled", True), bool):
            yield Problem(
                _place(layers, (*path, "enabled")),
                _spell((*path, "enabled")),
                "is neither true nor false",
                "write one of them",
            )
        yield from _schema_problems(layers, path, knobs, schemas[name])


def _unknown_wants(layers: Layers, known: Mapping[str, Any]) -> Iterable[Problem]:
    wanted = layers.data.get("want")
    for number, name in enumerate(wanted if isinstance(wanted, list) else ()):
        if isinstance(name, str) and name not in known:
            path: Keys = ("want", number)
            yield Problem(
                _place(layers, path), _spell(path), f'no service is called "{name}"', did_you_mean(name, known)
            )


def _unknown_options(
    layers: Layers, services: Mapping[str, Any], options: Mapping[str, Mapping[str, Known]]
) -> Iterable[Problem]:
    """Options that nobody would read."""
    for name, files in options.items():
        knobs = services.get(name)
        said = knobs.get("config") if isinstance(knobs, dict) else None
        if not isinstance(said, dict):
            continue
        for file, known in files.items():
            for section, option, names in known.unknown(said.get(file)):
                path: Keys = ("services", name, "config", file, section, *([option] if option else []))
                fact = f'[{section}] has no option "{option}"' if option else f'there is no section "{section}"'
                yield Problem(_place(layers, path), _spell(path), fact, did_you_mean(option or section, names))


def _schema_problems(
    layers: Layers, path: Keys, knobs: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterable[Problem]:
    given = _without_nulls({key: value for key, value in knobs.items() if key != "enabled"})
    for error in Draft202012Validator(schema).iter_errors(given):
        where = (*path, *error.absolute_path)
        if error.validator == "additionalProperties":
            known = set(error.schema.get("properties", {}))
            for key in sorted(set(error.instance) - known):
                here = (*where, key)
                yield Problem(_place(layers, here), _spell(here), f'unknown key "{key}"', did_you_mean(key, known))
        else:
            yield Problem(_place(layers, where), _spell(where), *_said(error))


def _said(error: Any) -> tuple[str, str]:
    value = error.instance
    match error.validator:
        case "type":
            wanted = error.validator_value
            kinds = wanted if isinstance(wanted, str) else " or ".join(wanted)
            return f"{value!r} is no {kinds}", "correct the value"
        case "minimum" | "maximum":
            word = "least" if error.validator == "minimum" else "most"
            return f"{value} is not possible", f"at {word} {error.validator_value}"
        case "not" if "multipleOf" in error.validator_value:
            return f"{value} members cannot decide by majority", f"take {value - 1} or {value + 1}"
        case "enum":
            return f"{value!r} is no choice", "known: " + ", ".join(map(str, error.validator_value))
        case "pattern":
            return f"{value!r} does not match {error.validator_value}", "correct the value"
        case _:
            return str(error.message)[:200], "correct the value"


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def _place(layers: Layers, path: Keys) -> str:
    """Where a path, or else the first thing below or the nearest above it, was said last."""
    while path:
        if said := layers.history.get(path):
            return said[-1].place
        below = [said for known, said in layers.history.items() if known[: len(path)] == path]
        if below:
            return below[0][-1].place
        path = path[:-1]
    return "site"


def _spell(path: Keys) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
