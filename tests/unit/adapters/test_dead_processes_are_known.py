"""Whether a run of this machine has ended is known from its name."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kolla_k8s.adapters.process import RUN, fate, identity
from kolla_k8s.orchestrate.lease import Fate

SAY = "import os; from kolla_k8s.adapters.process import identity; {}; print(identity(), flush=True); input()"


def killed(*, first="pass"):
    """Identity of a run that was killed, and its fate before that."""
    with subprocess.Popen([sys.executable, "-c", SAY.format(first)], stdin=-1, stdout=-1, text=True) as child:
        name = child.stdout.readline().strip()
        before = fate(name)
        child.kill()
        child.wait()
    return name, before


def test_process_that_was_killed_is_gone_and_not_before():
    """
    Also as a corpse that nobody has buried yet.
    """
    name, before = killed()

    assert Fate.UNKNOWN is before
    assert Fate.GONE is fate(name)
    assert Fate.UNKNOWN is fate(identity())


def test_run_whose_helm_is_still_at_work_is_ending():
    """
    Helm was only asked to end, and with a slow API it goes on for a while; it bears the name of its run.
    """
    name, _ = killed()
    with subprocess.Popen(["sleep", "100"], env={**os.environ, RUN: name}) as helm:
        meanwhile = fate(name)
        helm.kill()
        helm.wait()

    assert Fate.ENDING is meanwhile
    assert Fate.GONE is fate(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run as somebody else")
def test_nothing_is_known_of_another_users_run():
    """
    Where a machine hides processes of others, one that lives looks like one that has ended.
    """
    name, _ = killed(first="os.setuid(65534)")

    assert Fate.UNKNOWN is fate(name)


@pytest.mark.parametrize("name", ["ann@a:1:x", "ann@a:1:2:elsewhere", "", "ann@a:x:2:3"])
def test_nothing_is_known_of_processes_elsewhere(name):
    """
    Another machine, another boot, another program's name.
    """
    assert Fate.UNKNOWN is fate(name)


def test_number_that_another_process_has_now_is_gone():
    """
    A start of its own tells processes of one number apart.
    """
    who, pid, _, place = identity().rsplit(":", 3)

    assert Fate.GONE is fate(f"{who}:{pid}:1:{place}")
