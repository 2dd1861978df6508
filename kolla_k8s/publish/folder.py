"""Publish into a directory that any web server can serve: archives, and an index that keeps its history."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.publish.package import Package
from kolla_k8s.yamlio import dump, load

INDEX = "index.yaml"
COPIED = ("apiVersion", "appVersion", "description", "keywords", "kubeVersion", "maintainers", "annotations", "type")


def publish_to_folder(packages: Sequence[Package], folder: Path) -> list[str]:
    """Add archives to a chart repository; give the names of files that are new.

    Raises:
        UserFilesError: A version is published already with other content; nothing is written then.
    """
    index = _index(folder)
    published = {
        (entry["name"], str(entry["version"])): entry for entries in index["entries"].values() for entry in entries
    }
    problems = [refusal(p, folder / p.file_name) for p in packages if _differs(p, published)]
    if problems:
        raise UserFilesError(problems)
    new = [p for p in packages if (p.about["name"], str(p.about["version"])) not in published]
    folder.mkdir(parents=True, exist_ok=True)
    for one in new:
        _write(folder / one.file_name, one.content)
        index["entries"].setdefault(one.about["name"], []).insert(0, _entry(one))
    if new:
        index["generated"] = _now()
        index["entries"] = dict(sorted(index["entries"].items()))
        _write(folder / INDEX, dump(index).encode())
    return [one.file_name for one in new]


def refusal(package: Package, place: Path | str) -> Problem:
    """Why a version is not published twice."""
    about = package.about
    fact = f"{about['name']} {about['version']} is published with other content"
    return Problem(str(place), "", fact, "raise metadata.revision in its definition")


def _differs(package: Package, published: dict[tuple[str, str], Any]) -> bool:
    there = published.get((package.about["name"], str(package.about["version"])))
    return there is not None and there["digest"] != package.digest


def _index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    data = load(path).data if path.exists() else None
    return data or {"apiVersion": "v1", "entries": {}, "generated": ""}


def _entry(package: Package) -> dict[str, Any]:
    about = package.about
    copied = {key: about[key] for key in COPIED if key in about}
    own = {"name": about["name"], "version": str(about["version"]), "digest": package.digest, "created": _now()}
    return {**copied, **own, "urls": [package.file_name]}


def _now() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
