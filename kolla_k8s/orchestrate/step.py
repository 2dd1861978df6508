"""Carry out one step of a plan: helm, then the objects, then the gates; tell on the way what it waits for.

Apart from ``run``, which decides when a step may begin: here is only what one step does and how it ends. Every failure
ends as a ``Cause`` in the step's row; nothing is raised but what is a bug.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from kolla_k8s.errors import ConflictError, KollaK8sError, RefusedError
from kolla_k8s.model.plan import Action, GateSpec, Step
from kolla_k8s.orchestrate.evidence import Evidence, short
from kolla_k8s.orchestrate.gate import GateResult
from kolla_k8s.orchestrate.inventory import Inventory
from kolla_k8s.orchestrate.judge import Judge, Judgement, progress_of
from kolla_k8s.orchestrate.logline import LOG_PERIOD_S, LogLine
from kolla_k8s.orchestrate.members import let_leave
from kolla_k8s.orchestrate.mend import (
    apply_remedy,
    delete_failed_jobs,
    delete_stuck_pods,
    delete_unbound_sets,
    prune_config_maps,
)
from kolla_k8s.orchestrate.observe import Observer
from kolla_k8s.orchestrate.ready import State, assess
from kolla_k8s.orchestrate.report import DONE, Cause, Phase, Row
from kolla_k8s.orchestrate.slots import Slots
from kolla_k8s.orchestrate.store import Owner
from kolla_k8s.orchestrate.view import ReleaseView, view_of
from kolla_k8s.ports import Clock, Cluster, Helm, KubeObject

GATE_PERIOD_S = 1.0
FIRST_GATE_PERIOD_S = 0.5
LOG_LINES = 15


@dataclass(frozen=True, slots=True)
class Means:
    """What a run works with.

    Attributes:
        check: Runs a gate once; an error of the port counts as red.
        on_change: Called with a row whenever it changed.
        helm_slots: How many helm processes at once.
        patience_s: How long a step may show no progress.
        limit_s: How long the whole run may take.
        stop: Set when nothing new shall begin and what waits shall end.
        redact: Hides secrets in what is about to be cut; what is shown whole is redacted where it is shown.
    """

    helm: Helm
    cluster: Cluster
    clock: Clock
    observer: Observer
    check: Callable[[Step, GateSpec], Awaitable[GateResult]]
    on_change: Callable[[Row], None] = lambda _row: None
    helm_slots: int = 4
    patience_s: float = 600.0
    limit_s: float = float("inf")
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    redact: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Shared:
    """What all steps of a run have in common; ``manifests`` grows as steps learn theirs."""

    means: Means
    slots: Slots
    inventory: Inventory
    weights: Mapping[str, int]
    began_s: float
    manifests: dict[str, list[KubeObject]] = field(default_factory=dict)

    def now_s(self) -> float:
        """Seconds since the run began."""
        return self.means.clock.monotonic() - self.began_s


class StepFailedError(Exception):
    """The step is lost, and why."""

    def __init__(self, cause: Cause) -> None:
        """Keep the cause."""
        super().__init__(cause.message)
        self.cause = cause


class StoppedError(Exception):
    """The run shall end: this step is given up, not failed."""


class Carrier:
    """Carries out one step; made for it and used once."""

    def __init__(self, row: Row, shared: Shared, are_needs_up: Callable[[], bool]) -> None:
        """Take a row whose needs are green; ``are_needs_up`` is asked when crashes could be theirs."""
        self._row, self._shared, self._means = row, shared, shared.means
        self._are_needs_up = are_needs_up
        self._request = row.step.request
        self._owner: Owner = (self._request.namespace, self._request.release)
        self._judge = Judge(redact=shared.means.redact)
        self._manifest: list[KubeObject] = []
        self._facts: set[tuple[str, ...]] = set()
        self._progress_s = shared.means.clock.monotonic()
        self._log = LogLine(shared.means.cluster, shared.means.clock)

    async def carry_out(self) -> None:
        """Bring the step to its end; the row tells which."""
        row = self._row
        try:
            await (self._remove() if row.step.action is Action.REMOVE else self._bring_up())
            self._enter(Phase.GREEN)
        except StoppedError:
            self._enter(Phase.STOPPED)
        except StepFailedError as error:
            self._fail(error.cause)
        except KollaK8sError as error:
            self._fail(Cause(row.step.name, _word(error), str(error)))
        finally:
            self._log.close()

    async def tidy(self) -> None:
        """Prune what nothing of a green step uses any more; that it cannot is a warning, not a failure."""
        row = self._row
        if row.phase is Phase.GREEN and row.step.action is not Action.REMOVE:
            try:
                await prune_config_maps(self._means.cluster, self._request.namespace, row.step.name, self._manifest)
            except KollaK8sError as error:
                row.warnings = [f"old ConfigMaps stay: {error}"]

    async def _remove(self) -> None:
        """Uninstall, and wait until no pod is left, so that what it used is still there to its end."""
        async with self._slot():
            self._enter(Phase.APPLYING)
            await self._means.helm.uninstall(self._request.release, self._request.namespace)
        self._enter(Phase.GOING)
        self._progress_s = self._means.clock.monotonic()
        while pods := self._means.observer.store.of_release(*self._owner, "Pod"):
            news = self._means.observer.news(self._owner)
            waits_for = f"Pod {pods[0]['metadata']['name']}: {assess(pods[0]).why}"
            self._note_progress(frozenset({("pods left", str(len(pods)))}))
            self._show(waits_for, [])
            await self._wait(news, self._left_s(waits_for))
        self._row.objects_ready_s = self._row.gate_green_s = self._shared.now_s()

    async def _bring_up(self) -> None:
        row = self._row
        async with self._slot():
            is_left_alone = row.step.action in {Action.CHECK, Action.UNCHANGED}
            self._enter(Phase.CHECKING if is_left_alone else Phase.APPLYING)
            self._manifest = self._shared.manifests[row.step.name] = await self._apply()
        await self._means.observer.watch_manifest(self._manifest, self._request.namespace)
        self._enter(Phase.COMING_UP)
        await self._objects()
        row.objects_ready_s = self._shared.now_s()
        self._enter(Phase.GATING)
        await _together([self._gate(gate) for gate in row.step.gates])
        row.gate_green_s = self._shared.now_s()

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Hold a place among the helm processes; the step has started when it has one."""
        async with self._shared.slots.place(self._shared.weights[self._row.step.name], self._row.step.name):
            self.raise_if_stopped()
            self._row.started_s = self._shared.now_s()
            yield

    async def _apply(self) -> list[KubeObject]:
        """Let helm make the release what is wanted; gives its manifest.

        An unchanged one is left alone, unless something of it failed or is gone; a step that is only a check, always.
        """
        step, means, space = self._row.step, self._means, self._request.namespace
        self._judge = Judge(since=means.observer.store.change, redact=means.redact)
        if step.action is Action.CHECK:
            return await means.helm.manifest(self._request.release, space)
        failed = [f"Job {name}" for name in await delete_failed_jobs(means.cluster, space, step.name)]
        if step.action is Action.UNCHANGED:
            manifest = await means.helm.manifest(self._request.release, space)
            await means.observer.watch_manifest(manifest, space)
            self._row.repairs = failed or await self._shared.inventory.missing(manifest, space)
            if not self._row.repairs:
                await delete_stuck_pods(means.cluster, space, step.name)
                return manifest
            self._enter(Phase.APPLYING)
        manifest = await self._upgrade()
        await delete_stuck_pods(means.cluster, space, step.name)
        return manifest

    async def _upgrade(self) -> list[KubeObject]:
        """Upgrade; sets whose volumes never came to be are made anew when their template must change."""
        means, space = self._means, self._request.namespace
        for leave in self._row.step.leaves:
            await let_leave(means.cluster, space, self._row.step.name, leave, redact=means.redact)
        try:
            return await self._means.helm.upgrade_install(self._request)
        except RefusedError as error:
            if not re.search(r"updates to statefulset spec", str(error)):
                raise
            if not await delete_unbound_sets(self._means.cluster, self._request.namespace, self._row.step.name):
                raise
        return await self._means.helm.upgrade_install(self._request)

    async def _objects(self) -> None:
        """Wait until every object is ready; raises the first cause that is proven, or that nothing moves any more."""
        self._progress_s = self._means.clock.monotonic()
        while True:
            news = self._means.observer.news(self._owner)
            view, judgement = self._look()
            if judgement.state is State.READY:
                news.cancel()
                self._row.waits_for, self._row.warnings = "", []
                return
            self._note_progress(progress_of(view) | self._log.facts())
            await self._raise_if_failed(judgement)
            waits_for = self._tell(judgement)
            for proof in judgement.remedies:
                await apply_remedy(self._means.cluster, proof, self._means.clock.wall())
            left_s = min(self._left_s(waits_for), judgement.next_look_s or float("inf"))
            await self._wait(news, min(left_s, LOG_PERIOD_S) if self._log.is_open else left_s)

    def _look(self) -> tuple[ReleaseView, Judgement]:
        view = view_of(self._means.observer.store, *self._owner, self._manifest)
        now_s = self._means.clock.monotonic()
        return view, self._judge.look(view, now_s, is_excused=lambda: not self._are_needs_up())

    async def _raise_if_failed(self, judgement: Judgement) -> None:
        if judgement.cause is not None:
            raise StepFailedError(await self._cause(judgement.cause))

    def _tell(self, judgement: Judgement) -> str:
        """Show what the step waits for, in the words of its own log where it has one."""
        self._log.follow(judgement.blocker, self._request.namespace)
        line = short(self._means.redact(self._log.line))
        waits_for = str(judgement.blocker.with_log(line)) if judgement.blocker else ""
        self._show(waits_for, [f"{one.place}: {one.reason}: {one.message}" for one in judgement.warnings])
        return waits_for

    def _note_progress(self, facts: frozenset[tuple[str, ...]]) -> None:
        if not facts <= self._facts:
            self._facts |= facts
            self._progress_s = self._means.clock.monotonic()

    def _left_s(self, waits_for: str) -> float:
        """Give the seconds until patience or the run's time ends; raises when one of them has ended."""
        means, now_s = self._means, self._means.clock.monotonic()
        if now_s >= self._shared.began_s + means.limit_s:
            raise StepFailedError(Cause(waits_for, "out of time", f"the run may take {means.limit_s:.0f} s"))
        left_s = self._progress_s + means.patience_s - now_s
        if left_s <= 0:
            way_out = f"kubectl -n {self._request.namespace} get events --sort-by=.lastTimestamp"
            raise StepFailedError(
                Cause(waits_for, "no progress", f"nothing moved for {means.patience_s:.0f} s", way_out)
            )
        return min(left_s, self._shared.began_s + means.limit_s - now_s)

    async def _wait(self, news: asyncio.Future[Any], seconds: float) -> None:
        """Return at news or after that time, and end what brings them; ``StoppedError`` when the run shall end."""
        sleeping = asyncio.ensure_future(self._means.clock.sleep(max(0.01, seconds)))
        stopping = asyncio.ensure_future(self._means.stop.wait())
        try:
            await asyncio.wait((news, sleeping, stopping), return_when=asyncio.FIRST_COMPLETED)
            if news.done():
                news.result()
        finally:
            for future in (news, sleeping, stopping):
                future.cancel()
        self.raise_if_stopped()

    def raise_if_stopped(self) -> None:
        """Raise ``StoppedError`` when the run shall end."""
        if self._means.stop.is_set():
            raise StoppedError

    async def _gate(self, gate: GateSpec) -> None:
        """Ask until green; raises when it is red for too long, or when its pods are proven to fail meanwhile."""
        clock, row = self._means.clock, self._row
        deadline_s, period_s = clock.monotonic() + gate.timeout_s, FIRST_GATE_PERIOD_S
        while True:
            result = await self._ask(gate, deadline_s - clock.monotonic())
            row.evidence[gate.name] = result.evidence
            if result.is_green:
                return
            await self._raise_if_failed(self._look()[1])
            self._show(f"gate {gate.name}: {result.evidence}", row.warnings)
            if clock.monotonic() >= deadline_s:
                message = f"still red after {gate.timeout_s:.0f} s: {result.evidence}"
                pods = f"kubectl -n {self._request.namespace} get pods -l app.kubernetes.io/name={row.step.name}"
                raise StepFailedError(Cause(f"gate {gate.name}", gate.kind, message, pods))
            await self._wait(self._never(), period_s)
            period_s = GATE_PERIOD_S

    async def _ask(self, gate: GateSpec, seconds: float) -> GateResult:
        """Check a gate once within that time; no answer is red."""
        asking = asyncio.ensure_future(self._means.check(self._row.step, gate))
        try:
            await self._wait(asking, seconds)
        except KollaK8sError as error:
            return GateResult(is_green=False, evidence=str(error))
        return asking.result() if asking.done() else GateResult(is_green=False, evidence="no answer")

    def _never(self) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    async def _cause(self, proof: Evidence) -> Cause:
        log = await self._last_lines(proof)
        return Cause(proof.place, proof.reason, proof.message, proof.command, proof.container, log)

    async def _last_lines(self, proof: Evidence) -> tuple[str, ...]:
        if proof.log is None:
            return ()
        space, target = str(proof.thing["metadata"].get("namespace", "")), proof.log
        try:
            text = await self._means.cluster.logs(
                space, target.pod, target.container, previous=target.is_previous, lines=LOG_LINES
            )
        except KollaK8sError as error:
            text = f"(its log cannot be read: {error})"
        return tuple(text.strip().splitlines())

    def _show(self, waits_for: str, warnings: list[str]) -> None:
        row = self._row
        if (row.waits_for, row.warnings) != (waits_for, warnings):
            row.waits_for, row.warnings = waits_for, warnings
            self._means.on_change(row)

    def _fail(self, cause: Cause) -> None:
        self._row.cause, self._row.failed_s = cause, self._shared.now_s()
        self._enter(Phase.FAILED)

    def _enter(self, phase: Phase) -> None:
        self._row.phase = phase
        if phase in DONE:
            self._row.waits_for = ""
        self._means.on_change(self._row)


async def _together(work: list[Coroutine[Any, Any, None]]) -> None:
    """Do all of it at once; the first failure ends the rest and is raised."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _word(error: KollaK8sError) -> str:
    if isinstance(error, ConflictError):
        return "conflict"
    return "refused" if isinstance(error, RefusedError) else "unusable"
