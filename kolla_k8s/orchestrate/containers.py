"""What do the container states of a pod prove?

A pure reading of ``containerStatuses`` and ``initContainerStatuses``: images that cannot be had, configuration that is
not there, commands that cannot run, processes that die again and again. Apart from ``refusals`` because a container's
state is the truth of this moment, while an event is only a memory of one. Knows no time: how often a container died
over several looks is handed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kolla_k8s.orchestrate.evidence import (
    AT_ONCE_S,
    NEVER_S,
    TRANSIENT_S,
    Evidence,
    LogTarget,
    Remedy,
    kubectl,
    memory_field,
)
from kolla_k8s.orchestrate.ready import KubeObject
from kolla_k8s.orchestrate.store import uid_of

Status = Mapping[str, Any]
"""One entry of ``containerStatuses``."""

CRASHES = 3
"""So many deaths, one after the other, are no accident."""

_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable"})
_IMAGE_FINAL = frozenset({"InvalidImageName", "ErrImageNeverPull", "SignatureValidationFailed"})
_START = frozenset({"CreateContainerError", "RunContainerError", "ContainerCannotRun", "StartError"})
BACK_OFF = frozenset({*_PULL, *_IMAGE_FINAL, *_START, "CreateContainerConfigError", "CrashLoopBackOff"})
"""Reasons under which a container sits and waits for a next try."""

_PULL_PASSES = re.compile(
    r"dial tcp|i/o timeout|timed? ?out|deadline exceeded|connection (refused|reset)|no such host|handshake"
    r"|\bEOF\b|temporary failure|code = (Unavailable|Canceled)|too ?many ?requests|\b(429|50[0234])\b"
    r"|server misbehaving",
    re.IGNORECASE,
)
_PULL_FINAL = re.compile(
    r"not found|manifest unknown|name unknown|no match for platform|does not exist|unauthorized|authentication required"
    r"|denied|forbidden|insufficient_scope|x509|HTTP response to HTTPS|invalid reference|no basic auth|\b40[134]\b",
    re.IGNORECASE,
)
_CONFIG_PASSES = re.compile(r"failed to sync|timed? ?out|deadline exceeded|not registered", re.IGNORECASE)
_START_FINAL = re.compile(
    r"executable file not found|no such file or directory|permission denied|no command specified|not a directory"
    r"|OOM-killed|exec format error|read-only file system|invalid",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(secret|configmap)\s+(?!key\b|cache\b)\"?(?:[\w.-]+/)?([\w.-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Death:
    """One end of a container: whose (pod or Job, and container), which life (its id), how."""

    owner: str
    container: str
    life: str
    exit_code: int
    reason: str


Deaths = Mapping[tuple[str, str], Sequence[Death]]
"""Deaths by owner and container name, oldest first."""


def statuses(pod: KubeObject) -> Iterator[Status]:
    """Give the states of all containers, init containers first, in the order in which they run."""
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def deaths(pod: KubeObject) -> Iterator[Death]:
    """Give the ends of containers that a pod's status still remembers, oldest first."""
    for status in statuses(pod):
        for where in ("lastState", "state"):
            if ended := (status.get(where) or {}).get("terminated"):
                life = str(ended.get("containerID") or ended.get("finishedAt") or status.get("restartCount", 0))
                code = int(ended.get("exitCode") or 0)
                yield Death(_mourner(pod), status["name"], life, code, str(ended.get("reason", "")))


def of_pod(pod: KubeObject, events: Sequence[KubeObject], memory: Deaths) -> Iterator[Evidence]:
    """Give what the containers of a pod prove; nothing for containers that run or have done their work.

    Events are the pod's own, newest last: an image's back-off often hides the reason that only an event still tells.
    """
    for status in statuses(pod):
        reason = str(((status.get("state") or {}).get("waiting") or {}).get("reason", ""))
        if reason in _PULL | _IMAGE_FINAL:
            yield _image(pod, status, events)
        elif reason == "CreateContainerConfigError":
            yield _config(pod, status)
        elif reason in _START:
            yield _start(pod, status)
        elif found := _crash(pod, status, memory):
            yield found


def oldest_back_off(pod: KubeObject) -> Status | None:
    """Find the first container that sits in back-off, whatever for."""
    return next((s for s in statuses(pod) if _waiting(s).get("reason") in BACK_OFF), None)


def failed_container(pod: KubeObject) -> tuple[str, Mapping[str, Any]] | None:
    """Find the container that ended a pod: its name and how it ended; None when none ended badly."""
    for status in statuses(pod):
        ended = (status.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return status["name"], ended
    return None


def ended_how(ended: Mapping[str, Any]) -> str:
    """Say how a container ended: ``exit code 1``, with what it left as its last words.

    >>> ended_how({"exitCode": 137, "reason": "OOMKilled"})
    'OOMKilled (exit code 137)'
    """
    reason, code = str(ended.get("reason", "")), ended.get("exitCode", 0)
    how = f"{reason} (exit code {code})" if reason not in {"", "Error"} else f"exit code {code}"
    return f"{how}: {ended['message'].strip()}" if ended.get("message") else how


def _mourner(pod: KubeObject) -> str:
    """Name who counts the deaths: the Job, whose every try is a new pod; else the pod, which restarts containers."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(o["uid"]) for o in owners if o.get("kind") == "Job"), uid_of(pod))


def _waiting(status: Status) -> Mapping[str, Any]:
    return (status.get("state") or {}).get("waiting") or {}


def _image(pod: KubeObject, status: Status, events: Sequence[KubeObject]) -> Evidence:
    waiting = _waiting(status)
    message = str(waiting.get("message", ""))
    said = [message, *(str(e.get("message", "")) for e in reversed(events) if _is_pull_failure(e, status))]
    telling = next((text for text in said if _PULL_PASSES.search(text) or _PULL_FINAL.search(text)), message)
    is_final = waiting["reason"] in _IMAGE_FINAL or (
        bool(_PULL_FINAL.search(telling)) and not _PULL_PASSES.search(telling)
    )
    return Evidence(
        thing=pod,
        source=uid_of(pod),
        family="image",
        container=status["name"],
        reason=str(waiting["reason"]),
        message=f"image {_image_of(pod, status)}: {telling}",
        command=kubectl(pod, "describe"),
        grace_s=0.0 if is_final else TRANSIENT_S,
        remedy=Remedy.REMAKE_POD,
    )


def _is_pull_failure(event: KubeObject, status: Status) -> bool:
    path = str(event.get("involvedObject", {}).get("fieldPath", ""))
    return event.get("reason") == "Failed" and path.endswith(f"{{{status['name']}}}")


def _image_of(pod: KubeObject, status: Status) -> str:
    spec = pod.get("spec", {})
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return str(next((c.get("image") for c in containers if c["name"] == status["name"]), status.get("image", "")))


def _config(pod: KubeObject, status: Status) -> Evidence:
    message = str(_waiting(status).get("message", ""))
    return Evidence(
        thing=pod,
        source=uid_of(pod),
        family="config",
        container=status["name"],
        reason="CreateContainerConfigError",
        message=message,
        command=describe_named(pod, message),
        grace_s=TRANSIENT_S if _CONFIG_PASSES.search(message) else AT_ONCE_S,
        remedy=Remedy.REMAKE_POD,
    )


def describe_named(pod: KubeObject, message: str) -> str:
    """Write the command that shows the Secret or ConfigMap a message names (its keys, not its values), else the pod."""
    named = _NAMED.search(message)
    if not named:
        return kubectl(pod, "describe")
    return kubectl({"kind": named[1], "metadata": {**pod["metadata"], "name": named[2]}}, "describe")


def _start(pod: KubeObject, status: Status) -> Evidence:
    waiting = _waiting(status)
    message = str(waiting.get("message", ""))
    hint = f"; raise {memory_field(pod)}" if "OOM-killed" in message else ""
    return Evidence(
        thing=pod,
        source=uid_of(pod),
        family="start",
        container=status["name"],
        reason=str(waiting["reason"]),
        message=message + hint,
        command=kubectl(pod, "describe"),
        grace_s=AT_ONCE_S if _START_FINAL.search(message) else TRANSIENT_S,
        remedy=Remedy.REMAKE_POD,
    )


def _crash(pod: KubeObject, status: Status, memory: Deaths) -> Evidence | None:
    """Tell of a container that is dead right now; how final that is, its earlier deaths say.

    One that runs again proves nothing yet, however often it died; one that ended well in a pod that may end neither.
    """
    now = (status.get("state") or {}).get("terminated")
    is_backing_off = _waiting(status).get("reason") == "CrashLoopBackOff"
    ended = now or ((status.get("lastState") or {}).get("terminated") if is_backing_off else None)
    if not ended or (not ended.get("exitCode") and not is_backing_off):
        return None
    past = memory.get((_mourner(pod), status["name"]), ())
    restarts = int(status.get("restartCount") or 0)
    is_final = restarts >= CRASHES or _died_alike(past)
    is_oom = ended.get("reason") == "OOMKilled"
    times = max(len(past), restarts + 1)
    hint = f"; raise {memory_field(pod)}" if is_oom else ""
    return Evidence(
        thing=pod,
        source=uid_of(pod),
        family="crash",
        container=status["name"],
        reason="OOMKilled" if is_oom else ("CrashLoopBackOff" if is_backing_off else "Error"),
        message=(f"died {times} times, {ended_how(ended)}" if times > 1 else f"died: {ended_how(ended)}") + hint,
        command=kubectl(pod, "logs", "-c", status["name"], *(["--previous"] if is_backing_off else [])),
        grace_s=0.0 if is_final or (is_oom and times > 1) else NEVER_S,
        is_crash=True,
        log=LogTarget(pod["metadata"]["name"], status["name"], is_previous=is_backing_off),
        remedy=Remedy.REMAKE_POD,
    )


def _died_alike(past: Sequence[Death]) -> bool:
    last = [death.exit_code for death in past[-CRASHES:]]
    return len(last) == CRASHES and bool(last[0]) and len(set(last)) == 1
