"""What ``check`` does, once a cluster is open."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict

from kolla_k8s.adapters.images import image_findings
from kolla_k8s.cli.cloud import Source, load_cloud, with_charts
from kolla_k8s.cli.session import Target, opened
from kolla_k8s.errors import DidNotComeUpError
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
        findings += await image_findings(session.cluster, objects)
    if output == "json":
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=1) + "\n")
    else:
        for finding in findings:
            way_out = f"; {finding.way_out}" if finding.way_out else ""
            sys.stdout.write(f"{finding.level:8} {finding.subject}: {finding.fact}{way_out}\n")
    problems = [finding.subject for finding in findings if finding.level == "problem"]
    if problems:
        raise DidNotComeUpError(f"not fit for an install: {', '.join(problems)}")
