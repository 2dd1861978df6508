"""Tell where a value comes from: the chart's default, a preset, a file and line, ``--set``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kolla_k8s.compile.values import defaults
from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.model.catalog import Catalog
from kolla_k8s.site.load import LoadedSite
from kolla_k8s.suggest import did_you_mean
from kolla_k8s.yamlio import Keys


def explained(path: str, loaded: LoadedSite, catalog: Catalog) -> list[str]:
    """Lines that tell a value's story, the last word first.

    Raises:
        UserFilesError: Nobody says anything there.
    """
    keys: Keys = tuple(re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\)\.", path))
    words = list(_said_by_chart(keys, loaded, catalog))
    words += [(said.place, said.value) for said in loaded.layers.history.get(keys, ())]
    if not words:
        known = {".".join(map(str, known)) for known in loaded.layers.history}
        raise UserFilesError([Problem(path, "", "nobody says anything here", did_you_mean(path, known))])
    last, *before = reversed(words)
    lines = [f"{path} = {_spelled(last[1])}", f"  from {last[0]}"]
    return lines + [f"  over {_spelled(value)} from {place}" for place, value in before]


def _said_by_chart(keys: Keys, loaded: LoadedSite, catalog: Catalog) -> Iterator[tuple[str, Any]]:
    """What a chart says before any site: its default, and of files besides the variants that are chosen."""
    if len(keys) < 3 or keys[0] != "services" or keys[1] not in catalog.services:
        return
    name, rest = str(keys[1]), keys[2:]
    chart, service = f"the chart {name}", catalog[name]
    values = defaults(catalog, service)
    if rest[0] != "config":
        yield from _found(chart, values, rest)
        return
    options = {**values.get("options", {}), **(loaded.values(name).get("options") or {})}
    yield from _found(chart, values["defaults"], rest[1:])
    file = service.spec.config.get(str(rest[1])) if rest[1:] else None
    for variant in file.variants.values() if file else ():
        if all(str(options[option]) == str(wanted) for option, wanted in variant.when.items()):
            when = ", ".join(f"{option}: {wanted}" for option, wanted in variant.when.items())
            yield from _found(f"{chart} with {when}", variant.content, rest[2:])


def _found(place: str, values: Any, keys: Keys) -> Iterator[tuple[str, Any]]:
    for key in keys:
        if not isinstance(values, dict) or key not in values:
            return
        values = values[key]
    yield place, values


def _spelled(value: Any) -> str:
    return "deleted" if value is None else repr(value)
