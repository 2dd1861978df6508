"""What the gate of the compute nodes makes of the cloud's answers."""

from __future__ import annotations

from pathlib import Path

import pytest

GATE = Path(__file__).parents[3] / "kolla_k8s" / "orchestrate" / "gates" / "compute_up.py"
STARTED = "2026-01-01T00:00:00"


class Answers:
    """A cloud with one compute service, hypervisor and resource provider, unless told otherwise."""

    def __init__(self, state="up", host="node-1", provider="node-1.example", reported="2026-01-01T00:00:05.000000"):
        self.state, self.host, self.provider, self.reported = state, host, provider, reported

    def want(self, service, _method, path):
        answers = {
            "/os-services?binary=nova-compute": {
                "services": [{"host": "node-1", "state": self.state, "updated_at": self.reported}]
            },
            "/os-hypervisors/detail": {
                "hypervisors": [{"service": {"host": self.host}, "hypervisor_hostname": "node-1.example"}]
            },
            "/resource_providers": {"resource_providers": [{"name": self.provider}]},
        }
        assert ("placement" == service) == ("/resource_providers" == path)
        return answers[path]


def check(cloud, *nodes):
    space = {"cloud": lambda: cloud}
    exec(compile(GATE.read_text(), str(GATE), "exec"), space)  # noqa: S102 - as its pod does
    return space["check"]({"nodes": dict.fromkeys(nodes, STARTED)})


def test_hypervisor_may_be_called_otherwise_than_its_node():
    """
    Libvirt's name of a machine is the one that placement knows.
    """
    assert "1 nodes up, mapped and known to placement" == check(Answers(), "node-1")


@pytest.mark.parametrize(
    ("cloud", "node", "words"),
    [
        (Answers(), "node-2", "the compute service of node-2 is not known"),
        (Answers(state="down"), "node-1", "the compute service of node-1 is down"),
        (Answers(reported=f"{STARTED}.900000"), "node-1", "service of node-1 has not reported since it started"),
        (Answers(reported=None), "node-1", "service of node-1 has not reported since it started"),
        (Answers(host="node-3"), "node-1", "node-1 is not mapped into a cell yet"),
        (Answers(provider="else"), "node-1", "placement does not know node-1 yet"),
    ],
)
def test_what_is_missing_is_said(cloud, node, words):
    """
    In the order in which it comes to be.
    """
    with pytest.raises(SystemExit, match=words):
        check(cloud, node)
