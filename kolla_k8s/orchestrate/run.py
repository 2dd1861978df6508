"""Carry out a plan: every step as soon as its needs are green, nothing sooner, nothing later.

A true DAG: there are no layers and no polling. The end of a step begins, in the same moment, every step that waited for
nothing else. A failure stops only what depends on it. Knows no helm, no API and no screen: what one step does is
``step``'s business, here is only when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kolla_k8s.model.plan import Plan
from kolla_k8s.orchestrate.inventory import Inventory
from kolla_k8s.orchestrate.means import Means, Shared
from kolla_k8s.orchestrate.ready import State
from kolla_k8s.orchestrate.report import DONE, Phase, Report, Row
from kolla_k8s.orchestrate.slots import Slots
from kolla_k8s.orchestrate.step import Carrier
from kolla_k8s.orchestrate.view import view_of

__all__ = ["Means", "execute", "weights"]


async def execute(plan: Plan, means: Means) -> Report:
    """Run every step of a plan and report; raises only what makes the whole run impossible."""
    run = _Run(plan, means)
    await run.carry_out()
    run.report.took_s = run.shared.now_s()
    return run.report


def weights(plan: Plan) -> dict[str, int]:
    """Length of the longest chain of steps that waits behind each step, itself included."""
    users = _users(plan)
    found: dict[str, int] = {}

    def weigh(name: str) -> int:
        if name not in found:
            found[name] = 1 + max((weigh(user) for user in users[name]), default=0)
        return found[name]

    return {name: weigh(name) for name in users}


def _users(plan: Plan) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {step.name: [] for step in plan.steps}
    for step in plan.steps:
        for need in step.needs:
            users[need].append(step.name)
    return users


class _Run:
    """The state of one run."""

    def __init__(self, plan: Plan, means: Means) -> None:
        inventory = Inventory(means.cluster, means.observer.store)
        self.means = means
        self.shared = Shared(means, Slots(means.helm_slots), inventory, weights(plan), means.clock.monotonic())
        self.report = Report(plan, {step.name: Row(step) for step in plan.steps}, means.clock.wall())
        self.users = _users(plan)
        self._tasks: set[asyncio.Task[None]] = set()

    async def carry_out(self) -> None:
        """Return when every row is done; a bug in a step ends all and is raised."""
        stopping = asyncio.create_task(self._when_stopped())
        try:
            for row in self.report.rows.values():
                self._consider(row)
            for row in self.report.rows.values():
                self.means.on_change(row)
            while self._tasks:
                done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                self._tasks -= done
                for task in done:
                    task.result()
        finally:
            stopping.cancel()
            await self._give_up()

    async def _give_up(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _when_stopped(self) -> None:
        await self.means.stop.wait()
        for row in self.report.rows.values():
            self._consider(row)

    def _consider(self, row: Row) -> None:
        """Begin a step that waits for nothing any more, or end it when it cannot begin."""
        if row.phase is not Phase.WAITING or row.needs_ready_s is not None:
            return
        needs = [self.report.rows[need] for need in row.step.needs]
        if lost := sorted({name for need in needs for name in _lost(need)}):
            row.lost = tuple(lost)
            self._end(row, Phase.NOT_TRIED)
        elif self.means.stop.is_set() or any(need.phase is Phase.STOPPED for need in needs):
            self._end(row, Phase.STOPPED)
        elif all(need.phase is Phase.GREEN for need in needs):
            row.waits_for, row.needs_ready_s = "", self.shared.now_s()
            self._tasks.add(asyncio.create_task(self._step(row)))
        else:
            row.waits_for = ", ".join(need.step.name for need in needs if need.phase not in DONE)

    def _end(self, row: Row, phase: Phase) -> None:
        row.phase, row.waits_for = phase, ""
        self.means.on_change(row)
        self._tell_users(row)

    def _tell_users(self, row: Row) -> None:
        """Let the steps that need this one see how it ended, those with the longest chain behind them first."""
        for name in sorted(self.users[row.step.name], key=lambda user: (-self.shared.weights[user], user)):
            self._consider(self.report.rows[name])

    async def _step(self, row: Row) -> None:
        carrier = Carrier(row, self.shared, self._are_needs_up(row))
        await carrier.carry_out()
        self._tell_users(row)
        await carrier.tidy()

    def _are_needs_up(self, row: Row) -> Callable[[], bool]:
        """Give a question whether all that a step needs, which was green, still is: else its crashes prove nothing."""
        return lambda: all(self._is_up(self.report.rows[need]) for need in row.step.needs)

    def _is_up(self, row: Row) -> bool:
        request, manifest = row.step.request, self.shared.manifests.get(row.step.name, [])
        view = view_of(self.means.observer.store, request.namespace, request.release, manifest)
        return all(seen.verdict.state is State.READY for seen in view.objects)


def _lost(row: Row) -> tuple[str, ...]:
    """Name the steps whose failure is the reason that this one is not there: itself, or those that kept it away."""
    if row.phase is Phase.FAILED:
        return (row.step.name,)
    return row.lost if row.phase is Phase.NOT_TRIED else ()
