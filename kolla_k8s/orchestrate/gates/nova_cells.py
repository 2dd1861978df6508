"""Schedulers and conductors of every cell say that they are at work: only a mapped cell is seen at all."""

# ruff: noqa: F821 - stands behind openstack.py


def check(_arguments):
    """Evidence, or SystemExit with what is missing."""
    services = cloud().want("compute", "GET", "/os-services")["services"]
    up = sorted({one["binary"] for one in services if one["state"] == "up"})
    missing = sorted({"nova-conductor", "nova-scheduler"} - set(up))
    if missing:
        raise SystemExit(f"not at work yet: {', '.join(missing)}")
    return f"at work: {', '.join(up)}"
