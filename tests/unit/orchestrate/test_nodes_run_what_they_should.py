"""Nodes whose own configuration changed are restarted, and no others; pods that stay are told of, and rolled.

The cluster, helm, the controller and the kubelets are little programs in memory.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kolla_k8s.model.node_parts import NodeParts, node_parts
from kolla_k8s.model.plan import Action, GateSpec, HelmRequest, Plan, Step
from kolla_k8s.orchestrate.gate import GateResult
from kolla_k8s.orchestrate.kinds import CONFIG_MAP, CONTROLLER_REVISION, DAEMON_SET, NODE, POD
from kolla_k8s.orchestrate.nodes import (
    NodePod,
    ensure_parts,
    labels_of_nodes,
    node_pods,
    read_node_parts,
    to_replace,
)
from kolla_k8s.orchestrate.observe import observing
from kolla_k8s.orchestrate.report import Phase
from kolla_k8s.orchestrate.run import Means, execute
from tests.fake_cluster import FakeCluster
from tests.fake_nodes import Nodes, daemon_set
from tests.fakes import FakeHelm
from tests.unit.orchestrate.virtual import VirtualClock, run

SPACE = "openstack-node"
MUTATING = {"create", "update", "patch", "delete"}


def own(**memory):
    """What these nodes have of their own, as ``a=1``."""
    return node_parts("agents", {node: [{"a.conf": {"DEFAULT": {"m": m}}}] for node, m in memory.items()})


@dataclass
class World:
    """A cloud with one service on its nodes; ``install`` and ``roll`` do what the commands do."""

    cluster: FakeCluster
    clock: VirtualClock
    helm: FakeHelm
    nodes: Nodes
    image: str = "one"
    strategy: str = "RollingUpdate"
    red: set[str] = field(default_factory=set)

    def chart(self, _request):
        return [daemon_set("agents", self.strategy, self.image)]

    async def check(self, _step, _gate):
        ready = {pod["spec"]["nodeName"] for pod in self.cluster.matching(POD, SPACE) if pod.get("status")}
        bad = self.red & set(self.nodes.made[3:]) & ready
        return GateResult(is_green=not bad, evidence=f"red on {bad}" if bad else "fine")

    async def carry_out(self, action, parts, nodes=(), **options):
        self.cluster.requests.clear()
        request = HelmRequest("agents", SPACE, "chart", {})
        gates = (GateSpec("works", "any", "agent", timeout_s=30.0),)
        step = Step("agents", action, "asked", (), request, gates, node_parts=parts, nodes=frozenset(nodes))
        async with observing(self.cluster, [SPACE]) as observer:
            means = Means(self.helm, self.cluster, self.clock, observer, self.check, **options)
            report = await execute(Plan("c", "2026.1", (step,)), means)
        return report, report.rows["agents"]

    async def install(self, parts=None, action=Action.CHANGE, **options):
        return await self.carry_out(action, parts or NodeParts("agents"), **options)

    async def roll(self, *nodes, **options):
        parts = await read_node_parts(self.cluster, SPACE, "agents")
        return await self.carry_out(Action.ROLL, parts, nodes, **options)

    def mutations(self):
        return [(one.verb, one.plural, one.name) for one in self.cluster.requests if one.verb in MUTATING]


@asynccontextmanager
async def a_world(strategy="RollingUpdate", parts=None):
    """Three nodes, and the service installed on them."""
    cluster, clock = FakeCluster(), VirtualClock()
    async with Nodes(cluster, clock, ["a", "b", "c"]) as nodes:
        world = World(cluster, clock, FakeHelm(cluster, clock), nodes, strategy=strategy)
        world.helm.charts["chart"] = world.chart
        report, _ = await world.install(parts, Action.INSTALL)
        assert report.is_green, report.text()
        yield world


def story(tell, *arguments):
    """Tell a story in a fresh world."""

    async def told():
        async with a_world(*arguments) as world:
            return await tell(world)

    return run(told())


def test_first_pods_find_what_is_their_own():
    """
    The ConfigMap is there before helm: nothing is started twice.
    """

    async def tell(world):
        return world.nodes.made, await node_pods(world.cluster, SPACE, own(a=1))

    made, pods = story(tell, "RollingUpdate", own(a=1))

    assert ["a", "b", "c"] == made
    assert not any(pod.is_due for pod in pods)


def test_only_the_node_whose_part_changed_is_restarted():
    """
    Its neighbours, with and without parts, are not touched.
    """

    async def tell(world):
        _, row = await world.install(own(a=1, b=3), Action.UNCHANGED)
        return world.nodes.made[3:], row

    made, row = story(tell, "RollingUpdate", own(a=1, b=2))

    assert (["b"], ["b"], Phase.GREEN) == (made, row.rolled, row.phase)


def test_second_install_changes_nothing():
    """
    Pods say themselves that they run what is wanted.
    """

    async def tell(world):
        await world.install(own(a=1), Action.UNCHANGED)
        return world.mutations(), len(world.nodes.made)

    assert ([], 3) == story(tell, "RollingUpdate", own(a=1))


def test_service_without_parts_changes_nothing():
    """
    There is no ConfigMap, and none is made.
    """

    async def tell(world):
        await world.install(None, Action.UNCHANGED)
        return world.mutations(), world.cluster.peek(CONFIG_MAP, "agents-nodes", SPACE)

    assert ([], None) == story(tell)


def test_part_that_is_taken_back_goes_from_the_cluster_and_its_node():
    """
    The node runs what all others run.
    """

    async def tell(world):
        _, row = await world.install(None, Action.UNCHANGED)
        return row.rolled, world.cluster.peek(CONFIG_MAP, "agents-nodes", SPACE)

    assert (["b"], None) == story(tell, "RollingUpdate", own(b=1))


def test_nodes_are_restarted_one_after_the_other():
    """
    The next one goes when the one before is ready.
    """

    async def tell(world):
        ready = []

        def count(event):
            if event.object["kind"] == "Pod" and event.type == "DELETED":
                ready.append(sum("status" in pod for pod in world.cluster.matching(POD, SPACE)))

        world.cluster.reactors.append(count)
        _, row = await world.install(own(a=1, b=1, c=1), Action.UNCHANGED)
        return ready, row.rolled

    assert ([2, 2, 2], ["a", "b", "c"]) == story(tell)


def test_node_that_does_not_come_back_stops_the_others():
    """
    With its cause; they run on as they were.
    """

    async def tell(world):
        world.nodes.broken = {"a"}
        report, row = await world.install(own(a=1, b=1), Action.UNCHANGED)
        return world.nodes.made[3:], report.is_green, row.cause.reason

    assert (["a"], False, "CreateContainerConfigError") == story(tell)


def test_pod_that_saw_the_old_part_is_made_anew():
    """
    A kubelet may be slow to see a changed ConfigMap.
    """

    async def tell(world):
        world.nodes.stale = {"a": 1}
        report, row = await world.install(own(a=1), Action.UNCHANGED)
        return world.nodes.made[3:], report.is_green, row.rolled

    assert (["a", "a"], True, ["a"]) == story(tell)


def test_pod_that_never_sees_its_part_fails_the_step():
    """
    Nobody waits for ever, and nothing is called done that is not.
    """

    async def tell(world):
        world.nodes.stale = {"a": 99}
        _, row = await world.install(own(a=1), Action.UNCHANGED)
        return row.phase, row.cause.message

    assert (Phase.FAILED, "came up 3 times with what was there before") == story(tell)


def test_service_that_is_only_checked_keeps_its_nodes_as_they_are():
    """
    Nothing of it is written or restarted.
    """

    async def tell(world):
        await world.install(own(a=1), Action.CHECK)
        return world.mutations()

    assert [] == story(tell)


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


def test_config_map_is_written_once_and_when_it_changes():
    """
    Create, nothing, replace, delete, nothing.
    """
    cluster = FakeCluster()

    async def told():
        verbs = []
        for parts in (own(a=1), own(a=1), own(a=2), own(), own()):
            cluster.requests.clear()
            await ensure_parts(cluster, SPACE, parts)
            assert parts == await read_node_parts(cluster, SPACE, "agents")
            verbs.append([one.verb for one in cluster.requests if one.verb in MUTATING])
        return verbs

    assert [["create"], [], ["update"], ["delete"], []] == asyncio.run(told())


def test_pods_that_are_no_daemon_sets_or_go_are_left_out():
    """
    A pod somebody else made, and one that is being deleted.
    """

    async def tell(world):
        labels = {"app.kubernetes.io/name": "agents"}
        world.cluster.put(POD, {"metadata": {"name": "other", "labels": labels}, "spec": {}}, SPACE)
        first = world.cluster.matching(POD, SPACE, "app.kubernetes.io/component=agent")[0]
        going = {**first["metadata"], "deletionTimestamp": "now"}
        world.cluster.put(POD, {**first, "metadata": going}, SPACE)
        return [pod.node for pod in await node_pods(world.cluster, SPACE, NodeParts("agents"))]

    assert ["b", "c"] == story(tell)


def test_pod_that_still_prepares_has_no_old_part():
    """
    It has read nothing yet.
    """

    async def tell(world):
        for pod in world.cluster.matching(POD, SPACE):
            states = [{"name": "other", "state": {}}, {"name": "prepare", "state": {"running": {}}}]
            world.cluster.set_status(POD, pod["metadata"]["name"], SPACE, {"initContainerStatuses": states})
        return [pod.has_old_part for pod in await node_pods(world.cluster, SPACE, own(a=1))]

    assert [False, False, False] == story(tell)


def test_pod_without_the_config_map_has_no_part():
    """
    As of a workload without files: it would be restarted for ever.
    """

    async def tell(world):
        for pod in world.cluster.matching(POD, SPACE):
            world.cluster.put(POD, {**pod, "spec": {"nodeName": pod["spec"]["nodeName"]}}, SPACE)
        return [pod.has_old_part for pod in await node_pods(world.cluster, SPACE, own(a=1))]

    assert [False, False, False] == story(tell)


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


def test_labels_of_nodes_come_from_the_cluster():
    """
    Those of nodes without any too.
    """
    cluster = FakeCluster()
    cluster.put(NODE, {"metadata": {"name": "a", "labels": {"rack": "1"}}})
    cluster.put(NODE, {"metadata": {"name": "b"}})

    assert {"a": {"rack": "1"}, "b": {}} == asyncio.run(labels_of_nodes(cluster))
