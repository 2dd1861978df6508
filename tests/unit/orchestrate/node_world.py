"""A cloud with one service on its nodes: the cluster, helm, the controller and the kubelets are programs in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kolla_k8s.model.node_parts import NodeParts, node_parts
from kolla_k8s.model.plan import Action, GateSpec, HelmRequest, Plan, Step
from kolla_k8s.orchestrate.gate import GateResult
from kolla_k8s.orchestrate.kinds import POD
from kolla_k8s.orchestrate.nodes import read_node_parts
from kolla_k8s.orchestrate.observe import observing
from kolla_k8s.orchestrate.report import Report, Row
from kolla_k8s.orchestrate.run import Means, execute
from kolla_k8s.ports import KubeObject
from tests.fake_cluster import FakeCluster
from tests.fake_nodes import Nodes, daemon_set
from tests.fakes import FakeHelm
from tests.unit.orchestrate.virtual import VirtualClock, run

T = TypeVar("T")
SPACE = "openstack-node"
MUTATING = {"create", "update", "patch", "delete"}


def own(**memory: int) -> NodeParts:
    """What these nodes have of their own, as ``a=1``."""
    return node_parts("agents", {node: [{"a.conf": {"DEFAULT": {"m": m}}}] for node, m in memory.items()})


@dataclass
class World:
    """A cloud with one service on its nodes; ``install`` and ``roll`` do what the commands do."""

    cluster: FakeCluster
    clock: VirtualClock
    helm: FakeHelm
    nodes: Nodes
    image: str = "one"
    strategy: str = "RollingUpdate"
    red: set[str] = field(default_factory=set)

    def chart(self, _request: HelmRequest) -> list[KubeObject]:
        """What the service's chart renders to."""
        return [daemon_set("agents", self.strategy, self.image)]

    async def check(self, _step: Step, _gate: GateSpec) -> GateResult:
        """Red where a pod of a red node was made anew and is ready."""
        ready = {pod["spec"]["nodeName"] for pod in self.cluster.matching(POD, SPACE) if pod.get("status")}
        bad = self.red & set(self.nodes.made[3:]) & ready
        return GateResult(is_green=not bad, evidence=f"red on {bad}" if bad else "fine")

    async def carry_out(
        self, action: Action, parts: NodeParts, nodes: Sequence[str] = (), **options: Any
    ) -> tuple[Report, Row]:
        """Do this with the service; give the report, and its row."""
        self.cluster.requests.clear()
        request = HelmRequest("agents", SPACE, "chart", {})
        gates = (GateSpec("works", "any", "agent", timeout_s=30.0),)
        step = Step("agents", action, "asked", (), request, gates, node_parts=parts, nodes=frozenset(nodes))
        async with observing(self.cluster, [SPACE]) as observer:
            means = Means(self.helm, self.cluster, self.clock, observer, self.check, **options)
            report = await execute(Plan("c", "2026.1", (step,)), means)
        return report, report.rows["agents"]

    async def install(
        self, parts: NodeParts | None = None, action: Action = Action.CHANGE, **options: Any
    ) -> tuple[Report, Row]:
        """Install the service, with these parts of nodes."""
        return await self.carry_out(action, parts or NodeParts("agents"), **options)

    async def roll(self, *nodes: str, **options: Any) -> tuple[Report, Row]:
        """Roll the service on these nodes, or on all."""
        parts = await read_node_parts(self.cluster, SPACE, "agents")
        return await self.carry_out(Action.ROLL, parts, nodes, **options)

    def mutations(self) -> list[tuple[str, str, str]]:
        """What the last command wrote."""
        return [(one.verb, one.plural, one.name) for one in self.cluster.requests if one.verb in MUTATING]


@asynccontextmanager
async def a_world(strategy: str = "RollingUpdate", parts: NodeParts | None = None) -> AsyncIterator[World]:
    """Three nodes, and the service installed on them."""
    cluster, clock = FakeCluster(), VirtualClock()
    async with Nodes(cluster, clock, ["a", "b", "c"]) as nodes:
        world = World(cluster, clock, FakeHelm(cluster, clock), nodes, strategy=strategy)
        world.helm.charts["chart"] = world.chart
        report, _ = await world.install(parts, Action.INSTALL)
        assert report.is_green, report.text()
        yield world


def story(tell: Callable[[World], Awaitable[T]], *arguments: Any) -> T:
    """Tell a story in a fresh world."""

    async def told() -> T:
        async with a_world(*arguments) as world:
            return await tell(world)

    return run(told())
