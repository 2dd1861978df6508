"""Find ``${word:argument|filter}`` in a definition: what a pod must have mounted or be told to fill them in."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PLACEHOLDER = re.compile(r"\$\{([a-z]+):([^}|]+)((?:\|[a-z]+(?:=[^}|]*)?)*)\}")
OF_MEMBERS = ("members", "hosts", "addresses", "count")
"""Words that say how many members there are."""
OF_HOSTS = ("host", "port", *OF_MEMBERS)
"""Words that say where a service is."""
WORDS = frozenset(OF_HOSTS) | {
    "secret",
    "url",
    "pod",
    "node",
    "site",
    "limit",
    "iface",
    "each",
    "fact",
    "option",
    "transport",
}
FILTERS = frozenset({"url", "sql", "percent", "default", "first", "public", "wrap", "whole", "ip", "template"})


@dataclass(frozen=True, slots=True, order=True)
class Placeholder:
    """One use of a placeholder."""

    word: str
    argument: str
    filters: tuple[str, ...] = ()

    @property
    def is_secret(self) -> bool:
        """Whether what comes in its place holds a password."""
        return self.word == "secret" or (self.word == "transport" and "template" not in self.filters)

    def __str__(self) -> str:
        """Spell it as a definition does, filters left out."""
        return f"${{{self.word}:{self.argument}}}"


def placeholders(item: Any) -> Iterator[Placeholder]:
    """Every placeholder in the strings of a structure, keys left out.

    >>> list(placeholders({"a": ["x ${host:mariadb}"]}))
    [Placeholder(word='host', argument='mariadb', filters=())]
    """
    match item:
        case str():
            for found in PLACEHOLDER.finditer(item):
                filters = tuple(part.partition("=")[0] for part in found[3].split("|") if part)
                yield Placeholder(found[1], found[2], filters)
        case dict():
            for value in item.values():
                yield from placeholders(value)
        case list() | tuple():
            for value in item:
                yield from placeholders(value)


def arguments(item: Any, *words: str) -> list[str]:
    """Arguments of every placeholder with one of these words, each once, sorted."""
    return sorted({found.argument for found in placeholders(item) if found.word in words})


def by_word(item: Any) -> defaultdict[str, set[str]]:
    """Arguments of every placeholder, by word."""
    named: defaultdict[str, set[str]] = defaultdict(set)
    for found in placeholders(item):
        named[found.word].add(found.argument)
    return named
