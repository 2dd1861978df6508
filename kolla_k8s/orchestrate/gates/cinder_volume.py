"""A volume service is up, and a volume of 1 GiB is made and deleted."""

# ruff: noqa: F821 - stands behind openstack.py

PREFIX = "kolla-k8s-gate-"
GONE = 404


def check(arguments):
    """Evidence, or SystemExit with what is wrong; volumes that a killed gate left go too."""
    one = cloud()
    up = _up(one, arguments)
    for old in one.want("block-storage", "GET", "/volumes")["volumes"]:
        if (old["name"] or "").startswith(PREFIX):
            one.ask("block-storage", "DELETE", f"/volumes/{old['id']}")
    about = {"volume": {"name": PREFIX + arguments["nonce"], "size": 1}}
    path = f"/volumes/{one.want('block-storage', 'POST', '/volumes', about)['volume']['id']}"
    try:
        made = one.until(lambda: _ended(one, path), "a volume is made")
        if made["status"] != "available":
            raise SystemExit(f"a volume that was made is {made['status']}")
    finally:
        one.ask("block-storage", "DELETE", path)
    one.until(lambda: one.ask("block-storage", "GET", path)[0] == GONE, "a volume is gone")
    return f"a volume was made and deleted at {made['os-vol-host-attr:host']}; up: {', '.join(up)}"


def _up(one, arguments):
    """Hosts of a backend whose services are up; of one that is on each node, all of them must be."""
    mark = f"@{arguments['backend']}"
    found = one.want("block-storage", "GET", "/os-services?binary=cinder-volume")["services"]
    services = [service for service in found if service["host"].endswith(mark)]
    up = sorted(service["host"] for service in services if service["state"] == "up")
    if not up:
        raise SystemExit(f"no volume service of {arguments['backend']} is up, {len(services)} are known")
    for node in arguments["nodes"] if arguments.get("each-node") else ():
        if node + mark not in up:
            raise SystemExit(f"the volume service of {node} is not up")
    return up


def _ended(one, path):
    volume = one.want("block-storage", "GET", path)["volume"]
    return None if volume["status"] in ("creating", "downloading") else volume
