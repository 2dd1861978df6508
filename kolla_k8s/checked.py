"""Check what a file says against a model, and say what is wrong in words of its writer, at the line where it stands.

The only place that hears pydantic's errors: their codes, and the branches of unions that their locations name, reach
nobody. What a model cannot know, such as names in other files, is judged elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.suggest import did_you_mean
from kolla_k8s.yamlio import Document, Keys, load, spell


def load_checked(path: Path, model: type[BaseModel]) -> Any:
    """Data of a file that a model accepts; raises ``UserFilesError`` with all that it does not."""
    document = load(path)
    with in_our_words(document, model):
        model.model_validate(document.data)
    return document.data


@contextmanager
def in_our_words(document: Document, model: type[BaseModel], *, is_whole: bool = True) -> Iterator[None]:
    """Check data against a model in this block; errors come out as ``UserFilesError``, with places and known keys.

    Nothing is said of keys that are missing where the data are not whole, because some file could not be read.
    """
    try:
        yield
    except ValidationError as error:
        details = [detail for detail in error.errors(include_url=False) if is_whole or detail["type"] != "missing"]
        raise UserFilesError([_problem(detail, document, model) for detail in details]) from None


def _problem(detail: Any, document: Document, model: type[BaseModel]) -> Problem:
    path = _path_of(detail, document.data)
    return Problem(document.place(path), spell(path), *_said(detail, path, model))


def _said(detail: Any, path: Keys, model: type[BaseModel]) -> tuple[str, str]:
    """Fact and way out of an error."""
    kind, value = detail["type"], _short(detail["input"])
    if kind == "extra_forbidden":
        like = did_you_mean(str(path[-1]), _known_keys(model, path[:-1]))
        return f'unknown key "{path[-1]}"', like or "remove it; the reference has all keys"
    if kind == "missing":
        return f'the key "{path[-1]}" is missing', "add it"
    if kind == "value_error":
        said, _, way_out = str(detail["ctx"]["error"]).partition("; ")
        return said, way_out or "see the reference of the definition or the site file"
    if kind in {"enum", "literal_error"}:
        expected = str(detail["ctx"]["expected"])
        return f"{value} is no choice", did_you_mean(str(detail["input"]), _quoted(expected)) or f"known: {expected}"
    fact, way_out = {
        "string_type": (f"is no string: {value}", "put it in quotes"),
        "string_pattern_mismatch": (f"{value} does not match {detail.get('ctx', {}).get('pattern')}", "spell it so"),
        "model_type": ("is no map", "write keys and values"),
        "dict_type": (f"is no map: {value}", "write keys and values"),
    }.get(kind, (f"{detail['msg'][0].lower()}{detail['msg'][1:]}, not {value}", "correct the value"))
    return fact, way_out


def _quoted(text: str) -> list[str]:
    return re.findall("'([^']*)'", text)


def _path_of(detail: Any, data: Any) -> Keys:
    """Where in the data an error is: pydantic's location names branches of unions, too, which lead nowhere there."""
    path: Keys = ()
    for part in detail["loc"]:
        is_there = part in data if isinstance(data, dict) else isinstance(data, list) and part in range(len(data))
        if is_there:
            path, data = (*path, part), data[part]
    return (*path, detail["loc"][-1]) if detail["type"] == "missing" else path


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _known_keys(model: type[BaseModel], path: Keys) -> list[str]:
    schema = model.model_json_schema(by_alias=True)
    node: dict[str, Any] = schema
    for part in path:
        node = _resolved(node, schema)
        named = next(iter(node.get("patternProperties", {}).values()), None) or node.get("additionalProperties")
        node = node.get("properties", {}).get(part) or named or node.get("items") or {}
        if not isinstance(node, dict):
            return []
    return sorted(_resolved(node, schema).get("properties", {}))


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for option in node.get("anyOf", ()):
        if "$ref" in option or "properties" in option:
            node = option
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node
