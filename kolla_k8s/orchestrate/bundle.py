"""Keep what explains a failure before anything is cleaned: events, logs and objects, without secrets.

A folder that an operator can read, or hand to somebody, hours after the pods are gone. Apart from the report, which
says the cause in a line. Secrets are never in the store it reads, and every text is redacted by value *before* it is
quoted or cut, for quoting and cutting would hide a secret from the redactor. What cannot be read is named in the
folder, a bundle has a limit, and of a cloud only the newest are kept: a disk that fills up is no help. What a pod's
containers are made with is in the template of its owner, which stands beside it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kolla_k8s.errors import KollaK8sError
from kolla_k8s.orchestrate.ready import KubeObject, group_kind
from kolla_k8s.orchestrate.report import Report, Row
from kolla_k8s.orchestrate.store import Store, uid_of
from kolla_k8s.ports import Cluster
from kolla_k8s.yamlio import dump

LINES = 400
FILE_BYTES = 256 * 1024
BUNDLE_BYTES = 8 * 1024 * 1024

KEPT = 10

Redact = Callable[[str], str]


async def collect(cluster: Cluster, store: Store, report: Report, folder: Path, redact: Redact) -> None:
    """Write the bundle of a run into a new folder of mode 0700: all of the report, and of each failed step its objects.

    Raises nothing for what cannot be read: the file ``left-out.txt`` names it.
    """
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    bundle = _Bundle(folder, redact)
    bundle.write("report.txt", report.text())
    bundle.write("report.json", json.dumps(bundle.clean(report.json()), indent=1))
    for row in report.rows.values():
        if row.cause is not None:
            await _of_step(bundle, cluster, store, row)
    bundle.close()


def bundle_name(cloud: str, began: float) -> str:
    """Name the folder of a run by its cloud and when it began, in UTC: names of one cloud sort by age.

    >>> bundle_name("sky", 0.0)
    'sky-19700101T000000Z'
    """
    return f"{cloud}-{datetime.fromtimestamp(began, UTC):%Y%m%dT%H%M%SZ}"


def prune_bundles(base: Path, cloud: str) -> list[str]:
    """Delete a cloud's bundles but the newest ten; give the names of those deleted.

    Folders of other names, and of clouds whose name begins alike, are left alone; that one cannot be deleted fails
    nothing.
    """
    mine = re.compile(rf"{re.escape(cloud)}-\d{{8}}T\d{{6}}Z")
    old = sorted(path.name for path in base.iterdir() if mine.fullmatch(path.name))[:-KEPT]
    for name in old:
        shutil.rmtree(base / name, ignore_errors=True)
    return old


class _Bundle:
    """A folder with a limit, and the list of what did not go in."""

    def __init__(self, folder: Path, redact: Redact) -> None:
        self._folder, self._redact = folder, redact
        self._left = BUNDLE_BYTES
        self._left_out: list[str] = []

    def clean(self, thing: Any) -> Any:
        """Redact every string in a structure."""
        match thing:
            case str():
                return self._redact(thing)
            case dict():
                return {self._redact(str(key)): self.clean(value) for key, value in thing.items()}
            case list() | tuple():
                return [self.clean(item) for item in thing]
        return thing

    def write(self, name: str, text: str) -> None:
        """Write a file of mode 0600; of a long one the end, which tells most."""
        content = self._redact(text).encode()[-FILE_BYTES:]
        if len(content) > self._left:
            self.leave_out(name, "the bundle is full")
            return
        self._left -= len(content)
        path = self._folder / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)

    def leave_out(self, name: str, why: str) -> None:
        """Note what is not in the bundle."""
        self._left_out.append(f"{name}: {self._redact(why)}")

    def close(self) -> None:
        """Write down what was left out."""
        if self._left_out:
            path = self._folder / "left-out.txt"
            path.touch(mode=0o600)
            path.write_text("\n".join(self._left_out) + "\n")


async def _of_step(bundle: _Bundle, cluster: Cluster, store: Store, row: Row) -> None:
    name, request = row.step.name, row.step.request
    things = store.all_of_release(request.namespace, request.release)
    events = [line for thing in things for line in _event_lines(thing, store)]
    bundle.write(f"{name}/events.txt", "".join(f"{line}\n" for line in sorted(events)))
    pods = [thing for thing in things if group_kind(thing) == "Pod"]
    for pod in sorted(pods, key=lambda one: row.cause is None or one["metadata"]["name"] not in row.cause.place):
        await _logs(bundle, cluster, pod, name)
    for thing in things:
        file = f"{name}/{thing['kind'].lower()}-{thing['metadata']['name']}.yaml"
        bundle.write(file, dump(bundle.clean(thing)))


def _event_lines(thing: KubeObject, store: Store) -> Iterator[str]:
    for event in store.events(uid_of(thing)):
        at = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp", "")
        count = f" (x{event['count']})" if int(event.get("count") or 1) > 1 else ""
        subject = f"{thing['kind']} {thing['metadata']['name']}"
        yield f"{at} {event.get('type', '')} {subject}: {event.get('reason', '')}: {event.get('message', '')}{count}"


async def _logs(bundle: _Bundle, cluster: Cluster, pod: KubeObject, step: str) -> None:
    name, space, spec = pod["metadata"]["name"], pod["metadata"]["namespace"], pod.get("spec", {})
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        for is_previous, ending in ((False, "log"), (True, "previous.log")):
            file = f"{step}/{name}.{container['name']}.{ending}"
            try:
                text = await cluster.logs(space, name, container["name"], previous=is_previous, lines=LINES)
            except KollaK8sError as error:
                bundle.leave_out(file, str(error))
            else:
                if text:
                    bundle.write(file, text)
