"""Kill the tool, helm or both at every mutating request of an install, and see whether the same command mends it.

A point is who is killed, at which request, and whether the server's answer had been passed on. After every other one
the command is repeated at once, while the helm of the killed run may still be at work. The tests take a sample;
``python -m tests.cluster.kills`` runs every point and keeps what it found in a file, so that it can be interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.cluster.digest import differences
from tests.cluster.proxy import Asked, Moment
from tests.cluster.world import Cloud, World, ended, world

AT_ONCE = 3


class Victim(StrEnum):
    """Who is killed."""

    CLI = "cli"
    HELM = "helm"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Golden:
    """An install that nobody troubled.

    Attributes:
        digest: What the cluster held afterwards.
        calls: How many mutating requests it made, without renewals of the Lease: they go by the clock.
        helm_calls: How many of them were helm's.
    """

    digest: dict[str, Any]
    calls: int
    helm_calls: int

    def calls_for(self, victim: Victim) -> int:
        """How many points there are for a victim; helm can only be killed at its own requests."""
        return self.helm_calls if victim is Victim.HELM else self.calls


@dataclass(frozen=True, slots=True)
class Point:
    """Kill ``victim`` at mutating request number ``call`` (of helm's, when helm alone is killed)."""

    victim: Victim
    moment: Moment
    call: int

    def __str__(self) -> str:
        """Its name in results."""
        return f"{self.victim}-{self.moment}-{self.call}"

    @property
    def is_repeated_at_once(self) -> bool:
        """Whether nobody waits for the helm of a killed run before the command is repeated."""
        return self.victim is Victim.CLI and self.call % 2 == 1

    def is_at(self, asked: Asked, so_far: Sequence[Asked]) -> bool:
        """Whether this request is the one; ``so_far`` are all mutating requests up to it."""
        if self.victim is not Victim.HELM:
            return asked.number == self.call
        return asked.is_helm and self.call == sum(one.is_helm for one in so_far[: asked.number])


@dataclass(slots=True)
class Outcome:
    """What became of a point: ``problems`` is empty when all is well.

    After its last answer helm may have ended before it could be killed; then ``killed`` is 0. Before it, it waits.
    """

    point: str
    request: str = ""
    killed: int = 0
    first_code: int = 0
    problems: list[str] = field(default_factory=list)


async def golden_install(made: World) -> Golden:
    """Install without any fault."""
    async with made.cloud() as cloud:
        done = await cloud.install()
        assert done.code == 0, done.stderr
        calls = cloud.proxy.mutations
        renewals = [asked for asked in calls if (asked.verb, asked.resource) == ("update", "leases")][:-1]
        return Golden(await cloud.digest(), len(calls) - len(renewals), sum(asked.is_helm for asked in calls))


async def try_point(made: World, point: Point, golden: Golden) -> Outcome:
    """Install until the point, kill, install again, and compare."""
    outcome = Outcome(str(point))
    async with made.cloud() as cloud:
        run = await cloud.start()

        async def kill(moment: Moment, asked: Asked) -> None:
            is_here = moment is point.moment and point.is_at(asked, cloud.proxy.mutations)
            if is_here and not outcome.request:
                outcome.request = f"{asked.verb} {asked.resource} {asked.name}".rstrip()
                outcome.killed = _kill(point.victim, cloud, run)
                if moment is Moment.BEFORE and not outcome.killed:
                    outcome.problems.append("who waited for the answer was not found")

        cloud.proxy.hook = kill
        first = await ended(run)
        outcome.first_code = first.code
        if not outcome.request:
            outcome.problems.append("the install made fewer requests")
        if not point.is_repeated_at_once:
            await _settled(cloud, outcome, is_left_alone=point.victim is Victim.HELM)
        before = await cloud.claims()
        if first.code == 0:
            outcome.problems += differences(golden.digest, await cloud.digest())
        await mended(cloud, golden, before, outcome.problems)
    return outcome


async def mended(cloud: Cloud, golden: Golden, claims: dict[str, str], problems: list[str]) -> None:
    """Run the same command without a fault, and note all that is not as after an install that nobody troubled."""
    cloud.proxy.hook, cloud.proxy.rules = None, []
    again = await cloud.install()
    if again.code:
        problems.append(f"the same command exits {again.code}: {again.stderr.strip()}")
    if left := cloud.helms():
        problems.append(f"helm is left behind: {left}")
    now = await cloud.claims()
    problems += [f"claim {name} was made anew" for name, uid in claims.items() if now.get(name) != uid]
    problems += differences(golden.digest, await cloud.digest())


def _kill(victim: Victim, cloud: Cloud, run: asyncio.subprocess.Process) -> int:
    """SIGKILL, helm first: it would learn of its parent's death; gives how many were killed."""
    pids = cloud.helms() if victim is not Victim.CLI else []
    pids += [run.pid] if victim is not Victim.HELM else []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


async def _settled(cloud: Cloud, outcome: Outcome, *, is_left_alone: bool) -> None:
    """Helm must end by itself when its run was killed, and must be gone when its run has ended."""
    if is_left_alone and (left := cloud.helms()):
        outcome.problems.append(f"helm works on after its run: {left}")
    try:
        await cloud.helms_have_ended()
    except TimeoutError:
        outcome.problems.append("helm goes on without its run")


def spread(golden: Golden, victim: Victim, moment: Moment, count: int) -> list[Point]:
    """Points all over the install; another victim or moment gives other ones."""
    total = golden.calls_for(victim)
    shift = [*Victim].index(victim) * 2 + [*Moment].index(moment)
    return [
        Point(victim, moment, 1 + (number * total + shift * total // 6) // count % total) for number in range(count)
    ]


def all_points(golden: Golden) -> list[Point]:
    """Every point."""
    return [
        Point(victim, moment, call)
        for victim in Victim
        for moment in Moment
        for call in range(1, golden.calls_for(victim) + 1)
    ]


async def try_points(made: World, points: Sequence[Point], golden: Golden) -> list[Outcome]:
    """Try some, a few at once."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(point: Point) -> Outcome:
        async with free:
            return await try_point(made, point, golden)

    return await asyncio.gather(*(one(point) for point in points))


async def try_all(made: World, results: Path) -> bool:
    """Try every point that the results do not hold as good; whether all are good in the end."""
    known: dict[str, Any] = json.loads(results.read_text()) if results.exists() else {}
    golden = await golden_install(made)
    points = all_points(golden)
    due = [point for point in points if known.get(str(point), {"problems": ["not tried"]})["problems"]]
    print(f"{len(points)} points, {len(due)} to try", flush=True)
    while due:
        for outcome in await try_points(made, due[:AT_ONCE], golden):
            known[outcome.point] = asdict(outcome)
            print(outcome.point, outcome.request, "; ".join(outcome.problems) or "ok", flush=True)
        partial = results.with_suffix(".new")
        partial.write_text(json.dumps(known, indent=1))
        partial.replace(results)
        del due[:AT_ONCE]
    return not any(known[str(point)]["problems"] for point in points)


def main() -> None:
    """Try every point; exit 1 when one is not good."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("results", type=Path, help="file of results; the good ones in it are not tried again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as made:
        is_good = asyncio.run(try_all(made, options.results))
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
