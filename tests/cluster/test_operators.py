"""Several operators run the same command at once."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kolla_k8s.orchestrate.lease import DURATION_S
from sandbox import pki
from sandbox.control_plane import events, write_kubeconfig
from tests.cluster.kills import Golden, mended
from tests.cluster.proxy import Asked, Moment
from tests.cluster.results import known, note
from tests.cluster.world import Cloud, Ended, World, ended

pytestmark = [pytest.mark.cluster, pytest.mark.helm, pytest.mark.faults, pytest.mark.timeout(400)]
OPERATORS = 5
NAME = "operator-"
RACES = int(os.environ.get("FAULT_RACES", "1"))
CALL = 20
"""Mutating request after which the holder is stopped: in the middle of the first releases."""
STOPPED_S = 60


def writers(made: World, namespace: str) -> set[str]:
    """Which operators changed anything in a namespace but the Lease, by the API server's audit log."""
    return {who for who, _ in _writes(made, namespace) if who.startswith(NAME)}


def writes(made: World, namespace: str, who: str) -> list[str]:
    """What somebody changed in a namespace but the Lease, by the API server's audit log."""
    return [what for writer, what in _writes(made, namespace) if writer == who]


def _writes(made: World, namespace: str) -> Iterator[tuple[str, str]]:
    for event in events(made.plane.audit_log):
        about, who = event.get("objectRef", {}), event.get("impersonatedUser", event["user"])["username"]
        is_write = event["verb"] in {"create", "update", "patch", "delete"} and event["responseStatus"]["code"] < 300
        if about.get("namespace") == namespace and is_write and about["resource"] not in {"leases", "namespaces"}:
            yield who, f"{event['verb']} {about['resource']} {about.get('name', '')}"


@pytest.fixture(scope="module")
def operators(made: World) -> list[str]:
    """Names of operators with a certificate: they ask the API server itself, for a proxy would want a processor."""
    names = [f"{NAME}{number}" for number in range(OPERATORS)]
    for who in names:
        pki.leaf(made.plane.state / "pki", who, f"/O=system:masters/CN={who}", f"DNS:{who}")
    return names


@contextmanager
def full(made: World) -> Iterator[None]:
    """No pod finds a node, so no install ends."""
    node, merge = "/api/v1/nodes/kwok", "application/merge-patch+json"
    made.api().ask("PATCH", node, {"spec": {"unschedulable": True}}, merge)
    try:
        yield
    finally:
        made.api().ask("PATCH", node, {"spec": {"unschedulable": None}}, merge)


@pytest.mark.parametrize("race", range(RACES))
async def test_one_of_five_operators_writes_and_the_others_learn_who(
    made: World, golden: Golden, operators: list[str], race: int
) -> None:
    """
    The winner does not come to its end before the losers have been told; they do not wait for its Lease.
    """
    found = known("race", number=race) or await _raced(made, golden, operators, race)

    assert [] == found["problems"]
    assert [0] + [4] * (OPERATORS - 1) == found["codes"]
    assert 1 == len(found["wrote"])
    assert found["told_in_leases"] < 0.5


async def _raced(made: World, golden: Golden, operators: list[str], race: int) -> dict[str, Any]:
    async with made.cloud() as cloud:
        with full(made):
            for who in operators:
                write_kubeconfig(made.plane.state, cloud.folder / who, made.plane.url, who)
            began_s = time.monotonic()
            runs = [await cloud.start(kubeconfig=cloud.folder / who) for who in operators]
            endings = [asyncio.create_task(ended(run)) for run in runs]
            for over in itertools.islice(asyncio.as_completed(endings), OPERATORS - 1):
                await over
            told_s = time.monotonic() - began_s
        ends = [await ending for ending in endings]
        problems = _misled(ends, [run.pid for run in runs])
        await mended(cloud, golden, await cloud.claims(), problems)
        wrote = sorted(writers(made, cloud.name))
    problems += [f"{who} wrote, and did not hold the cloud" for who in wrote if ends[int(who[-1])].code]
    facts = {"codes": sorted(end.code for end in ends), "wrote": wrote, "told_in_leases": round(told_s / DURATION_S, 3)}
    return note("race", {"number": race}, problems, **facts)


def _misled(ends: list[Ended], pids: list[int]) -> list[str]:
    """What losers said that does not name the winner."""
    winners = [f":{pid}:" for pid, end in zip(pids, ends, strict=True) if end.code == 0]
    return [end.stderr for end in ends if end.code and not any(winner in end.stderr for winner in winners)]


async def test_holder_that_was_stopped_for_a_minute_does_not_write_again(made: World, golden: Golden) -> None:
    """
    Another takes the cloud over within one and a half times the Lease's duration, and what a run needs to ask for it;
    the first learns it when it goes on.
    """
    found = known("stopped") or await _stopped(made, golden)

    assert [] == found["problems"]
    assert 4 == found["code"]
    assert 0 == found["writes_afterwards"]
    assert found["taken_over_after_s"] <= 1.5 * DURATION_S + 2 * found["longest_refusal_s"]


async def _stopped(made: World, golden: Golden) -> dict[str, Any]:
    async with made.cloud() as cloud, made.proxy(cloud.folder / "stopped", who="stopped") as proxy:
        is_stopped = asyncio.Event()

        async def stop(moment: Moment, asked: Asked) -> None:
            if moment is Moment.AFTER and asked.number == CALL and not is_stopped.is_set():
                run.send_signal(signal.SIGSTOP)
                is_stopped.set()

        proxy.hook = stop
        run = await cloud.start(kubeconfig=proxy.kubeconfig)
        await is_stopped.wait()
        began_s = time.monotonic()
        (taken_s, before), refusals_s, problems = await _taken_over(made, cloud, run.pid)
        while time.monotonic() - began_s < STOPPED_S:
            await cloud.install()
        run.send_signal(signal.SIGCONT)
        end = await ended(run)
        after = len(writes(made, cloud.name, "stopped"))
        await mended(cloud, golden, await cloud.claims(), problems)
    facts = {"taken_over_after_s": round(taken_s - began_s, 1), "longest_refusal_s": round(max(refusals_s), 1)}
    return note("stopped", {}, problems, code=end.code, writes_afterwards=after - before, **facts)


async def _taken_over(made: World, cloud: Cloud, pid: int) -> tuple[tuple[float, int], list[float], list[str]]:
    """Repeat the command until it is not refused.

    Returns:
        When it took the Lease and how often the stopped run and its helm had written by then; how long refusals took;
        what was wrong.
    """
    taken: list[tuple[float, int]] = []

    async def see(moment: Moment, asked: Asked) -> None:
        if moment is Moment.BEFORE and (asked.verb, asked.resource) == ("update", "leases"):
            taken.append((time.monotonic(), len(writes(made, cloud.name, "stopped"))))

    cloud.proxy.hook = see
    refusals_s, problems = [0.0], []
    began_s = time.monotonic()
    while (done := await cloud.install()).code == 4:
        refusals_s.append(time.monotonic() - began_s)
        problems += [] if f":{pid}:" in done.stderr else [done.stderr]
        began_s = time.monotonic()
    if done.code:
        problems.append(f"exit {done.code}: {done.stderr.strip()}")
    return taken[0], refusals_s, problems
