"""What ``status`` and ``why`` do: look once, judge as install would, and say it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from kolla_k8s.cli.cloud import Cloud, Source, load_cloud
from kolla_k8s.cli.session import Session, Target, opened
from kolla_k8s.errors import DidNotComeUpError
from kolla_k8s.model.catalog import is_control
from kolla_k8s.orchestrate.judge import Judge, Judgement
from kolla_k8s.orchestrate.nodes import node_pods, read_node_parts
from kolla_k8s.orchestrate.observe import Observer, observing
from kolla_k8s.orchestrate.ready import State
from kolla_k8s.orchestrate.report import old_nodes_line
from kolla_k8s.orchestrate.view import view_of
from kolla_k8s.ports import Release


async def show_status(source: Source, target: Target, services: Sequence[str], output: str) -> None:
    """Print a line for each service; raises ``DidNotComeUpError`` when one is not up."""
    cloud = load_cloud(source, services)
    rows: list[dict[str, Any]] = []
    async with opened(target) as session, observing(session.cluster, cloud.wanted.namespaces.values()) as observer:
        await session.learn(cloud)
        found = await session.releases(cloud)
        for name in services or cloud.wanted.values:
            release = found.get(name)
            judgement = await _judge(session, cloud, observer, name) if release else None
            rows.append({**_row(name, release, judgement), "old_nodes": await old_nodes_of(session, cloud, name)})
    if output == "json":
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
    else:
        for row in rows:
            sys.stdout.write(f"{row['service']:12} {row['release']:16} {row['state']:14} {row['waits_for']}\n")
        for row in rows:
            if row["old_nodes"]:
                sys.stdout.write(old_nodes_line(row["service"], row["old_nodes"]) + "\n")
    bad = [row["service"] for row in rows if row["state"] != "up"]
    if bad:
        raise DidNotComeUpError(f"{', '.join(bad)}: not up; see `kolla-k8s why {bad[0]}`")


def _row(name: str, release: Release | None, judgement: Judgement | None) -> dict[str, Any]:
    if release is None or judgement is None:
        return {"service": name, "release": "-", "state": "not installed", "waits_for": ""}
    state = {State.READY: "up", State.WAITING: "coming up", State.FAILED: "failed"}[judgement.state]
    return {
        "service": name,
        "release": f"{release.status} r{release.revision}",
        "state": state,
        "waits_for": judgement.waits_for,
    }


async def old_nodes_of(session: Session, cloud: Cloud, name: str) -> list[str]:
    """Nodes whose pod of a service runs something else than a new one would."""
    if is_control(cloud.catalog[name]):
        return []
    space = cloud.wanted.namespaces["node"]
    parts = await read_node_parts(session.cluster, space, name)
    return sorted({pod.node for pod in await node_pods(session.cluster, space, parts) if pod.is_due})


async def explain_service(source: Source, target: Target, service: str) -> None:
    """Print the chain of causes from a service down to what is really wrong."""
    cloud = load_cloud(source, [service])
    async with opened(target) as session, observing(session.cluster, cloud.wanted.namespaces.values()) as observer:
        await session.learn(cloud)
        found = await session.releases(cloud)
        is_up = await _explain(session, cloud, (observer, found), service, 0)
    if not is_up:
        raise DidNotComeUpError(f"{service}: not up")


async def _explain(
    session: Session, cloud: Cloud, seen: tuple[Observer, dict[str, Release]], name: str, depth: int
) -> bool:
    observer, found = seen
    indent = "  " * depth
    if name not in found:
        way_out = f"run `kolla-k8s install {name}`" if name in cloud.wanted.values else "enable it in the site file"
        sys.stdout.write(f"{indent}{name}: not installed; {way_out}\n")
        return False
    judgement = await _judge(session, cloud, observer, name)
    if judgement.state is State.READY:
        sys.stdout.write(f"{indent}{name}: up\n")
        return True
    cause = judgement.cause
    said = f"{cause.place}: {cause.reason}: {cause.message}; see `{cause.command}`" if cause else judgement.waits_for
    sys.stdout.write(f"{indent}{name}: {judgement.state.value}: {session.redact(said)}\n")
    for need in cloud.catalog[name].spec.needs.start:
        await _explain(session, cloud, seen, need, depth + 1)
    return False


async def _judge(session: Session, cloud: Cloud, observer: Observer, name: str) -> Judgement:
    plane = "control" if is_control(cloud.catalog[name]) else "node"
    namespace = cloud.wanted.namespaces[plane]
    manifest = await session.helm.manifest(name, namespace)
    view = view_of(observer.store, namespace, name, manifest)
    judge = Judge(redact=session.redact)
    judge.look(view, 0.0)
    return judge.look(view, 3600.0)
