"""A FakeCluster behind HTTP, so that the tool itself can be run against it: a kubeconfig is all it needs.

As much of the API's protocol as commands use that look at a cloud or keep its secrets: read, list, create, replace, and
watches that stay open and bring nothing, for what is served stands still while a command looks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from kolla_k8s.errors import ConflictError
from kolla_k8s.ports import Resource
from tests.fake_cluster import FakeCluster

CLUSTER_WIDE = frozenset({"namespaces", "nodes"})


@asynccontextmanager
async def served(cluster: FakeCluster, kubeconfig: Path) -> AsyncIterator[None]:
    """Serve a cluster on loopback for the length of a block, and write how to reach it."""
    application, front = web.Application(), _Front(cluster)
    application.router.add_get("/version", _version)
    for root in ("/api/{version}", "/apis/{group}/{version}"):
        for space in ("", "/namespaces/{space}"):
            application.router.add_route("*", f"{root}{space}/{{plural}}", front.collection)
            application.router.add_route("*", f"{root}{space}/{{plural}}/{{name}}", front.one)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    kubeconfig.write_text(json.dumps(_config(f"http://127.0.0.1:{runner.addresses[0][1]}")))
    try:
        yield
    finally:
        front.over.set()
        await runner.cleanup()


def _config(url: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fake", "cluster": {"server": url}}],
        "users": [{"name": "fake", "user": {"token": "fake"}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "current-context": "fake",
    }


async def _version(_request: web.Request) -> web.Response:
    return web.json_response({"gitVersion": "v1.34.4"})


class _Front:
    """What the API says of one cluster."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self.over = asyncio.Event()

    async def collection(self, request: web.Request) -> web.StreamResponse:
        """List, watch or create."""
        space = request.match_info.get("space", "")
        if request.method == "POST":
            body = await request.json()
            try:
                return web.json_response(await self._cluster.create(_resource(request, body["kind"]), body, space))
            except ConflictError as error:
                return _refused(409, str(error))
        if "watch" in request.query:
            stream = web.StreamResponse()
            await stream.prepare(request)
            await self.over.wait()
            return stream
        labels = request.query.get("labelSelector", "")
        items = await self._cluster.list(_resource(request), space, labels=labels)
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})

    async def one(self, request: web.Request) -> web.StreamResponse:
        """Read or replace."""
        space, name = request.match_info.get("space", ""), request.match_info["name"]
        if request.method == "PUT":
            body = await request.json()
            return web.json_response(await self._cluster.replace(_resource(request, body["kind"]), body, space))
        found = await self._cluster.get(_resource(request), name, space)
        return web.json_response(found) if found else _refused(404, f'"{name}" not found')


def _resource(request: web.Request, kind: str = "") -> Resource:
    said = request.match_info
    return Resource(
        said.get("group", ""), said["version"], said["plural"], kind, is_namespaced=said["plural"] not in CLUSTER_WIDE
    )


def _refused(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "status": "Failure", "message": message, "code": code}, status=code)
