"""The API is away, slow, overloaded or forgetful while a cloud is installed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from tests.cluster.digest import differences
from tests.cluster.kills import Golden, mended
from tests.cluster.proxy import Asked, Fault, Moment, Rule
from tests.cluster.results import known, note
from tests.cluster.world import World

SEEDS = int(os.environ.get("FAULT_SEEDS", "1"))
pytestmark = [pytest.mark.cluster, pytest.mark.helm, pytest.mark.faults, pytest.mark.timeout(400 * SEEDS)]
T = TypeVar("T")
WORK = frozenset({"secrets", "configmaps", "services", "deployments", "statefulsets", "jobs", "pods"})
"""What an install is about; not the Lease, whose refusal rightly reads as another's run."""
OUTAGES = [(2, 5), (5, 5), (12, 30), (24, 5), (40, 5), *([(8, 120), (30, 120)] if SEEDS > 1 else [])]
STORM = (
    Rule(Fault.STATUS, statuses=(500, 502, 503, 504)),
    Rule(Fault.STATUS, statuses=(429,), seconds=1),
    Rule(Fault.RESET),
    Rule(Fault.DROP),
)


def storm(share: float) -> list[Rule]:
    """Refusals, 429, broken lines and lost answers, each for its part of a share of all requests."""
    return [replace(rule, share=share / len(STORM)) for rule in STORM]


async def installed_under(
    made: World, golden: Golden, what: str, rules: Sequence[Rule], *, seed: int = 1
) -> tuple[int, int]:
    """Install under rules: what comes of it is said honestly, and mended by the same command; gives code and hits."""
    key = {"what": what, "seed": seed}
    found = known("faults", **key) or await _installed_under(made, golden, key, rules)

    assert [] == found["problems"]
    return found["code"], found["hits"]


async def _installed_under(made: World, golden: Golden, key: dict[str, Any], rules: Sequence[Rule]) -> dict[str, Any]:
    async with made.cloud(seed=key["seed"]) as cloud:
        cloud.proxy.rules = list(rules)
        done = await cloud.install()
        hits = cloud.proxy.hits.total()
        problems = differences(golden.digest, await cloud.digest()) if done.code == 0 else []
        if done.code not in {0, 1, 3}:
            problems.append(f"exit {done.code}: {done.stderr.strip()}")
        await mended(cloud, golden, await cloud.claims(), problems)
    return note("faults", key, problems, code=done.code, hits=hits)


async def under_a_storm(made: World, golden: Golden, share: float, seed: int) -> tuple[int, int]:
    """Install while a share of all requests fails."""
    return await installed_under(made, golden, f"{100 * share:.0f} % of all requests fail", storm(share), seed=seed)


async def test_one_request_in_a_hundred_fails_and_the_install_does_not(made: World, golden: Golden) -> None:
    """
    Ours and helm's: nobody has to repeat the command.
    """
    ends = await few_at_once(under_a_storm(made, golden, 0.01, seed) for seed in range(2, 5 + SEEDS))

    assert {0} == {code for code, _ in ends}
    assert sum(hits for _, hits in ends) > 0


@pytest.mark.parametrize("share", [0.05, 0.10])
async def test_storm_is_survived_or_told_and_mended(made: World, golden: Golden, share: float) -> None:
    """
    Helm, which gives up at the first refusal, may need the same command again; nothing is left behind.
    """
    ends = await few_at_once(under_a_storm(made, golden, share, seed) for seed in range(1, 1 + SEEDS))

    assert all(hits > 0 for _, hits in ends)


async def test_request_that_is_never_answered_costs_helm_a_try(made: World, golden: Golden) -> None:
    """
    Helm, which waits for ever, is ended and tried again; our own requests have a deadline anyway.
    """
    hole = Rule(Fault.BLACK_HOLE, verbs=frozenset({"create", "patch"}), resources=frozenset({"services"}), last=1)
    code, hits = await installed_under(made, golden, "a request of helm is never answered", [hole])

    assert (0, 1) == (code, hits)


async def test_slow_answers_cost_time_only(made: World, golden: Golden) -> None:
    """
    One in ten takes three seconds.
    """
    code, hits = await installed_under(
        made, golden, "one answer in ten takes 3 s", [Rule(Fault.DELAY, share=0.1, seconds=3)]
    )

    assert 0 == code
    assert hits > 0


@pytest.mark.parametrize("status", [401, 403, 409])
async def test_refusal_out_of_nothing_is_survived_or_told_and_mended(made: World, golden: Golden, status: int) -> None:
    """
    What is not believed to pass by itself ends the run, honestly; the same command goes on.
    """
    rule = Rule(Fault.STATUS, resources=WORK, statuses=(status,), share=0.05)
    _, hits = await installed_under(made, golden, f"5 % of all requests are refused with {status}", [rule])

    assert hits > 0


@pytest.mark.parametrize(
    ("what", "rule"),
    [
        ("watches are cut each second", Rule(Fault.CUT, seconds=1)),
        ("watches end with 410 every 5 s", Rule(Fault.EXPIRE, seconds=5)),
    ],
)
async def test_watches_that_end_early_cost_nothing(made: World, golden: Golden, what: str, rule: Rule) -> None:
    """
    No change is missed, and the install ends well.
    """
    code, hits = await installed_under(made, golden, what, [rule])

    assert 0 == code
    assert hits > 0


async def test_api_that_is_gone_for_a_while_is_waited_for(made: World, golden: Golden) -> None:
    """
    Before and after the hold, between helm's requests, longer than a hold is sure: the run goes on when it is back.
    """
    found = await few_at_once(installed_with_an_outage(made, golden, call, away_s) for call, away_s in OUTAGES)

    assert [(0, [])] * len(OUTAGES) == found


async def installed_with_an_outage(made: World, golden: Golden, call: int, away_s: float) -> tuple[int, list[str]]:
    """Install while the API is gone for so long from mutating request ``call`` on."""
    key = {"call": call, "away_s": away_s}
    found = known("outage", **key) or await _installed_with_an_outage(made, golden, key)
    return found["code"], found["problems"]


async def _installed_with_an_outage(made: World, golden: Golden, key: dict[str, Any]) -> dict[str, Any]:
    async with made.cloud() as cloud:
        outages: list[asyncio.Task[None]] = []

        async def go_away(moment: Moment, asked: Asked) -> None:
            if moment is Moment.BEFORE and asked.number == key["call"]:
                outages.append(asyncio.create_task(cloud.proxy.outage(key["away_s"])))

        cloud.proxy.hook = go_away
        done = await cloud.install()
        await asyncio.gather(*outages)
        problems = [f"exit {done.code}: {done.stderr.strip()}"] if done.code else []
        await mended(cloud, golden, await cloud.claims(), problems)
    assert 1 == len(outages)
    return note("outage", key, problems, code=done.code)


async def few_at_once(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Results of all, three at a time."""
    free = asyncio.Semaphore(3)

    async def one(coroutine: Coroutine[Any, Any, T]) -> T:
        async with free:
            return await coroutine

    return await asyncio.gather(*(one(coroutine) for coroutine in work))
