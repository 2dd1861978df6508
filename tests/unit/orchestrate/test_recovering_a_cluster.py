"""A person starts a cluster from the data of one member."""

from __future__ import annotations

import json

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.kinds import CONFIG_MAP
from kolla_k8s.orchestrate.recover import Report, force_from, reports
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.virtual import run


@pytest.fixture
def cluster():
    found = FakeCluster()
    told = {"life": "a", "uuid": "u", "seqno": 7, "empty": False}
    data = {"mariadb-0": json.dumps(told), "mariadb-1": json.dumps({**told, "seqno": -1, "empty": True})}
    found.put(CONFIG_MAP, {"metadata": {"name": "mariadb-members"}, "data": data}, "openstack")
    return found


def test_reports_say_where_data_end(cluster):
    """
    Of the members that are stopped.
    """
    expected = [Report("mariadb-0", "a", "u", 7, is_empty=False), Report("mariadb-1", "a", "u", -1, is_empty=True)]

    assert expected == run(reports(cluster, "openstack", "mariadb"))


def test_member_with_data_may_start_alone(cluster):
    """
    The word its agent waits for, to this start of it alone, and the reports stay.
    """
    run(force_from(cluster, "openstack", "mariadb", "mariadb-0"))

    data = cluster.peek(CONFIG_MAP, "mariadb-members", "openstack")["data"]
    assert "mariadb-0/a" == data["force-from"]
    assert {"mariadb-0", "mariadb-1", "force-from"} == set(data)


@pytest.mark.parametrize("pod", ["mariadb-1", "mariadb-2"])
def test_empty_or_running_member_is_refused(cluster, pod):
    """
    With those that are fit.
    """
    with pytest.raises(OutsideError, match=r"name one of: mariadb-0"):
        run(force_from(cluster, "openstack", "mariadb", pod))


def test_service_that_is_not_installed_is_said(cluster):
    """
    Nothing is made.
    """
    with pytest.raises(OutsideError, match="install the service first"):
        run(reports(cluster, "elsewhere", "mariadb"))
