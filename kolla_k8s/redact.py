"""Take secrets out of text by their values, wherever they stand and however they are spelled.

By value, not by the names of keys: a password in a URL, in an SQL statement or in a server's own complaint has no key
beside it. What is not a known value is left alone; what is shorter than six characters cannot be hidden without
hiding words.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

HIDDEN = "<redacted>"
SHORTEST = 6
_GO_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


class Redactor:
    """Knows the secrets of a run and hides them in text; called with a text, or set as a filter of a logging handler.

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
        # The longest first: a secret that holds another must not leave its rest behind.
        self._spellings = sorted(found | set(self._spellings), key=lambda text: (-len(text), text))

    def __call__(self, text: str) -> str:
        """Hide every known secret in a text."""
        for spelling in self._spellings:
            text = text.replace(spelling, HIDDEN)
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide every known secret in a log record, its arguments and its traceback; lets all records pass."""
        record.msg, record.args = self(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = self(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


def spellings(value: str) -> set[str]:
    """Forms in which a secret shows up: plain, base64, in a URL, in JSON (Python's and Go's), in SQL, in an oslo file.

    A value that ends its line is also known without the line's end.
    """
    return {spelling for text in {value, value.strip()} if len(text) >= SHORTEST for spelling in _spellings(text)}


def _spellings(value: str) -> set[str]:
    data = value.encode(errors="surrogateescape")
    coded = {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
    quoted = {quote(data, safe=""), quote(data), quote_plus(data)}
    texts = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    go = {"".join(_GO_ESCAPES.get(letter, letter) for letter in text) for text in texts}
    twice = {json.dumps(text)[1:-1] for text in texts | go}
    sql = {value.replace("\\", "\\\\").replace("'", "''"), value.replace("\\", "\\\\").replace("'", "\\'")}
    return {
        value,
        *coded,
        *(text.rstrip("=") for text in coded),
        *quoted,
        *texts,
        *go,
        *twice,
        *sql,
        value.replace("$", "$$"),
    }
