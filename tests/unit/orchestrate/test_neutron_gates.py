"""What the gates of networks make of Neutron's answers, and that nothing is left of what they made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GATES = Path(__file__).parents[3] / "kolla_k8s" / "orchestrate" / "gates"


class Neutron:
    """Keeps what is made; ports that agents make are there when ``owners`` says so."""

    def __init__(self, owners=(), agents=(), left=""):
        self.owners, self.agents, self.left = owners, agents, left
        self.there, self.asked = [], []

    def want(self, _service, method, path, body=None):
        self.asked.append((method, path))
        kind = path.split("/")[2].partition("?")[0]
        if method == "POST":
            one = kind.removesuffix("s")
            self.there.append(f"/v2.0/{kind}/{one}-1")
            about = {"id": f"{one}-1", "mtu": 1450, "fixed_ips": ["198.18.0.2"], "provider:network_type": "vxlan"}
            return {one: {**body[one], **about}}
        if "device_owner" in path:
            return {kind: [{"status": "ACTIVE", "binding:host_id": "node-1"} for o in self.owners if o in path]}
        return {kind: self.agents if kind == "agents" else [{"id": f"{kind.removesuffix('s')}-1", "name": self.left}]}

    def ask(self, _service, method, path, _body=None):
        self.asked.append((method, path))
        if method == "DELETE":
            self.there.remove(path)
        return 204, {}

    def until(self, look, what, _patience_s):
        if not (found := look()):
            raise SystemExit(f"{what}: not within 0 s")
        return found


def check(program, neutron, dnsmasq="/nowhere", **arguments):
    space = {"cloud": lambda: neutron}
    exec(compile((GATES / f"{program}.py").read_text(), program, "exec"), space)  # noqa: S102 - as its pod does
    space["DNSMASQ"] = dnsmasq
    return space["check"]({"nonce": "0", **arguments})


def test_network_is_enough_where_nothing_serves_it():
    """
    Without agents, and where they are not there yet.
    """
    neutron = Neutron()

    said = check("neutron_network", neutron)

    assert "a network of type vxlan with MTU 1450 was made and deleted" == said
    assert [] == neutron.there


@pytest.mark.parametrize(("serves", "owner"), [("dhcp", "network:dhcp"), ("router", "network:router_interface")])
def test_agents_serve_the_network(serves, owner, monkeypatch):
    """
    Their port comes up, and is said with its node.
    """
    monkeypatch.setenv("NODE_NAME", "node-2")
    neutron = Neutron(owners=[owner])

    said = check("neutron_network", neutron, serves=serves)

    assert said.endswith(f"its {owner} came up on node-1")
    assert [] == neutron.there


@pytest.fixture
def dnsmasq(tmp_path, monkeypatch):
    """
    Folder of what DHCP's agent knows of the network on this node, and a process with its name in the command.

    It says a line first: for a moment after its start a process has no command in /proc.
    """
    monkeypatch.setenv("NODE_NAME", "node-1")
    (tmp_path / "network-1").mkdir()
    command = [sys.executable, "-c", "print(flush=True); input()", "network-1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        (tmp_path / "network-1" / "pid").write_text(f"{process.pid}\n")
        yield tmp_path
        process.kill()


def test_server_of_dhcp_lives_on_this_node(dnsmasq):
    """
    Its process is found by the file that the agent wrote.
    """
    said = check("neutron_network", Neutron(owners=["network:dhcp"]), dnsmasq=dnsmasq, serves="dhcp")

    assert said.endswith("its network:dhcp came up on node-1")


@pytest.mark.parametrize("text", ["1\n", "1000000000\n", None])
def test_port_of_dhcp_is_not_enough_on_its_own_node(dnsmasq, text):
    """
    It may be plugged and dnsmasq not have started, or be another process by now.
    """
    file = dnsmasq / "network-1" / "pid"
    file.write_text(text) if text else file.unlink()

    with pytest.raises(SystemExit, match="a living dnsmasq: not within"):
        check("neutron_network", Neutron(owners=["network:dhcp"]), dnsmasq=dnsmasq, serves="dhcp")


def test_router_leaves_its_network_before_it_goes():
    """
    Neutron refuses to delete a router that has an interface; also when the gate is red.
    """
    neutron = Neutron()

    with pytest.raises(SystemExit, match="a port of network:router_interface ACTIVE: not within"):
        check("neutron_network", neutron, serves="router")

    ends = [path for _, path in neutron.asked if "routers/router-1" in path]
    assert ["add_router_interface", "remove_router_interface", "router-1"] == [path.split("/")[-1] for path in ends]
    assert [] == neutron.there


def test_what_a_killed_gate_left_goes_first():
    """
    Of the same kind alone: gates of other kinds are at work beside it.
    """
    old = Neutron(owners=["network:router_interface"], left="kolla-k8s-gate-router-9")
    old.there = ["/v2.0/routers/router-1", "/v2.0/ports/port-1", "/v2.0/networks/network-1"]
    other = Neutron(left="kolla-k8s-gate-dhcp-9")

    check("neutron_network", old, serves="router")
    check("neutron_network", other)

    assert ("PUT", "/v2.0/routers/router-1/remove_router_interface") in old.asked[: old.asked.index(PUT)]
    assert [] == old.there == other.there


PUT = ("PUT", "/v2.0/routers/router-1/add_router_interface")
REPORT = {"heartbeat_timestamp": "2026-01-01 00:00:05"}
AGENTS = ({"host": "node-1", "alive": True, **REPORT}, {"host": "node-2", "alive": False, **REPORT})
BEFORE, AFTER = "2026-01-01T00:00:04", "2026-01-01T00:00:05"


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ({"node-1": BEFORE, "node-2": BEFORE}, "neutron-l3-agent of node-2 is dead"),
        ({"node-1": BEFORE, "node-3": BEFORE}, "neutron-l3-agent of node-3 is not known"),
        ({"node-1": AFTER}, "neutron-l3-agent of node-1 has not reported since it started"),
    ],
)
def test_agent_that_does_not_report_is_named(nodes, said):
    """
    The node with it.
    """
    with pytest.raises(SystemExit, match=said):
        check("neutron_agents", Neutron(agents=AGENTS), binary="neutron-l3-agent", nodes=nodes)


def test_agents_that_report_are_counted():
    """
    Those of nodes that are none of ours do not matter.
    """
    said = check("neutron_agents", Neutron(agents=AGENTS), binary="neutron-l3-agent", nodes={"node-1": BEFORE})

    assert "neutron-l3-agent is alive on 1 nodes" == said
