"""The clock of the tests is itself tested: it jumps only when everyone waits, and always in the same order."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes import FakeClock, SkewedClock


async def test_time_jumps_to_the_next_sleeper() -> None:
    """
    Three sleepers of different lengths wake in the order of their times, each at its own.
    """
    clock, woken = FakeClock(), []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.monotonic()))

    await asyncio.gather(sleep(3600), sleep(1), sleep(60))

    assert [(1, 1), (60, 60), (3600, 3600)] == woken


async def test_equals_wake_in_the_order_they_lay_down() -> None:
    """
    A run is the same each time.
    """
    clock, woken = FakeClock(), []

    async def sleep(name: int) -> None:
        await clock.sleep(5)
        woken.append(name)

    await asyncio.gather(*(sleep(name) for name in range(50)))

    assert list(range(50)) == woken


async def test_time_stands_still_while_anyone_works() -> None:
    """
    Work of many steps takes no time, though a sleeper waits.
    """
    clock, times = FakeClock(), []

    async def work() -> None:
        for _ in range(100):
            await asyncio.sleep(0)
            times.append(clock.monotonic())

    await asyncio.gather(clock.sleep(1), work())

    assert {0.0} == set(times)
    assert 1.0 == clock.monotonic()


async def test_cancelled_sleeper_moves_no_time() -> None:
    """
    Nobody waits for a time that nobody waits for.
    """
    clock = FakeClock()
    sleeping = asyncio.create_task(clock.sleep(100))
    await asyncio.sleep(0)
    sleeping.cancel()
    await clock.sleep(1)

    assert 1.0 == clock.monotonic()
    assert sleeping.cancelled()


async def test_clock_works_again_after_a_rest() -> None:
    """
    When all have woken, the next sleeper starts it anew.
    """
    clock = FakeClock()
    await clock.sleep(1)
    await asyncio.sleep(0.01)
    await clock.sleep(2)

    assert 3.0 == clock.monotonic()


@pytest.mark.parametrize("ahead_s", [-5.0, 5.0])
async def test_skewed_clock_is_wrong_on_the_wall_only(ahead_s: float) -> None:
    """
    A wrong clock runs at the right speed.
    """
    clock = FakeClock(wall_s=1000)
    wrong = SkewedClock(clock, ahead_s)
    await wrong.sleep(10)

    assert (10, 1010 + ahead_s) == (wrong.monotonic(), wrong.wall())
    assert 1010 == clock.wall()
