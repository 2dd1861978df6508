"""How a step ends: green with a warning, mended on the way, or failed with a cause that a person can act on."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from kolla_k8s.errors import ConflictError, OutsideError, RefusedError
from kolla_k8s.model.plan import LeaveSpec
from kolla_k8s.orchestrate.evidence import MESSAGE_LIMIT
from kolla_k8s.orchestrate.kinds import CLAIM, EVENT, POD, STATEFUL_SET
from kolla_k8s.orchestrate.mend import NUDGED
from kolla_k8s.orchestrate.observe import observing
from kolla_k8s.orchestrate.report import Phase
from kolla_k8s.orchestrate.run import Means, execute
from kolla_k8s.ports import ExecResult
from kolla_k8s.redact import Redactor
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import claim, crashing, event, labels, pod, runs, stateful_set, waits
from tests.unit.orchestrate.test_running_a_plan import SlowHelm, a_plan, a_step, always_green, carried_out
from tests.unit.orchestrate.virtual import VirtualClock, run

FIXED = "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden"


class Chart(SlowHelm):
    """Brings the objects of each release into the cluster; ``says`` are errors that its next upgrades end with."""

    def __init__(self, cluster, says=(), **charts):
        super().__init__()
        self.cluster, self.says, self.charts = cluster, list(says), charts

    async def upgrade_install(self, request):
        await super().upgrade_install(request)
        if self.says:
            raise self.says.pop(0)
        for resource, one in self.charts.get(request.release, ()):
            if self.cluster.peek(resource, one["metadata"]["name"], "openstack") is None:
                self.cluster.put(resource, one)
        return await self.manifest(request.release, "openstack")

    async def manifest(self, release, _namespace):
        return [one for _, one in self.charts.get(release, ())]


def carrying(plan, cluster, helm, **options):
    """Carry out a plan against a cluster that is watched."""

    async def begun():
        async with observing(cluster, ["openstack"]) as observer:
            return await execute(plan, Means(helm, cluster, VirtualClock(), observer, always_green, **options))

    return begun()


def of_release(service, one):
    return {**one, "metadata": {**one["metadata"], "labels": {**one["metadata"].get("labels", {}), **labels(service)}}}


def a_set(name="a", ready=0):
    return of_release(name, stateful_set(name, readyReplicas=ready))


def broken_pod(owner, *statuses):
    name = owner["metadata"]["name"]
    return of_release(
        name, pod(f"{name}-0", owner=owner, labels={"controller-revision-hash": "r1"}, statuses=[*statuses])
    )


def refusing(cluster, verb, plural, fact="forbidden"):
    """Let the API refuse one thing."""

    def refuse(request):
        if (request.verb, request.plural) == (verb, plural):
            raise OutsideError("api", fact)

    cluster.fail = refuse


def cause_of(plan, cluster, helm, **options):
    report = run(carrying(plan, cluster, helm, **options))
    assert not report.is_green
    return report.rows["a"].cause


def test_green_step_that_cannot_be_tidied_is_green_with_a_warning():
    """
    Old ConfigMaps harm nobody.
    """
    cluster = FakeCluster()
    refusing(cluster, "list", "configmaps")

    report = run(carrying(a_plan(a_step("a")), cluster, Chart(cluster)))

    assert report.is_green
    assert ["old ConfigMaps stay: api: forbidden"] == report.rows["a"].warnings


def shrinking(exit_code):
    """A step that takes one of two members away, and whose leave command ends so."""
    cluster = FakeCluster()
    for number in range(2):
        cluster.put(POD, of_release("a", pod(f"a-{number}")))
    cluster.on_exec = lambda _call: ExecResult(exit_code, "", "quorum critical")
    return cluster, replace(a_step("a"), leaves=(LeaveSpec("api", ("leave",), 1),))


def test_members_leave_before_helm_takes_them_away():
    """
    The command has run when helm begins.
    """
    cluster, step = shrinking(0)
    helm = Chart(cluster)

    report = run(carrying(a_plan(step), cluster, helm))

    assert report.is_green
    assert ["a-1"] == [request.name for request in cluster.requests if request.verb == "exec"]
    assert ["a"] == helm.applied


def test_member_that_cannot_leave_keeps_helm_away():
    """
    It is still there to be mended.
    """
    cluster, step = shrinking(1)
    helm = Chart(cluster)

    cause = cause_of(a_plan(step), cluster, helm)

    assert "refused" == cause.reason
    assert "quorum critical" in cause.message
    assert [] == helm.applied


def unbound(cluster):
    cluster.put(STATEFUL_SET, a_set())
    cluster.put(CLAIM, of_release("a", claim("data-a-0")))


def test_set_that_never_had_a_volume_is_made_anew_when_it_must_change():
    """
    A wrong storage class is mended by the same command.
    """
    cluster = FakeCluster()
    unbound(cluster)
    helm = Chart(cluster, [RefusedError("a", FIXED)], a=[(STATEFUL_SET, a_set(ready=1))])

    report = run(carrying(a_plan(a_step("a")), cluster, helm))

    assert report.is_green
    assert ["a", "a"] == helm.applied
    assert cluster.peek(CLAIM, "data-a-0", "openstack") is None


def test_last_words_of_a_member_that_cannot_leave_are_hidden_before_they_are_cut():
    """
    They may quote the command line.
    """
    cluster, step = shrinking(1)
    cluster.on_exec = lambda _call: ExecResult(1, "", f"{SECRET}{'y' * (MESSAGE_LIMIT - 10)}")

    cause = cause_of(a_plan(step), cluster, Chart(cluster), redact=Redactor([SECRET]))

    assert [] == part_of_secret(cause.message)


def test_set_with_data_is_never_made_anew():
    """
    That its template cannot change is for the operator to solve.
    """
    cluster = FakeCluster()
    cluster.put(CLAIM, of_release("a", {**claim("data-a-0"), "spec": {"volumeName": "pv-1"}}))
    helm = Chart(cluster, [RefusedError("a", FIXED)])

    cause = cause_of(a_plan(a_step("a")), cluster, helm)

    assert ("refused", ["a"]) == (cause.reason, helm.applied)
    assert cluster.peek(CLAIM, "data-a-0", "openstack") is not None


def test_other_refusals_delete_nothing():
    """
    Policies say no to what is asked, not to what is there.
    """
    cluster = FakeCluster()
    unbound(cluster)

    cause = cause_of(a_plan(a_step("a")), cluster, Chart(cluster, [RefusedError("a", "denied by policy")]))

    assert "refused" == cause.reason
    assert cluster.peek(CLAIM, "data-a-0", "openstack") is not None


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


def test_trouble_of_an_earlier_run_is_touched_so_that_it_is_tried_again():
    """
    The class is there by now, and the controller would wait out its back-off.
    """
    cluster = FakeCluster()
    cluster.put(CLAIM, claim())
    cluster.put(EVENT, event(claim(), "ProvisioningFailed", "no such class"))

    def provision(news):
        about = news.object["metadata"]
        if NUDGED in about.get("annotations", {}) and news.object["status"]["phase"] == "Pending":
            cluster.set_status(CLAIM, about["name"], "openstack", {"phase": "Bound"})

    cluster.reactors.append(provision)

    report = run(carrying(a_plan(a_step("a")), cluster, Chart(cluster, a=[(CLAIM, claim())])))

    assert report.is_green
    assert 2 > report.took_s


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
