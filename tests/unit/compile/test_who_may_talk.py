"""Network policies: who may talk to whom, as definitions say."""

from __future__ import annotations

import re

from tests.unit.compile.defined import DEPLOYMENT, LISTENING, a_definition, files_of

NODE = {"plane": "node"}
AGENT = {**DEPLOYMENT, "kind": "DaemonSet"}
NETWORKED = {**AGENT, "host": {"reason": "is the node's own", "network": True}}


def policies(files):
    """Template of each policy, by its file's name."""
    ending = "networkpolicy.yaml"
    return {path.removeprefix("templates/"): text for path, text in files.items() if path.endswith(ending)}


def test_ways_out_stand_once_in_a_chart(tmp_path):
    """
    All pods of a service have the same; only what listens has a policy besides, for its ways in.
    """
    workloads = {"api": LISTENING, "worker": DEPLOYMENT}
    bootstrap = {"image": "a", "steps": {"fill": {"run": ["fill"]}}}
    one = a_definition("one", needs={"run": ["two"]}, workloads=workloads, bootstrap=bootstrap)

    found = policies(files_of(tmp_path, "one", one, a_definition("two", workloads={"api": LISTENING})))
    every, listens = found["networkpolicy.yaml"], found["api-networkpolicy.yaml"]

    assert {"networkpolicy.yaml", "api-networkpolicy.yaml"} == set(found)
    assert "name: one-default\n" in every
    assert "policyTypes:\n  - Ingress\n  - Egress\n  egress:\n" in every
    assert "component" not in every.partition("spec:")[2]
    assert "podSelector: {matchLabels: {app.kubernetes.io/name: two}}" in every
    assert "policyTypes:\n  - Ingress\n  ingress:\n" in listens
    assert "egress" not in listens


def test_pods_on_the_network_of_their_node_have_no_policy(tmp_path):
    """
    None would hold for them.
    """
    assert {} == policies(files_of(tmp_path, "one", a_definition("one", **NODE, workloads={"agent": NETWORKED})))


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

    policy = files_of(tmp_path, "agent", agent, a_definition("one"))["templates/networkpolicy.yaml"]

    assert "kubernetes.io/metadata.name: {{ .Values.global.namespaces.control | quote }}" in policy


def test_ports_of_nodes_are_open_to_those_who_need_them(tmp_path):
    """
    No label selects pods on the host's network, so the rule names the nodes' addresses.
    """
    host = {"reason": "consoles listen on the node", "network": True, "ports": {"consoles": [5900, 6599], "one": 16514}}
    agent = a_definition("agent", **NODE, workloads={"agent": {**AGENT, "host": host}})

    files = files_of(tmp_path, "one", agent, a_definition("one", needs={"run": ["agent"]}))
    policy = files["templates/networkpolicy.yaml"]

    assert 'include "one.outside" .Values.global.nodeCidrs' in policy
    assert ["5900", "6599", "16514"] == re.findall(r"[pP]ort: (\d{4,})", policy.split("one.outside")[1])[:3]
    assert 'define "one.outside"' in files["templates/_helpers.tpl"]


def test_what_listens_on_its_node_is_reached_there(tmp_path):
    """
    By the service's own bootstrap, too: nothing lets clients in, for no policy holds for such pods.
    """
    host = {**NETWORKED, "ports": {"api": 8000}}
    bootstrap = {"image": "a", "steps": {"fill": {"run": ["fill"]}}}

    found = policies(files_of(tmp_path, "one", a_definition("one", **NODE, workloads={"a": host}, bootstrap=bootstrap)))
    _, _, to_nodes = found["networkpolicy.yaml"].partition('include "one.outside" .Values.global.nodeCidrs')

    assert {"networkpolicy.yaml"} == set(found)
    assert ["8000"] == re.findall(r"port: (\d+)", to_nodes)
