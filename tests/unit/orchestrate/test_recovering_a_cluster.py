"""A person starts a cluster from the data of one member."""

from __future__ import annotations

import json
import re

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.kinds import CONFIG_MAP, POD
from kolla_k8s.orchestrate.recover import Report, force_from, reports
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.virtual import run


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
    about = {"name": "mariadb-2", "ownerReferences": [{"kind": "StatefulSet", "name": "mariadb"}]}
    ready = [{"type": "Ready", "status": "True"}]
    cluster.put(POD, {"metadata": about, "status": {"phase": "Running", "conditions": ready}}, "openstack")
    other = {"name": "nova-0", "ownerReferences": [{"kind": "StatefulSet", "name": "nova"}]}
    cluster.put(POD, {"metadata": other, "status": {"phase": "Running", "conditions": ready}}, "openstack")

    with pytest.raises(OutsideError, match="Pod mariadb-2: serves, and with mariadb-0 there would be two clusters"):
        run(force_from(cluster, "openstack", "mariadb", "mariadb-0"))
    assert "force-from" not in cluster.peek(CONFIG_MAP, "mariadb-members", "openstack")["data"]


def test_service_that_is_not_installed_is_said(cluster):
    """
    Nothing is made.
    """
    with pytest.raises(OutsideError, match="install the service first"):
        run(reports(cluster, "elsewhere", "mariadb"))
