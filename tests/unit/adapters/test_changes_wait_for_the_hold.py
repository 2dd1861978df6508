"""What changes the cluster asks before every try whether the cloud is still ours; what reads never does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kolla_k8s.adapters.kube import KubeCluster
from kolla_k8s.errors import HeldError
from kolla_k8s.ports import Command, Resource
from tests.unit.adapters.scripted import Stage, hangs_up, refuses, says

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
THERE: dict[str, Any] = {"metadata": {"name": "one", "namespace": "s", "resourceVersion": "2"}, "data": {"a": "1"}}
CHANGES: dict[str, Callable[[KubeCluster], Awaitable[Any]]] = {
    "create": lambda cluster: cluster.create(CONFIG_MAPS, {"metadata": {"name": "one"}}, "s"),
    "replace": lambda cluster: cluster.replace(CONFIG_MAPS, THERE, "s"),
    "patch": lambda cluster: cluster.patch(CONFIG_MAPS, "one", {"data": {"a": "1"}}, "s"),
    "delete": lambda cluster: cluster.delete(CONFIG_MAPS, "one", "s"),
}


class Told:
    """A hold that is asked, and lost after some answers; notes how many requests had been sent each time."""

    def __init__(self, stage: Stage, *, answers: int = 100) -> None:
        self.stage, self.answers = stage, answers
        self.asked: list[int] = []

    async def sure(self) -> None:
        self.asked.append(sum(seen.method != "GET" for seen in self.stage.script.seen))
        if len(self.asked) > self.answers:
            raise HeldError("the hold of the cloud was lost to another run")


@pytest.mark.parametrize("verb", CHANGES)
async def test_each_try_of_a_change_asks_for_the_hold(stage: Stage, verb: str) -> None:
    """
    Not the first alone: between two tries another run may have taken the cloud.
    """
    told = Told(stage)
    lookup = [refuses(404, "not found")] if verb == "create" else []
    stage.script.replies = [hangs_up, *lookup, refuses(429, "slow down"), says(THERE)]
    await CHANGES[verb](stage.cluster.held(told.sure))

    assert [0, 1, 2] == told.asked


@pytest.mark.parametrize("verb", CHANGES)
async def test_change_is_not_sent_again_when_the_hold_was_lost(stage: Stage, verb: str) -> None:
    """
    Its first try broke off, and the cloud is another's since then.
    """
    told = Told(stage, answers=1)
    lookup = [refuses(404, "not found")] if verb == "create" else []
    stage.script.replies = [hangs_up, *lookup, says(THERE)]
    with pytest.raises(HeldError):
        await CHANGES[verb](stage.cluster.held(told.sure))

    assert 1 == sum(seen.method != "GET" for seen in stage.script.seen)


async def test_command_in_a_container_is_not_begun_without_the_hold(stage: Stage) -> None:
    """
    It may change anything.
    """
    with pytest.raises(HeldError):
        await stage.cluster.held(Told(stage, answers=0).sure).exec("s", "p", "c", Command(["true"]))

    assert [] == stage.script.seen


async def test_reading_does_not_ask_for_the_hold(stage: Stage) -> None:
    """
    A run in doubt goes on looking.
    """
    told = Told(stage)
    stage.script.replies = [hangs_up, says(THERE), says({"metadata": {}, "items": []})]
    held = stage.cluster.held(told.sure)
    await held.get(CONFIG_MAPS, "one", "s")
    await held.list(CONFIG_MAPS, "s")

    assert [] == told.asked
