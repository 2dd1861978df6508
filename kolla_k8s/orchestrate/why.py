"""What exactly is a release waiting for, and what does that wait for?

The sentence of the live table and of ``why``: it looks through an object that is not ready to the pod, the container
and the last word said about it. Pure; the last log line of a pod that waits in its init step is handed in, for it costs
a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kolla_k8s.orchestrate.containers import Status, statuses
from kolla_k8s.orchestrate.ready import KubeObject, State, assess, conditions
from kolla_k8s.orchestrate.store import uid_of
from kolla_k8s.orchestrate.view import PodOf, ReleaseView, Seen

_TELLING_EVENTS = frozenset({"Pulling", "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "Failed"})


@dataclass(frozen=True, slots=True)
class Blocker:
    """What a release waits for: ``Deployment api > Pod api-x > prepare: waiting for mariadb``.

    Attributes:
        pod, container: Empty when the object itself says it all.
        is_working: The container is an init step or of a Job, and runs: the last line of its log says more than
            Kubernetes can.
    """

    thing: str
    reason: str
    pod: str = ""
    container: str = ""
    is_working: bool = False

    def __str__(self) -> str:
        """Give the one line a person reads."""
        where = " > ".join(part for part in (self.thing, self.pod and f"Pod {self.pod}", self.container) if part)
        return f"{where}: {self.reason}"

    def with_log(self, line: str) -> Blocker:
        """Put the last log line of a running step in the place of Kubernetes' words."""
        return replace(self, reason=line) if line else self


def blocker_of(view: ReleaseView) -> Blocker | None:
    """Find what holds a release back: what failed first, then Jobs, which the others wait for; None: all is ready."""
    held = [seen for seen in view.objects if seen.verdict.state is not State.READY]
    held.sort(key=lambda seen: (seen.verdict.state is not State.FAILED, seen.wanted["kind"] != "Job"))
    return _explain(view, held[0]) if held else None


def _explain(view: ReleaseView, seen: Seen) -> Blocker:
    thing = f"{seen.wanted['kind']} {seen.wanted['metadata']['name']}"
    mine = [one for one in view.pods if seen.live is not None and one.workload is seen.live and one.is_newest]
    waiting = [one for one in mine if assess(one.pod).state is not State.READY]
    if not waiting:
        return Blocker(thing, _refused(view, seen.live) or seen.verdict.why)
    return _explain_pod(thing, waiting[-1], view.events, must_end=seen.wanted["kind"] == "Job")


def _refused(view: ReleaseView, live: KubeObject | None) -> str:
    """Quote the last warning about an object that has no pods: it says why more often than the status does."""
    told = [*view.events.get(uid_of(live), ())] if live else []
    return next((str(e.get("message", "")) for e in reversed(told) if e.get("type") == "Warning"), "")


def _explain_pod(thing: str, one: PodOf, events: Mapping[str, Sequence[KubeObject]], *, must_end: bool) -> Blocker:
    pod = one.pod
    name = pod["metadata"]["name"]
    told = events.get(uid_of(pod), ())
    status = next((s for s in statuses(pod) if not _is_done(s, must_end=must_end)), None)
    if status is None:
        scheduled = conditions(pod).get("PodScheduled", {})
        return Blocker(thing, str(scheduled.get("message") or _last(told) or assess(pod).why), pod=name)
    is_step = must_end or status in (pod["status"].get("initContainerStatuses") or ())
    is_working = is_step and "running" in (status.get("state") or {})
    said = "is at work" if is_working else _say(status, told)
    return Blocker(thing, said, pod=name, container=status["name"], is_working=is_working)


def _is_done(status: Status, *, must_end: bool) -> bool:
    ended = (status.get("state") or {}).get("terminated")
    return bool(status.get("ready") and not must_end) or (ended is not None and not ended.get("exitCode"))


def _say(status: Status, told: Sequence[KubeObject]) -> str:
    """Say what a container that is not ready does, in its own words where it has any, else by the last event."""
    state = status.get("state") or {}
    if waiting := state.get("waiting"):
        text = ": ".join(str(waiting[key]) for key in ("reason", "message") if waiting.get(key))
        return text if waiting.get("message") else (_last(told) or text or "waits")
    if ended := state.get("terminated"):
        return f"ended with exit code {ended.get('exitCode')}"
    unhealthy = [str(event.get("message", "")) for event in told if event.get("reason") == "Unhealthy"]
    return unhealthy[-1] if unhealthy else "runs, but is not ready"


def _last(told: Sequence[KubeObject]) -> str:
    return next((str(e.get("message", "")) for e in reversed(told) if e.get("reason") in _TELLING_EVENTS), "")
