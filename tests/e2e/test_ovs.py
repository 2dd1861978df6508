"""A cloud with Neutron's agents in OVN's place: it boots a server, and what serves it outlives the agents' pods."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.control_plane import wait_until
from tests.e2e.conftest import ROOT, Sandbox, installed_again, own_sandbox
from tests.e2e.outside import outside, reaches

pytestmark = [pytest.mark.e2e, pytest.mark.compute, pytest.mark.timeout(1800)]
SITE = ("--values", str(ROOT / "values/sites/all-in-one-ovs.yaml"))
PODS = "/api/v1/namespaces/openstack-node/pods?labelSelector=app.kubernetes.io%2Fname%3D"
AGENTS = ["neutron-ovs-agent", "neutron-dhcp", "neutron-l3", "neutron-metadata-agent"]
SERVERS = {"dnsmasq", "haproxy"}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    """A sandbox with the cloud; nothing is left of it afterwards."""
    with own_sandbox("ovs", ["control", "compute", "ovs"]) as made:
        done = made.tool("install", *SITE, "--output", "json")
        assert 0 == done.returncode, done.stdout[-2000:]
        yield made
    assert {} == servers()
    assert [] == [path.name for path in Path("/run/netns").glob("q*")]


def servers() -> dict[int, str]:
    """Process id -> name of what agents started for guests."""
    found = {}
    groups = [f for name in SERVERS for f in Path("/sys/fs/cgroup").glob(f"**/kolla-k8s.{name}/cgroup.procs")]
    for pid in {pid for group in groups for pid in group.read_text().split()}:
        found[int(pid)] = Path(f"/proc/{pid}/comm").read_text().strip()
    return found


def speaking_from(pid: int) -> subprocess.Popen[bytes]:
    """A process that sees the files of another and, told to, says a word to syslog."""
    speak = "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'<30>said from before', '/dev/log')"
    command = ["nsenter", "--mount", f"--target={pid}", "python3", "-c", f"import socket; input(); {speak}"]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def test_server_boots_and_goes_without_a_trace(cloud):
    """
    DHCP, metadata, security groups and the switch are all agents' work; they hear of a network's end when it has gone.
    What their servers say is heard.
    """
    report = cloud.smoke(*SITE)

    assert "green" == report["outcome"], report
    said = cloud.syslog("neutron-dhcp")
    assert "DHCPACK" in said
    assert "GET /" in said
    wait_until("what served the guest has ended", lambda: not servers())


def test_what_serves_guests_outlives_the_agents(cloud):
    """
    All agents' pods are deleted: the same processes go on, and the next agent of DHCP takes them over. What they say is
    heard by the next pod.
    """
    made = cloud.smoke(*SITE, "--keep")
    before = servers()
    with speaking_from(min(pid for pid, name in before.items() if name == "dnsmasq")) as outlived:
        for name in AGENTS:
            cloud.api.ask("DELETE", PODS + name)
        while_away = servers()

        again = cloud.tool("install", *SITE, "--output", "json", *AGENTS)
        outlived.communicate(b"\n")
    after = servers()
    said = cloud.syslog("neutron-dhcp")
    gone = cloud.smoke(*SITE, "--clean", made["name"])

    assert 0 == again.returncode, again.stderr
    assert before == while_away
    assert "INFO said from before" in said
    assert set(before.values()) == set(after.values()) == SERVERS
    assert "green" == gone["outcome"]


@pytest.mark.parametrize("name", AGENTS)
def test_agent_is_installed_again_alone(cloud, name):
    """
    One apply; what it needs is only checked.
    """
    planned, step = installed_again(cloud, SITE, name)

    assert {name: "install"} == planned
    assert "green" == step["state"]


def test_server_is_reached_from_outside_by_its_floating_ip(cloud):
    """
    By a router of the agents, and a bridge of the node.
    """
    with outside(cloud, SITE, "neutron-ovs-agent"):
        made = cloud.smoke(*SITE, "--keep")
        reached = reaches(cloud, "neutron-dhcp", made["made"]["floating"])
        cloud.smoke(*SITE, "--clean", made["name"])

    assert made["made"]["floating"].startswith("172.24.4.")
    assert reached
