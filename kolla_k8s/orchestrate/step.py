"""Carry out one step of a plan: helm, then the objects, then the gates; tell on the way what it waits for.

Apart from ``run``, which decides when a step may begin: here is only what one step does and how it ends. Every failure
ends as a ``Cause`` in the step's row; nothing is raised but what is a bug.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from kolla_k8s.errors import ConflictError, KollaK8sError, RefusedError
from kolla_k8s.model.node_parts import NodeParts
from kolla_k8s.model.plan import Action, GateSpec
from kolla_k8s.orchestrate.evidence import Evidence, short
from kolla_k8s.orchestrate.gate import GateResult
from kolla_k8s.orchestrate.judge import Judge, Judgement, progress_of
from kolla_k8s.orchestrate.kinds import POD
from kolla_k8s.orchestrate.logline import LOG_PERIOD_S, LogLine
from kolla_k8s.orchestrate.means import Shared
from kolla_k8s.orchestrate.members import let_leave
from kolla_k8s.orchestrate.mend import (
    apply_remedy,
    delete_failed_jobs,
    delete_stuck_pods,
    delete_unbound_sets,
    prune_config_maps,
)
from kolla_k8s.orchestrate.nodes import NodePod, ensure_parts, node_pods, to_replace, waits_for_node
from kolla_k8s.orchestrate.ready import State, assess
from kolla_k8s.orchestrate.records import said
from kolla_k8s.orchestrate.report import DONE, Cause, Phase, Row
from kolla_k8s.orchestrate.store import Owner
from kolla_k8s.orchestrate.view import ReleaseView, view_of
from kolla_k8s.ports import KubeObject

GATE_PERIOD_S = 1.0
REPLACE_TRIES = 3
FIRST_GATE_PERIOD_S = 0.5
LOG_LINES = 15


class StepFailedError(Exception):
    """The step is lost, and why."""

    def __init__(self, cause: Cause, seen_s: float | None = None) -> None:
        """Keep the cause, and the monotonic time of its first evidence; None when only patience ended."""
        super().__init__(cause.message)
        self.cause, self.seen_s = cause, seen_s


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
            work = {Action.REMOVE: self._remove, Action.ROLL: self._roll}
            await work.get(row.step.action, self._bring_up)()
            self._enter(Phase.GREEN)
        except StoppedError:
            self._enter(Phase.STOPPED)
        except StepFailedError as error:
            self._fail(error.cause, error.seen_s)
        except KollaK8sError as error:
            self._fail(Cause(row.step.name, _word(error), str(error)), self._means.clock.monotonic())
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
        if row.step.node_parts is not None and row.step.action is not Action.CHECK:
            await self._follow_nodes(row.step.node_parts)
        row.objects_ready_s = self._shared.now_s()
        self._enter(Phase.GATING)
        await self._gates()
        row.gate_green_s = self._shared.now_s()

    async def _gates(self) -> None:
        await _together([self._gate(gate) for gate in self._row.step.gates])

    async def _follow_nodes(self, parts: NodeParts) -> None:
        """Make pods anew that started with something else of their node's own; those that wait for it are told of."""
        pods = await node_pods(self._means.cluster, self._request.namespace, parts)
        due = [pod for pod in pods if pod.has_old_part and not pod.is_on_delete]
        for some in to_replace(due):
            await self._replace(some, parts)
        self._row.old_nodes = sorted({pod.node for pod in pods if pod.is_on_delete and pod.is_due})

    async def _roll(self) -> None:
        """Make pods anew that run what was there before; each is back, with all gates, before the next one goes."""
        row, means = self._row, self._means
        parts, space = row.step.node_parts or NodeParts(row.step.name), self._request.namespace
        async with self._slot():
            self._enter(Phase.ROLLING)
            self._judge = Judge(since=means.observer.store.change, redact=means.redact)
            self._manifest = self._shared.manifests[row.step.name] = await means.helm.manifest(row.step.name, space)
        await means.observer.watch_manifest(self._manifest, space)
        pods = await node_pods(means.cluster, space, parts)
        for some in to_replace(pod for pod in pods if pod.is_due and pod.node in (row.step.nodes or {pod.node})):
            await self._replace(some, parts)
            await self._gates()
        row.objects_ready_s = row.gate_green_s = self._shared.now_s()

    async def _replace(self, pods: list[NodePod], parts: NodeParts) -> None:
        """Delete pods and wait for their followers; one that saw an old copy of its node's part is deleted again."""
        cluster, space = self._means.cluster, self._request.namespace
        places = {(pod.node, pod.owner) for pod in pods}
        for _ in range(REPLACE_TRIES):
            self.raise_if_stopped()
            for pod in pods:
                with contextlib.suppress(ConflictError):  # another one stands there already
                    await cluster.delete(POD, pod.name, space, uid=pod.uid)
            await self._objects(partial(waits_for_node, self._means.observer.store, self._owner, pods))
            now = await node_pods(cluster, space, parts)
            pods = [pod for pod in now if pod.is_due and (pod.node, pod.owner) in places]
            if not pods:
                self._row.rolled += sorted({node for node, _ in places})
                self._means.on_change(self._row)
                return
        message = f"came up {REPLACE_TRIES} times with what was there before"
        command = f"kubectl -n {space} get configmap {parts.name}"
        raise StepFailedError(Cause(f"Pod {pods[0].name} on node {pods[0].node}", "old", message, command))

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
        if step.node_parts is not None and step.action is not Action.CHECK:
            await ensure_parts(means.cluster, space, step.node_parts)
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

    async def _objects(self, misses: Callable[[], str] = str) -> None:
        """Wait until every object is ready; raises the first cause that is proven, or that nothing moves any more.

        ``misses`` names what must be there besides; empty when nothing is missing.
        """
        self._progress_s = self._means.clock.monotonic()
        while True:
            news = self._means.observer.news(self._owner)
            view, judgement = self._look()
            missing = misses() if judgement.state is State.READY else ""
            if judgement.state is State.READY and not missing:
                news.cancel()
                self._row.waits_for, self._row.warnings = "", []
                return
            self._note_progress(progress_of(view) | self._log.facts())
            await self._raise_if_failed(judgement)
            waits_for = self._tell(judgement, missing)
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
            raise StepFailedError(await self._cause(judgement.cause), judgement.seen_s)

    def _tell(self, judgement: Judgement, missing: str) -> str:
        """Show what the step waits for, in the words of its own log where it has one."""
        self._log.follow(judgement.blocker, self._request.namespace)
        line = short(self._means.redact(self._log.line))
        waits_for = str(judgement.blocker.with_log(line)) if judgement.blocker else missing
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
        deadline_s, period_s, red_s = clock.monotonic() + gate.timeout_s, FIRST_GATE_PERIOD_S, None
        while True:
            result = await self._ask(gate, deadline_s - clock.monotonic(), row.evidence.get(gate.name, ""))
            row.evidence[gate.name] = result.evidence
            if result.is_green:
                return
            red_s = clock.monotonic() if red_s is None else red_s
            await self._raise_if_failed(self._look()[1])
            self._show(f"gate {gate.name}: {result.evidence}", row.warnings)
            if clock.monotonic() >= deadline_s:
                message = f"still red after {gate.timeout_s:.0f} s: {result.evidence}"
                pods = f"kubectl -n {self._request.namespace} get pods -l app.kubernetes.io/name={row.step.name}"
                raise StepFailedError(Cause(f"gate {gate.name}", gate.kind, message, pods), red_s)
            await self._wait(self._never(), period_s)
            period_s = GATE_PERIOD_S

    async def _ask(self, gate: GateSpec, seconds: float, before: str) -> GateResult:
        """Check a gate once within that time; no answer is red, and what it said before stays said."""
        asking = asyncio.ensure_future(self._means.check(self._row.step, gate))
        try:
            await self._wait(asking, seconds)
        except KollaK8sError as error:
            return GateResult(is_green=False, evidence=str(error))
        return asking.result() if asking.done() else GateResult(is_green=False, evidence=before or "no answer")

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
        return said(text)[-LOG_LINES:]

    def _show(self, waits_for: str, warnings: list[str]) -> None:
        row = self._row
        if (row.waits_for, row.warnings) != (waits_for, warnings):
            row.waits_for, row.warnings = waits_for, warnings
            self._means.on_change(row)

    def _fail(self, cause: Cause, seen_s: float | None) -> None:
        self._row.cause, self._row.failed_s = cause, self._shared.now_s()
        self._row.first_evidence_s = None if seen_s is None else seen_s - self._shared.began_s
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
