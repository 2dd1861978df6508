"""Several operators run the same command at once."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from tests.cluster.kills import Golden, mended
from tests.cluster.proxy import Asked, Moment
from tests.cluster.world import World, ended

pytestmark = [pytest.mark.cluster, pytest.mark.helm, pytest.mark.faults, pytest.mark.timeout(400)]
OPERATORS = 5


def writers(made: World, namespace: str) -> set[str]:
    """Who changed anything in a namespace but the Lease, by the API server's audit log."""
    found = set()
    for line in made.plane.audit_log.read_text().splitlines():
        event = json.loads(line)
        about = event.get("objectRef", {})
        is_ours = about.get("namespace") == namespace and "impersonatedUser" in event
        is_write = event["verb"] in {"create", "update", "patch", "delete"} and event["responseStatus"]["code"] < 300
        if is_ours and is_write and about["resource"] not in {"leases", "namespaces"}:
            found.add(event["impersonatedUser"]["username"])
    return found


async def test_one_of_five_operators_writes_and_the_others_learn_who(made: World, golden: Golden) -> None:
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

    losers = [end for place, end in enumerate(ends) if place != winner]
    assert [4] * (OPERATORS - 1) == [end.code for end in losers]
    assert [] == [end.stderr for end in losers if f":{runs[winner].pid}:" not in end.stderr]
    assert {f"operator-{winner}"} == wrote
    assert [] == problems
