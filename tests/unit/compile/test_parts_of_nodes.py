"""A pod lays over its files what its node has of its own, and says in its status which part that was."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from kolla_k8s.model.node_parts import node_parts
from tests.unit.compile.defined import DEPLOYMENT, a_definition, files_of

INIT = Path(__file__).parents[3] / "kolla_k8s/compile/files/init.py"
FILE = {"format": "ini", "mode": "0440", "content": {"DEFAULT": {"my_ip": "${node:ip}", "debug": False}}}
HOST = {"reason": "looks at every process", "pid": True}
AGENT = {**DEPLOYMENT, "kind": "DaemonSet", "host": HOST}


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Run the prepare step on a node; gives the file and what stands in the pod's status."""
    for folder in ("kolla-k8s", "run/kolla-k8s/rendered", "run/kolla-k8s/nodes", "dev"):
        (tmp_path / folder).mkdir(parents=True)
    pod = {"service": "nova-compute", "hosts": {}, "urls": {}, "files": {"nova.conf": FILE, "other.conf": FILE}}
    pod["options"] = {"tunnel": "${node:name}", "bridges": ""}
    (tmp_path / "kolla-k8s/pod.json").write_text(json.dumps(pod))
    monkeypatch.setenv("KOLLA_K8S_ROOT", str(tmp_path))
    monkeypatch.setenv("NODE_IP", "192.0.2.1")

    def run(node, wanted=None):
        monkeypatch.setenv("NODE_NAME", node)
        if wanted is not None:
            parts = node_parts("nova-compute", wanted)
            (tmp_path / "run/kolla-k8s/nodes/nodes.json").write_text(parts.content)
        spec = importlib.util.spec_from_file_location("init", INIT)
        init = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(init)
        init.main(["prepare"])
        said = tmp_path / "dev/termination-log"
        return (tmp_path / "run/kolla-k8s/rendered/nova.conf").read_text(), said.read_text() if said.exists() else ""

    return run


def test_without_the_config_map_all_nodes_are_alike(prepared):
    """
    Plain helm knows no nodes.
    """
    assert ("[DEFAULT]\ndebug = false\nmy_ip = 192.0.2.1\n", "") == prepared("a")


def test_node_that_nobody_speaks_of_is_as_all_others(prepared):
    """
    And says nothing of itself.
    """
    assert ("[DEFAULT]\ndebug = false\nmy_ip = 192.0.2.1\n", "") == prepared(
        "b", {"a": [{"config": {"nova.conf": {"x": {}}}}]}
    )


def test_last_word_wins_and_null_deletes(prepared):
    """
    Parts are laid over the file in their order, with its placeholders.
    """
    rack = {"nova.conf": {"DEFAULT": {"debug": None, "host": "${node:name}", "tag": "rack"}, "vnc": {"enabled": True}}}
    own = {"nova.conf": {"DEFAULT": {"tag": "own"}, "vnc": None}}
    wanted = {"a": [{"config": rack}, {"config": own}]}

    text, said = prepared("a", wanted)

    assert "[DEFAULT]\nhost = a\nmy_ip = 192.0.2.1\ntag = own\n" == text
    assert node_parts("nova-compute", wanted).digests["a"] == said


def test_null_in_the_place_of_a_file_leaves_it(prepared):
    """
    A pod without a file that it mounts would not start.
    """
    text, _ = prepared("a", {"a": [{"config": {"nova.conf": None}}]})

    assert "[DEFAULT]\ndebug = false\nmy_ip = 192.0.2.1\n" == text


def test_options_of_a_node_are_filled_in_before_its_files(prepared):
    """
    The last word wins; an option may name a fact of the node, and other nodes keep what the site chose for all.
    """
    ask = {"nova.conf": {"DEFAULT": {"where": "${option:tunnel}", "bridges": "${option:bridges}"}}}
    rack = {"config": ask, "options": {"tunnel": "198.51.100.1", "bridges": "x:br-x"}}

    mine, _ = prepared("a", {"a": [rack, {"options": {"tunnel": "${node:ip}"}}], "b": [{"config": ask}]})
    theirs, _ = prepared("b")

    assert "bridges = x:br-x\ndebug = false\nmy_ip = 192.0.2.1\nwhere = 192.0.2.1\n" in mine
    assert "bridges = \ndebug = false\nmy_ip = 192.0.2.1\nwhere = b\n" in theirs


def test_pods_of_nodes_mount_the_config_map_where_it_is_there(tmp_path):
    """
    It is no part of the release: a pod starts without it.
    """
    config = {"a.conf": {"path": "/etc/a.conf", "format": "ini"}}
    agent = a_definition("agent", plane="node", config=config, workloads={"agent": AGENT})

    text = files_of(tmp_path, "agent", agent)["templates/agent-daemonset.yaml"]

    assert "{name: nodes, configMap: {name: agent-nodes, defaultMode: 292, optional: true}}" in text
    assert 1 == text.count("mountPath: /run/kolla-k8s/nodes")


def test_pods_without_files_or_nodes_mount_nothing(tmp_path):
    """
    There is nothing to lay it over, or nobody to lay it over for.
    """
    config = {"a.conf": {"path": "/etc/a.conf", "format": "ini"}}
    without = a_definition("without", plane="node", workloads={"agent": AGENT})
    control = a_definition("control", config=config)

    texts = [
        files_of(tmp_path, name, without, control)[f"templates/{file}.yaml"]
        for name, file in (("without", "agent-daemonset"), ("control", "api-deployment"))
    ]

    assert ["/run/kolla-k8s/nodes" in text for text in texts] == [False, False]
