"""Each node's compute service has reported since it started, its host is mapped, and placement knows what it has."""

# ruff: noqa: F821 - stands behind openstack.py


def check(arguments):
    """Evidence, or SystemExit with what is missing."""
    one = cloud()
    services = one.want("compute", "GET", "/os-services?binary=nova-compute")["services"]
    state = {service["host"]: service["state"] for service in services}
    reported = {service["host"]: (service.get("updated_at") or "")[:19] for service in services}
    hypervisors = one.want("compute", "GET", "/os-hypervisors/detail")["hypervisors"]
    mapped = {found["service"]["host"]: found["hypervisor_hostname"] for found in hypervisors}
    known = {found["name"] for found in one.want("placement", "GET", "/resource_providers")["resource_providers"]}
    for node, started in arguments["nodes"].items():
        if state.get(node) != "up":
            raise SystemExit(f"the compute service of {node} is {state.get(node, 'not known')}")
        if reported[node] <= started:  # it is up by what the one before it said
            raise SystemExit(f"the compute service of {node} has not reported since it started")
        if node not in mapped:
            raise SystemExit(f"{node} is not mapped into a cell yet")
        if mapped[node] not in known:
            raise SystemExit(f"placement does not know {node} yet")
    return f"{len(arguments['nodes'])} nodes up, mapped and known to placement"
