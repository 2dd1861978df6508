"""Is what is there what we asked for? Decides about every request whose answer was lost."""

from __future__ import annotations

from typing import Any

import pytest

from kolla_k8s.adapters.answers import Answer, covers

SECRET = {"kind": "Secret", "stringData": {"a": "x"}}


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        ({"spec": {"a": 1, "defaulted": 2}}, {"spec": {"a": 1}}, True),
        ({"spec": {"a": 1}}, {"spec": {"a": 2}}, False),
        ({"spec": {}}, {"spec": {"a": 1}}, False),
        ({}, {"spec": {"a": None}}, True),
        ({}, {"spec": {}}, True),
        ({"spec": 7}, {"spec": {"a": 1}}, False),
        ({"l": [{"a": 1, "b": 2}]}, {"l": [{"a": 1}]}, True),
        ({"l": [1, 2]}, {"l": [1]}, False),
        ({"l": [1, 2]}, {"l": [2, 1]}, False),
        ({}, {"l": []}, True),
        ({"metadata": {"uid": "new"}}, {"metadata": {"uid": "old", "resourceVersion": "1"}, "status": {"x": 1}}, True),
        ({"kind": "Secret", "data": {"a": "eA=="}}, SECRET, True),
        ({"kind": "Secret", "data": {"a": "eQ=="}}, SECRET, False),
    ],
)
def test_object_covers_what_was_asked(found: dict[str, Any], wanted: dict[str, Any], *, expected: bool) -> None:
    """
    Defaults of the server and what only it sets do not count; everything else does.
    """
    assert expected is covers(found, wanted)


@pytest.mark.parametrize(("header", "seconds"), [("3", 3.0), ("", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0)])
def test_pause_that_the_server_asks_for_is_a_number(header: str, seconds: float) -> None:
    """
    A date in the header is not waited for: our own pauses grow anyway.
    """
    assert seconds == Answer(429, "", header).retry_after_s


@pytest.mark.parametrize("text", ["", "<html>", "[1]", '"x"'])
def test_answer_that_is_no_object_is_empty(text: str) -> None:
    """
    A proxy's page ends in an error with its words, not in a traceback.
    """
    assert {} == Answer(200, text).json()
