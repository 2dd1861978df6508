"""What the gate of volumes makes of the cloud's answers."""

from __future__ import annotations

from pathlib import Path

import pytest

GATE = Path(__file__).parents[3] / "kolla_k8s" / "orchestrate" / "gates" / "cinder_volume.py"
STARTED = "2026-01-01T00:00:00"


class Answers:
    """A cloud whose volume services are in these states, and that makes what it is asked for unless it fails."""

    def __init__(self, services, status="available"):
        self.services, self.status, self.deleted = services, status, []

    def want(self, _service, method, path, _body=None):
        if path.startswith("/os-services"):
            return {"services": [{"host": host, "state": state} for host, state in self.services.items()]}
        if method == "GET" and path == "/volumes":
            return {"volumes": [{"id": "old", "name": "kolla-k8s-gate-old"}, {"id": "mine", "name": None}]}
        return {"volume": {"id": "new", "status": self.status, "os-vol-host-attr:host": "node-1@lvm#lvm"}}

    def ask(self, _service, method, path):
        if method == "DELETE":
            self.deleted.append(path)
        return 404, {}

    def until(self, look, _what):
        return look()


def check(cloud, backend="lvm", *, nodes=("node-1",), **settings):
    space = {"cloud": lambda: cloud}
    exec(compile(GATE.read_text(), str(GATE), "exec"), space)  # noqa: S102 - as its pod does
    about = {"backend": backend, "nodes": dict.fromkeys(nodes, STARTED), "nonce": "1", **settings}
    return space["check"](about)


def test_volume_is_made_and_deleted_and_so_are_those_of_killed_gates():
    """
    Nothing of others is touched.
    """
    cloud = Answers({"node-1@lvm": "up", "cinder-volume-0@rbd": "down"})

    said = check(cloud)

    assert "a volume was made and deleted at node-1@lvm#lvm; up: node-1@lvm" == said
    assert ["/volumes/old", "/volumes/new"] == cloud.deleted


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ({}, "no volume service of lvm is up, 0 are known"),
        ({"node-1@lvm": "down"}, "no volume service of lvm is up, 1 are known"),
        ({"cinder-volume-0@rbd": "up"}, "no volume service of lvm is up, 0 are known"),
        ({"node-1@lvm": "up", "node-2@lvm": "down"}, "the volume service of node-2 is not up"),
        ({"node-1@lvm": "up"}, "the volume service of node-2 is not up"),
    ],
)
def test_backend_that_is_not_up_is_said(services, words):
    """
    Another one that is up does not help; a backend that is on each node is up on each.
    """
    with pytest.raises(SystemExit) as ended:
        check(Answers(services), nodes=("node-1", "node-2"), **{"each-node": True})

    assert words == str(ended.value)


def test_backend_of_one_pod_is_up_wherever_that_is():
    """
    Its host is called by no node's name.
    """
    assert check(Answers({"nfs@nfs": "up"}), "nfs").endswith("up: nfs@nfs")


def test_volume_that_failed_is_deleted_and_said():
    """
    It would count against the quota.
    """
    cloud = Answers({"nfs@nfs": "up"}, status="error")

    with pytest.raises(SystemExit) as ended:
        check(cloud, "nfs")

    assert "a volume that was made is error" == str(ended.value)
    assert "/volumes/new" in cloud.deleted
