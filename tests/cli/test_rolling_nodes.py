"""What a user reads of single nodes: before an install, before a roll, and when there is nothing to roll."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.cli.look import old_nodes_of
from kolla_k8s.cli.nodes import Rolling, due_nodes
from kolla_k8s.cli.planned import Restarts, plan_json, restarts_of, with_parts
from kolla_k8s.cli.screen import Screen
from kolla_k8s.cli.session import Session
from kolla_k8s.errors import OutsideError, UserFilesError
from kolla_k8s.model.node_parts import NodeParts, node_parts
from kolla_k8s.model.plan import Action, HelmRequest, Plan, Step
from kolla_k8s.orchestrate.kinds import DAEMON_SET, NODE
from kolla_k8s.orchestrate.report import Phase, Row
from kolla_k8s.redact import Redactor
from tests.cli.test_command_line import SITE, run
from tests.fake_cluster import FakeCluster
from tests.fake_nodes import Nodes, daemon_set
from tests.fakes import FakeHelm
from tests.unit.orchestrate.virtual import VirtualClock
from tests.unit.orchestrate.virtual import run as run_virtually

SPACE = "openstack-node"
COMPONENT = {"openvswitch": "db", "nova-compute": "compute"}
RACK = """
apiVersion: kolla-k8s.io/v1
kind: Site
nodes:
  rack-1:
    match: {labels: {rack: "1"}}
    services:
      nova-compute: {config: {nova.conf: {DEFAULT: {reserved_host_memory_mb: 4096}}}}
"""


@asynccontextmanager
async def running(service, strategy):
    """A service on two nodes, and a session that looks at it."""
    cluster, clock = FakeCluster(), VirtualClock()
    helm = FakeHelm(cluster, clock, {"chart": [daemon_set(service, strategy, component=COMPONENT[service])]})
    async with Nodes(cluster, clock, ["a", "b"]):
        await helm.upgrade_install(HelmRequest(service, SPACE, "chart", {}))
        await clock.sleep(10)
        yield Session(cluster, helm, clock, Redactor())


def change(session, service, strategy):
    """Give the service another template, as an install would."""
    there = session.cluster.peek(DAEMON_SET, f"{service}-{COMPONENT[service]}", SPACE)
    spec = {**daemon_set(service, strategy, "two", COMPONENT[service])["spec"]}
    session.cluster.put(DAEMON_SET, {**there, "spec": spec, "metadata": {**there["metadata"], "generation": 2}}, SPACE)


def said_before_a_roll(*nodes, service="openvswitch", is_changed=True):
    async def told():
        async with running(service, "OnDelete") as session:
            if is_changed:
                change(session, service, "OnDelete")
            cloud = load_cloud(Source([Path(SITE)], ["services.openvswitch.enabled=true"]), [service])
            return await due_nodes(session, cloud, Rolling(service, nodes, "text", 600.0, is_dry=True))

    return run_virtually(told())


def test_roll_says_before_which_nodes_it_is_about_and_what_it_costs(capsys):
    """
    In the words of the definition.
    """
    parts = said_before_a_roll()

    nodes, costs = capsys.readouterr().out.splitlines()
    assert "openvswitch: pods of before run on 2 nodes: a, b" == nodes
    assert costs.startswith("each costs: packets of guests and routers of the node are lost")
    assert NodeParts("openvswitch") == parts


def test_roll_of_a_named_node_is_about_that_one(capsys):
    """
    The others keep their pods.
    """
    said_before_a_roll("b")

    assert capsys.readouterr().out.startswith("openvswitch: pods of before run on 1 node: b\n")


def test_nothing_to_roll_is_said(capsys):
    """
    And nothing is done.
    """
    parts = said_before_a_roll(is_changed=False)

    assert parts is None
    assert "openvswitch: every node runs what is installed\n" == capsys.readouterr().out


def test_each_node_that_is_back_has_its_line(capsys):
    """
    Also where no terminal is.
    """
    request = HelmRequest("openvswitch", SPACE, "chart", {})
    row = Row(Step("openvswitch", Action.ROLL, "asked to be rolled", (), request), Phase.ROLLING, started_s=1.0)
    screen = Screen("text", str, lambda: None)

    for node in ("a", "b"):
        row.rolled.append(node)
        screen.change(row)
        screen.change(row)

    lines = [
        "    1.0 s  openvswitch: nodes are rolled: a is back",
        "    1.0 s  openvswitch: nodes are rolled: b is back",
    ]
    assert lines == capsys.readouterr().out.splitlines()


def test_status_names_nodes_with_old_pods():
    """
    Of the node plane: elsewhere nothing stays.
    """

    async def told():
        async with running("openvswitch", "OnDelete") as session:
            change(session, "openvswitch", "OnDelete")
            cloud = load_cloud(Source([Path(SITE)], []))
            return [await old_nodes_of(session, cloud, name) for name in ("openvswitch", "keystone")]

    assert [["a", "b"], []] == run_virtually(told())


def test_unknown_node_is_named_with_the_nearest():
    """
    A slip must not look like success.
    """
    with pytest.raises(UserFilesError) as caught:
        said_before_a_roll("bb")

    assert '--node: no pod of openvswitch runs on a node called "bb"; did you mean "b"?' == str(caught.value)


def test_service_that_runs_nowhere_cannot_be_rolled():
    """
    It is not installed, or no node wants it.
    """

    async def told():
        cloud = load_cloud(Source([Path(SITE)], ["services.openvswitch.enabled=true"]), ["openvswitch"])
        session = Session(FakeCluster(), None, VirtualClock(), Redactor())
        await due_nodes(session, cloud, Rolling("openvswitch", (), "text", 600.0, is_dry=True))

    with pytest.raises(OutsideError) as caught:
        asyncio.run(told())

    assert "openvswitch: has no pods on any node; see `kolla-k8s status`" == str(caught.value)


def test_control_plane_is_not_rolled():
    """
    Exit 2, and what can be.
    """
    done = run("roll", "keystone", "--values", SITE)

    assert 2 == done.returncode
    assert done.stderr.startswith("keystone: is on the control plane, where install itself replaces pods; roll one of:")


def test_roll_without_a_cluster_is_exit_3(tmp_path):
    """
    As every command.
    """
    done = run(
        "roll", "openvswitch", "--values", SITE, "--set", "services.openvswitch.enabled=true",
        "--kubeconfig", str(tmp_path / "none"),
    )  # fmt: skip

    assert 3 == done.returncode, done.stderr
    assert "Example: kolla-k8s roll" in " ".join(run("roll", "--help").stdout.split())


def planned(strategy, parts=None, action=Action.UNCHANGED, image="one"):
    """What plan says of a service's pods."""

    async def told():
        async with running("nova-compute", strategy) as session:
            session.helm.charts["next"] = [daemon_set("nova-compute", strategy, image, "compute")]
            request = HelmRequest("nova-compute", SPACE, "next", {})
            return await restarts_of(session, Step("nova-compute", action, "asked", (), request, node_parts=parts))

    return run_virtually(told())


OWN = node_parts("nova-compute", {"b": [{"nova.conf": {"DEFAULT": {"debug": True}}}]})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("RollingUpdate", OWN), Restarts(["DaemonSet nova-compute-compute on b"], [])),
        (("OnDelete", OWN), Restarts([], ["DaemonSet nova-compute-compute on b"])),
        (
            ("RollingUpdate", OWN, Action.CHANGE, "two"),
            Restarts(["DaemonSet nova-compute-compute (a pod on each node)"], []),
        ),
        (
            ("OnDelete", OWN, Action.CHANGE, "two"),
            Restarts([], ["DaemonSet nova-compute-compute (a pod on each node)"]),
        ),
        (("RollingUpdate", NodeParts("nova-compute")), Restarts([], [])),
        (("RollingUpdate", OWN, Action.CHECK), Restarts([], [])),
        (("RollingUpdate", None), Restarts([], [])),
    ],
)
def test_plan_says_which_nodes_restart_and_which_are_left(arguments, expected):
    """
    What install does by itself, and what it leaves to whoever knows what it costs.
    """
    assert expected == planned(*arguments)


def test_plan_is_json_too():
    """
    With the same content.
    """
    step = Step("nova-compute", Action.UNCHANGED, "asked", (), HelmRequest("nova-compute", SPACE, "next", {}))

    (told,) = plan_json(Plan("c", "2026.1", (step,)), {"nova-compute": Restarts(["x"], ["y"])})["steps"]

    assert (["x"], ["y"]) == (told["restarts"], told["left_to_roll"])


def test_labels_are_looked_up_in_the_cluster(tmp_path):
    """
    And only when the site speaks of any.
    """
    (tmp_path / "rack.yaml").write_text(RACK)
    cluster = FakeCluster()
    cluster.put(NODE, {"metadata": {"name": "a", "labels": {"rack": "1"}}})
    cluster.put(NODE, {"metadata": {"name": "b", "labels": {"rack": "2"}}})
    session = Session(cluster, None, VirtualClock(), Redactor())
    compute = Source([Path(SITE), tmp_path / "rack.yaml"], ["services.nova-compute.enabled=true"])

    with_labels = asyncio.run(with_parts(session, load_cloud(compute)))
    asked = len(cluster.requests)
    without = asyncio.run(with_parts(session, load_cloud(replace(compute, values=[Path(SITE)]))))

    assert {"a"} == set(with_labels.node_parts["nova-compute"].digests)
    assert {} == dict(without.node_parts["nova-compute"].digests)
    assert (1, 1) == (asked, len(cluster.requests))
