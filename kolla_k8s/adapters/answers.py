"""What the Kubernetes API answered, and which of our errors a refusal is.

Pure, apart from the wire, so that each answer a server was ever seen to give can be tested without one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kolla_k8s.errors import AlreadyExistsError, ConflictError, OutsideError, RefusedError

PASSING = frozenset({429, 500, 502, 503, 504})
LASTING = ("database space exceeded", "etcdserver: request is too large")
GIVEN_BY_SERVER = frozenset(
    {"resourceVersion", "uid", "generation", "creationTimestamp", "managedFields", "selfLink", "status"}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API; ``retry_after`` is the header of that name."""

    status: int
    text: str
    retry_after: str = ""

    def json(self) -> dict[str, Any]:
        """The text as JSON; an answer that is none (a proxy's page) gives an empty dict."""
        try:
            body = json.loads(self.text)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}

    @property
    def retry_after_s(self) -> float:
        """Seconds the server asks to wait; 0 when it does not."""
        return float(self.retry_after) if self.retry_after.isdigit() else 0.0

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later; a full etcd does not empty itself, nor does it take more."""
        return self.status in PASSING and not any(words in self.text for words in LASTING)


def refusal(answer: Answer, what: str, url: str) -> OutsideError:
    """The error a refused request raises, with the API's own words."""
    body = answer.json()
    said = str(body.get("message") or answer.text[:300] or f"status {answer.status}")
    if answer.status == 409:
        kind = AlreadyExistsError if body.get("reason") == "AlreadyExists" else ConflictError
        return kind(url, f"{what}: {said}", "run the same command again")
    if answer.status == 401:
        return OutsideError(url, f"does not accept the credentials of the kubeconfig ({what})", "renew them")
    if answer.status == 403 and "forbidden: User" in said:
        return OutsideError(url, f"does not allow it: {said}", "ask for the right, see `kolla-k8s check`")
    if answer.status in (400, 403, 422):
        return RefusedError(url, f"{what}: {said}", "mend the cause and run the same command again")
    if "database space exceeded" in said:
        return OutsideError(url, f"{what}: {said}", "etcd is full: compact and defragment it, then disarm its alarm")
    return OutsideError(url, f"{what}: {said}", "run the same command again")


def covers(found: Any, wanted: Any) -> bool:
    """Whether an object holds all that was asked for: what a request whose answer was lost has brought about.

    What only the server sets is not compared; numbers that it spells differently make it False, which is the safe side.

    >>> covers({"data": {"a": "1", "b": "2"}, "metadata": {"uid": "x"}}, {"data": {"a": "1"}})
    True
    """
    if isinstance(wanted, Mapping):
        asked = {k: v for k, v in _encoded(wanted).items() if k not in GIVEN_BY_SERVER and v is not None}
        if not isinstance(found, Mapping):
            return found is None and not asked
        return all(covers(found.get(key), value) for key, value in asked.items())
    if isinstance(wanted, list):
        found = found or []
        return len(found) == len(wanted) and all(map(covers, found, wanted))
    return bool(found == wanted)


def _encoded(wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """A Secret's ``stringData`` as the ``data`` it becomes."""
    strings = wanted.get("stringData")
    if wanted.get("kind") != "Secret" or not strings:
        return wanted
    data = {key: base64.b64encode(value.encode()).decode() for key, value in strings.items()}
    rest = {key: value for key, value in wanted.items() if key != "stringData"}
    return {**rest, "data": {**wanted.get("data", {}), **data}}
