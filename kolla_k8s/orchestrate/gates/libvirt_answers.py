"""The daemon answers and can start guests of the node's own architecture."""

import subprocess


def check(_arguments):
    """Evidence, or SystemExit with what is wrong."""
    asked = subprocess.run(["virsh", "capabilities"], capture_output=True, text=True, timeout=60, check=False)
    if asked.returncode or "<guest>" not in asked.stdout:
        raise SystemExit(f"no guest can be started: {(asked.stderr or asked.stdout).strip()[:200]}")
    kinds = sorted({kind for kind in ("kvm", "qemu") if f"<domain type='{kind}'" in asked.stdout})
    return f"starts guests by {' and '.join(kinds)}"
