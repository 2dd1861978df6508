"""A machine that was suspended knows that time has passed."""

from __future__ import annotations

import subprocess
import sys

import pytest

SAY = (
    "import time; from kolla_k8s.adapters.clock import SystemClock; print(SystemClock().monotonic() - time.monotonic())"
)
SUSPENDED = ["unshare", "--time", "--boottime", "3600", "--fork"]


def is_possible():
    try:
        return subprocess.run([*SUSPENDED, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not is_possible(), reason="no time namespaces here")
def test_clock_goes_on_while_the_machine_sleeps():
    """
    A hold that nobody renewed meanwhile is not sure when the machine wakes up.
    """
    said = subprocess.run([*SUSPENDED, sys.executable, "-c", SAY], capture_output=True, text=True, check=True)

    assert 3600 == round(float(said.stdout), -1)
