"""What a run will do, decided from what is wanted and what is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kolla_k8s.errors import UserFilesError
from kolla_k8s.model.node_parts import NodeParts
from kolla_k8s.model.plan import Action, LeaveSpec
from kolla_k8s.orchestrate.plan import Wanted, build_plan, build_removal, build_roll, input_digest, restarted
from kolla_k8s.ports import Release

NAMESPACES = {"control": "openstack", "node": "openstack-node"}
SHIPPED = ("keystone", "mariadb", "memcached", "rabbitmq")


def wanted_of(catalog, *services, values=None, enabled=SHIPPED):
    """A site that enables these services, with these values of one or the other."""
    return Wanted(
        cloud="c",
        catalog=catalog,
        values={name: {"replicas": 1, **(values or {}).get(name, {})} for name in enabled},
        charts={name: f"charts/{name}" for name in enabled},
        chart_digests={name: f"digest of {name}" for name in enabled},
        namespaces=NAMESPACES,
        services=services,
    )


def released(wanted, *names, status="deployed", digest=None):
    """Releases as the last install would have left them."""
    steps = {step.name: step for step in build_plan(wanted, {}).steps}
    return {
        name: Release(name, "openstack", status, 3, steps[name].request.digest if digest is None else digest)
        for name in names
    }


def actions(plan):
    return {step.name: (step.action, step.reason) for step in plan.steps}


def test_every_enabled_service_is_planned_in_a_fixed_order(shipped):
    """
    With all that is enabled of what it needs.
    """
    plan = build_plan(wanted_of(shipped), {})

    assert list(SHIPPED) == [step.name for step in plan.steps]
    assert ("mariadb", "memcached") == plan.steps[0].needs
    assert ("c", "2026.1") == (plan.cloud, plan.release)


def test_request_holds_all_that_helm_gets(shipped):
    """
    Values, chart and namespace as the site has them, and the cloud as a label.
    """
    request = build_plan(wanted_of(shipped), {}).steps[0].request

    assert ("keystone", "openstack", "charts/keystone") == (request.release, request.namespace, request.chart)
    assert {"replicas": 1} == request.values
    assert {"kolla-k8s.io/cloud": "c"} == request.labels


def test_gates_of_the_definition_are_steps_of_the_plan(shipped):
    """
    With the time that each may stay red.
    """
    gates = build_plan(wanted_of(shipped), {}).steps[0].gates

    assert [("token", "keystone-token", "api", 300.0)] == [(g.name, g.kind, g.workload, g.timeout_s) for g in gates]


@pytest.mark.parametrize(
    ("status", "digest", "decision"),
    [
        ("deployed", None, (Action.UNCHANGED, "revision 3 is what is wanted")),
        ("deployed", "other", (Action.CHANGE, "chart or values differ from what is installed")),
        ("deployed", "", (Action.CHANGE, "chart or values differ from what is installed")),
        ("failed", None, (Action.RECOVER, "revision 3 is failed")),
        ("pending-install", None, (Action.RECOVER, "revision 3 is pending-install")),
    ],
)
def test_what_is_there_decides(shipped, status, digest, decision):
    """
    The digest of what would be applied, and helm's own word.
    """
    wanted = wanted_of(shipped)

    plan = build_plan(wanted, released(wanted, "mariadb", status=status, digest=digest))

    assert decision == actions(plan)["mariadb"]
    assert (Action.INSTALL, "not installed") == actions(plan)["keystone"]


def test_named_service_takes_what_it_needs_along(shipped):
    """
    What is there is only checked, what is missing is installed, and nobody else is touched.
    """
    wanted = wanted_of(shipped, "keystone")

    plan = build_plan(wanted, released(wanted, "mariadb", digest="other"))

    assert {
        "keystone": (Action.INSTALL, "not installed"),
        "mariadb": (Action.CHECK, "only checked: not among the services named"),
        "memcached": (Action.INSTALL, "not installed, and needed"),
    } == actions(plan)


def test_broken_need_of_a_named_service_is_recovered(shipped):
    """
    A check would never become green.
    """
    wanted = wanted_of(shipped, "keystone")

    plan = build_plan(wanted, released(wanted, "mariadb", status="failed"))

    assert (Action.RECOVER, "revision 3 is failed") == actions(plan)["mariadb"]


def test_service_that_is_not_enabled_is_no_need(shipped):
    """
    A site may keep its database elsewhere.
    """
    plan = build_plan(wanted_of(shipped, enabled=("keystone", "memcached")), {})

    assert ["keystone", "memcached"] == [step.name for step in plan.steps]
    assert ("memcached",) == plan.steps[0].needs


def test_needs_are_found_through_needs(wide):
    """
    Each once, however many want it.
    """
    enabled = tuple(wide.services)

    found = wide.with_needs(["nova-compute"], enabled)

    assert {"nova-compute", "nova", "keystone", "mariadb", "memcached", "rabbitmq"} <= found
    assert "octavia" not in found


def test_services_of_the_node_plane_have_a_namespace_of_their_own(wide):
    """
    What needs privileges stays away from what does not.
    """
    plan = build_plan(wanted_of(wide, enabled=tuple(wide.services)), {})

    spaces = {step.name: step.request.namespace for step in plan.steps}
    assert "openstack" == spaces["nova"]
    assert "openstack-node" == spaces["nova-compute"]


def test_cluster_that_has_a_way_to_leave_is_told_how_many_stay(shipped):
    """
    The definition's command, for every member beyond the wanted ones, of each cluster that a service has.
    """
    members = {"rabbitmq": {"rabbitmq": 3}, "mariadb": {"mariadb": 1}, "ovn": {"ovn": 3, "ovn/nb": 3, "ovn/sb": 1}}
    values = {name: {"global": {"members": counts}} for name, counts in members.items()}

    plan = build_plan(wanted_of(shipped, values=values, enabled=(*SHIPPED, "ovn")), {})

    leaves = {step.name: step.leaves for step in plan.steps}
    assert (LeaveSpec("server", ("bash", "/etc/rabbitmq/leave.sh"), 3),) == leaves["rabbitmq"]
    assert (LeaveSpec("server", ("python3", "/kolla-k8s/galera.py", "part"), 1),) == leaves["mariadb"]
    assert [("nb", 3), ("sb", 1)] == [(leave.workload, leave.members) for leave in leaves["ovn"]]


def test_cluster_of_unknown_size_lets_nobody_leave(shipped):
    """
    Values that name no members say nothing about fewer.
    """
    plan = build_plan(wanted_of(shipped), {})

    assert {()} == {step.leaves for step in plan.steps}


def test_digest_changes_with_chart_and_values_only():
    """
    The order in which values are written is no change; the digest fits a label.
    """
    digest = input_digest("chart", {"a": 1, "b": 2})

    assert digest == input_digest("chart", {"b": 2, "a": 1})
    assert 3 == len({digest, input_digest("other", {"a": 1, "b": 2}), input_digest("chart", {"a": 1, "b": 3})})
    assert 63 >= len(digest)


def test_users_are_removed_before_what_they_use(shipped):
    """
    Only what is there is removed.
    """
    wanted = wanted_of(shipped)

    plan = build_removal(wanted, released(wanted, "keystone", "mariadb"))

    assert {"keystone": (), "mariadb": ("keystone",)} == {step.name: step.needs for step in plan.steps}
    assert {(Action.REMOVE, "asked to be removed")} == set(actions(plan).values())


def test_only_named_services_are_removed(shipped):
    """
    The others stay, even those that use them.
    """
    wanted = wanted_of(shipped, "mariadb", "rabbitmq")

    plan = build_removal(wanted, released(wanted_of(shipped), "keystone", "mariadb"))

    assert ["mariadb"] == [step.name for step in plan.steps]
    assert () == plan.steps[0].needs


def test_data_that_others_stand_on_are_not_deleted(shipped):
    """
    Keystone would come up against an empty MariaDB, whose bootstrap is recorded as done; with it gone nobody minds.
    """
    there = released(wanted_of(shipped), "keystone", "mariadb", "memcached")

    with pytest.raises(UserFilesError, match=r"--delete-data: keystone would stay, and without .*; name them, too"):
        build_removal(wanted_of(shipped, "mariadb"), there, with_data=True)
    both = build_removal(wanted_of(shipped, "mariadb", "keystone"), there, with_data=True)
    user = build_removal(wanted_of(shipped, "keystone"), there, with_data=True)

    assert ["keystone", "mariadb"] == [step.name for step in both.steps]
    assert ["keystone"] == [step.name for step in user.steps]


def test_data_of_a_service_that_the_site_has_no_more_are_deleted(shipped):
    """
    Neutron names OVN among its needs; where agents stand in its place nobody stands on its data.
    """
    wanted = wanted_of(shipped, "ovn", enabled=("neutron", "mariadb"))
    there = released(wanted_of(shipped, enabled=("neutron", "ovn")), "neutron", "ovn")

    assert ["ovn"] == [step.name for step in build_removal(wanted, there, with_data=True).steps]


def test_service_that_is_disabled_by_now_can_be_removed(shipped):
    """
    It has no values any more; helm needs none.
    """
    plan = build_removal(wanted_of(shipped, enabled=("mariadb",)), released(wanted_of(shipped), "keystone"))

    assert [("keystone", {})] == [(step.name, step.request.values) for step in plan.steps]


def a_workload(kind, name, config, **spec):
    return {"kind": kind, "metadata": {"name": name}, "spec": {"template": {"config": config}, **spec}}


def test_pods_are_made_anew_where_their_template_differs():
    """
    Not where only the number differs, nor of what is new or gone, nor where somebody has to roll them.
    """
    on_delete = {"updateStrategy": {"type": "OnDelete"}}
    before = [
        a_workload("Deployment", "nova-api", "a", replicas=2),
        a_workload("StatefulSet", "nova-scheduler", "a", replicas=1),
        a_workload("StatefulSet", "nova-conductor", "a", replicas=1),
        a_workload("DaemonSet", "nova-compute", "a"),
        a_workload("DaemonSet", "libvirt", "a", **on_delete),
        a_workload("Deployment", "nova-gone", "a", replicas=1),
        {"kind": "ConfigMap", "metadata": {"name": "nova"}, "data": {"a": "1"}},
    ]
    after = [
        a_workload("Deployment", "nova-api", "b", replicas=2),
        a_workload("StatefulSet", "nova-scheduler", "b", replicas=1),
        a_workload("StatefulSet", "nova-conductor", "a", replicas=3),
        a_workload("DaemonSet", "nova-compute", "b"),
        a_workload("DaemonSet", "libvirt", "b", **on_delete),
        a_workload("Deployment", "nova-new", "b", replicas=1),
        {"kind": "ConfigMap", "metadata": {"name": "nova"}, "data": {"a": "2"}},
    ]

    assert [
        "DaemonSet nova-compute (a pod on each node)",
        "Deployment nova-api (2 pods)",
        "StatefulSet nova-scheduler (1 pod)",
    ] == restarted(before, after)


def test_pods_that_stay_until_they_are_rolled_can_be_asked_for():
    """
    Alone: those that roll by themselves are another question.
    """
    staying = {"updateStrategy": {"type": "OnDelete"}}
    before = [a_workload("DaemonSet", "switch", "1", **staying), a_workload("Deployment", "api", "1", replicas=1)]
    after = [a_workload("DaemonSet", "switch", "2", **staying), a_workload("Deployment", "api", "2", replicas=1)]

    assert ["DaemonSet switch (a pod on each node)"] == restarted(before, after, on_delete=True)


def test_parts_of_nodes_go_with_the_step_of_their_service(shipped):
    """
    Others have none.
    """
    parts = NodeParts("mariadb", "{}")
    wanted = replace(wanted_of(shipped), node_parts={"mariadb": parts})

    steps = {step.name: step.node_parts for step in build_plan(wanted, {}).steps}

    assert (parts, None) == (steps["mariadb"], steps["keystone"])


def test_roll_is_one_step_with_the_gates_of_its_service(shipped):
    """
    It needs nobody: what it needs was there when it was installed.
    """
    parts = NodeParts("keystone")

    (step,) = build_roll(wanted_of(shipped), "keystone", parts, ["a"]).steps

    assert (Action.ROLL, (), parts, {"a"}) == (step.action, step.needs, step.node_parts, step.nodes)
    assert list(shipped["keystone"].spec.gates) == [gate.name for gate in step.gates]
