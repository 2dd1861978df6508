"""A network outside a cloud: the sandbox's node is on it, by a bridge of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.e2e.conftest import Sandbox

NODE = "172.24.4.1/24"
MAKE = """
net = {"name": "outside", "router:external": True}
net |= {"provider:network_type": "flat", "provider:physical_network": "outside"}
made = one.want("network", "POST", "/v2.0/networks", {"network": net})["network"]["id"]
subnet = {"network_id": made, "ip_version": 4, "cidr": "172.24.4.0/24", "gateway_ip": "172.24.4.1"}
one.want("network", "POST", "/v2.0/subnets", {"subnet": {**subnet, "enable_dhcp": False}})
print(made)
"""
REMOVE = """
one.want("network", "DELETE", "/v2.0/networks/{network}")
"""


@contextmanager
def outside(cloud: Sandbox, site: Sequence[str], agent: str) -> Iterator[None]:
    """Give the node a provider bridge by the option of its agent, and the cloud an external network on it."""
    _installed(cloud, agent, *site, "--set", f"services.{agent}.options.bridge-mappings=outside:br-ex")
    for command in (["addr", "replace", NODE, "dev", "br-ex"], ["link", "set", "br-ex", "up"]):
        subprocess.run(["ip", "-n", cloud.at.netns, *command], check=True)
    network = cloud.as_admin(MAKE).strip()
    yield
    cloud.as_admin(REMOVE.replace("{network}", network))
    _installed(cloud, agent, *site)


def _installed(cloud: Sandbox, agent: str, *options: str) -> None:
    """Install a change, and roll it out to the nodes: install leaves what carries packets alone."""
    for command in ("install", "roll"):
        done = cloud.tool(command, agent, *options, "--output", "text")
        assert 0 == done.returncode, done.stdout + done.stderr


def reaches(cloud: Sandbox, service: str, address: str, within: str = "") -> bool:
    """Whether the node, or a namespace of a service's pod, gets answers to ping from there."""
    inside = ["ip", "netns", "exec", within] if within else []
    command = [*inside, "ping", "-c", "20", "-i", "0.5", address]
    program = f"import subprocess; print(subprocess.run({command}).returncode)"
    labels, space = f"app.kubernetes.io/name={service}", "openstack-node"
    return cloud.python(labels, "agent", program, space).stdout.split()[-1] == "0"
