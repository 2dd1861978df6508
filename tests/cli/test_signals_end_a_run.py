"""What INT, TERM and HUP do to a run: the first ends it in good order, whatever it is at; the second at once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from kolla_k8s.adapters.helm import GRACE_S
from kolla_k8s.cli.session import Signals
from kolla_k8s.errors import InterruptedRunError, TerminatedRunError
from kolla_k8s.orchestrate.lease import LEASES, Claim, Holder, hold
from tests.fakes import FakeClock, FakeCluster

CLAIM = Claim("sky", "openstack", Holder("ann@a:1:x", "kolla-k8s install"))
RUN = """
import asyncio, sys
from pathlib import Path
from kolla_k8s.adapters.clock import SystemClock
from kolla_k8s.adapters.helm import HelmProgram, Runner
from kolla_k8s.adapters.patience import PatientHelm
from kolla_k8s.cli.session import Signals
from kolla_k8s.errors import InterruptedRunError
from kolla_k8s.orchestrate.lease import hold
from tests.cli.test_signals_end_a_run import CLAIM, holder
from tests.fakes import FakeCluster

async def work(cluster, helm, signals):
    clock = SystemClock()
    with signals.listening(), signals.finishing():
        async with hold(cluster, clock, CLAIM) as held:
            await PatientHelm(helm, cluster, clock, signals.stop, held).manifest("a", "b")

cluster, helm = FakeCluster(), HelmProgram(Runner(sys.argv[1], None, None, Path(sys.argv[2])))
try:
    asyncio.run(work(cluster, helm, Signals()))
except InterruptedRunError as error:
    print("held by", holder(cluster) or "nobody")
    print(error, file=sys.stderr)
"""


def holder(cluster):
    return cluster.peek(LEASES, "kolla-k8s-sky", "openstack")["spec"]["holderIdentity"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (signal.SIGINT, InterruptedRunError),
        (signal.SIGTERM, TerminatedRunError),
        (signal.SIGHUP, InterruptedRunError),
    ],
)
def test_first_signal_ends_what_only_prepares_or_clears_away(number, kind):
    """
    Nothing of it has to be finished; the cloud is let go of, and the exit code says which signal it was.
    """
    cluster = FakeCluster()

    async def work():
        with Signals().listening():
            async with hold(cluster, FakeClock(), CLAIM):
                signal.raise_signal(number)
                await asyncio.Event().wait()

    with pytest.raises(kind, match="interrupted; run the same command again to continue") as raised:
        asyncio.run(work())

    assert kind is raised.type
    assert "" == holder(cluster)


def test_first_signal_lets_a_plan_finish_what_runs():
    """
    It is only asked to stop; what comes after the plan does not begin.
    """

    async def work():
        signals = Signals()
        with signals.listening():
            with signals.finishing():
                signal.raise_signal(signal.SIGTERM)
                await signals.stop.wait()
            signals.raise_if_received("stopped half-way")
            pytest.fail("the run goes on")

    with pytest.raises(TerminatedRunError, match="stopped half-way"):
        asyncio.run(work())


def test_first_signal_after_a_plan_ends_the_run():
    """
    While what the services left is deleted, for example: it was no success.
    """

    async def work():
        signals = Signals()
        with signals.listening():
            with signals.finishing():
                pass
            signal.raise_signal(signal.SIGTERM)
            await asyncio.Event().wait()

    with pytest.raises(TerminatedRunError):
        asyncio.run(work())


def test_second_signal_ends_a_helm_that_does_not_want_to_and_lets_go_of_the_cloud(tmp_path):
    """
    Within two seconds on an idle machine, and long before helm's own time to end is over.
    """
    program, begun = tmp_path / "helm", tmp_path / "begun"
    os.mkfifo(begun)
    program.write_text(f"#!/bin/sh\ntrap '' TERM\necho > {begun}\nwhile :; do sleep 1000; done\n")
    program.chmod(0o755)
    command = [sys.executable, "-c", RUN, str(program), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        begun.read_text()
        running.send_signal(signal.SIGINT)
        first = running.stderr.readline()
        began_s = time.monotonic()
        running.send_signal(signal.SIGINT)
        said, errors = running.communicate()
        took_s = time.monotonic() - began_s

    assert "once more ends at once" in first
    assert ("held by nobody\n", "interrupted; run the same command again to continue\n") == (said, errors)
    assert took_s < GRACE_S / 2
