"""Several operators run the same command at once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.cluster.kills import Golden, mended
from tests.cluster.proxy import Asked, Moment
from tests.cluster.world import World, ended, note

pytestmark = [pytest.mark.cluster, pytest.mark.helm, pytest.mark.faults, pytest.mark.timeout(400)]
OPERATORS = 5
RACES = int(os.environ.get("FAULT_RACES", "1"))
CALL = 20
"""Mutating request after which the holder is stopped: in the middle of the first releases."""
STOPPED_S = 60


def writers(made: World, namespace: str) -> set[str]:
    """Who changed anything in a namespace but the Lease, by the API server's audit log."""
    return {who for who, _ in _writes(made, namespace)}


def writes(made: World, namespace: str, who: str) -> list[str]:
    """What somebody changed in a namespace but the Lease, by the API server's audit log."""
    return [what for writer, what in _writes(made, namespace) if writer == who]


def _writes(made: World, namespace: str) -> Iterator[tuple[str, str]]:
    for line in made.plane.audit_log.read_text().splitlines():
        event = json.loads(line)
        about = event.get("objectRef", {})
        is_ours = about.get("namespace") == namespace and "impersonatedUser" in event
        is_write = event["verb"] in {"create", "update", "patch", "delete"} and event["responseStatus"]["code"] < 300
        if is_ours and is_write and about["resource"] not in {"leases", "namespaces"}:
            yield event["impersonatedUser"]["username"], f"{event['verb']} {about['resource']} {about.get('name', '')}"


@pytest.mark.parametrize("race", range(RACES))
async def test_one_of_five_operators_writes_and_the_others_learn_who(
    made: World,
    golden: Golden,
    race: int,
) -> None:
    """
    The winner is held up at helm's first request until the losers have been told.
    """
    async with made.cloud() as cloud, AsyncExitStack() as proxies:
        are_told = asyncio.Event()

        async def hold_up(moment: Moment, asked: Asked) -> None:
            if moment is Moment.BEFORE and asked.is_helm:
                await are_told.wait()

        runs = []
        for number in range(OPERATORS):
            who = f"operator-{number}"
            proxy = await proxies.enter_async_context(made.proxy(cloud.folder / who, who=who))
            proxy.hook = hold_up
            runs.append(await cloud.start(kubeconfig=proxy.kubeconfig))
        endings = [asyncio.create_task(ended(run)) for run in runs]
        for count, over in enumerate(asyncio.as_completed(endings), start=1):
            await over
            if count == OPERATORS - 1:
                are_told.set()
        ends = [ending.result() for ending in endings]
        (winner,) = [place for place, end in enumerate(ends) if end.code == 0]
        problems: list[str] = []
        await mended(cloud, golden, await cloud.claims(), problems)
        wrote = writers(made, cloud.name) - {"operator"}

    note("race", number=race, codes=sorted(end.code for end in ends), wrote=sorted(wrote))
    losers = [end for place, end in enumerate(ends) if place != winner]
    assert [4] * (OPERATORS - 1) == [end.code for end in losers]
    assert [] == [end.stderr for end in losers if f":{runs[winner].pid}:" not in end.stderr]
    assert {f"operator-{winner}"} == wrote
    assert [] == problems


async def test_holder_that_was_stopped_for_a_minute_does_not_write_again(made: World, golden: Golden) -> None:
    """
    Another takes the cloud over when the Lease has run out; the first learns it when it goes on.
    """
    async with made.cloud() as cloud, made.proxy(cloud.folder / "stopped", who="stopped") as proxy:
        is_stopped = asyncio.Event()

        async def stop(moment: Moment, asked: Asked) -> None:
            if moment is Moment.AFTER and asked.number == CALL and not is_stopped.is_set():
                run.send_signal(signal.SIGSTOP)
                is_stopped.set()

        proxy.hook = stop
        run = await cloud.start(kubeconfig=proxy.kubeconfig)
        await is_stopped.wait()
        began = taken = time.monotonic()
        while (done := await cloud.install()).code == 4:
            assert f":{run.pid}:" in done.stderr
            taken = time.monotonic()
        while time.monotonic() - began < STOPPED_S:
            await cloud.install()
        before = len(writes(made, cloud.name, "stopped"))
        run.send_signal(signal.SIGCONT)
        end = await ended(run)
        after = len(writes(made, cloud.name, "stopped"))
        problems: list[str] = []
        await mended(cloud, golden, await cloud.claims(), problems)

    assert 0 == done.code, done.stderr
    note("stopped", taken_over_after_s=round(taken - began, 1), code=end.code, writes_afterwards=after - before)
    assert 4 == end.code, end.stderr
    assert before == after
    assert [] == problems
