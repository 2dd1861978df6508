import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolla_k8s.errors import RefusedError
from kolla_k8s.model.plan import Action, GateSpec, HelmRequest, Plan, Step
from kolla_k8s.orchestrate.gate import GateResult
from kolla_k8s.orchestrate.observe import Observer
from kolla_k8s.orchestrate.report import Phase
from kolla_k8s.orchestrate.run import Means, execute, weights
from tests.unit.orchestrate.virtual import VirtualClock, run


class SlowHelm:
    """Applies charts without objects; each takes as long as it was told."""

    def __init__(self, seconds=None, refusing=()):
        self.seconds, self.refusing = seconds or {}, refusing
        self.most = self.now = 0
        self.applied = []

    async def upgrade_install(self, request):
        self.applied.append(request.release)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.seconds.get(request.release, 1.0))
        self.now -= 1
        if request.release in self.refusing:
            raise RefusedError(request.release, "denied by policy", "ask its owner")
        return []

    async def manifest(self, release, _namespace):
        await asyncio.sleep(self.seconds.get(release, 0.0))
        return []

    async def uninstall(self, release, _namespace):
        self.applied.append(release)


class EmptyCluster:
    """Has nothing."""

    async def list(self, *_arguments, **_options):
        return []


async def always_green(_step, _gate):
    return GateResult(is_green=True, evidence="fine")


def a_step(name, *needs, action=Action.INSTALL, gates=()):
    request = HelmRequest(name, "openstack", "chart", {})
    return Step(name, action, "asked", tuple(needs), request, tuple(gates))


def a_plan(*steps):
    return Plan("c", "2026.1", tuple(steps))


def means(helm, check=always_green, slots=1000):
    cluster = EmptyCluster()
    return Means(helm, cluster, VirtualClock(), Observer(cluster), check, helm_slots=slots)


async def carried_out(plan, helm, **options):
    return await execute(plan, means(helm, **options))


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 12))
    names = [f"s{number:02}" for number in range(count)]
    needs = {name: draw(st.sets(st.sampled_from(names[:n]))) if n else set() for n, name in enumerate(names)}
    return needs, {name: draw(st.integers(1, 100)) for name in names}


@settings(max_examples=1000, deadline=None)
@given(graphs())
def test_makespan_is_the_optimum_and_no_step_starts_early(graph):
    """
    With workers enough, a run takes as long as its longest chain, and every edge is kept.
    """
    needs, seconds = graph
    plan = a_plan(*(a_step(name, *sorted(wants)) for name, wants in needs.items()))
    ends = {}
    for name, wants in needs.items():
        ends[name] = max((ends[need] for need in wants), default=0) + seconds[name]

    report = run(carried_out(plan, SlowHelm(seconds)))

    assert max(ends.values()) == pytest.approx(report.took_s)
    for name, wants in needs.items():
        for need in wants:
            assert report.rows[name].started_s >= report.rows[need].gate_green_s


def test_failure_stops_only_what_depends_on_it():
    """
    The first cause is named, what it keeps from being tried says so, and the rest comes up.
    """
    plan = a_plan(a_step("a"), a_step("b", "a"), a_step("c", "b"), a_step("d"))

    report = run(carried_out(plan, SlowHelm(refusing={"a"})))

    phases = {name: row.phase for name, row in report.rows.items()}
    assert {"a": Phase.FAILED, "b": Phase.NOT_TRIED, "c": Phase.NOT_TRIED, "d": Phase.GREEN} == phases
    assert "b, c: not tried, because a did not become ready" in report.text()
    assert "denied by policy" in report.text()
    assert not report.is_green


def test_helm_processes_are_few_and_the_critical_path_goes_first():
    """
    Two at once, and of those that may start the one with the longest chain behind it.
    """
    helm = SlowHelm()
    plan = a_plan(*(a_step(name) for name in ("a", "b", "x")), a_step("y", "x"), a_step("z", "y"))

    run(carried_out(plan, helm, slots=1))

    assert 1 == helm.most
    assert 3 == weights(plan)["x"]
    assert "x" in helm.applied[:2]


def test_unchanged_step_is_checked_not_applied():
    """
    Helm is not asked to change what is what is wanted; its gates are asked all the same.
    """
    helm = SlowHelm()
    gate = GateSpec("g", "kind", "w")
    plan = a_plan(a_step("a", action=Action.UNCHANGED, gates=[gate]))

    report = run(carried_out(plan, helm))

    assert [] == helm.applied
    assert {"g": "fine"} == report.rows["a"].evidence


def test_gate_that_stays_red_fails_the_step_with_its_evidence():
    """
    After its own time, with the last thing it said.
    """

    async def red(_step, _gate):
        return GateResult(is_green=False, evidence="no token")

    plan = a_plan(a_step("a", gates=[GateSpec("g", "kind", "w", timeout_s=30)]))

    report = run(carried_out(plan, SlowHelm(), check=red))

    assert "still red after 30 s: no token" == report.rows["a"].cause.message
    assert 31 == pytest.approx(report.rows["a"].failed_s, abs=2)
    assert 31 == pytest.approx(report.rows["a"].failed_s - report.rows["a"].first_evidence_s, abs=1)


def test_gate_that_hangs_at_last_keeps_what_it_said_before():
    """
    Silence explains nothing.
    """
    said = iter(["heat answered 500"])

    async def hanging(_step, _gate):
        if (words := next(said, None)) is None:
            await asyncio.get_running_loop().create_future()
        return GateResult(is_green=False, evidence=words)

    plan = a_plan(a_step("a", gates=[GateSpec("g", "kind", "w", timeout_s=30)]))

    report = run(carried_out(plan, SlowHelm(), check=hanging))

    assert "still red after 30 s: heat answered 500" == report.rows["a"].cause.message


def test_stop_lets_nothing_new_begin():
    """
    What runs is finished; what waits says that it was stopped.
    """

    async def stopped():
        work = means(SlowHelm())
        task = asyncio.create_task(execute(a_plan(a_step("a"), a_step("b", "a")), work))
        await asyncio.sleep(0.5)
        work.stop.set()
        return await task

    report = run(stopped())

    assert Phase.STOPPED is report.rows["b"].phase


def test_removal_goes_through_helm_and_nothing_else():
    """
    A removed release has no objects to wait for and no gates.
    """
    helm = SlowHelm()

    report = run(carried_out(a_plan(replace(a_step("a"), action=Action.REMOVE)), helm))

    assert ["a"] == helm.applied
    assert report.is_green


def test_json_says_what_the_text_says():
    """
    Machines and people read the same content.
    """
    plan = a_plan(a_step("a"), a_step("b", "a"))

    report = run(carried_out(plan, SlowHelm(refusing={"a"})))
    steps = {step["name"]: step for step in report.json()["steps"]}

    assert "not green" == report.json()["outcome"]
    assert "a did not become ready" == steps["b"]["not_tried_because"]
    assert steps["a"]["cause"]["message"] in report.text()
