"""What is written looks as the library writes it, and means what was said."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from kolla_k8s.yamlio import dump, one_line

TEXTS = st.text(max_size=20) | st.text("a \n\x85\u2028'\":#", max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
KEYS = st.text(st.characters(exclude_characters="\n\r\x85\u2028\u2029", codec="utf-8"), max_size=20)
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


class Library(yaml.CSafeDumper):
    """The library with blocks of text, and nothing written as a reference."""

    def ignore_aliases(self, _: Any) -> bool:
        """Write what stands twice twice."""
        return True


def a_text(dumper, text):
    """A block where all breaks are those that everybody sees."""
    breaks = set(re.findall("[\n\x85\u2028\u2029]", text))
    style = ("|" if breaks == {"\n"} else '"') if breaks else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Library.add_representer(str, a_text)


def as_the_library(data):
    """Text of the library, without the mark of an end that only a stream of documents needs."""
    text = yaml.dump(
        data, Dumper=Library, width=1_000_000, allow_unicode=True, default_flow_style=False, sort_keys=False
    )
    return text.removesuffix("...\n")


@given(DATA.filter(lambda data: isinstance(data, dict | list) and data))
def test_structures_are_written_as_the_library_writes_them(data):
    """
    Blocks of text too, wherever they stand; only quicker.
    """
    assert as_the_library(data) == dump(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"a": "b\n\nc\n"}, "a: |\n  b\n\n  c\n"),
        ([["b\nc"], "d"], "- - |-\n    b\n    c\n- d\n"),
        ({"a": [{"b": "c\n d", "e": []}]}, "a:\n- b: |-\n    c\n     d\n  e: []\n"),
        ({"a": " b\nc"}, "a: |2-\n   b\n  c\n"),
        ({"a": ["\n", None], "b": "c\n\n"}, "a:\n- |2+\n\n- null\nb: |+\n  c\n\n"),
        ({"no": "off", 1: "1", "x": [True, 1]}, "'no': 'off'\n1: '1'\nx:\n- true\n- 1\n"),
        ({"a\nb": {}}, '"a\\nb": {}\n'),
        ({"k" * 200: 1}, f"{'k' * 200}: 1\n"),
        ("a", "a\n"),
        ({"a": "b " * 99 + "c"}, f"a: {'b ' * 99}c\n"),
        ([{1: 0}, {True: 0}], "- 1: 0\n- true: 0\n"),
        ({"a": {"b\u2028c": "d\u2028e\nf"}}, 'a:\n  "b\\Lc": "d\\Le\\nf"\n'),
        ([0.0, -0.0], "- 0.0\n- -0.0\n"),
    ],
)
def test_data_is_spelled_so_that_all_readers_agree(data, expected):
    """
    One is not true, a word that others take for a truth is quoted, and no key is more than a line.
    """
    assert expected == dump(data)
    assert data == yaml.load(expected, Loader=yaml.CSafeLoader)


@pytest.mark.parametrize("length", [1024, 1025])
@pytest.mark.parametrize("value", [1, "b\nc", {"b": [1]}, [{"b": "c"}, []], {}])
def test_key_of_any_length_reads_back(length, value):
    """
    YAML ends a key on the line of its value at 1024 characters.
    """
    data = [{"a": {"k" * length: value, "other": value}}]

    assert data == yaml.load(dump(data), Loader=yaml.CSafeLoader)


MAPS = st.recursive(SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=4)).filter(
    lambda d: isinstance(d, dict)
)


@given(MAPS)
def test_map_on_one_line_means_what_was_said(data):
    """
    Beside other items of a list, whatever its texts look like.
    """
    text = one_line(data)
    assume(text)

    assert [data, 1] == yaml.safe_load(f"- {text}\n- 1\n")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"name": "tmp", "emptyDir": {}}, "{name: tmp, emptyDir: {}}"),
        ({"a": "yes", "b": {"c: d": None}}, "{a: 'yes', b: {'c: d': null}}"),
        ({"a": "b, c"}, ""),
        ({"a": "{b, c"}, "{a: '{b, c'}"),
        ({"a": "b{c"}, ""),
        ({"a": ["b"]}, ""),
        ({"a": "b\nc"}, ""),
    ],
)
def test_what_would_mean_more_on_one_line_is_left_to_many(data, expected):
    """
    Commas and brackets end a scalar there.
    """
    assert expected == one_line(data)
