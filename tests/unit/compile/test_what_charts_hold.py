"""What the words of a definition become in Kubernetes."""

from __future__ import annotations

from tests.unit.compile.defined import DEPLOYMENT, LISTENING, a_definition, files_of

NODE = {"plane": "node"}
PRIVILEGE = {"reason": "loads kernel modules", "capabilities": ["SYS_MODULE"]}
HOST = {"reason": "looks at every process", "pid": True}
AGENT = {**DEPLOYMENT, "kind": "DaemonSet", "privilege": PRIVILEGE, "host": HOST, "roll": {"max-unavailable": 2}}


def test_bootstrap_of_steps_alone_has_no_built_in_ones(tmp_path):
    """
    Neither databases nor messaging nor identity: the named step, then the record.
    """
    bootstrap = {"image": "memcached", "steps": {"fill": {"run": ["fill"]}}}

    helpers = files_of(tmp_path, "one", a_definition("one", bootstrap=bootstrap))["templates/_helpers.tpl"]

    assert ["prepare", "fill", "record"] == [
        line.split()[-1] for line in helpers.splitlines() if line.startswith(("  name: ", "- name: "))
        and line.split()[-1] in {"prepare", "fill", "record", "databases", "messaging", "identity"}
    ]  # fmt: skip


def test_ports_of_peers_are_open_to_peers_alone(tmp_path):
    """
    A workload that only its own members talk to lets nobody else in.
    """
    only_peers = {**DEPLOYMENT, "kind": "StatefulSet", "peers": {"ports": {"sync": 4567}}}

    files = files_of(tmp_path, "one", a_definition("one", workloads={"member": only_peers}))
    policy = files["templates/member-networkpolicy.yaml"]

    assert "port: 4567" in policy
    assert "one.clients" not in policy
    assert "templates/member-service.yaml" not in files


def test_need_in_the_other_plane_is_reached_in_its_namespace(tmp_path):
    """
    An egress rule names the namespace where the other side lives.
    """
    agent = a_definition("agent", **NODE, needs={"run": ["one"]}, workloads={"agent": AGENT})

    policy = files_of(tmp_path, "agent", agent, a_definition("one"))["templates/agent-networkpolicy.yaml"]

    assert 'dict "kubernetes.io/metadata.name" .Values.global.namespaces.control' in policy


def test_capability_is_added_to_none(tmp_path):
    """
    Everything is dropped but what the definition gives a reason for.
    """
    files = files_of(tmp_path, "agent", a_definition("agent", **NODE, workloads={"agent": AGENT}))
    daemon_set = files["templates/agent-daemonset.yaml"]

    assert "drop:\n            - ALL\n            add:\n            - SYS_MODULE" in daemon_set
    assert "privileged: true" not in daemon_set


def test_only_the_namespace_asked_for_is_shared_with_the_node(tmp_path):
    """
    Processes of the node are seen, its network is not.
    """
    files = files_of(tmp_path, "agent", a_definition("agent", **NODE, workloads={"agent": AGENT}))
    daemon_set = files["templates/agent-daemonset.yaml"]

    assert "hostPID: true" in daemon_set
    assert "hostNetwork" not in daemon_set
    assert "dnsPolicy" not in daemon_set
    assert "templates/agent-networkpolicy.yaml" in files


def test_daemon_set_rolls_as_many_nodes_as_it_may(tmp_path):
    """
    As the definition says, and one at least.
    """
    slow = {**AGENT, "roll": {}}
    workloads = {"agent": AGENT, "slow": slow}

    files = files_of(tmp_path, "agent", a_definition("agent", **NODE, workloads=workloads))

    assert "maxUnavailable: 2" in files["templates/agent-daemonset.yaml"]
    assert "maxUnavailable: 1" in files["templates/slow-daemonset.yaml"]


def test_service_may_have_a_name_of_its_own(tmp_path):
    """
    When clients know the workload under another name.
    """
    named = {**LISTENING, "service": "one-public"}

    files = files_of(tmp_path, "one", a_definition("one", workloads={"api": named}))

    assert "\n  name: one-public\n" in files["templates/api-service.yaml"]
