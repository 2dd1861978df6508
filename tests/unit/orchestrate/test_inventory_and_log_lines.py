"""Is everything of an unchanged release there, and what does its init step say?"""

from __future__ import annotations

import asyncio

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.inventory import Inventory
from kolla_k8s.orchestrate.kinds import CONFIG_MAP, resource_of
from kolla_k8s.orchestrate.logline import LOG_PERIOD_S, LogLine
from kolla_k8s.orchestrate.store import Store
from kolla_k8s.orchestrate.why import Blocker
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import stateful_set, thing
from tests.unit.orchestrate.virtual import VirtualClock, run

JOB = thing("Job", "keystone-bootstrap-abc", api="batch/v1")


def missing(cluster, store, *manifest):
    return run(Inventory(cluster, store).missing(manifest, "openstack"))


def test_objects_that_are_gone_are_named():
    """
    Watched kinds from the store, passive ones from one list a kind.
    """
    cluster, store = FakeCluster(), Store()
    store.put(stateful_set("db"))
    cluster.put(CONFIG_MAP, {"metadata": {"name": "here"}}, "openstack")
    manifest = [stateful_set("db"), stateful_set("x"), thing("ConfigMap", "here"), thing("ConfigMap", "gone")]

    assert ["StatefulSet x", "ConfigMap gone"] == missing(cluster, store, *manifest)
    assert 1 == len([request for request in cluster.requests if request.verb == "list"])


def test_object_of_another_namespace_is_another_object():
    """
    The same name is not enough.
    """
    cluster = FakeCluster()
    cluster.put(CONFIG_MAP, {"metadata": {"name": "here"}}, "default")

    assert ["ConfigMap here"] == missing(cluster, Store(), thing("ConfigMap", "here"))


def test_names_are_read_once_for_a_run():
    """
    Many releases ask at once; one answer serves all.
    """
    cluster = FakeCluster()

    async def many():
        inventory = Inventory(cluster, Store())
        await asyncio.gather(*(inventory.missing([thing("ConfigMap", "x")], "openstack") for _ in range(3)))

    run(many())

    assert [("list", "configmaps")] == [(request.verb, request.plural) for request in cluster.requests]


def test_objects_of_no_namespace_are_looked_for_in_none():
    """
    A chart may bring them.
    """
    cluster = FakeCluster()
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "keystone"}}
    before = missing(cluster, Store(), role)
    cluster.put(resource_of(role), role)

    assert ["ClusterRole keystone"] == before
    assert [] == missing(cluster, Store(), role)


def test_job_whose_work_is_recorded_is_not_missed():
    """
    A deleted Job, or one whose time to live has ended, is never run again.
    """
    cluster, store = FakeCluster(), Store()
    cluster.put(CONFIG_MAP, {"metadata": {"name": "keystone-bootstrap"}, "data": {"abc": "done"}}, "openstack")

    assert [] == missing(cluster, store, JOB)
    assert store.get(("batch/Job", "openstack", "keystone-bootstrap-abc")) is not None


def test_job_without_a_record_is_missed():
    """
    It is applied again.
    """
    assert ["Job keystone-bootstrap-abc"] == missing(FakeCluster(), Store(), JOB)


def at_work(pod="api-1"):
    return Blocker("Deployment api", "is at work", pod=pod, container="prepare", is_working=True)


def test_last_line_of_the_init_step_is_read_now_and_then():
    """
    Not at each look: a request every two seconds; numbers alone are no progress, those in names are.
    """

    async def followed():
        cluster = FakeCluster()
        line = LogLine(cluster, VirtualClock())
        for text in ("row 1 of cell0\n", "row 2 of cell0\n", "row 3 of cell1\n"):
            cluster.set_logs("api-1", "prepare", text)
            for _ in range(3):
                line.follow(at_work(), "openstack")
                await asyncio.sleep(LOG_PERIOD_S / 3)
        line.close()
        return line, [request for request in cluster.requests if request.verb == "logs"]

    line, requests = run(followed())

    assert "row 3 of cell1" == line.line
    assert {("api-1", "prepare", "row  of cell0"), ("api-1", "prepare", "row  of cell1")} == line.facts()
    assert 3 == len(requests)


def test_another_container_begins_anew_and_none_is_not_asked():
    """
    What the last one said counts no more.
    """

    async def followed():
        cluster = FakeCluster()
        cluster.set_logs("api-1", "prepare", "old\n")
        line = LogLine(cluster, VirtualClock())
        line.follow(at_work(), "openstack")
        await asyncio.sleep(1)
        first = line.line
        line.follow(None, "openstack")
        await asyncio.sleep(5)
        return first, line.line, line.is_open, len([r for r in cluster.requests if r.verb == "logs"])

    assert ("old", "", False, 1) == run(followed())


def test_slow_answer_is_waited_for_before_the_next_question():
    """
    A log is asked for by one request at a time.
    """

    class Slow(FakeCluster):
        """Takes ten seconds."""

        async def logs(self, *arguments, **options):
            await asyncio.sleep(10)
            return await super().logs(*arguments, **options)

    cluster = Slow()

    async def followed():
        line = LogLine(cluster, VirtualClock())
        for _ in range(12):
            line.follow(at_work(), "openstack")
            await asyncio.sleep(1)
        line.close()

    run(followed())

    assert 1 == len(cluster.requests)


def test_silence_keeps_the_line_before():
    """
    A log may be rotated away under its reader.
    """
    cluster = FakeCluster()
    cluster.set_logs("api-1", "prepare", "row 4000\n")

    async def followed():
        line = LogLine(cluster, VirtualClock())
        for _ in range(2):
            line.follow(at_work(), "openstack")
            await asyncio.sleep(LOG_PERIOD_S)
            cluster.set_logs("api-1", "prepare", "")
        return line.line, len(cluster.requests)

    assert ("row 4000", 2) == run(followed())


def test_log_that_cannot_be_read_says_nothing():
    """
    The container may be gone by now.
    """

    async def followed():
        cluster = FakeCluster()

        def refuse(_request):
            raise OutsideError("api", "gone")

        cluster.fail = refuse
        line = LogLine(cluster, VirtualClock())
        line.follow(at_work(), "openstack")
        await asyncio.sleep(1)
        return line.line, line.facts()

    assert ("", frozenset()) == run(followed())
