"""No request without a timeout: one that is forgotten hangs a run for ever."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import kolla_k8s.adapters

SENDING = frozenset({"request", "get", "head", "post", "put", "patch", "delete", "ws_connect"})
FOLDER = Path(kolla_k8s.adapters.__file__).parent


def unlimited(source: str) -> list[int]:
    """Lines on which a session sends a request without ``timeout``, or a session without one is opened."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [(call, call.func) for call in calls if isinstance(call.func, ast.Attribute)]
    sent = [call for call, name in named if name.attr in SENDING and ast.unparse(name.value) == "self._session"]
    opened = [call for call, name in named if name.attr == "ClientSession"]
    return [call.lineno for call in sent + opened if "timeout" not in {keyword.arg for keyword in call.keywords}]


def test_the_rule_sees_a_forgotten_timeout() -> None:
    """
    The check itself can fail.
    """
    assert [1] == unlimited("self._session.get(url, headers=headers)")
    assert [] == unlimited("self._session.get(url, timeout=5)")
    assert [1] == unlimited("aiohttp.ClientSession(trust_env=True)")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_every_request_has_a_deadline(path: Path) -> None:
    """
    Each request of the adapters says how long it may take.
    """
    assert [] == unlimited(path.read_text())
