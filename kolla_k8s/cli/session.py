"""A command's connection to the outside: cluster, helm, signals, and the one place where a coroutine is run."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from kolla_k8s.adapters.clock import SystemClock
from kolla_k8s.adapters.helm import HelmProgram, Runner, default_home
from kolla_k8s.adapters.kube import KubeCluster, connect
from kolla_k8s.adapters.process import fate, identity
from kolla_k8s.adapters.releases import releases
from kolla_k8s.cli.cloud import Cloud
from kolla_k8s.errors import InterruptedRunError, TerminatedRunError
from kolla_k8s.orchestrate.lease import Claim, Hold, Holder
from kolla_k8s.orchestrate.secrets import read_secrets, secret_specs
from kolla_k8s.ports import Release
from kolla_k8s.redact import Redactor


@dataclass(frozen=True, slots=True)
class Target:
    """Which cluster and which helm, as options say."""

    kubeconfig: str | None
    context: str | None
    helm: str = "helm"


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with."""

    cluster: KubeCluster
    helm: HelmProgram
    clock: SystemClock
    redact: Redactor

    def under(self, held: Hold) -> Session:
        """The same, with a cluster that is changed only while the hold is sure."""
        return replace(self, cluster=self.cluster.held(held.sure))

    async def releases(self, cloud: Cloud) -> dict[str, Release]:
        """Every release of the cloud's services, by service."""
        spaces = sorted(set(cloud.wanted.namespaces.values()))
        found = await asyncio.gather(*(releases(self.cluster, space) for space in spaces))
        return {name: release for part in found for name, release in part.items() if name in cloud.catalog.services}

    async def learn(self, cloud: Cloud) -> None:
        """Teach the redactor every secret of the cloud that is there, those of disabled services too."""
        specs = secret_specs(cloud.catalog, cloud.catalog.services, cloud.wanted.namespaces)
        found = await read_secrets(self.cluster, specs)
        self.redact.add(value for data in found.values() for value in data.values())


@asynccontextmanager
async def opened(target: Target) -> AsyncIterator[Session]:
    """Open the cluster of a target."""
    redact = Redactor()
    async with connect(target.kubeconfig, target.context) as cluster:
        runner = Runner(target.helm, target.kubeconfig, target.context, default_home())
        yield Session(cluster, HelmProgram(runner, redact), SystemClock(), redact)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end; a second interrupt ends it at once."""
    try:
        asyncio.run(work)
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise InterruptedRunError("interrupted; run the same command again to continue") from None


class Signals:
    """The first INT, TERM or HUP asks to stop; the second ends the run."""

    def __init__(self, stop: asyncio.Event) -> None:
        """Set ``stop`` at the first signal."""
        self._stop = stop
        self.received: int | None = None
        self._task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._receive, number)

    def _receive(self, number: int) -> None:
        if self.received is not None and self._task is not None:
            self._task.cancel()
            return
        self.received = number
        self._stop.set()
        sys.stderr.write("stopping: what runs is finished first; once more ends at once\n")

    def raise_if_received(self) -> None:
        """End the command with the signal's exit code."""
        text = "stopped; what was done is in the cluster, the same command continues"
        if self.received == signal.SIGTERM:
            raise TerminatedRunError(text)
        if self.received is not None:
            raise InterruptedRunError(text)


def claim(cloud: Cloud) -> Claim:
    """The hold of a cloud, for this process: no option's value is shown in it, it could be a secret."""
    words = [word.partition("=")[0] if word.startswith("-") else word for word in sys.argv[1:]]
    holder = Holder(identity(), shlex.join(["kolla-k8s", *words])[:200])
    return Claim(cloud.wanted.cloud, cloud.wanted.namespaces["control"], holder, fate)
