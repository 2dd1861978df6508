"""Read ``--set a.b=c`` as Helm does: dots lead into maps, commas separate, a backslash takes the meaning away."""

from __future__ import annotations

import re
from typing import Any

from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.yamlio import Document, Keys, is_text

_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "": ""}


def set_document(argument: str) -> Document:
    r"""Make a layer of one ``--set`` argument; raises ``UserFilesError`` when it is no assignment.

    >>> set_document(r"services.keystone.config.keystone\\.conf.token.expiration=3600").data
    {'services': {'keystone': {'config': {'keystone.conf': {'token': {'expiration': 3600}}}}}}
    """
    if not is_text(argument):
        said = argument.encode(errors="surrogateescape").decode(errors="replace")
        raise UserFilesError([Problem(f"--set {said}", "", "is no UTF-8", "say it in a file")])
    data: dict[str, Any] = {}
    positions: dict[Keys, tuple[int, int]] = {}
    for part in _split(argument, ","):
        name, *value = _split(part, "=", 1)
        path = tuple(_plain(key) for key in _split(name, "."))
        if not value or not all(path):
            problem = Problem(f"--set {argument}", "", "is no assignment", "write --set path.to.value=word")
            raise UserFilesError([problem])
        if not _place(data, path, _value(value[0])):
            fact = f'"{name}" lies below what has a value already'
            raise UserFilesError([Problem(f"--set {argument}", "", fact, "give one of the two a value")])
        positions |= {path[:length]: (1, 1) for length in range(1, len(path) + 1)}
    return Document(f"--set {argument}", data, positions)


def _split(text: str, mark: str, most: int = 0) -> list[str]:
    pattern = rf"(?<!\\){re.escape(mark)}"
    if text.find("={") >= 0 and mark == ",":
        pattern = r"(?<!\\),(?![^{]*\})"
    return re.split(pattern, text, maxsplit=most)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _value(text: str) -> Any:
    if text.startswith("{") and text.endswith("}"):
        return [_value(item) for item in text[1:-1].split(",")] if len(text) > 2 else []
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if re.fullmatch(r"-?(0|[1-9][0-9]{0,399})", text) else _plain(text)


def _place(data: dict[str, Any], path: tuple[str, ...], value: Any) -> bool:
    """Put a value at its path; False when something on the way is no map."""
    here: Any = data
    for key in path[:-1]:
        here = here.setdefault(key, {})
        if not isinstance(here, dict):
            return False
    here[path[-1]] = value
    return True
