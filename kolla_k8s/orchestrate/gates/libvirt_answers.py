"""The daemon answers and can start guests of the node's own architecture."""

import subprocess
from pathlib import Path

FOUND = "/run/libvirt/kolla-k8s-virt-type"
"""How a guest really started, as the pod found out before the daemon began."""


def check(_arguments):
    """Evidence, or SystemExit with what is wrong."""
    asked = subprocess.run(["virsh", "capabilities"], capture_output=True, text=True, timeout=60, check=False)
    if asked.returncode or "<guest>" not in asked.stdout:
        raise SystemExit(f"no guest can be started: {(asked.stderr or asked.stdout).strip()[:200]}")
    return f"starts guests by {Path(FOUND).read_text().strip()}"
