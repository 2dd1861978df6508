"""A person starts a cluster from the data of one member."""

from __future__ import annotations

import json
import re

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.kinds import CONFIG_MAP, POD
from kolla_k8s.orchestrate.recover import ForceSpec, Report, force_from, force_start, members, reports
from kolla_k8s.ports import ExecResult
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.virtual import run


def member(name, *, is_ready=False, owner="rabbitmq", is_running=True):
    status = {"containerStatuses": [{"name": "server", "state": {"running" if is_running else "waiting": {}}}]}
    about = {"name": name, "ownerReferences": [{"kind": "StatefulSet", "name": owner, "uid": owner}]}
    ready = [{"type": "Ready", "status": "True" if is_ready else "False"}]
    return {"metadata": about, "status": {**status, "conditions": ready}}


@pytest.fixture
def cluster():
    found = FakeCluster()
    told = {"life": "a", "uuid": "u", "seqno": 7, "empty": False, "whole": True}
    none = {**told, "seqno": -1}
    data = {
        "mariadb-0": told,
        "mariadb-1": {**none, "empty": True},
        "mariadb-2": {**none, "whole": False},
        "mariadb-3": {**none, "whole": False, "readable": False},
    }
    said = {pod: json.dumps(one) for pod, one in data.items()}
    found.put(CONFIG_MAP, {"metadata": {"name": "mariadb-members"}, "data": said}, "openstack")
    return found


def test_reports_say_where_data_end(cluster):
    """
    Of the members that are stopped, or why they hold nothing to start from.
    """
    expected = [
        Report("mariadb-0", "a", "u", 7),
        Report("mariadb-1", "a", "u", -1, "empty"),
        Report("mariadb-2", "a", "u", -1, "cut short by a state transfer"),
        Report("mariadb-3", "a", "u", -1, "cannot read its data, see its log"),
    ]

    assert expected == run(reports(cluster, "openstack", "mariadb"))


def test_member_with_data_may_start_alone(cluster):
    """
    The word its agent waits for, to this start of it alone, and the reports stay.
    """
    run(force_from(cluster, "openstack", "mariadb", "mariadb-0"))

    data = cluster.peek(CONFIG_MAP, "mariadb-members", "openstack")["data"]
    assert "mariadb-0/a" == data["force-from"]
    assert {*(f"mariadb-{number}" for number in range(4)), "force-from"} == set(data)


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        ("mariadb-1", "has nothing to start from (empty)"),
        ("mariadb-2", "has nothing to start from (cut short by a state transfer)"),
        ("mariadb-3", "has nothing to start from (cannot read its data, see its log)"),
        ("mariadb-4", "is no stopped member"),
    ],
)
def test_member_without_whole_data_is_refused(cluster, pod, why):
    """
    With those that are fit; one that runs, or is not there, has no report.
    """
    with pytest.raises(OutsideError, match=re.escape(f"Pod {pod}: {why}; name one of: mariadb-0")):
        run(force_from(cluster, "openstack", "mariadb", pod))


def test_member_is_not_started_beside_a_cluster_that_serves(cluster):
    """
    Whose members it may not see: each would take writes of its own.
    """
    cluster.put(POD, member("mariadb-2", is_ready=True, owner="mariadb"), "openstack")
    cluster.put(POD, member("nova-0", is_ready=True, owner="nova"), "openstack")

    with pytest.raises(OutsideError, match="Pod mariadb-2: serves, and with mariadb-0 there would be two clusters"):
        run(force_from(cluster, "openstack", "mariadb", "mariadb-0"))
    assert "force-from" not in cluster.peek(CONFIG_MAP, "mariadb-members", "openstack")["data"]


@pytest.fixture
def waiting():
    """Two members that wait for a third, and what is asked of them."""
    found = FakeCluster()
    for name in ("rabbitmq-0", "rabbitmq-1"):
        found.put(POD, member(name), "openstack")
    found.put(POD, member("nova-0", is_ready=True, owner="nova"), "openstack")
    asked = []

    def told(call):
        asked.append((call.pod, call.container, *call.command))
        return ExecResult(0, "", "")

    found.on_exec = told
    return found, asked


FORCE = ForceSpec("server", ["force"])


def test_member_that_waits_is_told_and_made_anew(waiting):
    """
    Another one goes on waiting: it joins.
    """
    cluster, asked = waiting

    run(force_start(cluster, "openstack", "rabbitmq", "rabbitmq-1", FORCE))

    assert [("rabbitmq-1", "server", "force")] == asked
    assert ["rabbitmq-0"] == [one.pod for one in run(members(cluster, "openstack", "rabbitmq"))]


def test_member_is_not_told_where_another_serves_or_it_is_not_there(waiting):
    """
    Nor one that does not run; nothing is deleted.
    """
    cluster, asked = waiting
    cluster.put(POD, member("rabbitmq-3", is_running=False), "openstack")
    for pod in ("rabbitmq-2", "rabbitmq-3"):
        with pytest.raises(OutsideError, match="is no member that waits; name one of: rabbitmq-0, rabbitmq-1"):
            run(force_start(cluster, "openstack", "rabbitmq", pod, FORCE))

    cluster.put(POD, member("rabbitmq-2", is_ready=True), "openstack")
    with pytest.raises(OutsideError, match="Pod rabbitmq-2: serves, and with rabbitmq-0 there would be two clusters"):
        run(force_start(cluster, "openstack", "rabbitmq", "rabbitmq-0", FORCE))

    assert [] == asked
    assert 4 == len(run(members(cluster, "openstack", "rabbitmq")))


@pytest.mark.parametrize(("code", "fact"), [(64, "cannot be told"), (-1, "may have been told")])
def test_member_that_cannot_be_told_stays(waiting, code, fact):
    """
    Its last words say why; nobody knows what became of a line that broke.
    """
    cluster, _ = waiting
    cluster.on_exec = lambda _: ExecResult(code, "", "Stack trace\nthis node is running\n")

    with pytest.raises(OutsideError, match=f"{fact} to start without the others: this node is running"):
        run(force_start(cluster, "openstack", "rabbitmq", "rabbitmq-0", FORCE))

    assert 2 == len(run(members(cluster, "openstack", "rabbitmq")))


def test_service_that_is_not_installed_is_said(cluster):
    """
    Nothing is made.
    """
    with pytest.raises(OutsideError, match="install the service first"):
        run(reports(cluster, "elsewhere", "mariadb"))
