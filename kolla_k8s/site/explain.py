"""Tell where a value comes from: the chart's default, a preset, a file and line, ``--set``."""

from __future__ import annotations

import re
from typing import Any

from kolla_k8s.compile.values import defaults
from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.model.catalog import Catalog
from kolla_k8s.site.load import LoadedSite
from kolla_k8s.suggest import did_you_mean
from kolla_k8s.yamlio import Keys

_ABSENT = object()


def explained(path: str, loaded: LoadedSite, catalog: Catalog) -> list[str]:
    """Lines that tell a value's story, the last word first.

    Raises:
        UserFilesError: Nobody says anything there.
    """
    keys: Keys = tuple(re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\)\.", path))
    words = [(said.place, said.value) for said in loaded.layers.history.get(keys, ())]
    default = _default(keys, catalog)
    if default is not _ABSENT:
        words.insert(0, (f"the chart {keys[1]}", default))
    if not words:
        known = {".".join(map(str, known)) for known in loaded.layers.history}
        raise UserFilesError([Problem(path, "", "nobody says anything here", did_you_mean(path, known))])
    last, *before = reversed(words)
    lines = [f"{path} = {_spelled(last[1])}", f"  from {last[0]}"]
    return lines + [f"  over {_spelled(value)} from {place}" for place, value in before]


def _default(keys: Keys, catalog: Catalog) -> Any:
    if len(keys) < 3 or keys[0] != "services" or keys[1] not in catalog.services:
        return _ABSENT
    found: Any = defaults(catalog, catalog[str(keys[1])])
    for key in keys[2:]:
        if not isinstance(found, dict) or key not in found:
            return _ABSENT
        found = found[key]
    return found


def _spelled(value: Any) -> str:
    return "deleted" if value is None else repr(value)
