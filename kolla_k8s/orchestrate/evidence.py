"""What is a proof that something does not come up, and how is it told?

The words that the rooms which look for proofs (``containers``, ``refusals``) share. A proof names one object, says
what Kubernetes said, what a person should type next, and how long it may stand before it becomes a verdict: some are
final at first sight, some often pass by themselves. Measuring that time and deciding is ``judge``'s business, not ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from kolla_k8s.orchestrate.ready import KubeObject

AT_ONCE_S = 3.0
"""Final, but for the moment in which a Secret and the pod that wants it pass each other."""
TRANSIENT_S = 90.0
"""What networks and webhooks do when they start: nearly always gone by itself."""
UNSCHEDULABLE_WARN_S = 30.0
UNSCHEDULABLE_S = 120.0
NEVER_S = float("inf")
"""Worth a warning, never a verdict of its own."""

MESSAGE_LIMIT = 600


class Remedy(StrEnum):
    """What a rerun may do about a proof that an earlier run left, so that Kubernetes tries again now."""

    NONE = ""
    REMAKE_POD = "delete the pod, so that its controller makes it anew without back-off"
    NUDGE = "touch the object, so that its controller tries again at once"


@dataclass(frozen=True, slots=True)
class LogTarget:
    """A container whose last lines explain the proof; ``is_previous``: of its previous life."""

    pod: str
    container: str
    is_previous: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """One proof of failure.

    Attributes:
        thing: The object to show, touch or delete.
        source: Uid of the object or event that says so: when it changes, the proof is fresh.
        family: With ``source``'s subject it tells proofs apart: the same trouble said anew is the same proof.
        container: Empty when the proof is about the whole object.
        reason: Kubernetes' word, or ours where it has none.
        message: What was said, whole: it is cut by ``judge``, after secrets are hidden in it.
        command: What a person types next.
        grace_s: How long it may stand before it is a verdict.
        warn_s: How long before it is worth a warning.
        is_crash: Excused while something the release needs is down.
    """

    thing: KubeObject
    source: str
    family: str
    reason: str
    message: str
    command: str
    container: str = ""
    grace_s: float = AT_ONCE_S
    warn_s: float = 0.0
    is_crash: bool = False
    log: LogTarget | None = None
    remedy: Remedy = Remedy.NONE

    @property
    def place(self) -> str:
        """Name the object as people do: ``Pod mariadb-0``."""
        return f"{self.thing.get('kind')} {self.thing['metadata'].get('name')}"

    @property
    def key(self) -> tuple[str, str, str]:
        """Tell this trouble from others, however often it is said."""
        return str(self.thing["metadata"].get("uid")), self.container, self.family


def short(message: object) -> str:
    r"""Bring a message to one line of bounded length: the end says most, so the middle goes.

    >>> short("back-off\n restarting")
    'back-off restarting'
    """
    text = re.sub(r"\s+", " ", str(message or "")).strip()
    half = MESSAGE_LIMIT // 2
    return text if len(text) <= MESSAGE_LIMIT else f"{text[:half]} ... {text[-half:]}"


def kubectl(thing: KubeObject, verb: str, *rest: str) -> str:
    """Write the command that asks about an object.

    >>> kubectl({"kind": "Pod", "metadata": {"name": "x", "namespace": "openstack"}}, "logs", "-c", "api", "--previous")
    'kubectl -n openstack logs x -c api --previous'
    """
    namespace, name = thing["metadata"].get("namespace"), thing["metadata"].get("name", "")
    subject = [name] if verb == "logs" else [str(thing["kind"]).lower(), name]
    return " ".join(["kubectl", *(["-n", namespace] if namespace else []), verb, *subject, *rest])


def memory_field(pod: KubeObject) -> str:
    """Name the key of site.yaml that holds a pod's limits."""
    labels = pod["metadata"].get("labels") or {}
    service = labels.get("app.kubernetes.io/name", "SERVICE")
    return f"services.{service}.workloads.{labels.get('app.kubernetes.io/component', 'WORKLOAD')}.resources"
