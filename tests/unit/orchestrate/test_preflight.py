"""Whether a cluster is fit for a cloud: facts, and ways out of those that are in the way."""

from __future__ import annotations

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.kinds import NODE
from kolla_k8s.orchestrate.preflight import CLASSES, DEFAULT_CLASS, SLICES, Finding, preflight, quantity
from tests.fake_cluster import URL, FakeCluster
from tests.unit.orchestrate.objects import thing
from tests.unit.orchestrate.virtual import run


class Old(FakeCluster):
    """A cluster of yesteryear."""

    async def server(self):
        return {"url": URL, "version": "1.29.14", "user": "fake"}


def a_node(name="n1", cpu="4", memory="8Gi", **spec):
    return thing("Node", name, spec=spec, status={"allocatable": {"cpu": cpu, "memory": memory}})


def a_class(name, *, is_default=False):
    annotations = {DEFAULT_CLASS: "true"} if is_default else None
    return thing("StorageClass", name, meta={"annotations": annotations})


def workload(kind="StatefulSet", name="db", claims=(), requests=None, **spec):
    container = {"name": "c", "resources": {"requests": requests}} if requests else {"name": "c"}
    template = {"spec": {"containers": [container]}}
    return thing(kind, name, "apps/v1", spec={"template": template, "volumeClaimTemplates": list(claims), **spec})


def a_cluster(*nodes, classes=(), cluster=None):
    """A cluster that is fit, with these nodes and storage classes."""
    cluster = cluster or FakeCluster()
    cluster.kinds |= {"apps/v1/StatefulSet", "apps/v1/DaemonSet"}
    for node in nodes or (a_node(),):
        cluster.put(NODE, node)
    for one in classes:
        cluster.put(CLASSES, one)
    cluster.put(
        SLICES,
        {
            "metadata": {"name": "kube-dns-1", "labels": {"kubernetes.io/service-name": "kube-dns"}},
            "endpoints": [{"addresses": ["10.0.0.10"]}],
        },
        "kube-system",
    )
    return cluster


def asked(cluster, *objects):
    """Findings by their subject."""
    return {one.subject: one for one in run(preflight(cluster, "openstack", objects))}


def test_fit_cluster_is_fit_in_every_respect():
    """
    Each answer says what it is about.
    """
    found = asked(a_cluster(), workload())

    assert {"ok"} == {one.level for one in found.values()}
    assert ["Kubernetes", "kinds", "rights", "storage", "cpu", "memory", "DNS"] == list(found)
    assert f"1.34.4 at {URL}" == found["Kubernetes"].fact


def test_asking_changes_nothing():
    """
    Reviews are the only things made, and no API keeps them.
    """
    cluster = a_cluster()

    asked(cluster, workload())

    assert {"list", "create"} == {request.verb for request in cluster.requests}
    assert {"selfsubjectaccessreviews"} == {one.plural for one in cluster.requests if one.verb == "create"}


def test_old_kubernetes_is_a_problem():
    """
    With the version that would do.
    """
    found = asked(a_cluster(cluster=Old()))

    fact = f"1.29.14 at {URL} is too old"
    assert Finding("Kubernetes", "problem", fact, "1.30 or later is needed") == found["Kubernetes"]


def test_kinds_that_nobody_serves_are_named():
    """
    Each once, however many objects are of it.
    """
    monitors = [thing("ServiceMonitor", name, "monitoring.coreos.com/v1") for name in "ab"]

    found = asked(a_cluster(), *monitors)

    assert "problem" == found["kinds"].level
    assert "not served: monitoring.coreos.com/v1/ServiceMonitor" == found["kinds"].fact


def test_missing_rights_are_named_together():
    """
    One Role mends them all; a right on a part of a kind is asked as the API wants it.
    """
    cluster, parts = a_cluster(), []

    def allows(spec):
        about = spec["resourceAttributes"]
        parts.append(about.get("subresource"))
        return (about["resource"], about["verb"]) not in {("statefulsets", "delete"), ("pods", "get")}

    cluster.allows = allows

    found = asked(cluster, workload())

    assert "problem" == found["rights"].level
    assert "missing in openstack: get pods/exec, delete statefulsets.apps" == found["rights"].fact
    assert ["exec"] == [part for part in parts if part]


def test_rights_that_cannot_be_asked_are_a_warning():
    """
    Some API servers are not asked; that forbids nothing.
    """
    cluster = a_cluster()

    def refuse(request):
        if request.verb == "create":
            raise OutsideError(URL, "reviews are off")

    cluster.fail = refuse

    found = asked(cluster)

    assert Finding("rights", "warning", f"cannot be asked: {URL}: reviews are off") == found["rights"]


def a_claim(storage_class):
    return {"metadata": {"name": "data"}, "spec": {"storageClassName": storage_class} if storage_class else {}}


FAST, SLOW = a_class("fast"), a_class("slow", is_default=True)


@pytest.mark.parametrize(
    ("classes", "wanted", "finding"),
    [
        ([FAST], ["fast"], Finding("storage", "ok", 'StorageClass "fast"')),
        ([FAST, SLOW], [""], Finding("storage", "ok", 'default StorageClass "slow"')),
        ([FAST, SLOW], ["fast", ""], Finding("storage", "ok", 'default StorageClass "slow", StorageClass "fast"')),
        (
            [FAST, SLOW],
            ["fats", ""],
            Finding("storage", "problem", 'no StorageClass is called "fats"', "known: fast, slow"),
        ),
        ([], ["fast"], Finding("storage", "problem", 'no StorageClass is called "fast"', "known: none")),
        (
            [FAST],
            ["fast", ""],
            Finding("storage", "problem", "no default StorageClass", "name one in storage.class of the site"),
        ),
    ],
)
def test_claims_need_a_class_that_is_there(classes, wanted, finding):
    """
    The one that the claim itself names, as the site chose it for all or for this one, or the cluster's default.
    """
    found = asked(a_cluster(classes=classes), *(workload(claims=[a_claim(name)]) for name in wanted))

    assert finding == found["storage"]


def test_charts_without_claims_need_no_class():
    """
    Nor a default.
    """
    found = asked(a_cluster(), workload(), workload("DaemonSet"))

    assert Finding("storage", "ok", "no claims") == found["storage"]


def test_requests_are_held_against_the_nodes():
    """
    Of every replica; what cannot be scheduled on a node does not count.
    """
    cluster = a_cluster(a_node("n1", "2", "4Gi"), a_node("n2", "2", "4Gi"), a_node("n3", unschedulable=True))
    sets = [workload(name=name, requests={"cpu": "1500m", "memory": "512Mi"}, replicas=2) for name in "ab"]

    found = asked(cluster, *sets, thing("ConfigMap", "etc"))

    fact = "6.0 of 4.0 cores on 2 nodes are requested"
    assert Finding("cpu", "problem", fact, "add nodes or lower resources") == found["cpu"]
    assert Finding("memory", "ok", "2.0 of 8.0 GiB on 2 nodes are requested") == found["memory"]


def test_agents_of_every_node_are_counted_on_every_node():
    """
    On those only that their selector chooses.
    """
    cluster = a_cluster(a_node("n1"), a_node("n2"), a_node("n3"))
    cluster.put(NODE, {**a_node("n4"), "metadata": {"name": "n4", "labels": {"role": "compute"}}})
    everywhere, chosen = workload("DaemonSet", requests={"cpu": "1"}), workload("DaemonSet", requests={"cpu": "2"})
    chosen["spec"]["template"]["spec"]["nodeSelector"] = {"role": "compute"}

    found = asked(cluster, everywhere, chosen)

    assert "6.0 of 16.0 cores on 4 nodes are requested" == found["cpu"].fact


def test_cluster_without_dns_is_worth_a_warning():
    """
    Its DNS may have another name.
    """
    cluster = a_cluster()
    cluster.remove(SLICES, "kube-dns-1", "kube-system")

    assert "warning" == asked(cluster)["DNS"].level


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", 2.0), (3, 3.0), ("100m", 0.1), ("1.5Gi", 1.5 * 2**30), ("5k", 5000.0), ("no number", 0.0)],
)
def test_quantities_are_numbers(text, number):
    """
    As Kubernetes spells them.
    """
    assert number == quantity(text)
