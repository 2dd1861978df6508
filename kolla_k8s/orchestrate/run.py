"""Carry out a plan: every step as soon as its needs are green, nothing sooner, nothing later.

A true DAG: there are no layers and no polling. A step is helm's apply (few at once), then its objects (any number at
once), then its gates. A failure stops only what depends on it. Knows no helm, no API and no screen: ports and data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from kolla_k8s.errors import KollaK8sError
from kolla_k8s.model.plan import Action, GateSpec, Plan, Step
from kolla_k8s.orchestrate.evidence import Evidence
from kolla_k8s.orchestrate.gate import GateResult
from kolla_k8s.orchestrate.judge import Judge, Judgement
from kolla_k8s.orchestrate.mend import delete_failed_jobs, delete_stuck_pods, prune_config_maps
from kolla_k8s.orchestrate.observe import Observer
from kolla_k8s.orchestrate.ready import State
from kolla_k8s.orchestrate.report import DONE, Cause, Phase, Report, Row
from kolla_k8s.orchestrate.slots import Slots
from kolla_k8s.orchestrate.store import uid_of
from kolla_k8s.orchestrate.view import ReleaseView, view_of
from kolla_k8s.ports import Clock, Cluster, Helm, KubeObject

GATE_PERIOD_S = 1.0
FIRST_GATE_PERIOD_S = 0.3


@dataclass(frozen=True, slots=True)
class Means:
    """What a run works with.

    Attributes:
        check: Runs a gate once.
        on_change: Called with a row whenever it changed.
        helm_slots: How many helm processes at once.
        patience_s: How long a step may show no progress.
        stop: Set when nothing new shall begin.
    """

    helm: Helm
    cluster: Cluster
    clock: Clock
    observer: Observer
    check: Callable[[Step, GateSpec], Awaitable[GateResult]]
    on_change: Callable[[Row], None] = lambda _row: None
    helm_slots: int = 4
    patience_s: float = 600.0
    stop: asyncio.Event = field(default_factory=asyncio.Event)


async def execute(plan: Plan, means: Means) -> Report:
    """Run every step of a plan and report; raises only what makes the whole run impossible."""
    run = _Run(plan, means)
    tasks = [asyncio.create_task(run.step(step)) for step in plan.steps]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    run.report.took_s = run.now_s()
    return run.report


def weights(plan: Plan) -> dict[str, int]:
    """Length of the longest chain of steps that waits behind each step, itself included."""
    users: dict[str, list[str]] = {step.name: [] for step in plan.steps}
    for step in plan.steps:
        for need in step.needs:
            users[need].append(step.name)
    found: dict[str, int] = {}

    def weigh(name: str) -> int:
        if name not in found:
            found[name] = 1 + max((weigh(user) for user in users[name]), default=0)
        return found[name]

    return {name: weigh(name) for name in users}


class _StepFailedError(Exception):
    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.message)
        self.cause = cause


class _Run:
    """The state of one run."""

    def __init__(self, plan: Plan, means: Means) -> None:
        self.plan, self.means = plan, means
        self.began_s = means.clock.monotonic()
        rows = {step.name: Row(step) for step in plan.steps}
        self.report = Report(plan, rows, means.clock.wall())
        self.finished = {step.name: asyncio.Event() for step in plan.steps}
        self.slots = Slots(means.helm_slots)
        self.weights = weights(plan)
        self.manifests: dict[str, list[KubeObject]] = {step.name: [] for step in plan.steps}

    def now_s(self) -> float:
        return self.means.clock.monotonic() - self.began_s

    async def step(self, step: Step) -> None:
        row = self.report.rows[step.name]
        try:
            await self._needs(row)
            if row.phase is Phase.WAITING:
                await self._bring_up(row)
        except _StepFailedError as error:
            self._fail(row, error.cause)
        except KollaK8sError as error:
            self._fail(row, Cause(step.name, "refused", str(error)))
        finally:
            self.finished[step.name].set()

    async def _needs(self, row: Row) -> None:
        for need in row.step.needs:
            row.waits_for = need
            await self.finished[need].wait()
        row.waits_for = ""
        lost = [need for need in row.step.needs if self.report.rows[need].phase is not Phase.GREEN]
        if lost:
            row.not_tried_because = f"{lost[0]} did not become ready"
            self._enter(row, Phase.NOT_TRIED)
        elif self.means.stop.is_set():
            self._enter(row, Phase.STOPPED)
        else:
            row.needs_ready_s = self.now_s()

    async def _bring_up(self, row: Row) -> None:
        step = row.step
        manifest = self.manifests[step.name] = await self._apply(row)
        if step.action is Action.REMOVE:
            row.objects_ready_s = row.gate_green_s = self.now_s()
            self._enter(row, Phase.GREEN)
            return
        await self._objects(row, manifest)
        row.objects_ready_s = self.now_s()
        self._enter(row, Phase.GATING)
        await asyncio.gather(*(self._gate(row, gate) for gate in step.gates))
        row.gate_green_s = self.now_s()
        await prune_config_maps(self.means.cluster, step.request.namespace, step.name, manifest)
        self._enter(row, Phase.GREEN)

    async def _apply(self, row: Row) -> list[KubeObject]:
        step, helm = row.step, self.means.helm
        async with self.slots.place(self.weights[step.name], step.name):
            self._raise_if_stopped()
            row.started_s = self.now_s()
            self._enter(row, Phase.CHECKING if step.action is Action.UNCHANGED else Phase.APPLYING)
            request = step.request
            cluster, space = self.means.cluster, request.namespace
            if step.action is Action.REMOVE:
                await helm.uninstall(request.release, space)
                return []
            has_mended = await delete_failed_jobs(cluster, space, step.name)
            is_whole = step.action is Action.UNCHANGED and not has_mended
            manifest = await helm.manifest(request.release, space) if is_whole else []
            if not is_whole or self._has_gaps(step, manifest):
                manifest = await helm.upgrade_install(request)
            await delete_stuck_pods(cluster, space, step.name)
            return manifest

    def _has_gaps(self, step: Step, manifest: list[KubeObject]) -> bool:
        """Whether an object of an unchanged release is gone; helm makes it again."""
        view = view_of(self.means.observer.store, step.request.namespace, step.request.release, manifest)
        return any(one.live is None and one.verdict.state is not State.READY for one in view.objects)

    async def _objects(self, row: Row, manifest: list[KubeObject]) -> None:
        self._enter(row, Phase.COMING_UP)
        judge, observer, clock = Judge(), self.means.observer, self.means.clock
        request = row.step.request
        known: dict[str, int] = {}
        quiet_since_s = clock.monotonic()
        while True:
            news = observer.news()
            view = view_of(observer.store, request.namespace, request.release, manifest)
            judgement = judge.look(view, clock.monotonic(), is_excused=self._needs_are_down(row))
            if judgement.state is State.READY:
                row.waits_for = ""
                return
            if judgement.cause is not None:
                raise _StepFailedError(await self._cause(judgement.cause))
            if (facts := _facts(view)) != known:
                known, quiet_since_s = facts, clock.monotonic()
            self._show(row, judgement)
            left_s = self.means.patience_s - (clock.monotonic() - quiet_since_s)
            if left_s <= 0:
                raise _StepFailedError(_out_of_patience(self.means.patience_s, judgement))
            await self._wait(min(left_s, judgement.next_look_s or left_s), news)

    def _needs_are_down(self, row: Row) -> bool:
        """Whether something the step needs was green and is not up now: then its crashes prove nothing."""
        return any(
            one.verdict.state is not State.READY
            for need in row.step.needs
            for one in view_of(
                self.means.observer.store, self.report.rows[need].step.request.namespace, need, self.manifests[need]
            ).objects
        )

    async def _wait(self, seconds: float, news: asyncio.Event | None = None) -> None:
        """Return after that time or at the news; a stop ends the step."""
        waits = [self.means.clock.sleep(max(0.01, seconds)), self.means.stop.wait()]
        tasks = [asyncio.ensure_future(one) for one in (*waits, *([news.wait()] if news else []))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        self._raise_if_stopped()

    def _raise_if_stopped(self) -> None:
        if self.means.stop.is_set():
            raise _StepFailedError(Cause("this run", "stopped", "run the same command again to continue"))

    async def _gate(self, row: Row, gate: GateSpec) -> None:
        clock = self.means.clock
        deadline_s, period_s = clock.monotonic() + gate.timeout_s, FIRST_GATE_PERIOD_S
        while True:
            result = await self._checked(row.step, gate)
            row.evidence[gate.name] = result.evidence
            if result.is_green:
                return
            row.waits_for = f"gate {gate.name}: {result.evidence}"
            self.means.on_change(row)
            if clock.monotonic() >= deadline_s:
                message = f"still red after {gate.timeout_s:.0f} s: {result.evidence}"
                raise _StepFailedError(Cause(f"gate {gate.name}", gate.kind, message))
            await self._wait(period_s)
            period_s = GATE_PERIOD_S

    async def _checked(self, step: Step, gate: GateSpec) -> GateResult:
        """Run a gate once; one that breaks (its pod went away) is red."""
        try:
            return await self.means.check(step, gate)
        except KollaK8sError as error:
            return GateResult(is_green=False, evidence=str(error))

    async def _cause(self, evidence: Evidence) -> Cause:
        log: list[str] = []
        if evidence.log is not None:
            namespace = str(evidence.thing["metadata"].get("namespace", ""))
            target = evidence.log
            try:
                text = await self.means.cluster.logs(
                    namespace, target.pod, target.container, previous=target.is_previous, lines=15
                )
            except KollaK8sError as error:
                text = str(error)
            log = text.strip().splitlines()
        return Cause(
            evidence.place, evidence.reason, evidence.message, evidence.command, evidence.container, tuple(log)
        )

    def _show(self, row: Row, judgement: Judgement) -> None:
        said = [f"{e.place}: {e.reason}: {e.message}" for e in judgement.warnings]
        is_new = row.waits_for != judgement.waits_for or row.warnings != said
        row.waits_for, row.warnings = judgement.waits_for, said
        if is_new:
            self.means.on_change(row)

    def _fail(self, row: Row, cause: Cause) -> None:
        row.cause, row.failed_s = cause, self.now_s()
        self._enter(row, Phase.STOPPED if cause.reason == "stopped" else Phase.FAILED)

    def _enter(self, row: Row, phase: Phase) -> None:
        row.phase = phase
        if phase in DONE:
            row.waits_for = ""
        self.means.on_change(row)


def _facts(view: ReleaseView) -> dict[str, int]:
    """What moves a step's patience: changes of objects and pods, not what is said about them again and again."""
    said = {uid_of(event) for events in view.events.values() for event in events}
    return {uid: change for uid, change in view.changed.items() if uid not in said}


def _out_of_patience(patience_s: float, judgement: Judgement) -> Cause:
    message = f"nothing changed for {patience_s:.0f} s"
    return Cause(judgement.waits_for, "no progress", message)
