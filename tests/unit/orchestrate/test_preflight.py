"""Whether a cluster is fit for a cloud: facts, and ways out of those that are in the way."""

from __future__ import annotations

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.kinds import NODE, POD
from kolla_k8s.orchestrate.preflight import CLASSES, DEFAULT_CLASS, SLICES, Finding, preflight
from kolla_k8s.orchestrate.room import quantity
from kolla_k8s.orchestrate.secrets import NAMESPACES
from tests.fake_cluster import URL, FakeCluster
from tests.unit.orchestrate.objects import thing
from tests.unit.orchestrate.virtual import run


class Old(FakeCluster):
    """A cluster of yesteryear."""

    async def server(self):
        return {"url": URL, "version": "1.29.14", "user": "fake"}


PLANES = {"control": "openstack", "node": "openstack-node"}


def a_node(name="n1", cpu="4", memory="8Gi", labels=None, **spec):
    allocatable = {"cpu": cpu, "memory": memory}
    return thing("Node", name, meta={"labels": labels or {}}, spec=spec, status={"allocatable": allocatable})


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


def findings(cluster, *objects, on_nodes=()):
    """What is found of objects of the control plane, and of the node plane."""
    return run(preflight(cluster, PLANES, {"openstack": objects, "openstack-node": on_nodes}))


def asked(cluster, *objects, on_nodes=()):
    """Findings by their subject."""
    return {one.subject: one for one in findings(cluster, *objects, on_nodes=on_nodes)}


def test_fit_cluster_is_fit_in_every_respect():
    """
    Each answer says what it is about.
    """
    found = asked(a_cluster(), workload())

    assert {"ok"} == {one.level for one in found.values()}
    assert ["Kubernetes", "kinds", "rights", "storage", "nodes", "cpu", "memory", "DNS"] == list(found)
    assert f"1.34.4 at {URL}" == found["Kubernetes"].fact


def test_asking_changes_nothing():
    """
    Reviews are the only things made, and no API keeps them.
    """
    cluster = a_cluster()

    asked(cluster, workload())

    assert {"list", "create", "get"} == {request.verb for request in cluster.requests}
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
    cluster, parts = a_cluster(), set()

    def allows(spec):
        about = spec["resourceAttributes"]
        parts.add(about.get("subresource"))
        is_refused = (about["resource"], about["verb"]) in {("statefulsets", "delete"), ("pods", "get")}
        return not (is_refused and about["namespace"] == "openstack")

    cluster.allows = allows

    found = asked(cluster, workload())

    fact = "missing in openstack: get pods/exec, get pods/log, delete statefulsets.apps"
    assert Finding("rights", "problem", fact, "ask for a Role with these rights") == found["rights"]
    assert {None, "exec", "log"} == parts


def refused(cluster, *missing, **objects):
    """Facts about rights on a cluster that refuses these: ``(namespace, resource, verb)``."""

    def allows(spec):
        about = spec["resourceAttributes"]
        return (about.get("namespace", ""), about["resource"], about["verb"]) not in missing

    cluster.allows = allows
    return [one.fact for one in findings(cluster, **objects) if one.subject == "rights"]


@pytest.mark.parametrize(
    ("missing", "fact"),
    [
        (("openstack", "leases", "create"), "missing in openstack: create leases.coordination.k8s.io"),
        (("openstack", "leases", "update"), "missing in openstack: update leases.coordination.k8s.io"),
        (("openstack-node", "pods", "watch"), "missing in openstack-node: watch pods"),
        (("openstack-node", "jobs", "list"), "missing in openstack-node: list jobs.batch"),
        (("openstack-node", "secrets", "create"), "missing in openstack-node: create secrets"),
        (("openstack-node", "daemonsets", "patch"), "missing in openstack-node: patch daemonsets.apps"),
        (("openstack-node", "namespaces", "get"), "missing in openstack-node: get namespaces"),
        (("", "nodes", "list"), "missing in the cluster: list nodes"),
    ],
)
def test_everything_that_an_install_asks_of_the_api_is_asked(missing, fact):
    """
    Of the planes and of the cluster, and not what is applied alone.
    """
    agent = workload("DaemonSet", "agent")
    del agent["metadata"]["namespace"]  # as charts render it

    assert [fact] == refused(a_cluster(), missing, on_nodes=[agent])


def test_right_to_make_namespaces_is_needed_where_one_is_missing():
    """
    Who was given both by an administrator needs no right in the cluster for it.
    """
    fresh, missing = a_cluster(), ("", "namespaces", "create")
    fresh.remove(NAMESPACES, "openstack-node")

    assert ["missing in the cluster: create namespaces"] == refused(fresh, missing)
    assert not any("missing" in fact for fact in refused(a_cluster(), missing))


def forbidding(*verbs, plural=""):
    """A cluster that answers some requests with a refusal."""
    cluster = a_cluster()

    def refuse(request):
        if request.verb in verbs and request.plural.startswith(plural):
            raise OutsideError(URL, f"{request.plural} are off")

    cluster.fail = refuse
    return cluster


def test_rights_that_cannot_be_asked_are_a_warning():
    """
    Some API servers are not asked; that forbids nothing.
    """
    found = asked(forbidding("create"))

    fact = f"cannot be told: {URL}: selfsubjectaccessreviews are off"
    assert Finding("rights", "warning", fact) == found["rights"]


def test_what_we_may_not_look_at_is_a_warning():
    """
    The other questions are asked all the same.
    """
    found = asked(forbidding("list", plural="nodes"))

    assert f"cannot be told: {URL}: nodes are off" == found["capacity"].fact
    assert {"nodes": "warning", "capacity": "warning"} == {
        name: one.level for name, one in found.items() if one.level != "ok"
    }


def test_namespaces_that_we_may_not_look_at_are_asked_for_as_a_right():
    """
    Nothing is said about making them then.
    """
    cluster = forbidding("get", plural="namespaces")

    facts = refused(cluster, ("openstack", "namespaces", "get"), ("", "namespaces", "create"))

    assert ["missing in openstack: get namespaces"] == facts


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

    fact = "6.0 cores are requested, 4.0 of 4.0 on 2 nodes are free"
    assert Finding("cpu", "problem", fact, "add nodes or lower resources") == found["cpu"]
    assert Finding("memory", "ok", "2.0 GiB are requested, 8.0 of 8.0 on 2 nodes are free") == found["memory"]


def a_pod(name, cpu, space="monitoring", node="n1", phase="Running", **more):
    containers = [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]
    spec = {"containers": containers, "nodeName": node, **more}
    return thing("Pod", name, meta={"namespace": space}, spec=spec, status={"phase": phase})


def test_what_runs_already_leaves_less_room():
    """
    But for pods that have ended, wait for a node, or are this cloud's own: those are what is asked for.
    """
    cluster = a_cluster(a_node())
    init = {"initContainers": [{"name": "i", "resources": {"requests": {"cpu": "1500m"}}}]}
    side = {"initContainers": [{"restartPolicy": "Always", "resources": {"requests": {"cpu": "250m"}}}]}
    for pod in (
        a_pod("big-first", "500m", **init),
        a_pod("with-sidecar", "250m", **side),
        a_pod("over", "1", phase="Succeeded"),
        a_pod("waiting", "1", node=None),
        a_pod("ours", "1", space="openstack-node"),
    ):
        cluster.put(POD, pod)

    found = asked(cluster, workload(requests={"cpu": "2100m"}))

    assert "problem" == found["cpu"].level
    assert "2.1 cores are requested, 2.0 of 4.0 on 1 nodes are free" == found["cpu"].fact


def test_agents_of_every_node_are_counted_on_every_node():
    """
    On those only that their selector chooses.
    """
    cluster = a_cluster(a_node("n1"), a_node("n2"), a_node("n3"), a_node("n4", labels={"role": "compute"}))
    everywhere, chosen = workload("DaemonSet", requests={"cpu": "1"}), workload("DaemonSet", requests={"cpu": "2"})
    chosen["spec"]["template"]["spec"]["nodeSelector"] = {"role": "compute"}

    found = asked(cluster, everywhere, chosen)

    assert "6.0 cores are requested, 16.0 of 16.0 on 4 nodes are free" == found["cpu"].fact
    assert Finding("nodes", "ok", "every node selector finds a node") == found["nodes"]


def test_label_that_no_node_bears_is_a_problem():
    """
    Its pods would be waited for in vain; one command mends it for all that want it.
    """
    agents = [workload("DaemonSet", name) for name in ("libvirt", "compute")]
    for agent in agents:
        agent["spec"]["template"]["spec"]["nodeSelector"] = {"role": "compute"}

    both = asked(a_cluster(a_node(labels={"role": "control"})), on_nodes=agents)
    one = asked(a_cluster(), on_nodes=agents[:1])

    fact, way_out = (
        "no node is labelled role=compute, as compute, libvirt want",
        "`kubectl label node NODE role=compute`",
    )
    assert Finding("nodes", "problem", fact, way_out) == both["nodes"]
    assert "no node is labelled role=compute, as libvirt wants" == one["nodes"].fact


def test_cluster_without_dns_is_worth_a_warning():
    """
    Its DNS may have another name.
    """
    cluster = a_cluster()
    cluster.remove(SLICES, "kube-dns-1", "kube-system")

    assert "warning" == asked(cluster)["DNS"].level


@pytest.mark.parametrize(("conditions", "level"), [({"ready": False}, "warning"), ({"ready": True}, "ok"), ({}, "ok")])
def test_pods_of_dns_that_are_not_ready_answer_nobody(conditions, level):
    """
    One that has said nothing counts as ready, as Kubernetes has it.
    """
    cluster = a_cluster()
    about = {"name": "kube-dns-1", "labels": {"kubernetes.io/service-name": "kube-dns"}}
    endpoints = [{"addresses": ["10.0.0.10"], "conditions": conditions}]
    cluster.put(SLICES, {"metadata": about, "endpoints": endpoints}, "kube-system")

    assert level == asked(cluster)["DNS"].level


def test_dns_of_which_no_pod_is_ready_is_named_with_where_to_look():
    """
    In however many slices; one ready pod among them would do.
    """
    cluster, about = a_cluster(), {"kubernetes.io/service-name": "kube-dns"}
    for number in (1, 2):
        one = {"metadata": {"name": f"kube-dns-{number}", "labels": about}}
        cluster.put(SLICES, {**one, "endpoints": [{"conditions": {"ready": False}}] * 2}, "kube-system")
    before = asked(cluster)["DNS"]
    more = {"metadata": {"name": "kube-dns-3", "labels": about}, "endpoints": [{"conditions": {"ready": True}}]}
    cluster.put(SLICES, more, "kube-system")

    fact = "the Service kube-system/kube-dns has no ready endpoints"
    way_out = "look at its pods: `kubectl -n kube-system get pods -l k8s-app=kube-dns`"
    assert Finding("DNS", "warning", fact, way_out) == before
    assert Finding("DNS", "ok", "kube-dns has endpoints") == asked(cluster)["DNS"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", 2.0), (3, 3.0), ("100m", 0.1), ("1.5Gi", 1.5 * 2**30), ("5k", 5000.0), ("no number", 0.0)],
)
def test_quantities_are_numbers(text, number):
    """
    As Kubernetes spells them.
    """
    assert number == quantity(text)
