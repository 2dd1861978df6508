"""A network with a subnet and a port is made, seen, and deleted.

With ``serves`` it is also seen that agents serve it: ``dhcp`` or, by way of a router on it, ``router``.
"""

# ruff: noqa: F821 - stands behind openstack.py
import os
from pathlib import Path

DNSMASQ = "/var/lib/neutron/dhcp"
OWNERS = {"dhcp": "network:dhcp", "router": "network:router_interface"}


def check(arguments):
    """Evidence, or SystemExit with what is wrong; its addresses meet no one's, for no other network has its router."""
    one, undo, serves = cloud(), [], arguments.get("serves", "")
    prefix = f"kolla-k8s-gate-{serves or 'network'}-"
    name = prefix + arguments["nonce"]
    _clear(one, prefix)

    def make(kind, **about):
        answer = one.want("network", "POST", f"/v2.0/{kind}s", {kind: about})[kind]
        undo.append(("DELETE", f"/v2.0/{kind}s/{answer['id']}", None))
        return answer

    try:
        network = make("network", name=name)
        subnet = make("subnet", network_id=network["id"], ip_version=4, cidr="198.18.0.0/24")
        port = make("port", network_id=network["id"], name=name)
        found = one.want("network", "GET", f"/v2.0/networks?name={name}")["networks"]
        if [network["id"]] != [each["id"] for each in found]:
            raise SystemExit(f"the network just made is not listed: {found}")
        if not port["fixed_ips"]:
            raise SystemExit("a port of a subnet got no address")
        said = (
            f"a network of type {network.get('provider:network_type')} with MTU {network['mtu']} was made and deleted"
        )
        if serves == "router":
            path, body = f"/v2.0/routers/{make('router', name=name)['id']}", {"subnet_id": subnet["id"]}
            one.want("network", "PUT", f"{path}/add_router_interface", body)
            undo.append(("PUT", f"{path}/remove_router_interface", body))
        return f"{said}; {_served(one, network, serves)}" if serves else said
    finally:
        for method, path, body in reversed(undo):
            one.ask("network", method, path, body)


def _clear(one, prefix):
    """Take away what a gate left that was killed: no two of one kind are at work at once."""
    for kind in ("routers", "ports", "networks"):
        for found in one.want("network", "GET", f"/v2.0/{kind}?fields=id&fields=name")[kind]:
            if not found["name"].startswith(prefix):
                continue
            path = f"/v2.0/{kind}/{found['id']}"
            if kind == "routers":
                for port in one.want("network", "GET", f"/v2.0/ports?device_id={found['id']}")["ports"]:
                    one.ask("network", "PUT", f"{path}/remove_router_interface", {"port_id": port["id"]})
            one.ask("network", "DELETE", path)


def _served(one, network, serves):
    """The agent has plugged its port, the switch's agent has wired it, and who answers DHCP here is alive."""
    path = f"/v2.0/ports?network_id={network['id']}&device_owner={OWNERS[serves]}"

    def active():
        return [port for port in one.want("network", "GET", path)["ports"] if port["status"] == "ACTIVE"]

    ports = one.until(active, f"a port of {OWNERS[serves]} ACTIVE", 20)
    hosts = sorted(port["binding:host_id"] for port in ports)
    if serves == "dhcp" and os.environ["NODE_NAME"] in hosts:
        one.until(lambda: _answers(network["id"]), "a living dnsmasq", 20)
    return f"its {OWNERS[serves]} came up on {', '.join(hosts)}"


def _answers(network):
    try:
        pid = (Path(DNSMASQ) / network / "pid").read_text().strip()
        return network in (Path("/proc") / pid / "cmdline").read_text()
    except OSError:
        return False
