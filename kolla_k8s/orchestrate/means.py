"""What a run works with, and what all its steps have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from kolla_k8s.model.plan import GateSpec, Step
from kolla_k8s.orchestrate.gate import GateResult
from kolla_k8s.orchestrate.inventory import Inventory
from kolla_k8s.orchestrate.observe import Observer
from kolla_k8s.orchestrate.report import Row
from kolla_k8s.orchestrate.slots import Slots
from kolla_k8s.ports import Clock, Cluster, Helm, KubeObject


@dataclass(frozen=True, slots=True)
class Means:
    """What a run works with.

    Attributes:
        check: Runs a gate once; an error of the port counts as red.
        on_change: Called with each row when a run begins, and whenever one changed.
        helm_slots: How many helm processes at once.
        patience_s: How long a step may show no progress.
        limit_s: How long the whole run may take.
        stop: Set when nothing new shall begin and what waits shall end.
        redact: Hides secrets in what is about to be cut; what is shown whole is redacted where it is shown.
    """

    helm: Helm
    cluster: Cluster
    clock: Clock
    observer: Observer
    check: Callable[[Step, GateSpec], Awaitable[GateResult]]
    on_change: Callable[[Row], None] = lambda _row: None
    helm_slots: int = 4
    patience_s: float = 600.0
    limit_s: float = float("inf")
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    redact: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Shared:
    """What all steps of a run have in common; ``manifests`` grows as steps learn theirs."""

    means: Means
    slots: Slots
    inventory: Inventory
    weights: Mapping[str, int]
    began_s: float
    manifests: dict[str, list[KubeObject]] = field(default_factory=dict)

    def now_s(self) -> float:
        """Seconds since the run began."""
        return self.means.clock.monotonic() - self.began_s
