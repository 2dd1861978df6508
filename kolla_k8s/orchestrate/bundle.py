"""Keep what explains a failure before anything is cleaned: events, logs and objects, without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kolla_k8s.errors import KollaK8sError
from kolla_k8s.orchestrate.kinds import EVENT, POD
from kolla_k8s.orchestrate.report import Report, Row
from kolla_k8s.ports import Cluster, KubeObject

MOST_PODS = 20
LINES = 200


async def collect(cluster: Cluster, report: Report, folder: Path, redact: Callable[[str], str]) -> None:
    """Write the bundle of a run into a new folder of mode 0700; what cannot be read is left out and said."""
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    _write(folder / "report.json", json.dumps(report.json(), indent=1), redact)
    for row in report.rows.values():
        if row.cause is not None:
            await _of_step(cluster, row, folder / row.step.name, redact)


async def _of_step(cluster: Cluster, row: Row, folder: Path, redact: Callable[[str], str]) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    namespace = row.step.request.namespace
    try:
        pods = await cluster.list(POD, namespace, labels=f"app.kubernetes.io/name={row.step.name}")
        events = await cluster.list(EVENT, namespace)
    except KollaK8sError as error:
        _write(folder / "unreadable.txt", str(error), redact)
        return
    names = {pod["metadata"]["name"] for pod in pods}
    ours = [e for e in events if e["involvedObject"].get("name", "").startswith((row.step.name, *names))]
    _write(folder / "events.json", json.dumps([_event(event) for event in ours], indent=1), redact)
    _write(folder / "pods.json", json.dumps(pods, indent=1), redact)
    for pod in pods[:MOST_PODS]:
        await _logs(cluster, pod, folder, redact)


def _event(event: KubeObject) -> dict[str, Any]:
    subject = event["involvedObject"]
    about = {key: event.get(key) for key in ("lastTimestamp", "type", "reason", "message", "count")}
    return {"object": f"{subject.get('kind')}/{subject.get('name')}", **about}


async def _logs(cluster: Cluster, pod: KubeObject, folder: Path, redact: Callable[[str], str]) -> None:
    about, spec = pod["metadata"], pod["spec"]
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        for is_previous in (False, True):
            text = await cluster.logs(
                about["namespace"], about["name"], container["name"], previous=is_previous, lines=LINES
            )
            if text:
                ending = ".previous.log" if is_previous else ".log"
                _write(folder / f"{about['name']}.{container['name']}{ending}", text, redact)


def _write(path: Path, text: str, redact: Callable[[str], str]) -> None:
    path.touch(mode=0o600)
    path.write_text(redact(text))
