"""Say what is wrong in a site's merged layers: at the line that said it last, in the words of people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator

from kolla_k8s.errors import Problem
from kolla_k8s.model.known_options import Known
from kolla_k8s.model.placeholders import placeholders
from kolla_k8s.site.merge import Layers, leaves
from kolla_k8s.suggest import did_you_mean
from kolla_k8s.yamlio import Keys, spell

OF_ANY_POD = ("iface", "limit", "node", "pod", "site")
"""Placeholders that every pod can fill in."""


@dataclass(frozen=True, slots=True)
class Charts:
    """What is known of the services that a site may speak of.

    Attributes:
        schemas: Service -> JSON Schema of its chart's values; its keys are the known services.
        options: Service -> file -> the options that its release knows.
        filled: Service -> word and argument of the placeholders that its pods can fill in.
        on_nodes: Services whose every pod belongs to a node.
        by_node: Service of these -> options that single nodes may have of their own.
    """

    schemas: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Mapping[str, Known]] = field(default_factory=dict)
    filled: Mapping[str, AbstractSet[tuple[str, str]]] = field(default_factory=dict)
    on_nodes: AbstractSet[str] = frozenset()
    by_node: Mapping[str, AbstractSet[str]] = field(default_factory=dict)


def naming(files: Mapping[str, Known], *said: Any) -> dict[str, Known]:
    """Give what files may say, with the sections that these knobs of a service name in them."""
    contents = [(one.get("config"), one.get("variants")) for one in said if isinstance(one, dict)]
    return {
        file: known.naming(*(content for config, variants in contents for content in _contents(file, config, variants)))
        for file, known in files.items()
    }


def unfilled(layers: Layers, path: Keys, said: Any, known: AbstractSet[tuple[str, str]]) -> Iterator[Problem]:
    """Give placeholders for which pods have nothing mounted: they would never start."""
    for keys, value in leaves(said):
        for found in placeholders(value):
            if found.word not in OF_ANY_POD and (found.word, found.argument) not in known:
                here = (*path, *keys)
                fact = f"pods cannot fill in ${{{found.word}:{found.argument}}}"
                way_out = f"say it in words, or use what its files name already, or one of {', '.join(OF_ANY_POD)}"
                yield Problem(place_of(layers, here), spell(here), fact, way_out)


def _contents(file: str, config: Any, variants: Any) -> Iterator[Any]:
    if isinstance(config, dict):
        yield config.get(file)
    of_file = variants.get(file) if isinstance(variants, dict) else None
    for variant in of_file.values() if isinstance(of_file, dict) else ():
        yield variant.get("content") if isinstance(variant, dict) else None


def unknown_options(layers: Layers, path: Keys, config: Any, files: Mapping[str, Known]) -> Iterable[Problem]:
    """Give the options that nobody would read, of the files that stand at a path."""
    for file, known in files.items() if isinstance(config, dict) else ():
        yield from _unknown(layers, (*path, file), config.get(file), known)


def unknown_in_variants(layers: Layers, path: Keys, said: Any, files: Mapping[str, Known]) -> Iterable[Problem]:
    """Give the options that nobody would read, of the variants of files that stand at a path."""
    for file, known in files.items() if isinstance(said, dict) else ():
        variants = said.get(file)
        for name, variant in variants.items() if isinstance(variants, dict) else ():
            content = variant.get("content") if isinstance(variant, dict) else None
            yield from _unknown(layers, (*path, file, name, "content"), content, known)


def _unknown(layers: Layers, path: Keys, content: Any, known: Known) -> Iterable[Problem]:
    for section, option, names in known.unknown(content):
        here = (*path, section, *([option] if option else []))
        fact = f'[{section}] has no option "{option}"' if option else f'there is no section "{section}"'
        yield Problem(place_of(layers, here), spell(here), fact, did_you_mean(option or section, names))


def schema_problems(
    layers: Layers, path: Keys, knobs: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterable[Problem]:
    """Give what a schema refuses of what stands at a path; nulls delete and are always right."""
    given = _without_nulls({key: value for key, value in knobs.items() if key != "enabled"})
    for error in Draft202012Validator(schema).iter_errors(given):
        where = (*path, *error.absolute_path)
        if error.validator == "not" and "multipleOf" in error.validator_value and not isinstance(error.instance, int):
            continue  # it has another type than it should, and that is said
        if error.validator == "additionalProperties":
            known = set(error.schema.get("properties", {}))
            for key in sorted(set(error.instance) - known):
                here = (*where, key)
                yield Problem(place_of(layers, here), spell(here), f'unknown key "{key}"', did_you_mean(key, known))
        else:
            yield Problem(place_of(layers, where), spell(where), *_said(error))


def _said(error: Any) -> tuple[str, str]:
    """What is so, and a way out; a rule between options has its fact as title."""
    titled = error.schema.get("title")
    return (str(titled), "say it, or choose otherwise") if titled else _said_of_value(error)


def _said_of_value(error: Any) -> tuple[str, str]:
    value = error.instance
    match error.validator:
        case "type":
            wanted = error.validator_value
            kinds = wanted if isinstance(wanted, str) else " or ".join(wanted)
            return f"{value!r} is no {kinds}", "correct the value"
        case "minimum" | "maximum":
            word = "least" if error.validator == "minimum" else "most"
            reason = f": {error.schema['description']}" if "description" in error.schema else ""
            return f"{value} is not possible", f"at {word} {error.validator_value}{reason}"
        case "not" if "multipleOf" in error.validator_value:
            return f"{value} members cannot decide by majority", f"take {value - 1} or {value + 1}"
        case "enum":
            return f"{value!r} is no choice", "known: " + ", ".join(map(str, error.validator_value))
        case "pattern":
            return f"{value!r} does not match {error.validator_value}", "correct the value"
        case _:
            return str(error.message)[:200], "correct the value"


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def place_of(layers: Layers, path: Keys) -> str:
    """Where a path, or else the first thing below or the nearest above it, was said last."""
    while path:
        if said := layers.history.get(path):
            return said[-1].place
        below = [said for known, said in layers.history.items() if known[: len(path)] == path]
        if below:
            return below[0][-1].place
        path = path[:-1]
    return "site"
