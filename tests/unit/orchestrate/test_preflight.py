"""Is a cluster fit? Each answer has a fact, and a problem a way out."""

from __future__ import annotations

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.preflight import CLASSES, DEFAULT_CLASS, NODES, SLICES, preflight
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import thing
from tests.unit.orchestrate.virtual import run


def a_set(*, cpu="1", replicas=2, claims=()):
    container = {"name": "api", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}
    template = {"spec": {"containers": [container]}}
    return thing(
        "StatefulSet", api="apps/v1", spec={"replicas": replicas, "template": template, "volumeClaimTemplates": claims}
    )


@pytest.fixture
def cluster():
    found = FakeCluster(namespaces=["openstack", "kube-system"])
    found.kinds = {"v1/Service", "apps/v1/StatefulSet"}
    allocatable = {"allocatable": {"cpu": "4", "memory": "8Gi"}}
    found.put(NODES, {"metadata": {"name": "n"}, "spec": {}, "status": allocatable})
    found.put(NODES, {"metadata": {"name": "m"}, "spec": {"unschedulable": True}, "status": allocatable})
    found.put(CLASSES, {"metadata": {"name": "standard", "annotations": {DEFAULT_CLASS: "true"}}})
    about = {"name": "dns", "labels": {"kubernetes.io/service-name": "kube-dns"}}
    found.put(SLICES, {"metadata": about, "endpoints": [{"addresses": ["10.0.0.1"]}]}, "kube-system")
    return found


def findings(cluster, *objects, storage_class=""):
    found = run(preflight(cluster, "openstack", objects or [a_set(claims=[{}])], storage_class))
    return {one.subject: one for one in found}


def test_fit_cluster_has_nothing_to_complain_of(cluster):
    """
    Every subject is answered.
    """
    found = findings(cluster)

    assert {"ok"} == {one.level for one in found.values()}
    assert {"Kubernetes", "kinds", "rights", "storage", "cpu", "memory", "DNS"} == set(found)
    assert "2.0 of 4.0 cores on 1 nodes are requested" == found["cpu"].fact


def test_old_kubernetes_is_refused(cluster):
    """
    With the oldest that will do.
    """

    async def server():
        return {"url": "https://x", "version": "1.29.3"}

    cluster.server = server

    assert ("problem", "1.30 or later is needed") == (
        findings(cluster)["Kubernetes"].level,
        findings(cluster)["Kubernetes"].way_out,
    )


def test_kind_that_nobody_serves_is_named(cluster):
    """
    Before anything is applied.
    """
    found = findings(cluster, thing("HTTPRoute", api="gateway.networking.k8s.io/v1"))["kinds"]

    assert ("problem", "not served: gateway.networking.k8s.io/v1/HTTPRoute") == (found.level, found.fact)


def test_missing_rights_are_listed(cluster):
    """
    Verb and kind, subresources too; an API that cannot be asked is a warning.
    """
    cluster.allows = lambda spec: spec["resourceAttributes"]["resource"] != "pods"
    missing = findings(cluster)["rights"]

    def refuse(request):
        if request.plural == "selfsubjectaccessreviews":
            raise OutsideError("api", "forbidden")

    cluster.fail = refuse

    assert ("problem", "missing in openstack: list pods, get pods/exec") == (missing.level, missing.fact)
    assert "warning" == findings(cluster)["rights"].level


@pytest.mark.parametrize(
    ("named", "level", "fact"),
    [("standard", "ok", 'StorageClass "standard"'), ("fast", "problem", 'no StorageClass is called "fast"')],
)
def test_named_class_must_be_there(cluster, named, level, fact):
    """
    Those that are known are the way out.
    """
    found = findings(cluster, storage_class=named)["storage"]

    assert (level, fact) == (found.level, found.fact)


def test_claims_need_a_class(cluster):
    """
    Without claims none is needed.
    """
    cluster.remove(CLASSES, "standard")

    assert "problem" == findings(cluster)["storage"].level
    assert "no claims" == findings(cluster, a_set())["storage"].fact


def test_cloud_that_does_not_fit_is_told(cluster):
    """
    What is asked for and what there is; what makes no pods asks for nothing.
    """
    found = findings(cluster, a_set(cpu="1500m", replicas=4), thing("Service"))

    assert ("problem", "6.0 of 4.0 cores on 1 nodes are requested") == (found["cpu"].level, found["cpu"].fact)
    assert "ok" == found["memory"].level


def test_cluster_without_dns_is_warned_of(cluster):
    """
    It may have one of another name.
    """
    cluster.remove(SLICES, "dns", "kube-system")

    assert "warning" == findings(cluster)["DNS"].level
