"""Whether a run of this machine has ended is known from its name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kolla_k8s.adapters.process import identity, is_gone

SAY = "from kolla_k8s.adapters.process import identity; print(identity(), flush=True); input()"


def test_process_that_was_killed_is_gone_and_not_before():
    """
    Also as a corpse that nobody has buried yet.
    """
    with subprocess.Popen([sys.executable, "-c", SAY], stdin=-1, stdout=-1, text=True) as child:
        name = child.stdout.readline().strip()
        before = is_gone(name)
        child.kill()
        child.wait()

    assert not before
    assert is_gone(name)
    assert not is_gone(identity())


@pytest.mark.parametrize("name", ["ann@a:1:x", "ann@a:1:2:elsewhere", "", "ann@a:x:2:3"])
def test_nothing_is_known_of_processes_elsewhere(name):
    """
    Another machine, another boot, another program's name.
    """
    assert not is_gone(name)


def test_number_that_another_process_has_now_is_gone():
    """
    A start of its own tells processes of one number apart.
    """
    who, pid, _, place = identity().rsplit(":", 3)

    assert is_gone(f"{who}:{pid}:1:{place}")
