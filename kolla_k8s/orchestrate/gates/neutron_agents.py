"""On each node the agent of a kind has reported to Neutron since it started."""

# ruff: noqa: F821 - stands behind openstack.py


def check(arguments):
    """Evidence, or SystemExit with the first node whose agent does not."""
    binary = arguments["binary"]
    found = cloud().want("network", "GET", f"/v2.0/agents?binary={binary}")["agents"]
    is_alive = {agent["host"]: agent["alive"] for agent in found}
    reported = {agent["host"]: agent["heartbeat_timestamp"].replace(" ", "T")[:19] for agent in found}
    for node, started in arguments["nodes"].items():
        if not is_alive.get(node):
            raise SystemExit(f"{binary} of {node} is {'dead' if node in is_alive else 'not known'}")
        if reported[node] <= started:  # it is alive by what the one before it said
            raise SystemExit(f"{binary} of {node} has not reported since it started")
    return f"{binary} is alive on {len(arguments['nodes'])} nodes"
