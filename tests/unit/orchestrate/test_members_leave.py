"""Members of a cluster that are no longer wanted leave it before their pods go."""

from __future__ import annotations

import pytest

from kolla_k8s.errors import RefusedError
from kolla_k8s.model.plan import LeaveSpec
from kolla_k8s.orchestrate.kinds import POD
from kolla_k8s.orchestrate.members import let_leave
from kolla_k8s.ports import ExecResult
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import labels, thing
from tests.unit.orchestrate.virtual import run

LEAVE = ("bash", "/leave.sh")


def a_cluster(members):
    cluster = FakeCluster()
    for number in range(members):
        cluster.put(POD, thing("Pod", f"rabbitmq-{number}", meta={"labels": labels("rabbitmq", "server")}))
    return cluster


def test_the_highest_leave_first_and_those_that_stay_are_not_asked():
    """
    Three become one, which each is told; what has many queues takes its time.
    """
    cluster, asked = a_cluster(3), []
    cluster.on_exec = lambda call: asked.append((call.pod, call.command, call.timeout_s > 300)) or ExecResult(0, "", "")

    gone = run(let_leave(cluster, "openstack", "rabbitmq", LeaveSpec("server", LEAVE, 1)))

    assert ["rabbitmq-2", "rabbitmq-1"] == gone
    assert [("rabbitmq-2", (*LEAVE, "1"), True), ("rabbitmq-1", (*LEAVE, "1"), True)] == asked


@pytest.mark.parametrize("wanted", [3, 5])
def test_nobody_leaves_a_cluster_that_does_not_shrink(wanted):
    """
    As many or more.
    """
    assert [] == run(let_leave(a_cluster(3), "openstack", "rabbitmq", LeaveSpec("server", LEAVE, wanted)))


def test_member_that_cannot_leave_keeps_the_others_where_they_are():
    """
    With the command's own last words.
    """
    cluster = a_cluster(3)
    cluster.on_exec = lambda _call: ExecResult(1, "", "node is quorum critical")

    with pytest.raises(RefusedError, match=r"rabbitmq-2.*quorum critical"):
        run(let_leave(cluster, "openstack", "rabbitmq", LeaveSpec("server", LEAVE, 1)))
