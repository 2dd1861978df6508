"""What does a log say to people, where its software writes objects of JSON?

As it would have said it in text: time, level, logger and message on a line, a traceback's lines below it. Whatever is
no such object, or has no message, stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def said(text: str) -> tuple[str, ...]:
    r"""Lines of a log as people read them.

    >>> said('waiting for mariadb\n{"levelname": "ERROR", "name": "nova", "message": "no host"}')
    ('waiting for mariadb', 'ERROR nova no host')
    """
    return tuple(line for record in text.strip().splitlines() for line in _lines(record))


def _lines(record: str) -> Iterator[str]:
    about = _object(record)
    message = about.get("message", about.get("msg"))
    if not isinstance(message, str):
        yield record
        return
    parts = (about.get("asctime", about.get("time")), about.get("levelname", about.get("level")), about.get("name"))
    start = " ".join(part for part in parts if isinstance(part, str))
    traceback = about.get("traceback")
    for line in [*message.splitlines(), *(traceback.splitlines() if isinstance(traceback, str) else ())]:
        yield f"{start} {line}".lstrip()


def _object(record: str) -> Mapping[str, Any]:
    if not record.startswith("{"):
        return {}
    try:
        found = json.loads(record)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
