"""A command's connection to the outside: cluster, helm, signals, and the one place where a coroutine is run."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
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

INTERRUPTED = "interrupted; run the same command again to continue"
HURRY_S = (1.0, 1.7)
"""After a cancel: when helm has had its time to end by itself, and when the API has had its own for our farewell."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which cluster and which helm, as options say."""

    kubeconfig: str | None
    context: str | None
    helm: str = "helm"


class Signals:
    """The first INT, TERM or HUP ends the run in good order, the second at once.

    While a plan is carried out, good order means that what runs is finished and nothing begins; before and after that
    nothing needs to be finished, and the run is cancelled. In every case the hold of the cloud is let go of.

    Attributes:
        stop: Set at the first signal.
    """

    def __init__(self) -> None:
        """Wait for none yet."""
        self.stop = asyncio.Event()
        self._received: int | None = None
        self._is_finishing = False
        self._task: asyncio.Task[Any] | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take signals for the length of a block, which is the run; a block that they ended raises their error."""
        self._task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._receive, number)
        try:
            yield
        except asyncio.CancelledError:
            self.raise_if_received(INTERRUPTED)
            raise

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Let a block finish what it is at when a signal comes; it heeds ``stop``."""
        self._is_finishing = True
        try:
            yield
        finally:
            self._is_finishing = False

    def raise_if_received(self, text: str) -> None:
        """End the command with the signal's exit code, saying how far it came; nothing when no signal came."""
        if self._received == signal.SIGTERM:
            raise TerminatedRunError(text)
        if self._received is not None:
            raise InterruptedRunError(text)

    def _receive(self, number: int) -> None:
        is_first, self._received = self._received is None, self._received or number
        self.stop.set()
        if is_first and self._is_finishing:
            sys.stderr.write("stopping: what runs is finished first; once more ends at once\n")
            return
        self._cancel()
        for later_s in HURRY_S:
            asyncio.get_running_loop().call_later(later_s, self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with."""

    cluster: KubeCluster
    helm: HelmProgram
    clock: SystemClock
    redact: Redactor
    signals: Signals = field(default_factory=Signals)

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
    """Open the cluster of a target; from here on signals end the run in good order."""
    redact, signals = Redactor(), Signals()
    with signals.listening():
        async with connect(target.kubeconfig, target.context) as cluster:
            runner = Runner(target.helm, target.kubeconfig, target.context, default_home())
            yield Session(cluster, HelmProgram(runner, redact), SystemClock(), redact, signals)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end."""
    try:
        asyncio.run(work)
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise InterruptedRunError(INTERRUPTED) from None


def claim(cloud: Cloud) -> Claim:
    """The hold of a cloud, for this process: no option's value is shown in it, it could be a secret."""
    words = [word.partition("=")[0] if word.startswith("-") else word for word in sys.argv[1:]]
    holder = Holder(identity(), shlex.join(["kolla-k8s", *words])[:200])
    return Claim(cloud.wanted.cloud, cloud.wanted.namespaces["control"], holder, fate)
