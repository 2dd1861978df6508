"""How long a proof may stand, what excuses it, and what an earlier run left."""

import pytest

from kolla_k8s.orchestrate.evidence import Remedy
from kolla_k8s.orchestrate.judge import Judge, progress_of
from kolla_k8s.orchestrate.ready import State
from kolla_k8s.orchestrate.store import Store
from kolla_k8s.orchestrate.view import view_of
from tests.unit.orchestrate.objects import (
    claim,
    condition,
    crashing,
    ended,
    event,
    job,
    pod,
    runs,
    stateful_set,
    waits,
)

OWNED = {"controller-revision-hash": "r1"}
REFUSED = 'Get "https://r/v2/": dial tcp 10.0.0.1:443: connect: connection refused'


class Release:
    """A StatefulSet and its one pod, looked at as time passes."""

    def __init__(self, since=0):
        self.store, self.judge = Store(), Judge(since)
        self.mother = stateful_set(readyReplicas=0)
        self.now(self.mother)

    def now(self, *things):
        for one in things:
            self.store.put(one)

    def has_pod(self, *statuses, **more):
        self.now(pod("db-0", owner=self.mother, labels=OWNED, statuses=list(statuses), **more))

    def view(self):
        return view_of(self.store, "openstack", "keystone", [self.mother])

    def at(self, seconds, *, is_excused=False):
        return self.judge.look(self.view(), seconds, lambda: is_excused)


def test_ready_release_has_nothing_to_say():
    """
    Whatever happened before.
    """
    release = Release()
    release.has_pod(crashing(1, 7))
    release.now(stateful_set())

    assert (State.READY, "", ()) == (release.at(0).state, release.at(0).waits_for, release.at(0).warnings)


def test_final_proof_is_a_verdict_at_first_sight():
    """
    An image that is not there does not come by waiting.
    """
    release = Release()
    release.has_pod(waits("ErrImagePull", "manifest unknown"))

    judgement = release.at(0)

    assert (State.FAILED, "image") == (judgement.state, judgement.cause.family)
    assert "StatefulSet db > Pod db-0 > api: ErrImagePull: manifest unknown" == judgement.waits_for


def test_proof_that_may_pass_is_a_verdict_when_its_time_is_over():
    """
    First a warning, then a verdict; the judge says when to look again.
    """
    release = Release()
    release.has_pod(waits("ErrImagePull", REFUSED))

    early = release.at(10)
    late = release.at(100)

    assert (State.WAITING, 90.0, 1) == (early.state, early.next_look_s, len(early.warnings))
    assert State.FAILED is late.state


def test_time_begins_anew_when_the_trouble_was_gone():
    """
    A network that fails twice for a minute never failed for ninety seconds.
    """
    release = Release()
    release.has_pod(waits("ErrImagePull", REFUSED))
    release.at(0)
    release.has_pod(runs())
    release.at(60)
    release.has_pod(waits("ErrImagePull", REFUSED))

    assert State.WAITING is release.at(100).state


def test_unschedulable_pod_warns_at_thirty_seconds_and_fails_at_two_minutes():
    """
    The scheduler's words are the warning.
    """
    release = Release()
    release.has_pod(conditions=[condition("PodScheduled", "False", "Unschedulable", "no room")])

    looks = [release.at(seconds) for seconds in (0, 29, 30, 119, 120)]

    assert [0, 0, 1, 1] == [len(look.warnings) for look in looks[:4]]
    assert [30, 1, 90, 1] == [look.next_look_s for look in looks[:4]]
    assert State.FAILED is looks[4].state


def test_the_proof_that_was_final_first_is_the_cause():
    """
    A missing key explains an unschedulable pod, not the other way round.
    """
    release = Release()
    gone = condition("PodScheduled", "False", "Unschedulable", "no room")
    release.has_pod(waits("CreateContainerConfigError", 'secret "s" not found'), conditions=[gone])
    release.at(0)

    assert "config" == release.at(200).cause.family


def test_third_death_counts_though_restarts_were_few():
    """
    Deaths are remembered from look to look: the same exit code three times is a verdict.
    """
    release = Release()
    states = []
    for restarts in range(3):
        release.has_pod(crashing(1, restarts))
        states.append(release.at(restarts).state)

    assert [State.WAITING, State.WAITING, State.FAILED] == states


def test_crash_is_excused_while_a_need_is_down():
    """
    It is waiting then, with a warning; and counts as soon as the need is back.
    """
    release = Release()
    release.has_pod(crashing(1, 5))

    excused, judged = release.at(0, is_excused=True), release.at(1)

    assert (State.WAITING, 1) == (excused.state, len(excused.warnings))
    assert State.FAILED is judged.state


def test_needs_are_asked_only_when_something_crashes():
    """
    The question costs a look at other releases.
    """
    release = Release()
    release.has_pod(waits("ErrImagePull", REFUSED))
    asked = []

    release.judge.look(release.view(), 0, lambda: bool(asked.append(1)))

    assert [] == asked


def test_what_an_earlier_run_left_is_remedied_before_it_counts():
    """
    A pod in back-off is made anew, once; only what it then says, or a minute of silence, is a verdict.
    """
    release = Release(since=2)
    release.has_pod(waits("ErrImagePull", "manifest unknown"))

    first, second, late = release.at(0), release.at(1), release.at(60)

    assert [Remedy.REMAKE_POD] == [one.remedy for one in first.remedies]
    assert (State.WAITING, ()) == (second.state, second.remedies)
    assert State.FAILED is late.state


def test_what_is_said_anew_counts_at_once():
    """
    Kubernetes tried again, and it is still so.
    """
    release = Release(since=2)
    release.has_pod(waits("ErrImagePull", "manifest unknown"))
    release.at(0)
    release.has_pod(waits("ImagePullBackOff", "manifest unknown"))

    assert State.FAILED is release.at(1).state


def test_old_refusal_is_nudged_and_its_repetition_is_final():
    """
    Controllers retry a refused pod after minutes; a rerun does not wait for that.
    """
    release = Release()
    release.mother = stateful_set(replicas=0, readyReplicas=0)
    release.now(release.mother, event(release.mother, "FailedCreate", "exceeded quota"))
    release.judge = Judge(since=release.store.change)

    first = release.at(0)
    release.now(event(release.mother, "FailedCreate", "exceeded quota", count=2))

    assert [Remedy.NUDGE] == [one.remedy for one in first.remedies]
    assert State.WAITING is release.at(1).state
    assert State.FAILED is release.at(5).state


def test_broken_old_pod_of_a_set_is_remade_even_when_it_is_fresh():
    """
    Nobody else replaces it.
    """
    release = Release()
    release.mother = stateful_set(updateRevision="r2", updatedReplicas=0)
    release.now(release.mother)
    release.has_pod(waits("ImagePullBackOff", "manifest unknown"))

    judgement = release.at(0)

    assert (State.WAITING, ["old"]) == (judgement.state, [one.family for one in judgement.remedies])


def test_failed_try_of_a_job_that_then_completed_proves_nothing():
    """
    What is ready needed a second try.
    """
    release = Release()
    done = job("boot", condition("Complete"))
    release.now(done, pod("boot-a", owner=done, phase="Failed", statuses=[ended(1)]))
    view = view_of(release.store, "openstack", "keystone", [done, release.mother])

    assert State.WAITING is release.judge.look(view, 0).state


@pytest.mark.parametrize(
    ("before", "after", "is_progress"),
    [
        (waits("ContainerCreating"), runs(), True),
        (runs(), runs(started=True), True),
        (runs(started=True), runs(ready=True), True),
        (runs(), ended(0, "Completed"), True),
        (crashing(1, 3), crashing(1, 4), False),
        (runs(), runs(restartCount=5), False),
    ],
)
def test_progress_is_what_never_was_before(before, after, is_progress):
    """
    A crash loop goes round, not on.
    """
    release = Release()
    release.has_pod(before)
    facts = progress_of(release.view())
    release.has_pod(after)

    assert is_progress is not (progress_of(release.view()) <= facts)


def test_events_of_work_and_conditions_are_progress_and_complaints_are_not():
    """
    An image that is pulled is on its way; a probe that fails again is not.
    """
    release = Release()
    release.has_pod(runs())
    one = release.view().pods[0].pod
    facts = progress_of(release.view())

    release.now(event(one, "Unhealthy", "connection refused"))
    assert progress_of(release.view()) <= facts

    release.now(event(one, "Pulled"))
    assert not progress_of(release.view()) <= facts
    release.has_pod(runs(), conditions=[condition("PodScheduled"), condition("Ready", "False")])
    assert ("pod-db-0", "PodScheduled") in progress_of(release.view())
    assert ("pod-db-0", "Ready") not in progress_of(release.view())


def test_claim_that_is_bound_is_progress():
    """
    Its pod has said nothing yet.
    """
    store = Store()
    facts = []
    for phase in ("Pending", "Pending", "Bound"):
        store.put(claim(phase=phase))
        facts.append(progress_of(view_of(store, "openstack", "keystone", [claim()])))

    assert facts[1] == facts[0]
    assert not facts[2] <= facts[0]
