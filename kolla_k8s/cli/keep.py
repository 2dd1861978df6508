"""What ``secrets init`` and ``secrets export`` do, once a cluster is open."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kolla_k8s.cli.cloud import Cloud, Source, load_cloud
from kolla_k8s.cli.session import Target, opened
from kolla_k8s.errors import OutsideError, Problem, UserFilesError
from kolla_k8s.model.catalog import is_messaging_secret
from kolla_k8s.orchestrate.secrets import (
    SecretSpec,
    ensure_copies,
    ensure_namespaces,
    ensure_secrets,
    read_secrets,
    secret_copies,
    secret_specs,
)
from kolla_k8s.yamlio import Document, Keys, dump, is_text, load, spell


def _specs(cloud: Cloud) -> list[SecretSpec]:
    return secret_specs(cloud.catalog, cloud.wanted.values, cloud.wanted.namespaces)


async def init_secrets(source: Source, target: Target, file: Path | None) -> None:
    """Create namespaces and Secrets."""
    cloud = load_cloud(source)
    given = _given(file, _specs(cloud)) if file else {}
    async with opened(target) as session:
        for name in await ensure_namespaces(session.cluster, cloud.wanted.namespaces):
            sys.stdout.write(f"namespace {name}: created\n")
        done = await ensure_secrets(session.cluster, _specs(cloud), given=given)
        copies = secret_copies(cloud.catalog, cloud.wanted.values, cloud.wanted.namespaces)
        await ensure_copies(session.cluster, copies)
    for name, what in sorted(done.items()):
        sys.stdout.write(f"secret {name}: {what}\n")


def _given(file: Path, specs: list[SecretSpec]) -> dict[str, str]:
    """Values of an export, as ``secret/key``; names that no chart expects are problems."""
    document = load(file)
    known = {spec.name: spec for spec in specs}
    said = {} if document.data is None else document.data
    problems = [_no_map(document, path) for path, item in _maps(said) if not isinstance(item, dict)]
    if problems:
        raise UserFilesError(problems)
    given = {}
    for secret, keys in said.items():
        for key, value in keys.items():
            is_expected = secret in known and key in known[secret].keys
            said_of_it = _unusable(key, value) if is_expected else ("no chart expects this secret", "remove it")
            if said_of_it:
                problems.append(Problem(document.place((secret, key)), spell((secret, key)), *said_of_it))
            given[f"{secret}/{key}"] = value
    if problems:
        raise UserFilesError(problems)
    return given


def _unusable(key: str, value: Any) -> tuple[str, str] | None:
    """Why a value can be no secret, and the way out; it is stored for good, so it is never guessed what was meant."""
    if not isinstance(value, str):
        return "is no string", "put it in quotes"
    if not value:
        return "is empty", "write a value, or leave the key out to have one made"
    if is_messaging_secret(key) and "/" in value:
        return "holds a /, which oslo.messaging cannot say in an address", "choose another one"
    return None


def _maps(said: Any) -> Iterator[tuple[Keys, Any]]:
    """What must be maps: the whole file, and each Secret in it."""
    yield (), said
    yield from (((secret,), keys) for secret, keys in said.items()) if isinstance(said, dict) else ()


def _no_map(document: Document, path: Keys) -> Problem:
    return Problem(document.place(path), spell(path), "is no map", "write Secrets and, below each, its keys")


def _own(spec: SecretSpec, data: dict[str, str]) -> dict[str, str]:
    """What of a Secret is the site's: neither keys of the cluster nor some that no chart expects.

    Raises for a value that is no text, which no file of texts can give back.
    """
    own = {key: value for key, value in data.items() if key in spec.keys and key not in spec.of_cluster}
    for key in (key for key, value in own.items() if not is_text(value)):
        way_out = f"save it with `kubectl -n {spec.namespace} get secret {spec.name} -o yaml`, or give it a text"
        raise OutsideError(f"Secret {spec.namespace}/{spec.name}", f"{key} is no UTF-8 text", way_out)
    return own


async def export_secrets(source: Source, target: Target, file: Path) -> None:
    """Write the site's own secrets into a new file of mode 0600: no more than ``init`` takes from it."""
    specs = {spec.name: spec for spec in _specs(load_cloud(source)) if spec.owner == "site" and spec.keys}
    async with opened(target) as session:
        there = await read_secrets(session.cluster, specs.values())
    found = {name: _own(specs[name], data) for name, data in there.items()}
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError as error:
        raise OutsideError(str(file), f"cannot be made: {error.strerror}", "make its folder first") from None
    except OSError as error:
        raise OutsideError(str(file), f"cannot be made: {error.strerror}", "name a file that is not there") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(dump(found))
    except OSError as error:
        file.unlink()
        raise OutsideError(str(file), f"cannot be written: {error.strerror}", "name a file elsewhere") from None
    sys.stdout.write(f"{len(found)} secrets in {file}\n")
