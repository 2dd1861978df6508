"""What ``check`` does, once a cluster is open."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict

from kolla_k8s.adapters.images import image_findings
from kolla_k8s.cli.cloud import Cloud, Source, load_cloud, with_charts
from kolla_k8s.cli.session import Target, opened
from kolla_k8s.errors import DidNotComeUpError
from kolla_k8s.model.catalog import is_control
from kolla_k8s.orchestrate.plan import build_plan
from kolla_k8s.orchestrate.preflight import Finding, preflight
from kolla_k8s.ports import KubeObject


async def check_cluster(source: Source, target: Target, output: str) -> None:
    """Print every finding; raises ``DidNotComeUpError`` when one is a problem."""
    cloud = with_charts(load_cloud(source))
    async with opened(target) as session:
        helm = Finding("helm", "ok", await session.helm.version())
        steps = build_plan(cloud.wanted, {}).steps
        rendered = await asyncio.gather(*(session.helm.template(step.request) for step in steps))
        objects: dict[str, list[KubeObject]] = {}
        for step, items in zip(steps, rendered, strict=True):
            objects.setdefault(step.request.namespace, []).extend(items)
        findings = [helm, *await preflight(session.cluster, cloud.wanted.namespaces, objects)]
        findings += [*await image_findings(session.cluster, objects), *node_addresses(cloud)]
    if output == "json":
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=1) + "\n")
    else:
        for finding in findings:
            way_out = f"; {finding.way_out}" if finding.way_out else ""
            sys.stdout.write(f"{finding.level:8} {finding.subject}: {finding.fact}{way_out}\n")
    problems = [finding.subject for finding in findings if finding.level == "problem"]
    if problems:
        raise DidNotComeUpError(f"not fit for an install: {', '.join(problems)}")


def node_addresses(cloud: Cloud) -> list[Finding]:
    """A warning for a site whose policies, where they are enforced, would keep pods of nodes from every service."""
    network = cloud.site.site.network
    on_nodes = sorted(name for name in cloud.wanted.values if not is_control(cloud.catalog[name]))
    if not on_nodes or not network.policies or network.node_cidrs:
        return []
    fact = f"is empty: where NetworkPolicies are enforced, {', '.join(on_nodes)} on the host's network reach no service"
    return [Finding("network.nodeCidrs", "warning", fact, "name the addresses of your nodes")]
