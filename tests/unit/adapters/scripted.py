"""An API server on loopback that answers as a test has written down, and cuts lines when told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from kolla_k8s.adapters.kube import KubeCluster
from kolla_k8s.adapters.wire import Wire
from kolla_k8s.ports import Clock
from tests.fakes import FakeClock

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Script:
    """Replies in the order of requests; ``seen`` is what was asked."""

    replies: list[Reply] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        self.seen.append(Seen(request.method, request.path, dict(request.query), dict(request.headers), body))
        if not self.replies:
            return web.json_response({"message": "the script is over"}, status=418)
        return await self.replies.pop(0)(request)


def says(body: Any, status: int = 200, **headers: str) -> Reply:
    """Answer with JSON; in names of headers, ``_`` stands for ``-``."""

    async def reply(_request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=status, headers=named)

    return reply


def writes(text: bytes, status: int = 200) -> Reply:
    """Answer with bytes as they are."""

    async def reply(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=text, status=status)

    return reply


def refuses(status: int, message: str, reason: str = "", **headers: str) -> Reply:
    """Answer with a Status object, as the API refuses."""
    body = {"kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": status}
    return says(body, status, **headers)


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Close the line without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def streams(*events: Any, cut: bool = False) -> Reply:
    """Answer with a line for each event (bytes as they are); ``cut`` breaks the line instead of ending it."""

    async def reply(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for event in events:
            await answer.write(event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n")
        if cut:
            assert request.transport is not None
            request.transport.close()
        return answer

    return reply


@dataclass(slots=True)
class FakeAccess:
    """Access to the scripted server."""

    url: str
    token: str = "first"
    renewals: int = 0

    async def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def options(self) -> dict[str, Any]:
        return {}

    async def renew(self) -> None:
        self.renewals += 1
        self.token = "second"


@dataclass(slots=True)
class Stage:
    """A cluster that is played by a script, in virtual time."""

    script: Script
    cluster: KubeCluster
    wire: Wire
    access: FakeAccess
    clock: Clock


@asynccontextmanager
async def staged(handler: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None) -> AsyncIterator[Stage]:
    """Open a stage; ``handler`` replaces the script."""
    script, clock = Script(), FakeClock()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler or script.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    access = FakeAccess(f"http://127.0.0.1:{port}")
    async with aiohttp.ClientSession() as session:
        wire = Wire(session, access, clock, outage_s=60)
        yield Stage(script, KubeCluster(wire), wire, access, clock)
    await runner.cleanup()
    await asyncio.sleep(0)
