"""Merge values as Helm does, and remember who said what.

Maps merge deeply, lists are replaced, null deletes. Nothing is ever rendered as a template.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kolla_k8s.yamlio import Document, Keys


@dataclass(frozen=True, slots=True)
class Said:
    """One layer's word on a value: where it stands and what it says."""

    place: str
    value: Any


@dataclass(slots=True)
class Layers:
    """Values of several layers, merged; ``history`` has every word on each path, oldest first."""

    data: dict[str, Any] = field(default_factory=dict)
    history: dict[Keys, list[Said]] = field(default_factory=dict)

    def add(self, document: Document) -> None:
        """Lay a document over what is there."""
        self.data = overlaid(self.data, document.data or {})
        for path, value in leaves(document.data or {}):
            self.history.setdefault(path, []).append(Said(document.place(path), value))


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one layer over another as Helm does; nulls stay, for they delete defaults of the chart.

    >>> overlaid({"a": {"b": 1, "c": 2}, "l": [1]}, {"a": {"b": None}, "l": [2]})
    {'a': {'b': None, 'c': 2}, 'l': [2]}
    """
    result = dict(base)
    for key, value in over.items():
        before = result.get(key)
        is_deep = isinstance(value, Mapping) and isinstance(before, Mapping)
        result[key] = overlaid(before, value) if is_deep else value  # type: ignore[arg-type] # both are maps here
    return result


def leaves(data: Any, path: Keys = ()) -> Iterable[tuple[Keys, Any]]:
    """Path and value of everything in a structure that is no map (an empty map counts as a value)."""
    if isinstance(data, Mapping) and data:
        for key, value in data.items():
            yield from leaves(value, (*path, key))
    else:
        yield path, data
