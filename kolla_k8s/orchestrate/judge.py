"""Is a release up, on its way, or failed? Proofs measured against the time they have stood.

The only place where evidence meets the clock. Pure but for its memory: when a proof was first seen and which deaths
containers died, so that the third death counts as the third even when the pod is a new one. Two kinds of proof wait:
crashes while something that the release needs is down, and what an earlier run left behind: for that a remedy comes
first, so that Kubernetes tries again now, and only what it then says anew is final.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kolla_k8s.orchestrate.containers import Death, Status, deaths, of_pod, statuses
from kolla_k8s.orchestrate.evidence import AT_ONCE_S, NEVER_S, Evidence, Remedy, short
from kolla_k8s.orchestrate.ready import State, conditions
from kolla_k8s.orchestrate.refusals import of_release
from kolla_k8s.orchestrate.store import uid_of
from kolla_k8s.orchestrate.view import ReleaseView
from kolla_k8s.orchestrate.why import Blocker, blocker_of

INHERITED_S = 60.0
"""So long a proof that was there before the step began may stand without being said anew."""

_GOOD_EVENTS = frozenset({"Scheduled", "Pulling", "Pulled", "Created", "Started", "SuccessfulAttachVolume"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a look at a release says.

    Attributes:
        waits_for: Object and reason of the first thing that is not ready; empty when all is.
        cause: The proof that made it failed.
        seen_s: Monotonic time at which that proof was first seen, and has stood since.
        warnings: Proofs that have stood long enough to be worth a word, and are not about to be final anyway.
        remedies: Proofs of an earlier run, each given once, whose ``remedy`` the runner should apply.
        blocker: What ``waits_for`` says, in parts.
        next_look_s: Seconds until a standing proof may change the judgement without any change in the cluster.
    """

    state: State
    waits_for: str = ""
    cause: Evidence | None = None
    warnings: tuple[Evidence, ...] = ()
    remedies: tuple[Evidence, ...] = ()
    blocker: Blocker | None = None
    next_look_s: float | None = None
    seen_s: float | None = None


class Judge:
    """Judges one release, look after look."""

    def __init__(self, since: int = 0, redact: Callable[[str], str] = str) -> None:
        """Begin with nothing seen; what the store learned up to its change ``since`` is inherited.

        What it quotes goes through ``redact`` before it is cut: the half of a secret is known to nobody.
        """
        self._since = since
        self._redact = redact
        self._first_seen: dict[tuple[str, str, str], float] = {}
        self._deaths: defaultdict[tuple[str, str], list[Death]] = defaultdict(list)
        self._remedied: set[tuple[str, str, str]] = set()

    def look(self, view: ReleaseView, now_s: float, is_excused: Callable[[], bool] = lambda: False) -> Judgement:
        """Judge a release now.

        Args:
            view: What belongs to the release.
            now_s: Monotonic time.
            is_excused: Says whether something the release needs is down, so that crashes do not count; asked only
                when there are crashes.
        """
        self._remember(view)
        blocker = self._quoted(blocker_of(view))
        if blocker is None:
            self._first_seen.clear()
            return Judgement(State.READY)
        found = list(self._patient(view, is_excused))
        self._first_seen = {one.key: self._first_seen.get(one.key, now_s) for one in found}
        standing = [(now_s - self._first_seen[one.key], one) for one in found]
        warnings = tuple(one for age_s, one in standing if age_s >= one.warn_s and one.grace_s > AT_ONCE_S)
        final = [(age_s - one.grace_s, one) for age_s, one in standing if age_s >= one.grace_s]
        if final:
            first = max(final, key=lambda pair: pair[0])[1]
            seen_s = self._first_seen[first.key]
            return Judgement(State.FAILED, str(blocker), first, warnings, blocker=blocker, seen_s=seen_s)
        remedies = tuple(self._new_remedies(view, found))
        ages = [limit_s - age_s for age_s, one in standing for limit_s in (one.grace_s, one.warn_s)]
        next_look_s = min((age_s for age_s in ages if 0 < age_s < NEVER_S), default=None)
        return Judgement(State.WAITING, str(blocker), None, warnings, remedies, blocker, next_look_s)

    def _patient(self, view: ReleaseView, is_excused: Callable[[], bool]) -> Iterator[Evidence]:
        """Give the proofs, the likelier causes first, each with the patience it deserves."""
        found = list(self._evidence(view))
        has_excuse = any(one.is_crash for one in found) and is_excused()
        for one in found:
            grace_s = 0.0 if one.is_crash and _is_of_job(one) else one.grace_s
            if has_excuse and one.is_crash:
                grace_s = NEVER_S
            elif self._is_inherited(view, one):
                grace_s = max(grace_s, INHERITED_S)
            yield replace(one, grace_s=grace_s, message=short(self._redact(one.message)))

    def _quoted(self, blocker: Blocker | None) -> Blocker | None:
        return blocker and replace(blocker, reason=short(self._redact(blocker.reason)))

    def _evidence(self, view: ReleaseView) -> Iterator[Evidence]:
        """Give the proofs; the pods of what is ready prove nothing: a Job may have needed a second try."""
        yield from of_release(view)
        ready = {uid_of(seen.live) for seen in view.objects if seen.live and seen.verdict.state is State.READY}
        for one in view.pods:
            if one.is_newest and uid_of(one.workload) not in ready:
                yield from of_pod(one.pod, view.events.get(uid_of(one.pod), ()), self._deaths)

    def _remember(self, view: ReleaseView) -> None:
        for one in view.pods:
            for death in deaths(one.pod):
                known = self._deaths[death.owner, death.container]
                if all(death.life != other.life for other in known):
                    known.append(death)

    def _is_inherited(self, view: ReleaseView, proof: Evidence) -> bool:
        return view.changed.get(proof.source, 0) <= self._since

    def _new_remedies(self, view: ReleaseView, found: Sequence[Evidence]) -> Iterator[Evidence]:
        for one in found:
            is_due = one.remedy is not Remedy.NONE and (self._is_inherited(view, one) or one.family == "old")
            if is_due and one.key not in self._remedied:
                self._remedied.add(one.key)
                yield one


def progress_of(view: ReleaseView) -> frozenset[tuple[str, ...]]:
    """Give facts that only grow while a release comes up: a fact never seen before is progress.

    Restarts and repeated events are no facts: a crash loop goes round, not on. Keeps no memory: whoever asks holds the
    set of all facts seen.
    """
    facts: set[tuple[str, ...]] = set()
    for seen in view.objects:
        facts.add((seen.wanted["kind"], seen.wanted["metadata"]["name"], seen.verdict.why))
    for claim in view.claims:
        facts.add((uid_of(claim), str(claim.get("status", {}).get("phase", ""))))
    for one in view.pods:
        uid = uid_of(one.pod)
        facts.add((uid, str(one.pod.get("status", {}).get("phase", ""))))
        facts.update((uid, name) for name, told in conditions(one.pod).items() if told.get("status") == "True")
        facts.update((uid, str(status["name"]), _milestone(status)) for status in statuses(one.pod))
        facts.update((uid, str(e["reason"])) for e in view.events.get(uid, ()) if e.get("reason") in _GOOD_EVENTS)
    return frozenset(facts)


def _milestone(status: Status) -> str:
    state = status.get("state") or {}
    if "terminated" in state:
        return "ended" if state["terminated"].get("exitCode") else "done"
    if "running" not in state:
        return "waits"
    return "is ready" if status.get("ready") else "has started" if status.get("started") else "runs"


def _is_of_job(proof: Evidence) -> bool:
    """A pod of a Job is a try of its own: its steps repeat by themselves what may pass, so one death is final."""
    owners = proof.thing["metadata"].get("ownerReferences") or ()
    return any(owner.get("kind") == "Job" for owner in owners)
