"""Write Kubernetes objects as chart templates: plain data with Go expressions in it, never text glued to text.

An object is a dict; ``Go`` stands for what Helm fills in on its line, ``Block`` for lines that Helm fills in below it.
Everything else is quoted by the YAML library, so no name or value can break out of its place.
"""

from __future__ import annotations

import re
from typing import Any

from kolla_k8s.yamlio import dump, one_line

WIDTH = 100
"""Items of a list are written on one line up to here."""

_TOKEN = re.compile(r"(?P<lead>[ -]*)(?P<key>[^\s:]+: |)(?P<kind>go|block|line)-expression-(?P<number>\d+)-")

_ROOTLESS = re.compile(r"(?P<before>[ (])\.(?P<word>Values|Release|Chart)\b")


class Go(str):
    """A Go expression that gives a scalar, or JSON, with its braces: ``{{ .Values.replicas }}``."""

    __slots__ = ()


class Block(str):
    """A Go expression without braces that gives lines of YAML: ``include "nova.visitors" $``."""

    __slots__ = ()


class Line(str):
    """An item of a list that is a line of Go's own, with its braces, such as the if around the items that follow."""

    __slots__ = ()


def structure(expression: str) -> Go:
    """A list or map that a Go expression without braces gives, on one line.

    As JSON, which helm's ``toYaml`` makes first, too.

    >>> structure(".Values.global.tolerations")
    '{{ toJson .Values.global.tolerations }}'
    """
    return Go(f"{{{{ toJson {expression} }}}}")


def only_when(condition: str, items: list[Any]) -> list[Any]:
    """Items of a list that are there only where a Go condition holds; always when it is empty."""
    return [Line(f"{{{{- if {condition} }}}}"), *items, Line("{{- end }}")] if condition else items


def emit(item: dict[str, Any], *, when: str = "", each: str = "") -> str:
    """Text of a template file with one object.

    Args:
        item: The object; values may be ``Go`` and ``Block``.
        when: Go condition without braces; the object exists only where it holds.
        each: Go expression of a map or list for each key or index of which the object exists once: ``$each``.
    """
    expressions: list[str] = []
    text = dump(_marked(item, expressions))
    body = "\n".join(_unmarked(line, expressions) for line in text.splitlines()) + "\n"
    if each:
        body = _ROOTLESS.sub(r"\g<before>$.\g<word>", body)
        body = f"{{{{- range $each, $_ := {each} }}}}\n---\n{body}{{{{- end }}}}\n"
    return f"{{{{- if {when} }}}}\n{body}{{{{- end }}}}\n" if when else body


def _marked(item: Any, expressions: list[str]) -> Any:
    match item:
        case Go() | Block() | Line():
            expressions.append(str(item))
            kind = type(item).__name__.lower()
            return f"{kind}-expression-{len(expressions) - 1}-"
        case dict():
            return {key: _marked(value, expressions) for key, value in item.items()}
        case list() | tuple():
            return [_marked(_shortened(value), expressions) for value in item]
        case _:
            return item


def _shortened(item: Any) -> Any:
    """A map of a list on one line, such as a mount or a port, where it is short and Helm fills nothing in."""
    text = one_line(item) if isinstance(item, dict) and _is_plain(item) else ""
    return Go(text) if text and len(text) <= WIDTH else item


def _is_plain(item: Any) -> bool:
    """Whether Helm fills nothing in, at any depth of maps."""
    return all(map(_is_plain, item.values())) if isinstance(item, dict) else not isinstance(item, Go | Block | Line)


def _unmarked(line: str, expressions: list[str]) -> str:
    found = _TOKEN.fullmatch(line)
    if found is None:
        return line
    expression = expressions[int(found["number"])]
    if found["kind"] == "line":
        return expression
    if found["kind"] == "go":
        return f"{found['lead']}{found['key']}{expression}"
    indent = len(found["lead"]) + 2
    return f"{found['lead']}{found['key'].rstrip()} {{{{- {expression} | nindent {indent} }}}}"
