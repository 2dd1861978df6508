"""A network with a subnet and a port is made, seen, and deleted."""

# ruff: noqa: F821 - stands behind openstack.py


def check(arguments):
    """Evidence, or SystemExit with what is wrong; it has no router, so its addresses meet no one's."""
    one, made = cloud(), []
    name = f"kolla-k8s-gate-{arguments['nonce']}"

    def make(kind, **about):
        answer = one.want("network", "POST", f"/v2.0/{kind}s", {kind: about})[kind]
        made.append(f"/v2.0/{kind}s/{answer['id']}")
        return answer

    try:
        network = make("network", name=name)
        make("subnet", network_id=network["id"], ip_version=4, cidr="198.18.0.0/24")
        port = make("port", network_id=network["id"], name=name)
        found = one.want("network", "GET", f"/v2.0/networks?name={name}")["networks"]
        if [network["id"]] != [each["id"] for each in found]:
            raise SystemExit(f"the network just made is not listed: {found}")
        if not port["fixed_ips"]:
            raise SystemExit("a port of a subnet got no address")
    finally:
        for path in reversed(made):
            one.ask("network", "DELETE", path)
    return f"a network of type {network.get('provider:network_type')} with MTU {network['mtu']} was made and deleted"
