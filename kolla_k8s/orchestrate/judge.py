"""Is a release up, on its way, or failed? Proofs measured against the time they have stood.

The only place where evidence meets the clock. Pure but for its memory: when a proof was first seen and which deaths
containers died, so that the third death counts as the third even when the pod is a new one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from kolla_k8s.orchestrate.containers import Death, deaths, of_pod, statuses
from kolla_k8s.orchestrate.evidence import Evidence
from kolla_k8s.orchestrate.ready import State
from kolla_k8s.orchestrate.refusals import of_release
from kolla_k8s.orchestrate.store import uid_of
from kolla_k8s.orchestrate.view import ReleaseView

PREPARE = "prepare"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a look at a release says.

    Attributes:
        waits_for: Object and reason of the first thing that is not ready; empty when all is.
        cause: The proof that made it failed.
        warnings: Proofs that have stood long enough to be worth a word.
        next_look_s: Seconds until a standing proof may change the judgement without any change in the cluster.
    """

    state: State
    waits_for: str = ""
    cause: Evidence | None = None
    warnings: tuple[Evidence, ...] = ()
    next_look_s: float | None = None


class Judge:
    """Judges one release, look after look."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._first_seen: dict[tuple[str, str, str], float] = {}
        self._deaths: defaultdict[tuple[str, str], list[Death]] = defaultdict(list)

    def look(self, view: ReleaseView, now_s: float, *, is_excused: bool = False) -> Judgement:
        """Judge a release now; ``is_excused`` when something it needs is down, so that crashes do not count."""
        self._remember(view)
        found = [e for e in self._evidence(view) if not (e.is_crash and is_excused)]
        since = {e.key: self._first_seen.get(e.key, now_s) for e in found}
        self._first_seen = since
        standing = [(now_s - since[e.key], e) for e in found]
        final = [e for age_s, e in standing if age_s >= _grace_s(e)]
        warnings = tuple(e for age_s, e in standing if age_s >= e.warn_s and e.warn_s)
        if final:
            return Judgement(State.FAILED, final[0].place, final[0], warnings)
        ages = [limit - age_s for age_s, e in standing for limit in (_grace_s(e), e.warn_s) if limit > age_s]
        next_look_s = min(ages) if ages else None
        unready = [one for one in view.objects if one.verdict.state is not State.READY]
        if not unready:
            return Judgement(State.READY)
        return Judgement(State.WAITING, _waits_for(view), None, warnings, next_look_s)

    def _evidence(self, view: ReleaseView) -> Iterable[Evidence]:
        for one in view.pods:
            if one.is_newest:
                yield from of_pod(one.pod, view.events.get(uid_of(one.pod), ()), self._deaths)
        yield from of_release(view)

    def _remember(self, view: ReleaseView) -> None:
        for one in view.pods:
            for death in deaths(one.pod):
                known = self._deaths[death.owner, death.container]
                if all(death.life != other.life for other in known):
                    known.append(death)


def _grace_s(evidence: Evidence) -> float:
    """A pod of a Job is a try of its own: its steps repeat by themselves what may pass, so one death is final."""
    owners = evidence.thing["metadata"].get("ownerReferences") or ()
    is_of_job = any(owner.get("kind") == "Job" for owner in owners)
    return 0.0 if evidence.is_crash and is_of_job else evidence.grace_s


def _waits_for(view: ReleaseView) -> str:
    for one in view.pods:
        for status in statuses(one.pod):
            state = status.get("state") or {}
            if state.get("terminated") or (state.get("running") and status.get("ready")):
                continue
            reason = (state.get("waiting") or {}).get("reason")
            said = reason or ("prepares" if status["name"] == PREPARE else "runs, not ready yet")
            return f"Pod {one.pod['metadata']['name']}: {status['name']}: {said}"
    unready = next(one for one in view.objects if one.verdict.state is not State.READY)
    return f"{unready.wanted['kind']} {unready.wanted['metadata']['name']}: {unready.verdict.why}"
