"""What the Kubernetes API answered, and which of our errors a refusal is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from kolla_k8s.errors import AlreadyExistsError, ConflictError, OutsideError, RefusedError


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, text and the Retry-After header of an answer."""

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
    def is_final(self) -> bool:
        """Whether a 500 is an admission's last word and repeating it changes nothing."""
        return self.status == 500 and "database space exceeded" in self.text


def refusal(answer: Answer, what: str, url: str) -> OutsideError:
    """The error a refused request raises, with the API's own words."""
    body = answer.json()
    said = str(body.get("message") or answer.text[:300] or f"status {answer.status}")
    reason = body.get("reason", "")
    if answer.status == 409:
        kind = AlreadyExistsError if reason == "AlreadyExists" else ConflictError
        return kind(url, f"{what}: {said}", "run the same command again")
    if answer.status == 401:
        return OutsideError(url, f"does not accept the credentials of the kubeconfig ({what})", "renew them")
    if answer.status == 403 and "forbidden: User" in said.replace(" is forbidden: User", "forbidden: User"):
        return OutsideError(url, f"does not allow it: {said}", "ask for the right, see `kolla-k8s check`")
    if answer.status in (400, 403, 422):
        return RefusedError(url, f"{what}: {said}", "mend the cause and run the same command again")
    return OutsideError(url, f"{what}: {said}", "run the same command again")
