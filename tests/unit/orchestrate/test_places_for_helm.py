"""A limited number of places goes to the most important who waits."""

from __future__ import annotations

import asyncio

from kolla_k8s.orchestrate.slots import Slots
from tests.unit.orchestrate.virtual import run


async def hold(slots, order, weight, name, seconds=10.0):
    async with slots.place(weight, name):
        order.append(name)
        await asyncio.sleep(seconds)


def held(*wishes, cancelled=(), after_s=1.0):
    """The order in which places were given, when some who wait (or hold one) are cancelled after a moment."""

    async def all_of_them():
        slots, order = Slots(1), []
        tasks = {name: asyncio.create_task(hold(slots, order, weight, name)) for weight, name in wishes}
        await asyncio.sleep(after_s)
        for name in cancelled:
            tasks[name].cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        return order

    return run(all_of_them())


def test_heavier_goes_first_and_equals_by_name():
    """
    Not the first who asked, but for whom a place was free.
    """
    assert ["a", "z", "b", "c"] == held((1, "a"), (2, "c"), (2, "b"), (3, "z"))


def test_place_of_one_who_gave_up_waiting_is_not_lost():
    """
    Nor given to nobody.
    """
    assert ["a", "c"] == held((1, "a"), (3, "b"), (2, "c"), cancelled=["b"])


def test_place_of_one_who_is_ended_is_free_again():
    """
    As if the work were done.
    """
    assert ["a", "b"] == held((1, "a"), (1, "b"), cancelled=["a"])


def test_place_given_in_the_moment_of_giving_up_goes_on_to_the_next():
    """
    Both happen before the one who waits can run again.
    """

    async def at_once():
        slots, order = Slots(1), []
        async with slots.place(1, "a"):
            tasks = [asyncio.create_task(hold(slots, order, 1, name)) for name in "bc"]
            await asyncio.sleep(1)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return order

    assert ["c"] == run(at_once())
