"""Check that what configuration files say has the shape that their format can write.

Apart from ``validate`` because words that stand for many are written out before it, and only a right shape can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kolla_k8s.errors import Problem
from kolla_k8s.model.service import ConfigFile, Format, Service
from kolla_k8s.yamlio import Document, Keys, spell

OF_SECTIONS = frozenset({Format.INI, Format.MY_CNF, Format.PYMYSQL, Format.UWSGI})
Fault = tuple[Keys, str, str]


def misshapen(service: Service, document: Document) -> Iterator[Problem]:
    """Problems of every content that its file's format cannot say, each at its key."""
    for name, file in service.spec.config.items():
        for where, content in contents(file):
            path: Keys = ("spec", "config", name, *where)
            for below, fact, way_out in _faults(file.format, content):
                here = (*path, *below)
                yield Problem(document.place(here), spell(here), fact, way_out)


def contents(file: ConfigFile) -> Iterator[tuple[Keys, Any]]:
    """All that a file may say, and where it stands below the file."""
    yield ("content",), file.content
    if file.json_logs:
        yield ("json-logs",), file.json_logs
    for name, variant in file.variants.items():
        yield ("variants", name, "content"), variant.content


def _faults(written: Format, content: Any) -> Iterator[Fault]:
    if written is Format.RAW and content and not isinstance(content, str):
        yield (), "is no text", "a raw file is written as it is: write |"
    if written in OF_SECTIONS:
        yield from _of_sections(content)
    if written is Format.SYSCTL:
        yield from _of_options((), content)


def _of_sections(content: Any) -> Iterator[Fault]:
    if not isinstance(content, dict):
        yield (), "is no map", "write sections with their options"
        return
    for section, options in content.items():
        yield from _of_options((section,), options)


def _of_options(path: Keys, options: Any) -> Iterator[Fault]:
    if options is None:
        return
    if not isinstance(options, dict):
        yield path, "is no map", "write options and values"
        return
    for option, value in options.items():
        if any(isinstance(item, dict | list) for item in (value if isinstance(value, list) else [value])):
            yield (*path, option), "is no plain value", "write a word, a number, or a list of them"
