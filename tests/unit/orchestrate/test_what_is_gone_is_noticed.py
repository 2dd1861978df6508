"""Objects that a release once brought and that are gone are named."""

from __future__ import annotations

import asyncio

import pytest

from kolla_k8s.orchestrate.inventory import Inventory
from kolla_k8s.orchestrate.kinds import CONFIG_MAP, resource_of
from kolla_k8s.orchestrate.store import Store, key_of
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import deployment, job, thing
from tests.unit.orchestrate.virtual import run

ETC = thing("ConfigMap", "keystone-etc")
BOOT = job("keystone-bootstrap-3f2a")


def missing(cluster, *manifest, store=None):
    return run(Inventory(cluster, store or Store()).missing(manifest, "openstack"))


def without_namespace(one):
    return {**one, "metadata": {key: value for key, value in one["metadata"].items() if key != "namespace"}}


def test_object_that_is_gone_is_named():
    """
    By kind and name; a manifest may leave its namespace out.
    """
    cluster = FakeCluster()
    cluster.put(CONFIG_MAP, ETC)

    gone = missing(cluster, without_namespace(ETC), without_namespace(thing("Secret", "keystone-keys")))

    assert ["Secret keystone-keys"] == gone


def test_object_of_another_namespace_is_another_object():
    """
    The same name is not enough.
    """
    cluster = FakeCluster()
    cluster.put(CONFIG_MAP, thing("ConfigMap", "keystone-etc", meta={"namespace": "default"}))

    assert ["ConfigMap keystone-etc"] == missing(cluster, ETC)


def test_names_are_read_once_for_a_run():
    """
    Many releases ask at once; one answer serves all, and names alone are read.
    """
    cluster = FakeCluster()
    cluster.put(CONFIG_MAP, ETC)

    async def many():
        inventory = Inventory(cluster, Store())
        return await asyncio.gather(*(inventory.missing([ETC, ETC], "openstack") for _ in range(3)))

    assert [[], [], []] == run(many())
    assert [("list", "configmaps")] == [(request.verb, request.plural) for request in cluster.requests]


def test_objects_of_no_namespace_are_looked_for_in_none():
    """
    A chart may bring them.
    """
    role = without_namespace(thing("ClusterRole", "keystone", "rbac.authorization.k8s.io/v1"))
    cluster = FakeCluster()

    assert ["ClusterRole keystone"] == missing(cluster, role)

    cluster.put(resource_of(role), role)

    assert [] == missing(cluster, role)


def test_watched_kinds_are_not_asked_for():
    """
    The store knows them.
    """
    cluster, store = FakeCluster(), Store()
    store.put(deployment("api"))

    assert ["Deployment worker"] == missing(cluster, deployment("api"), deployment("worker"), store=store)
    assert [] == cluster.requests


def test_bootstrap_that_is_recorded_as_done_is_not_missed():
    """
    Its time to live removed the Job; it counts as complete from then on.
    """
    cluster, store = FakeCluster(), Store()
    cluster.put(CONFIG_MAP, thing("ConfigMap", "keystone-bootstrap", data={"3f2a": "2026-01-01"}))

    assert [] == missing(cluster, BOOT, store=store)
    assert store.get(key_of(BOOT)) is not None


@pytest.mark.parametrize("data", [{"0ther": "2026-01-01"}, None])
def test_bootstrap_that_is_not_recorded_is_missed(data):
    """
    Another one's record is not this one's.
    """
    cluster, store = FakeCluster(), Store()
    cluster.put(CONFIG_MAP, thing("ConfigMap", "keystone-bootstrap", data=data))

    assert ["Job keystone-bootstrap-3f2a"] == missing(cluster, BOOT, store=store)
    assert store.get(key_of(BOOT)) is None


def test_bootstrap_without_a_record_is_missed():
    """
    It has never been done here.
    """
    assert ["Job keystone-bootstrap-3f2a"] == missing(FakeCluster(), BOOT)
