"""What a file's format cannot say is refused at its key."""

from __future__ import annotations

import pytest

from kolla_k8s.errors import UserFilesError
from tests.conftest import catalog_of
from tests.unit.compile.defined import a_definition, write

PLAIN = "is no plain value; write a word, a number, or a list of them"


@pytest.mark.parametrize(
    ("said", "messages"),
    [
        ({"format": "ini", "content": "text"}, ["content: is no map; write sections with their options"]),
        ({"format": "my.cnf", "content": {"a": [1]}}, ["content.a: is no map; write options and values"]),
        ({"format": "uwsgi", "content": {"a": {"b": {"c": 1}}}}, [f"content.a.b: {PLAIN}"]),
        ({"format": "pymysql", "content": {"a": {"b": [[1]]}}}, [f"content.a.b: {PLAIN}"]),
        ({"format": "sysctl", "content": ["a"]}, ["content: is no map; write options and values"]),
        ({"format": "raw", "content": {"a": 1}}, ["content: is no text; a raw file is written as it is: write |"]),
        ({"format": "ini", "json-logs": {"a": 1}}, ["json-logs.a: is no map; write options and values"]),
        (
            {"format": "ini", "variants": {"v": {"when": {}, "content": {"a": 1}}}},
            ["variants.v.content.a: is no map; write options and values"],
        ),
    ],
)
def test_content_that_the_format_cannot_say_is_refused(tmp_path, said, messages):
    """
    In the content, in what is laid over it, and in variants.
    """
    file = {"path": "/a", **said}

    with pytest.raises(UserFilesError) as refused:
        catalog_of(write(tmp_path, a_definition("one", config={"a": file})))

    assert [f"spec.config.a.{message}" for message in messages] == [
        str(problem).partition(": ")[2] for problem in refused.value.problems
    ]


@pytest.mark.parametrize(
    ("written", "content"),
    [
        ("ini", {"a": None, "b": {"c": [1, "x"], "d": None}}),
        ("sysctl", {"net.a": 1}),
        ("json", [{"a": {"b": []}}]),
        ("raw", "text"),
    ],
)
def test_content_that_can_be_written_is_taken(tmp_path, written, content):
    """
    A section may be empty, an option have several values.
    """
    file = {"path": "/a", "format": written, "content": content}

    assert (
        content == catalog_of(write(tmp_path, a_definition("one", config={"a": file})))["one"].spec.config["a"].content
    )
