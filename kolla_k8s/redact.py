"""Take secrets out of text by their values, wherever they stand and however they are spelled."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

HIDDEN = "<redacted>"
SHORTEST = 6


class Redactor:
    """Knows the secrets of a run and hides them in text.

    >>> redact = Redactor(["s3cret@x"])
    >>> redact("mysql://u:s3cret%40x@h")
    'mysql://u:<redacted>@h'
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        """Begin with some values; what is shorter than six characters is no secret."""
        self._spellings: list[str] = []
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        """Learn further values, each in all its spellings."""
        found = {spelling for value in values if len(value) >= SHORTEST for spelling in spellings(value)}
        self._spellings = sorted(found | set(self._spellings), key=lambda text: (-len(text), text))

    def __call__(self, text: str) -> str:
        """Hide every known secret in a text."""
        for spelling in self._spellings:
            text = text.replace(spelling, HIDDEN)
        return text


def spellings(value: str) -> set[str]:
    """Forms in which a secret shows up: plain, base64, in a URL, in JSON, in SQL, in an oslo file."""
    plain = base64.b64encode(value.encode()).decode()
    quoted = {quote(value, safe=""), quote(value), quote_plus(value)}
    sql = value.replace("\\", "\\\\").replace("'", "''")
    return {value, plain, plain.rstrip("="), *quoted, json.dumps(value)[1:-1], sql, value.replace("$", "$$")}
