"""Publish into a directory that any web server can serve: archives, and an index that keeps its history."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kolla_k8s.alone import writing
from kolla_k8s.checked import load_checked
from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.model.helm_files import IndexFile
from kolla_k8s.publish.package import Package, digest
from kolla_k8s.yamlio import dump

INDEX = "index.yaml"
COPIED = ("apiVersion", "appVersion", "description", "keywords", "kubeVersion", "maintainers", "annotations", "type")


def publish_to_folder(packages: Sequence[Package], folder: Path) -> list[str]:
    """Add archives to a chart repository; give the names of files that were not there, or not in its index.

    An archive is what it holds, whether the index lists it or was lost: what lies there is never written again.

    Raises:
        UserFilesError: A version is published already with other content, or the index is none. Nothing is written.
        HeldError: Another run is publishing there.
        OutsideError: The disk refuses.
    """
    with writing(folder, locked=folder, work="is publishing there"):
        return _publish(packages, folder)


def _publish(packages: Sequence[Package], folder: Path) -> list[str]:
    index = _index(folder)
    published = {
        (entry["name"], str(entry["version"])): entry for entries in index["entries"].values() for entry in entries
    }
    found = [_Found(p, _read(folder / p.file_name), published.get(_key(p))) for p in packages]
    if problems := [problem for one in found if (problem := _problem(one, folder / one.package.file_name))]:
        raise UserFilesError(problems)
    new = [one for one in found if one.archive is None or one.entry is None]
    now = _now()
    for one in new:
        _add(one, folder, index["entries"], now)
    if new:
        index["generated"] = now
        index["entries"] = dict(sorted(index["entries"].items()))
        _write(folder / INDEX, dump(index).encode())
    return [one.package.file_name for one in new]


def refusal(package: Package, place: Path | str) -> Problem:
    """Why a version is not published twice."""
    fact = f"{' '.join(_key(package))} is published with other content"
    return Problem(str(place), "", fact, "raise metadata.revision in its definition")


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be published, and what of it is there already: the archive, its entry in the index."""

    package: Package
    archive: bytes | None
    entry: dict[str, Any] | None


def _problem(found: _Found, place: Path) -> Problem | None:
    if found.archive is not None:
        return None if found.package.is_in(found.archive) else refusal(found.package, place)
    if found.entry is None or found.entry["digest"] == digest(found.package.content):
        return None
    fact = f"{' '.join(_key(found.package))} is in the index, and its archive is gone"
    return Problem(str(place), "", fact, "put it back, or raise metadata.revision in its definition")


def _key(package: Package) -> tuple[str, str]:
    return package.about["name"], str(package.about["version"])


def _add(found: _Found, folder: Path, entries: dict[str, Any], now: str) -> None:
    archive = found.archive
    if archive is None:
        archive = found.package.content
        _write(folder / found.package.file_name, archive)
    if found.entry is None:
        entries.setdefault(found.package.about["name"], []).insert(0, _entry(found.package, archive, now))


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    if not path.exists():
        return {"apiVersion": "v1", "entries": {}, "generated": ""}
    return dict(load_checked(path, IndexFile))


def _entry(package: Package, archive: bytes, now: str) -> dict[str, Any]:
    about = package.about
    copied = {key: about[key] for key in COPIED if key in about}
    own = {"name": about["name"], "version": str(about["version"]), "digest": digest(archive), "created": now}
    return {**copied, **own, "urls": [package.file_name]}


def _now() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    except (ValueError, OverflowError):
        fact = f"{epoch!r} is no time"
        raise UserFilesError(
            [Problem("SOURCE_DATE_EPOCH", "", fact, "write seconds since 1970, or unset it")]
        ) from None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
