"""How a step fails: in time, with a cause that a person can act on, and with no secret in it."""

from __future__ import annotations

import asyncio

import pytest

from kolla_k8s.errors import ConflictError, OutsideError, RefusedError
from kolla_k8s.orchestrate.evidence import MESSAGE_LIMIT
from kolla_k8s.orchestrate.kinds import CLAIM, EVENT, POD, STATEFUL_SET
from kolla_k8s.orchestrate.report import Phase
from kolla_k8s.ports import ExecResult
from kolla_k8s.redact import Redactor
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import claim, crashing, event, pod, runs, waits
from tests.unit.orchestrate.test_running_a_plan import SlowHelm, a_plan, a_step, carried_out
from tests.unit.orchestrate.virtual import run
from tests.unit.orchestrate.watched_steps import (
    Chart,
    a_set,
    broken_pod,
    carrying,
    cause_of,
    of_release,
    refusing,
    shrinking,
)

SECRET = "correct-horse-battery-staple"


def saying(filler):
    """A message so long that the limit falls into a secret, wherever the filler pushes it."""
    return f"{'x' * filler} {SECRET} {'y' * MESSAGE_LIMIT}"


def part_of_secret(text):
    """The longest part of the secret, of six letters at least, that stands in a text."""
    parts = [SECRET[at : at + 6] for at in range(len(SECRET) - 5)]
    return [part for part in parts if part in text]


@pytest.mark.parametrize("filler", range(MESSAGE_LIMIT // 2 - 60, MESSAGE_LIMIT // 2, 5))
def test_secret_in_a_long_message_is_hidden_before_it_is_cut(filler):
    """
    The half of one would be known to no redactor.
    """
    cluster, told = FakeCluster(), []
    dead = {**crashing(1, 5), "lastState": {"terminated": {"exitCode": 1, "message": saying(filler)}}}
    helm = Chart(cluster, a=[(STATEFUL_SET, a_set()), (POD, broken_pod(a_set(), dead))])

    cause = cause_of(
        a_plan(a_step("a")), cluster, helm, redact=Redactor([SECRET]), on_change=lambda row: told.append(row.waits_for)
    )

    assert [] == part_of_secret(cause.message)
    assert len(cause.message) <= MESSAGE_LIMIT + 5
    assert [] == part_of_secret(" ".join(told))


def test_secret_in_the_line_of_an_init_step_is_hidden_before_it_is_cut():
    """
    And in what Kubernetes says of a pod that waits.
    """
    cluster, told = FakeCluster(), []
    init = runs("prepare")
    waiting = of_release("a", pod("a-0", owner=a_set(), labels={"controller-revision-hash": "r1"}, init=[init]))
    cluster.set_logs("a-0", "prepare", saying(MESSAGE_LIMIT // 2 - 20))
    helm = Chart(cluster, a=[(STATEFUL_SET, a_set()), (POD, waiting)])

    cause = cause_of(
        a_plan(a_step("a")),
        cluster,
        helm,
        redact=Redactor([SECRET]),
        on_change=lambda row: told.append(row.waits_for),
        patience_s=30,
    )

    assert "no progress" == cause.reason
    assert any("yyy" in line for line in told)
    assert [] == part_of_secret(" ".join(told))


def test_last_words_of_a_member_that_cannot_leave_are_hidden_before_they_are_cut():
    """
    They may quote the command line.
    """
    cluster, step = shrinking(1)
    cluster.on_exec = lambda _call: ExecResult(1, "", f"{SECRET}{'y' * (MESSAGE_LIMIT - 10)}")

    cause = cause_of(a_plan(step), cluster, Chart(cluster), redact=Redactor([SECRET]))

    assert [] == part_of_secret(cause.message)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ConflictError("a", "field is owned by another"), "conflict"),
        (RefusedError("a", "denied"), "refused"),
        (OutsideError("helm", "killed"), "unusable"),
    ],
)
def test_error_of_helm_is_the_cause_in_its_own_words(error, word):
    """
    With what kind of trouble it is.
    """
    cluster = FakeCluster()

    cause = cause_of(a_plan(a_step("a")), cluster, Chart(cluster, [error]))

    assert (word, str(error)) == (cause.reason, cause.message)


def test_crash_is_told_with_the_last_lines_of_the_life_before():
    """
    And the command that shows more of them.
    """
    cluster = FakeCluster()
    cluster.set_logs("a-0", "api", "Traceback\nno such table\n", previous=True)
    helm = Chart(cluster, a=[(STATEFUL_SET, a_set()), (POD, broken_pod(a_set(), crashing(1, 5)))])

    cause = cause_of(a_plan(a_step("a")), cluster, helm)

    assert ("Pod a-0", "api", "CrashLoopBackOff") == (cause.place, cause.container, cause.reason)
    assert ("Traceback", "no such table") == cause.log
    assert "kubectl -n openstack logs a-0 -c api --previous" == cause.command


def test_crash_whose_log_is_gone_is_told_without_it():
    """
    Why it is gone stands in its place.
    """
    cluster = FakeCluster()
    refusing(cluster, "logs", "pods", "kubelet is away")
    helm = Chart(cluster, a=[(STATEFUL_SET, a_set()), (POD, broken_pod(a_set(), crashing(1, 5)))])

    cause = cause_of(a_plan(a_step("a")), cluster, helm)

    assert ("(its log cannot be read: api: kubelet is away)",) == cause.log


def test_trouble_that_no_container_has_comes_without_a_log():
    """
    A pod that was refused has never said anything.
    """
    cluster = FakeCluster()
    helm = Chart(cluster, a=[(CLAIM, claim()), (EVENT, event(claim(), "ProvisioningFailed", "no such class"))])

    cause = cause_of(a_plan(a_step("a")), cluster, helm)

    assert ("ProvisioningFailed", ()) == (cause.reason, cause.log)


def failing_after(cluster, seconds, *things):
    """The row of a step whose set is there at once, and these things only after some time."""

    async def later():
        task = asyncio.create_task(carrying(a_plan(a_step("a")), cluster, Chart(cluster, a=[(STATEFUL_SET, a_set())])))
        await asyncio.sleep(seconds)
        for resource, one in things:
            cluster.put(resource, one)
        return (await task).rows["a"]

    return run(later())


@pytest.mark.parametrize(
    "status",
    [waits("InvalidImageName", "invalid reference"), waits("ErrImagePull", "manifest unknown"), crashing(1, 5)],
    ids=["name", "pull", "crash"],
)
def test_verdict_follows_the_first_evidence_within_seconds(status):
    """
    Both times are told, so that the promise can be counted: evidence of a trouble that comes when all went well so far.
    """
    cluster = FakeCluster()

    row = failing_after(cluster, 20.0, (POD, broken_pod(a_set(), status)))

    assert 20 == pytest.approx(row.first_evidence_s, abs=0.1)
    assert row.first_evidence_s <= row.failed_s <= row.first_evidence_s + 5


def test_trouble_that_passes_and_comes_again_is_seen_when_it_comes_again():
    """
    What failed the step is what stood until then.
    """
    cluster = FakeCluster()
    broken, well = waits("ErrImagePull", "i/o timeout"), runs()

    async def flapping():
        step = carrying(a_plan(a_step("a")), cluster, Chart(cluster, a=[(STATEFUL_SET, a_set())]))
        task = asyncio.create_task(step)
        for status in (broken, well, broken):
            await asyncio.sleep(10)
            cluster.put(POD, broken_pod(a_set(), status))
        return (await task).rows["a"]

    row = run(flapping())

    assert 30 == pytest.approx(row.first_evidence_s, abs=0.1)


def test_answer_of_helm_is_its_own_evidence():
    """
    The step fails with it.
    """
    cluster = FakeCluster()

    row = run(carrying(a_plan(a_step("a")), cluster, Chart(cluster, [RefusedError("a", "denied")]))).rows["a"]

    assert row.first_evidence_s == row.failed_s


def test_run_that_may_take_no_longer_ends():
    """
    Although something moves. That is no evidence of anything.
    """
    cluster = FakeCluster()

    row = run(carrying(a_plan(a_step("a")), cluster, Chart(cluster, a=[(STATEFUL_SET, a_set())]), limit_s=30)).rows["a"]

    assert ("out of time", "the run may take 30 s") == (row.cause.reason, row.cause.message)
    assert row.first_evidence_s is None


def test_bug_in_a_step_ends_the_run_and_is_raised():
    """
    It is no cause that an operator could mend; what ran beside it is given up.
    """
    helm = SlowHelm({"b": 1000.0})

    class Buggy(SlowHelm):
        """Breaks for one release, and works for long on the other."""

        async def upgrade_install(self, request):
            if request.release == "a":
                raise ZeroDivisionError
            return await helm.upgrade_install(request)

    with pytest.raises(ZeroDivisionError):
        run(carried_out(a_plan(a_step("a"), a_step("b")), Buggy()))
    assert ["b"] == helm.applied


def test_crash_is_not_final_while_a_need_is_down_again():
    """
    It was green, so the step began; what crashes now may only miss it.
    """
    cluster = FakeCluster()
    helm = Chart(cluster, a=[(STATEFUL_SET, a_set("a"))], db=[(STATEFUL_SET, a_set("db", 1))])
    plan = a_plan(a_step("a", "db"), a_step("db"))

    async def going_down():
        task = asyncio.create_task(carrying(plan, cluster, helm))
        await asyncio.sleep(5)
        up = cluster.peek(STATEFUL_SET, "db", "openstack")["status"]
        cluster.set_status(STATEFUL_SET, "db", "openstack", {**up, "readyReplicas": 0})
        cluster.put(POD, broken_pod(a_set(), crashing(1, 5)))
        await asyncio.sleep(100)
        was_excused = not task.done()
        cluster.set_status(STATEFUL_SET, "db", "openstack", up)
        cluster.put(POD, broken_pod(a_set(), crashing(1, 6)))
        return was_excused, await task

    was_excused, report = run(going_down())

    assert was_excused
    assert (Phase.FAILED, "CrashLoopBackOff") == (report.rows["a"].phase, report.rows["a"].cause.reason)
