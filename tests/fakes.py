"""The outside in memory: a clock that jumps, a helm that keeps releases, controllers that bring pods up.

Little programs that keep the promises of ``kolla_k8s.ports``, not mocks: a test says what the world does, never which
call it expects. ``tests/contract`` runs one suite on these and on the real adapters.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import gzip
import heapq
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kolla_k8s.adapters.words import HelmError, PendingError
from kolla_k8s.errors import ConflictError
from kolla_k8s.model.plan import HelmRequest
from kolla_k8s.orchestrate.kinds import resource_of
from kolla_k8s.ports import KubeObject, Resource
from tests.fake_cluster import ExecCall, FakeCluster, Request
from tests.fake_workers import Life, Workers

__all__ = ["ExecCall", "FakeClock", "FakeCluster", "FakeHelm", "Life", "Request", "SkewedClock", "Workers"]

SECRETS = Resource("", "v1", "secrets", "Secret")
OWNER = "meta.helm.sh/release-name"
HISTORY = 10


class FakeClock:
    """Virtual time: when every task of the loop waits, the next sleeper is woken and the time is its time.

    Sleepers due at the same moment wake in the order in which they lay down, so a run is the same each time. Work in
    threads and on sockets is not seen as work: use it with things in memory.
    """

    def __init__(self, *, wall_s: float = 1_800_000_000.0) -> None:
        """Begin at 0 on the monotonic clock, and at this on the wall."""
        self._now_s = 0.0
        self._wall_s = wall_s
        self._count = 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._is_watching = False

    def monotonic(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now_s

    def wall(self) -> float:
        """Virtual seconds since the epoch."""
        return self._wall_s + self._now_s

    async def sleep(self, seconds: float) -> None:
        """Return when the time has come; no real time passes."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._now_s + max(0.0, seconds), self._count, woken))
        if not self._is_watching:
            self._is_watching = True
            loop.call_soon(self._look, loop)
        await woken

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Jump when nothing else is ready to run; else look again after what is."""
        if loop._ready:  # type: ignore[attr-defined] # the only place that knows whether all tasks wait
            loop.call_soon(self._look, loop)
            return
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            self._is_watching = False
            return
        self._now_s = max(self._now_s, self._sleepers[0][0])
        while self._sleepers and self._sleepers[0][0] <= self._now_s:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)
        loop.call_soon(self._look, loop)


class SkewedClock:
    """The same time on a machine whose wall clock is wrong."""

    def __init__(self, clock: FakeClock, ahead_s: float) -> None:
        """Be ahead by so much (behind, when negative)."""
        self._clock, self._ahead_s = clock, ahead_s

    def monotonic(self) -> float:
        """As the other."""
        return self._clock.monotonic()

    def wall(self) -> float:
        """As the other, and wrong."""
        return self._clock.wall() + self._ahead_s

    async def sleep(self, seconds: float) -> None:
        """As the other."""
        await self._clock.sleep(seconds)


Chart = Callable[[HelmRequest], list[KubeObject]]


class _KilledError(Exception):
    """Helm was killed: it writes nothing more."""


@dataclass(slots=True)
class FakeHelm:
    """The Helm port in memory; releases are Secrets in the FakeCluster, as helm writes them.

    Attributes:
        charts: Chart (as in the request) -> objects, or a function of the request that gives them.
        takes_s: How long each change takes; objects appear at its end.
        says: Release -> errors that its next upgrades end with, one each; the release is then ``failed``.
        dies: Releases whose next upgrade is as if killed: their record stays ``pending-*``.
        most_at_once: How many changes ran at once, at most.
        done: What was changed, in order: ``("upgrade", "keystone")``.
    """

    cluster: FakeCluster
    clock: FakeClock
    charts: dict[str, list[KubeObject] | Chart] = field(default_factory=dict)
    takes_s: float = 1.0
    says: dict[str, list[Exception]] = field(default_factory=dict)
    dies: set[str] = field(default_factory=set)
    running: int = 0
    most_at_once: int = 0
    done: list[tuple[str, str]] = field(default_factory=list)

    async def version(self) -> str:
        """A version that is new enough."""
        return "4.3.1"

    async def template(self, request: HelmRequest) -> list[KubeObject]:
        """Objects of the chart, hooks too."""
        chart = self.charts.get(str(request.chart))
        if chart is None:
            raise HelmError(request.release, f'path "{request.chart}" not found')
        return copy.deepcopy(chart(request) if callable(chart) else chart)

    async def upgrade_install(self, request: HelmRequest) -> list[KubeObject]:
        """Record the release, wait ``takes_s``, bring the objects into the cluster."""
        name, space = request.release, request.namespace
        objects = [item for item in await self.template(request) if not _is_hook(item)]
        past = self._records(name, space)
        if past and past[-1]["info"]["status"].startswith("pending"):
            raise PendingError(name, "another operation (install/upgrade/rollback) is in progress")
        record = _record(request, objects, len(past) and past[-1]["version"])
        with self._at_work():
            self._write(record, request)
            try:
                await self.clock.sleep(self.takes_s)
                self._speak(name)
                self._apply(record, _newest_manifest(past))
            except _KilledError:
                raise HelmError(name, "signal: killed") from None
            except BaseException:
                self._write(_with_status(record, "failed"), request)
                raise
        self._supersede(past, request)
        self._write(_with_status(record, "deployed"), request)
        self.done.append(("upgrade", name))
        return copy.deepcopy(objects)

    async def manifest(self, release: str, namespace: str) -> list[KubeObject]:
        """Objects of the newest revision."""
        past = self._records(release, namespace)
        if not past:
            raise HelmError(release, "release: not found")
        return copy.deepcopy(_newest_manifest(past))

    async def uninstall(self, release: str, namespace: str) -> None:
        """Remove the objects in reverse order, but those to keep, and all records."""
        past = self._records(release, namespace)
        if not past:
            return
        with self._at_work():
            await self.clock.sleep(self.takes_s)
        for item in reversed(_newest_manifest(past)):
            if not _is_kept(item):
                self.cluster.remove(resource_of(item), item["metadata"]["name"], namespace)
        for record in past:
            self.cluster.remove(SECRETS, _record_name(record), namespace)
        self.done.append(("uninstall", release))

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            yield
        finally:
            self.running -= 1

    def _speak(self, release: str) -> None:
        if release in self.dies:
            self.dies.discard(release)
            raise _KilledError
        if self.says.get(release):
            raise self.says[release].pop(0)

    def _apply(self, record: Mapping[str, Any], before: Sequence[KubeObject]) -> None:
        name, space = record["name"], record["namespace"]
        wanted = record["manifest"]
        for item in wanted:
            there = self.cluster.peek(resource_of(item), item["metadata"]["name"], space)
            if there and (there["metadata"].get("annotations") or {}).get(OWNER) != name:
                fact = f'{item["kind"]} "{item["metadata"]["name"]}" exists and cannot be imported'
                raise ConflictError(name, fact)
        for item in wanted:
            self._bring(item, name, space)
        named = {(item["kind"], item["metadata"]["name"]) for item in wanted}
        for item in before:
            if (item["kind"], item["metadata"]["name"]) not in named and not _is_kept(item):
                self.cluster.remove(resource_of(item), item["metadata"]["name"], space)

    def _bring(self, item: KubeObject, release: str, namespace: str) -> None:
        about = item["metadata"]
        notes = {**(about.get("annotations") or {}), OWNER: release, "meta.helm.sh/release-namespace": namespace}
        body = {**item, "metadata": {**about, "annotations": notes}}
        there = self.cluster.peek(resource_of(item), about["name"], namespace) or {}
        kept = {"status": there["status"]} if "status" in there else {}
        self.cluster.put(resource_of(item), {**body, **kept}, namespace)

    def _records(self, release: str, namespace: str) -> list[dict[str, Any]]:
        """All records of a release as written, oldest first."""
        secrets = self.cluster.matching(SECRETS, namespace, f"owner=helm,name={release}")
        return sorted((_unpacked(secret) for secret in secrets), key=lambda record: int(record["version"]))

    def _write(self, record: Mapping[str, Any], request: HelmRequest) -> None:
        packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode(), mtime=0))).decode()
        labels = {**record["labels"], "owner": "helm", "name": record["name"], "version": str(record["version"])}
        labels["status"] = record["info"]["status"]
        body = {"metadata": {"name": _record_name(record), "labels": labels}, "data": {"release": packed}}
        self.cluster.put(SECRETS, {**body, "type": "helm.sh/release.v1"}, request.namespace)

    def _supersede(self, past: Sequence[dict[str, Any]], request: HelmRequest) -> None:
        for record in past:
            if record["info"]["status"] == "deployed":
                self._write(_with_status(record, "superseded"), request)
        for record in past[: max(0, len(past) + 1 - HISTORY)]:
            self.cluster.remove(SECRETS, _record_name(record), request.namespace)


def _record(request: HelmRequest, objects: list[KubeObject], last: int) -> dict[str, Any]:
    labels = dict(request.labels) | ({"kolla-k8s.io/digest": request.digest} if request.digest else {})
    status = "pending-upgrade" if last else "pending-install"
    return {
        "name": request.release,
        "namespace": request.namespace,
        "version": last + 1,
        "info": {"status": status},
        "labels": labels,
        "manifest": objects,
    }


def _unpacked(secret: KubeObject) -> dict[str, Any]:
    packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    record: dict[str, Any] = json.loads(gzip.decompress(packed))
    return record


def _record_name(record: Mapping[str, Any]) -> str:
    return f"sh.helm.release.v1.{record['name']}.v{record['version']}"


def _with_status(record: Mapping[str, Any], status: str) -> dict[str, Any]:
    return {**record, "info": {"status": status}}


def _newest_manifest(past: Sequence[Mapping[str, Any]]) -> list[KubeObject]:
    return list(past[-1]["manifest"]) if past else []


def _is_hook(item: KubeObject) -> bool:
    return "helm.sh/hook" in (item["metadata"].get("annotations") or {})


def _is_kept(item: KubeObject) -> bool:
    return (item["metadata"].get("annotations") or {}).get("helm.sh/resource-policy") == "keep"
