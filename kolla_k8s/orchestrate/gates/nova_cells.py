"""Each pod of schedulers and conductors is at work in Nova's eyes: what is in an unmapped cell is not seen at all."""

# ruff: noqa: F821 - stands behind openstack.py


def check(arguments):
    """Evidence, or SystemExit with what is missing; ``pods`` is workload -> names of its ready pods, Nova's hosts."""
    services = cloud().want("compute", "GET", "/os-services")["services"]
    up = {one["host"] for one in services if one["state"] == "up"}
    wanted = {workload: set(names) for workload, names in arguments["pods"].items()}
    missing = [
        ", ".join(sorted(names - up)) or workload for workload, names in wanted.items() if names - up or not names
    ]
    if missing:
        raise SystemExit(f"not at work yet, or in no mapped cell: {', '.join(missing)}")
    return f"at work: {', '.join(sorted(set().union(*wanted.values())))}"
