"""What commands do with single nodes: pack what is their own, tell which run old pods, roll them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kolla_k8s.cli.cloud import Cloud, Source, load_cloud, require_enabled
from kolla_k8s.cli.session import Session, Target, claim, opened
from kolla_k8s.cli.work import carry_out
from kolla_k8s.errors import OutsideError, Problem, UserFilesError
from kolla_k8s.model.catalog import is_control
from kolla_k8s.model.node_parts import NodeParts
from kolla_k8s.orchestrate.lease import hold
from kolla_k8s.orchestrate.nodes import NodePod, node_pods, read_node_parts
from kolla_k8s.orchestrate.plan import build_roll
from kolla_k8s.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Rolling:
    """What ``roll`` was asked for."""

    service: str
    nodes: Sequence[str]
    output: str
    patience_s: float
    is_dry: bool


async def roll_service(source: Source, target: Target, asked: Rolling) -> None:
    """Say what rolling costs, then roll; raises ``DidNotComeUpError`` when a node does not come back."""
    cloud = load_cloud(source, [asked.service])
    require_enabled(cloud, [asked.service])
    _require_on_nodes(cloud, asked.service)
    async with opened(target) as free:
        if asked.is_dry:
            await due_nodes(free, cloud, asked)
            return
        async with hold(free.cluster, free.clock, claim(cloud)) as held:
            await free.helm.version()
            session = free.under(held)
            await session.learn(cloud)
            parts = await due_nodes(session, cloud, asked)
            if parts is not None:
                plan = build_roll(cloud.wanted, asked.service, parts, asked.nodes)
                await carry_out(session, cloud, plan, asked.output, patience_s=asked.patience_s, held=held)


async def due_nodes(session: Session, cloud: Cloud, asked: Rolling) -> NodeParts | None:
    """Print which nodes will be rolled and what that costs; None when none has to be."""
    name, space = asked.service, cloud.wanted.namespaces["node"]
    parts = await read_node_parts(session.cluster, space, name)
    pods = await node_pods(session.cluster, space, parts)
    _require_nodes(name, pods, asked.nodes)
    due = [pod for pod in pods if pod.is_due and (pod.node in asked.nodes or not asked.nodes)]
    if asked.output != "json":
        sys.stdout.write("".join(f"{line}\n" for line in _announced(cloud, name, due)))
        sys.stdout.flush()
    return parts if due or asked.output == "json" else None


def _announced(cloud: Cloud, name: str, due: Sequence[NodePod]) -> Iterable[str]:
    if not due:
        yield f"{name}: every node runs what is installed"
        return
    nodes = {pod.node for pod in due}
    count = f"{len(nodes)} node{'s' * (len(nodes) != 1)}"
    yield f"{name}: pods of before run on {count}: {', '.join(sorted(nodes))}"
    workloads = cloud.catalog[name].spec.workloads
    for component in sorted({pod.component for pod in due}):
        if component in workloads and workloads[component].roll.costs:
            yield f"each costs: {workloads[component].roll.costs}"


def _require_on_nodes(cloud: Cloud, service: str) -> None:
    if is_control(cloud.catalog[service]):
        known = [name for name in cloud.wanted.values if not is_control(cloud.catalog[name])]
        fact = "is on the control plane, where install itself replaces pods"
        raise UserFilesError([Problem(service, "", fact, f"roll one of: {', '.join(sorted(known)) or 'none'}")])


def _require_nodes(service: str, pods: Sequence[NodePod], nodes: Iterable[str]) -> None:
    """Raise when there is nothing of this service on nodes, or not on one that is named."""
    if not pods:
        raise OutsideError(service, "has no pods on any node", "see `kolla-k8s status`")
    known = sorted({pod.node for pod in pods})
    problems = [
        Problem("--node", "", f'no pod of {service} runs on a node called "{node}"', did_you_mean(node, known))
        for node in nodes
        if node not in known
    ]
    if problems:
        raise UserFilesError(problems)
