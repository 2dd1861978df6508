"""What ``plan`` does, once a cluster is open: say what a run would do, and which pods that makes anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kolla_k8s.cli.cloud import Cloud, Source, load_cloud, require_enabled, with_charts
from kolla_k8s.cli.session import Session, Target, opened
from kolla_k8s.model.catalog import is_control
from kolla_k8s.model.plan import Action, Plan, Step
from kolla_k8s.orchestrate.nodes import NodePod, labels_of_nodes, node_pods
from kolla_k8s.orchestrate.plan import Wanted, build_plan, restarted
from kolla_k8s.orchestrate.report import some
from kolla_k8s.site.nodes import parts_of


async def show_plan(source: Source, target: Target, services: Sequence[str], output: str) -> None:
    """Print the plan."""
    cloud = load_cloud(source, services)
    require_enabled(cloud, services)
    cloud = with_charts(cloud)
    async with opened(target) as session:
        plan = build_plan(await with_parts(session, cloud), await session.releases(cloud))
        restarts = {step.name: await restarts_of(session, step) for step in plan.steps}
    if output == "json":
        sys.stdout.write(json.dumps(plan_json(plan, restarts), indent=1) + "\n")
        return
    for step in plan.steps:
        after = f", after {', '.join(step.needs)}" if step.needs else ""
        sys.stdout.write(f"{step.action.value:10} {step.name} ({step.reason}{after})\n")
        for workload in restarts[step.name].now:
            sys.stdout.write(f"{'':10}   restarts {workload}\n")
        for workload in restarts[step.name].later:
            sys.stdout.write(f"{'':10}   leaves {workload} to `kolla-k8s roll {step.name}`\n")


async def with_parts(session: Session, cloud: Cloud) -> Wanted:
    """What is wanted, with what single nodes have of their own: their labels only the cluster knows."""
    site = cloud.site.site
    labels = await labels_of_nodes(session.cluster) if any(each.match.labels for each in site.nodes.values()) else {}
    services = [name for name in cloud.wanted.values if not is_control(cloud.catalog[name])]
    return replace(cloud.wanted, node_parts=parts_of(site, services, labels))


@dataclass(frozen=True, slots=True)
class Restarts:
    """Workloads whose pods a step makes anew, and those that it leaves to ``roll``."""

    now: Sequence[str] = ()
    later: Sequence[str] = ()


async def restarts_of(session: Session, step: Step) -> Restarts:
    """What becomes of a step's pods, by its change or by what single nodes have of their own."""
    request, now, later = step.request, list[str](), list[str]()
    if step.action is Action.CHANGE:
        before = await session.helm.manifest(request.release, request.namespace)
        after = await session.helm.template(request)
        now, later = restarted(before, after), restarted(before, after, on_delete=True)
    if step.node_parts is not None and step.action is not Action.CHECK:
        pods = await node_pods(session.cluster, request.namespace, step.node_parts)
        now += _on_nodes((pod for pod in pods if pod.has_old_part and not pod.is_on_delete), now)
        later += _on_nodes((pod for pod in pods if pod.is_due and pod.is_on_delete), later)
    return Restarts(now, later)


def _on_nodes(pods: Iterable[NodePod], said: Sequence[str]) -> list[str]:
    """DaemonSets with their nodes; those of which it was said that every pod changes are left out."""
    nodes: dict[str, list[str]] = {}
    for pod in pods:
        nodes.setdefault(pod.owner, []).append(pod.node)
    found = {f"DaemonSet {owner}": some(on) for owner, on in sorted(nodes.items())}
    return [f"{name} on {on}" for name, on in found.items() if not any(one.startswith(f"{name} ") for one in said)]


def plan_json(plan: Plan, restarts: Mapping[str, Restarts]) -> dict[str, object]:
    """A plan as JSON, without values."""
    steps = [
        {
            "name": step.name,
            "action": step.action.value,
            "reason": step.reason,
            "needs": list(step.needs),
            "namespace": step.request.namespace,
            "chart": str(step.request.chart),
            "digest": step.request.digest,
            "gates": [gate.name for gate in step.gates],
            "restarts": list(restarts[step.name].now),
            "left_to_roll": list(restarts[step.name].later),
        }
        for step in plan.steps
    ]
    return {"cloud": plan.cloud, "release": plan.release, "steps": steps}
