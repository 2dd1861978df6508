"""Read the definitions of a folder into models, and keep everything that is wrong with each of them.

What one definition cannot know of another is left to ``validate``, which says all of it at once. The order of files
does not matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kolla_k8s.checked import in_our_words
from kolla_k8s.compile.memory import DEFINITIONS
from kolla_k8s.compile.shapes import misshapen
from kolla_k8s.compile.words import expand
from kolla_k8s.errors import OutsideError, Problem, UserFilesError
from kolla_k8s.model.catalog import RELEASES
from kolla_k8s.model.service import Service
from kolla_k8s.yamlio import Document, Keys, load


@dataclass(frozen=True, slots=True)
class Definition:
    """A service and the file it was read from, for places in messages."""

    service: Service
    document: Document


@dataclass(frozen=True, slots=True)
class Definitions:
    """What a folder holds.

    Attributes:
        found: Definition of each service, by its name.
        problems: What is wrong with single files.
        unread: Names of files that are no definitions, or of something else: nobody knows what they would have said.
    """

    found: Mapping[str, Definition]
    problems: tuple[Problem, ...]
    unread: frozenset[str]


def read_definitions(folder: Path, release: str) -> Definitions:
    """Read every definition of a folder, resolved for one OpenStack release; ``OutsideError`` when it holds none."""
    files = sorted(folder.glob(DEFINITIONS))
    if not files:
        raise OutsideError(str(folder), "holds no service definition", "name the folder with --definitions")
    problems: list[Problem] = []
    found: dict[str, Definition] = {}
    unread: set[str] = set()
    for file in files:
        try:
            definition = load_definition(file, release)
        except UserFilesError as error:
            problems.extend(error.problems)
            unread.add(file.stem)
            continue
        problems.extend(_misnamed(file, definition, found))
        unread |= {file.stem} - {definition.service.name}
        found[definition.service.name] = definition
    return Definitions(found, tuple(problems), frozenset(unread))


def load_definition(file: Path, release: str) -> Definition:
    """Read one definition; raises ``UserFilesError`` with all its problems."""
    document = load(file)
    service = _read(document, release)
    for other in sorted(set(service.releases) - {release}):
        _read(document, other)
    return Definition(expand(service), _seen_in(document, release))


def _read(document: Document, release: str) -> Service:
    """The service as it is in a release."""
    seen = _seen_in(document, release)
    with in_our_words(seen, Service):
        service = Service.model_validate(seen.data)
    if problems := list(misshapen(service, seen)):
        raise UserFilesError(problems)
    return service


def _seen_in(document: Document, release: str) -> Document:
    """The same file as it is in a release; what the patch of the release says stands in the patch."""
    below: Keys = ("releases", release)
    patched = {("spec", *path[2:]): place for path, place in document.positions.items() if path[:2] == below}
    return Document(document.name, for_release(document.data, release), {**document.positions, **patched})


def load_options(folder: Path, release: str) -> dict[str, dict[str, list[str]]]:
    """Lists of the options that a release knows, by name; they lie beside the definitions.

    Raises:
        UserFilesError: Files that are no such lists, all of them.
    """
    found: dict[str, dict[str, list[str]]] = {}
    problems = []
    for file in sorted((folder / "options" / release).glob("[!.]*.json")):
        try:
            found[file.stem] = _option_list(json.loads(file.read_bytes()))
        except (OSError, ValueError) as error:
            problems.append(Problem(str(file), "", f"is no list of options: {error}", "make it again, or remove it"))
    if problems:
        raise UserFilesError(problems)
    return found


def _option_list(data: Any) -> dict[str, list[str]]:
    """Section -> its options; raises ``ValueError`` for anything else."""
    if not isinstance(data, dict):
        raise ValueError("no map")  # noqa: TRY004 - of the same kind as what json raises
    for section, options in data.items():
        if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
            raise ValueError(f'"{section}" holds no list of names')
    return data


def known_releases(folder: Path, definitions: Mapping[str, Definition]) -> set[str]:
    """Releases that charts can be made for: ours, those with lists of options, those that a definition speaks of."""
    listed = {path.name for path in (folder / "options").glob("*") if path.is_dir()}
    patched = {release for definition in definitions.values() for release in definition.service.releases}
    return {*RELEASES, *listed, *patched}


def for_release(data: Any, release: str) -> Any:
    """Lay the merge patch of a release over ``spec``; a definition without one is given back as it is."""
    patches = data.get("releases") if isinstance(data, dict) else None
    patch = patches.get(release) if isinstance(patches, dict) else None
    if not isinstance(patch, dict):
        return data
    return {**data, "spec": merge_patch(data.get("spec"), patch)}


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply an RFC 7396 merge patch: maps merge, null deletes, anything else replaces.

    >>> merge_patch({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"d": 3}})
    {'b': {'c': 2, 'd': 3}}
    """
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def _misnamed(file: Path, definition: Definition, found: Mapping[str, Definition]) -> Iterable[Problem]:
    name, place = definition.service.name, definition.document.place(("metadata", "name"))
    if name in found:
        other = found[name].document.name
        yield Problem(place, "metadata.name", f'"{name}" is also defined in {other}', "give one of them another name")
    if file.stem != name:
        way_out = f"rename the file to {name}.yaml or the service to {file.stem}"
        yield Problem(place, "metadata.name", f'"{name}" does not match the file\'s name', way_out)
