"""Nodes whose own configuration changed are restarted, and no others, with controller and kubelets in memory."""

from __future__ import annotations

import asyncio

from kolla_k8s.model.node_parts import NodeParts
from kolla_k8s.model.plan import Action
from kolla_k8s.orchestrate.kinds import CONFIG_MAP, NODE, POD
from kolla_k8s.orchestrate.nodes import ensure_parts, labels_of_nodes, node_pods, read_node_parts
from kolla_k8s.orchestrate.report import Phase
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.node_world import MUTATING, SPACE, own, story


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


def test_labels_of_nodes_come_from_the_cluster():
    """
    Those of nodes without any too.
    """
    cluster = FakeCluster()
    cluster.put(NODE, {"metadata": {"name": "a", "labels": {"rack": "1"}}})
    cluster.put(NODE, {"metadata": {"name": "b"}})

    assert {"a": {"rack": "1"}, "b": {}} == asyncio.run(labels_of_nodes(cluster))
