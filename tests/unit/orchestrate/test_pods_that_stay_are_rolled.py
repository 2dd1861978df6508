"""Pods that an install leaves as they were are told of, and a roll makes them anew, node by node."""

from __future__ import annotations

import asyncio

from kolla_k8s.model.node_parts import NodeParts
from kolla_k8s.model.plan import Action
from kolla_k8s.orchestrate.kinds import CONTROLLER_REVISION, DAEMON_SET, POD
from kolla_k8s.orchestrate.nodes import NodePod, node_pods, to_replace
from kolla_k8s.orchestrate.report import Phase
from tests.unit.orchestrate.node_world import SPACE, own, story


def test_pods_that_stay_are_told_of():
    """
    In the report, with the command that makes them anew, as often as it is asked.
    """

    async def tell(world):
        world.image = "two"
        first, row = await world.install()
        again, _ = await world.install(action=Action.UNCHANGED)
        return first.text(), again.text(), row.old_nodes, len(world.nodes.made)

    first, again, old, made = story(tell, "OnDelete")

    line = "agents: pods of before run on a, b, c; `kolla-k8s roll agents` makes them anew"
    assert line in first
    assert line in again
    assert (["a", "b", "c"], 3) == (old, made)


def test_part_of_a_node_waits_for_the_roll_too():
    """
    What guests depend on is not restarted by an install.
    """

    async def tell(world):
        _, row = await world.install(own(b=1), Action.UNCHANGED)
        rolled = await world.roll()
        return row.old_nodes, row.rolled, rolled[1].rolled

    assert (["b"], [], ["b"]) == story(tell, "OnDelete")


def test_roll_makes_every_old_pod_anew_one_by_one():
    """
    After it all of them run the newest template, and there is nothing to roll.
    """

    async def tell(world):
        world.image = "two"
        await world.install()
        report, row = await world.roll()
        pods = await node_pods(world.cluster, SPACE, NodeParts("agents"))
        _, again = await world.roll()
        return report.is_green, row.rolled, any(pod.is_due for pod in pods), again.rolled

    assert (True, ["a", "b", "c"], False, []) == story(tell, "OnDelete")


def test_roll_of_one_node_leaves_the_others():
    """
    For who wants to look first.
    """

    async def tell(world):
        world.image = "two"
        await world.install()
        _, row = await world.roll("b")
        pods = await node_pods(world.cluster, SPACE, NodeParts("agents"))
        return row.rolled, [pod.node for pod in pods if pod.is_due]

    assert (["b"], ["a", "c"]) == story(tell, "OnDelete")


def test_roll_stops_where_a_gate_stays_red():
    """
    The node is ready, and does not do its work: the next one is not touched.
    """

    async def tell(world):
        world.image = "two"
        await world.install()
        world.red = {"a"}
        report, row = await world.roll()
        return report.is_green, row.cause.place, row.rolled

    assert (False, "gate works", ["a"]) == story(tell, "OnDelete")


def test_roll_goes_on_after_a_node_was_mended():
    """
    What is done is in the cluster.
    """

    async def tell(world):
        world.image = "two"
        await world.install()
        world.nodes.broken = {"b"}
        _, first = await world.roll()
        world.nodes.broken = set()
        for pod in world.cluster.matching(POD, SPACE):
            if pod["status"]["phase"] == "Pending":
                world.cluster.remove(POD, pod["metadata"]["name"], SPACE)
        await world.clock.sleep(10)
        report, row = await world.roll()
        return first.phase, first.rolled, report.is_green, row.rolled

    assert (Phase.FAILED, ["a"], True, ["c"]) == story(tell, "OnDelete")


def test_stop_leaves_the_nodes_that_are_left():
    """
    What was begun is not taken back; no other node is begun.
    """

    async def tell(world):
        world.image = "two"
        await world.install()
        stop = asyncio.Event()
        world.cluster.reactors.append(lambda event: stop.set() if event.type == "DELETED" else None)
        _, row = await world.roll(stop=stop)
        await world.clock.sleep(10)
        return row.phase, world.nodes.made[3:]

    assert (Phase.STOPPED, ["a"]) == story(tell, "OnDelete")


def test_pods_that_are_down_already_are_made_anew_together():
    """
    They cost nothing more, and none of them holds up the others.
    """
    pods = [
        NodePod(name, name, name, "set", "agent", is_ready, is_old=True, has_old_part=False, is_on_delete=True)
        for name, is_ready in {"a": True, "b": False, "c": True, "d": False}.items()
    ]

    assert [["b", "d"], ["a"], ["c"]] == [[pod.name for pod in some] for some in to_replace(pods)]


def test_pod_that_was_replaced_meanwhile_is_not_deleted_again():
    """
    Somebody else was faster: its follower is waited for.
    """

    async def tell(world):
        world.image = "two"
        await world.install()

        def faster(request):
            if (request.verb, request.plural) == ("delete", "pods") and world.cluster.peek(POD, request.name, SPACE):
                old = world.cluster.peek(POD, request.name, SPACE)
                world.cluster.remove(POD, request.name, SPACE)
                world.cluster.put(POD, {**old, "metadata": {**old["metadata"], "uid": "another"}}, SPACE)
                world.cluster.fail = lambda _: None

        world.cluster.fail = faster
        report, _ = await world.roll("a")
        return report.is_green

    assert story(tell, "OnDelete")


def test_template_that_was_taken_back_is_the_newest_again():
    """
    Its old revision gets the highest number, as the controller does it.
    """

    async def tell(world):
        there = world.cluster.peek(DAEMON_SET, "agents-agent", SPACE)
        world.image = "two"
        await world.install()
        first = f"{there['metadata']['name']}-h1"
        revision = world.cluster.peek(CONTROLLER_REVISION, first, SPACE)
        world.cluster.put(CONTROLLER_REVISION, {**revision, "revision": 9}, SPACE)
        return any(pod.is_old for pod in await node_pods(world.cluster, SPACE, NodeParts("agents")))

    assert not story(tell, "OnDelete")
