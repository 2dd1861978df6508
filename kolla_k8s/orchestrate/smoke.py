"""A user's path through an installed cloud: from an image to a server that answers, and all away again.

Each step is a small program run in a pod of nova's API, which may speak to all it needs; what it makes is called like
the run. The cleaning step runs whatever happened before: a red step, an API that is away, an interrupt.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.gate import PODS, is_ready, run_program
from kolla_k8s.ports import Clock, Cluster, Command, KubeObject

STEPS = ("image", "flavor", "network", "subnet", "port", "server", "console", "ping", "floating")
TOLD_OF_GUEST = frozenset({"image", "flavor", "subnet"})
PINGS = 3
LOOK_S = 20
"""How long one program looks: an exec is no place to wait for long."""
WAITED = ": not within "
INSIDE = {"neutron-metadata": "ovnmeta-", "neutron-dhcp": "qdhcp-"}
"""Services of nodes -> what they call the namespace of a network that they serve."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A step, what it found, how long it took, and whether it did what it should."""

    step: str
    is_green: bool
    said: str
    took_s: float


@dataclass(frozen=True, slots=True)
class Smoke:
    """One run over one cloud.

    Attributes:
        name: Name of everything it makes.
        login: ``auth_url``, ``username``, ``password`` and ``project`` of who makes it.
        guest: What is started: ``kernel`` and ``ramdisk``, or ``image`` and ``format`` (contents in base64), or
            ``image-name``; ``memory`` in MiB and ``cidr`` of its network.
        namespaces: ``control`` and ``node`` -> namespace.
        stop: Set from outside to end the path early; the cleaning goes on.
    """

    cluster: Cluster
    clock: Clock
    name: str
    login: Mapping[str, str]
    guest: Mapping[str, Any]
    namespaces: Mapping[str, str]
    patience_s: float = 300.0
    made: dict[str, Any] = field(default_factory=dict)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, tell: Callable[[Passed], None], *, keep: bool = False) -> list[Passed]:
        """Go the whole path, telling of each step; the first red one ends it, and all is cleaned unless kept.

        Nothing begins after ``stop``; a program that is at work is waited for, else it might make something after the
        cleaning. Whoever cancels it ends the cleaning, too: ``clean`` of the same name goes on.
        """
        passed: list[Passed] = []
        try:
            for step in STEPS:
                passed.append(await self._timed(step))
                tell(passed[-1])
                if not passed[-1].is_green or self.stop.is_set():
                    break
        finally:
            if not keep:
                passed.append(await self.clean(tell))
        return passed

    async def clean(self, tell: Callable[[Passed], None]) -> Passed:
        """Delete everything that is called like the run, as far as it is there."""
        passed = await self._timed("clean")
        tell(passed)
        return passed

    async def _timed(self, step: str) -> Passed:
        began = self.clock.monotonic()
        try:
            is_green, said = await (self._ping() if step == "ping" else self._step(step))
        except OutsideError as error:
            is_green, said = False, str(error)
        return Passed(step, is_green, said, self.clock.monotonic() - began)

    async def _step(self, step: str) -> tuple[bool, str]:
        pod = await self._pod("control", "app.kubernetes.io/name=nova,app.kubernetes.io/component=api")
        asked = {
            "step": step,
            "name": self.name,
            "login": dict(self.login),
            "guest": dict(self.guest) if step in TOLD_OF_GUEST else {},
            "made": self.made,
            "patience_s": LOOK_S,
        }
        began = self.clock.monotonic()
        deadline = began + self.patience_s
        done = await run_program(self.cluster, pod, "api", "smoke", asked)
        while not done.is_green and WAITED in done.evidence and self.clock.monotonic() < deadline:
            if self.stop.is_set() and step != "clean":
                break
            done = await run_program(self.cluster, pod, "api", "smoke", asked)
        if not done.is_green:
            waited = f"{WAITED}{self.clock.monotonic() - began:.0f} s"
            return False, done.evidence.replace(f"{WAITED}{LOOK_S} s", waited)
        found = json.loads(done.evidence)
        self.made.update(found["made"])
        return True, str(found["said"])

    async def _ping(self) -> tuple[bool, str]:
        """Ping the guest from its own network: from the namespace of an agent, on its own host if there is one."""
        said = f"no pod of {' or '.join(INSIDE)} is ready"
        for service, prefix in INSIDE.items():
            namespace = f"{prefix}{self.made['network']}"
            command = ["ip", "netns", "exec", namespace, "ping", "-c", str(PINGS), "-W", "5", self.made["address"]]
            for pod in await self._pods("node", f"app.kubernetes.io/name={service}"):
                about, container = pod["metadata"], pod["spec"]["containers"][0]["name"]
                done = await self.cluster.exec(about["namespace"], about["name"], container, Command(command))
                if lines := [line for line in done.stdout.splitlines() if "received" in line]:
                    return done.exit_code == 0, lines[0]
                said = done.stderr.strip() or "no answer"
        return False, said

    async def _pod(self, plane: str, labels: str) -> KubeObject:
        ready = await self._pods(plane, labels)
        if not ready:
            place = f"namespace {self.namespaces[plane]}"
            raise OutsideError(f"smoke ({place})", f"no pod with {labels} is ready", "see `kolla-k8s status`")
        return ready[0]

    async def _pods(self, plane: str, labels: str) -> list[KubeObject]:
        """Ready pods, those on the guest's host first."""
        pods = await self.cluster.list(PODS, self.namespaces[plane], labels=labels)
        host = self.made.get("host")
        return sorted(filter(is_ready, pods), key=lambda pod: pod["spec"].get("nodeName") != host)
