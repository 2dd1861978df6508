"""What a node tells OVN of itself: the script of ovn-controller, with a switch that writes down what it is told."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

FACTS = {"option:gateway": "true", "option:bridge-ports": "", "host:ovn/sb|ip": "10.0.0.1"}
SWITCH = """
echo "$@" >>{heard}
case "$*" in
*find\\ port*) printf '%s\\n\\n' {ports} ;;
*port-to-br*) echo br-ex ;;
esac
"""


def heard_of(folder, script, ports=""):
    """What a switch with these ports of ours, each in br-ex, hears from a script."""
    heard = folder / "heard"
    heard.unlink(missing_ok=True)
    switch = SWITCH.format(heard=heard, ports=ports)
    for name, does in {"ovs-vsctl": switch, "ovn-controller": "", "neutron-openvswitch-agent": ""}.items():
        (folder / name).write_text(f"#!/bin/bash\n{does}\n")
        (folder / name).chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    subprocess.run(["bash", "-c", script], env={"PATH": path}, check=True, capture_output=True)
    return heard.read_text()


@pytest.fixture
def told(shipped, tmp_path):
    """Run the script on a node with these mappings; gives external ids that were set."""
    script = shipped["ovn-controller"].spec.config["chassis.sh"].content

    def run(node, mappings, tunnel="192.0.2.1"):
        facts = {**FACTS, "node:name": node, "option:bridge-mappings": mappings, "option:tunnel-address": tunnel}
        text = script
        for fact, value in facts.items():
            text = text.replace(f"${{{fact}}}", value)
        return dict(re.findall(r'set Open_vSwitch . external_ids:([a-z-]+)="(.*)"', heard_of(tmp_path, text)))

    return run


def test_each_node_has_a_hardware_address_of_its_own_on_each_provider_network(told):
    """
    Of the local kind, and the same whenever it starts.
    """
    first, again, other = (told(node, "one:br-a,two:br-b") for node in ("a", "a", "b"))
    macs = [one["ovn-chassis-mac-mappings"] for one in (first, again, other)]

    assert re.fullmatch(r"one:52:54:00(:[0-9a-f]{2}){3},two:52:54:00(:[0-9a-f]{2}){3}", macs[0])
    assert macs[0] == macs[1]
    assert 4 == len({mac[4:] for one in (macs[0], macs[2]) for mac in one.split(",")})


def test_node_without_provider_networks_needs_none(told):
    """
    What was said once is taken away.
    """
    assert "ovn-chassis-mac-mappings" not in told("a", "")


def test_tunnels_end_where_the_option_says(told):
    """
    On another interface, for all nodes or for some.
    """
    assert "198.51.100.1" == told("a", "", "198.51.100.1")["ovn-encap-ip"]


@pytest.mark.parametrize("name", ["ovn-controller/chassis.sh", "neutron-ovs-agent/agent.sh"])
def test_interface_that_is_no_longer_said_leaves_its_bridge(shipped, tmp_path, name):
    """
    Also one that is said for another bridge; those that others put in are not looked at.
    """
    service, _, file = name.partition("/")
    text = shipped[service].spec.config[file].content.replace("/tmp/datapath.ini", str(tmp_path / "datapath.ini"))  # noqa: S108 - of a pod
    text = text.replace("${option:bridge-ports}", "br-ex:eth1,br-other:eth2,br-ex:lo")

    said = heard_of(tmp_path, re.sub(r"\$\{[a-z]+:.*?\}", "", text), ports="eth1 eth2 eth3")

    assert ["br-ex eth2", "br-ex eth3"] == re.findall(r"del-port (.*)", said)
    assert ["br-ex lo -- set port lo external_ids:kolla-k8s=uplink"] == re.findall(r"add-port (.*)", said)
