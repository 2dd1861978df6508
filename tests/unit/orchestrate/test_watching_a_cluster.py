"""The store is true to the cluster, and whoever waits is woken or told why it never will be."""

from __future__ import annotations

import asyncio

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.kinds import CONFIG_MAP, POD
from kolla_k8s.orchestrate.observe import Observer
from kolla_k8s.orchestrate.store import key_of
from kolla_k8s.ports import WatchEvent
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import deployment, labels, pod, thing
from tests.unit.orchestrate.virtual import run

OWNER = ("openstack", "keystone")


class Breaking(FakeCluster):
    """Its watches end with an error a second after the first list."""

    async def watch(self, *_arguments, **_options):
        yield WatchEvent("SYNCED", None)
        await asyncio.sleep(1)
        raise OutsideError("api", "unauthorized")


def test_list_that_is_refused_is_raised_where_it_is_asked_for():
    """
    A run that sees nothing must not begin.
    """
    cluster = FakeCluster()

    def refuse(_request):
        raise OutsideError("api", "pods are forbidden")

    cluster.fail = refuse

    with pytest.raises(OutsideError, match="pods are forbidden"):
        run(Observer(cluster).watch(POD, "openstack"))


class Ending(FakeCluster):
    """Its watches end without a word a second after the first list."""

    async def watch(self, *_arguments, **_options):
        yield WatchEvent("SYNCED", None)
        await asyncio.sleep(1)


async def told(cluster):
    """What is said to one who waits when a watch ends, and to one who asks after that."""
    observer = Observer(cluster)
    early = observer.news(OWNER)
    await observer.watch(POD, "openstack")
    with pytest.raises(OutsideError) as first:
        await early
    with pytest.raises(OutsideError) as second:
        await observer.news(OWNER)
    await observer.close()
    return [str(first.value), str(second.value)]


def test_watch_that_breaks_is_told_to_whoever_waits():
    """
    To those too who ask later: no news would ever come.
    """
    assert ["api: unauthorized", "api: unauthorized"] == run(told(Breaking()))


def test_watch_that_merely_ends_is_told_too():
    """
    It was to go on for ever.
    """
    fact = "the watch of pods ended; run this again"

    assert [f"the Kubernetes API: {fact}"] * 2 == run(told(Ending()))


def test_kinds_of_a_manifest_are_watched_but_for_what_is_ready_by_existing():
    """
    One watch for a kind, however many objects are of it.
    """
    cluster = FakeCluster()
    manifest = [thing("ConfigMap", "etc"), deployment("a"), deployment("b"), thing("Database", "c", "example.org/v1")]

    async def watched():
        observer = Observer(cluster)
        await observer.watch_manifest(manifest, "openstack")
        await observer.close()

    run(watched())

    assert [("watch", "deployments"), ("watch", "databases")] == [(r.verb, r.plural) for r in cluster.requests]


def test_change_wakes_those_of_its_release_only():
    """
    What nobody can place wakes all.
    """
    cluster = FakeCluster()

    async def woken():
        observer = Observer(cluster)
        await observer.watch(POD, "openstack")
        await observer.watch(CONFIG_MAP, "openstack")
        mine, other = observer.news(OWNER), observer.news(("openstack", "mariadb"))
        cluster.put(POD, pod("api-1", labels=labels("keystone")))
        await mine
        was_woken = other.done()
        cluster.put(CONFIG_MAP, thing("ConfigMap", "of-nobody"))
        await other
        await observer.close()
        return was_woken

    assert run(woken()) is False


def test_what_is_deleted_is_forgotten_and_tells_its_release():
    """
    Whose it was is asked before it is forgotten.
    """
    cluster = FakeCluster()
    one = pod("api-1", labels=labels("keystone"))
    cluster.put(POD, one)

    async def gone():
        observer = Observer(cluster)
        await observer.watch(POD, "openstack")
        was_there = observer.store.get(key_of(one)) is not None
        news = observer.news(OWNER)
        cluster.remove(POD, "api-1", "openstack")
        await news
        await observer.close()
        return was_there, observer.store.get(key_of(one))

    assert (True, None) == run(gone())
