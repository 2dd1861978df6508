"""A reverse proxy that stands between a kubeconfig and a real API server, and makes trouble by rule.

Helm and our own client both go through it, so both meet the same faults. It speaks HTTP/1.1 over TLS with the server's
own certificate. Who asks is the bearer token of the kubeconfig, handed on by impersonation, so that the audit log tells
several operators apart. Websockets (exec) are passed on; any other upgrade is refused with 501.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import re
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web

from kolla_k8s.adapters.pool import pool

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authorization", "te", "trailers", "transfer-encoding", "upgrade", "host"}
)
HASH = re.compile(r"-[0-9a-f]{10}$")
READS = frozenset({"get", "list", "watch"})
METHODS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
REFUSALS = {
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", 'is forbidden: User "bench" cannot do it'),
    409: ("Conflict", "the object has been modified; please apply your changes to the latest version and try again"),
    500: ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    501: ("", "this proxy passes on websockets, no other upgrade"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within the allotted timeout"),
}
TURNS = 3
"""Of the loop, until a connection that was just taken has begun its handshake; before that, asyncio would forget it."""
PAGES = {429: "Too many requests, please try again later.\n", 502: "<html><body>Bad Gateway</body></html>\n"}


class Fault(StrEnum):
    """What a rule does to a request.

    STATUS answers instead of the server; DELAY waits ``seconds`` first; RESET breaks the line before the server is
    asked; DROP asks the server and then breaks the line; BLACK_HOLE never answers. CUT breaks a watch after ``seconds``
    and EXPIRE ends it then with the event of a 410.
    """

    STATUS = "status"
    DELAY = "delay"
    RESET = "reset"
    DROP = "drop"
    CUT = "cut"
    EXPIRE = "expire"
    BLACK_HOLE = "black hole"


class Moment(StrEnum):
    """Where a mutating request is, seen from its client."""

    BEFORE = "before"
    """The server has carried it out, the client does not know yet."""
    AFTER = "after"
    """The client has its answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: ``number`` counts the mutating ones, from 1; it is 0 for the others."""

    verb: str
    resource: str
    namespace: str
    name: str
    agent: str
    who: str
    number: int = 0
    is_dry: bool = False

    @property
    def is_helm(self) -> bool:
        """Whether helm sent it."""
        return self.agent.startswith(("Helm", "helm", "Go-http-client"))

    @property
    def is_mutating(self) -> bool:
        """Whether it changes what is stored; reviews and dry runs do not, exec changes no object."""
        return not (self.verb in READS or self.verb == "exec" or self.is_dry or self.resource.endswith("reviews"))


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault, and which requests it hits.

    Attributes:
        fault: What is done.
        verbs: Only these (``get list watch create update patch delete exec``); empty means all.
        resources: Only these plurals; empty means all.
        share: How many of those, from 0 to 1; chosen by the proxy's seed, not by the order of arrival.
        first: Number of the first of those that is hit, from 1.
        last: Number of the last.
        statuses: For STATUS: one of these, by the seed.
        seconds: Of a delay, of a watch's life, and of ``Retry-After`` (for 429).
    """

    fault: Fault
    verbs: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    share: float = 1.0
    first: int = 1
    last: float = math.inf
    statuses: tuple[int, ...] = (503,)
    seconds: float = 0.0

    def is_about(self, asked: Asked) -> bool:
        """Whether the request is of the kind this rule hits."""
        if self.fault in (Fault.CUT, Fault.EXPIRE) and asked.verb != "watch":
            return False
        return (not self.verbs or asked.verb in self.verbs) and (not self.resources or asked.resource in self.resources)


Hook = Callable[[Moment, Asked], Awaitable[None]]


@dataclass(slots=True)
class Proxy:
    """A running proxy: its rules may be changed at any time, and ``hook`` is told of every mutating request.

    Attributes:
        mutations: Every mutating request so far, in the order in which they arrived.
        hits: How often each fault was done.
    """

    kubeconfig: Path
    upstream: str
    session: aiohttp.ClientSession
    seed: int = 0
    rules: list[Rule] = field(default_factory=list)
    hook: Hook | None = None
    mutations: list[Asked] = field(default_factory=list)
    hits: Counter[Fault] = field(default_factory=Counter)
    _runner: web.AppRunner | None = None
    _tls: ssl.SSLContext | None = None
    _port: int = 0
    _seen: Counter[object] = field(default_factory=Counter)
    _lines: set[asyncio.BaseTransport] = field(default_factory=set)
    _listening: socket.socket | None = None
    _held: socket.socket | None = None
    _greeting: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        """Listen (again)."""
        self._listening, self._held = self._held or self._bound(), None
        self._listening.listen(128)
        self._listening.setblocking(False)
        self._port = self._listening.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._listening, self._accept, self._listening)

    def _accept(self, listening: socket.socket) -> None:
        """Take a connection: asyncio's own server would forget those that have not greeted yet when it ends."""
        with contextlib.suppress(BlockingIOError):
            greeting = asyncio.create_task(self._greet(listening.accept()[0]))
            self._greeting.add(greeting)
            greeting.add_done_callback(self._greeting.discard)

    async def _greet(self, line: socket.socket) -> None:
        assert self._runner is not None
        assert self._runner.server is not None
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(self._runner.server, line, ssl=self._tls)

    def _bound(self) -> socket.socket:
        """A socket that keeps the port, and refuses connections while it does not listen."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", self._port))
        return made

    async def close(self) -> None:
        """Refuse new connections and break those there are: an API server that is gone."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None
            self._held = self._bound()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        greeting = [*self._greeting]
        for one in greeting:
            one.cancel()
        for ended in await asyncio.gather(*greeting, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        for line in self._lines:
            _break(line)
        self._lines.clear()

    async def outage(self, seconds: float) -> None:
        """Be gone for some time."""
        await self.close()
        await asyncio.sleep(seconds)
        await self.open()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self._port}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request: by a rule, or by the server; a line that is broken on either side breaks on the other."""
        line = request.transport
        if line is None:
            return web.Response()
        self._lines.add(line)
        try:
            return await self._served(request, line)
        except (aiohttp.ClientError, OSError):
            _break(line)
            return web.Response()

    async def _served(self, request: web.Request, line: asyncio.BaseTransport) -> web.StreamResponse:
        asked = self._counted(read(request))
        rule = self._rule(asked)
        if rule is not None:
            self.hits[rule.fault] += 1
        match rule.fault if rule else None:
            case Fault.STATUS:
                assert rule is not None
                return _refusal(self._draw(asked, "status").choice(rule.statuses), rule.seconds)
            case Fault.DELAY:
                assert rule is not None
                await asyncio.sleep(rule.seconds)
            case Fault.RESET:
                _break(line)
            case Fault.BLACK_HOLE:
                await asyncio.Event().wait()
        if line.is_closing():
            raise ConnectionResetError("broken by a rule")
        return await self._passed_on(request, asked, rule)

    def _counted(self, asked: Asked) -> Asked:
        if not asked.is_mutating:
            return asked
        asked = replace(asked, number=len(self.mutations) + 1)
        self.mutations.append(asked)
        return asked

    def _rule(self, asked: Asked) -> Rule | None:
        """The first rule that hits; each counts the requests it is about."""
        found = None
        for place, rule in enumerate(self.rules):
            if not rule.is_about(asked):
                continue
            self._seen[place] += 1
            is_due = rule.first <= self._seen[place] <= rule.last
            if found is None and is_due and self._draw(asked, place).random() < rule.share:
                found = rule
        return found

    def _draw(self, asked: Asked, place: object) -> random.Random:
        """Chance that depends on the seed, on what is asked and how often it was: not on the cloud nor on the rest."""
        key = (place, asked.verb, asked.resource, HASH.sub("", asked.name))
        self._seen[key] += 1
        return random.Random(f"{self.seed} {key} {self._seen[key]}")  # noqa: S311 - repeatable is the point

    async def _passed_on(self, request: web.Request, asked: Asked, rule: Rule | None) -> web.StreamResponse:
        if "upgrade" in request.headers.get("Connection", "").lower():
            return await self._upgraded(request, asked)
        headers = self._headers(request, asked)
        body = await request.read()
        url = f"{self.upstream}{request.rel_url.raw_path_qs}"
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.session.request(
            request.method, _raw(url), data=body or None, headers=headers, timeout=timeout, allow_redirects=False
        ) as answer:
            if asked.verb == "watch" and answer.status == 200:
                return await _follow(request, answer, rule)
            text = await answer.read()
            return await self._answered(request, asked, rule, (answer, text))

    def _headers(self, request: web.Request, asked: Asked) -> dict[str, str]:
        kept = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP | {"authorization"}}
        return {**kept, "Impersonate-User": asked.who, "Impersonate-Group": "system:masters"}

    async def _answered(
        self, request: web.Request, asked: Asked, rule: Rule | None, came: tuple[aiohttp.ClientResponse, bytes]
    ) -> web.StreamResponse:
        answer, text = came
        if asked.number and self.hook:
            await self.hook(Moment.BEFORE, asked)
        line = request.transport
        if rule is not None and rule.fault is Fault.DROP and line is not None:
            _break(line)
        if line is None or line.is_closing():
            raise ConnectionResetError("nobody is there to hear the answer")
        said = web.Response(status=answer.status, body=text, headers=_kept(answer))
        await said.prepare(request)
        await said.write_eof()
        if asked.number and self.hook:
            await self.hook(Moment.AFTER, asked)
        return said

    async def _upgraded(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return _refusal(501)
        wanted = [word.strip() for word in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if word.strip()]
        who = {"Impersonate-User": asked.who, "Impersonate-Group": "system:masters"}
        url = _raw(f"{self.upstream}{request.rel_url.raw_path_qs}")
        try:
            async with self.session.ws_connect(url, protocols=wanted, headers=who) as inner:
                outer = web.WebSocketResponse(protocols=[inner.protocol] if inner.protocol else ())
                await outer.prepare(request)
                await _splice(outer, inner)
                return outer
        except aiohttp.WSServerHandshakeError as error:
            return _refusal(error.status, why=error.message)


def read(request: web.Request) -> Asked:
    """What a request asks for, as Kubernetes' own authorizer reads it."""
    parts = urlsplit(request.path).path.strip("/").split("/")
    query = parse_qs(request.query_string)
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    resource, name = (rest[0] if rest else ""), (rest[1] if len(rest) > 1 else "")
    verb = METHODS.get(request.method) or ("get" if name or not resource else "list")
    if rest[2:3] == ["exec"]:
        verb = "exec"
    elif query.get("watch", ["false"])[0] in ("true", "1"):
        verb = "watch"
    who = request.headers.get("Authorization", "").removeprefix("Bearer ") or "nobody"
    agent = request.headers.get("User-Agent", "")
    return Asked(verb, resource, namespace, name, agent, who, is_dry="dryRun" in query)


def _raw(url: str) -> aiohttp.client.URL:
    return aiohttp.client.URL(url, encoded=True)


def _kept(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP | {"content-length"}}


def _refusal(status: int, retry_after_s: float = 0, why: str = "") -> web.Response:
    """How an API server says no; 429 and 502 are plain text, of its own queue and of a balancer before it."""
    if status in PAGES:
        headers = {"Retry-After": f"{retry_after_s:.0f}"} if retry_after_s else {}
        return web.Response(status=status, text=PAGES[status], headers=headers)
    reason, words = REFUSALS.get(status, ("", why))
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": words, "reason": reason}
    return web.json_response({**body, "code": status}, status=status)


async def _follow(request: web.Request, answer: aiohttp.ClientResponse, rule: Rule | None) -> web.StreamResponse:
    """Pass a watch on until it ends, or a rule ends it."""
    said = web.StreamResponse(status=answer.status, headers=_kept(answer))
    said.enable_chunked_encoding()
    await said.prepare(request)
    life_s = rule.seconds if rule and rule.fault in (Fault.CUT, Fault.EXPIRE) else None
    try:
        async with asyncio.timeout(life_s):
            async for piece in answer.content.iter_any():
                await said.write(piece)
    except TimeoutError:
        assert rule is not None
        if rule.fault is Fault.CUT and request.transport is not None:
            _break(request.transport)
            return said
        gone = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}
        await said.write(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
    await said.write_eof()
    return said


async def _splice(outer: web.WebSocketResponse, inner: aiohttp.ClientWebSocketResponse) -> None:
    """Carry messages both ways until either side ends."""

    async def carry(
        come: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
        go: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    ) -> None:
        async for message in come:
            if message.type is aiohttp.WSMsgType.TEXT:
                await go.send_str(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await go.send_bytes(message.data)

    ways = [asyncio.create_task(carry(outer, inner)), asyncio.create_task(carry(inner, outer))]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)
    await outer.close()


def _break(line: asyncio.BaseTransport) -> None:
    """End a connection without a word."""
    if isinstance(line, asyncio.WriteTransport):
        line.abort()


@asynccontextmanager
async def proxied(
    pki: Path, upstream: str, kubeconfig: Path, *, who: str = "operator", seed: int = 0
) -> AsyncIterator[Proxy]:
    """Run a proxy before an API server and write a kubeconfig that leads through it.

    Args:
        pki: Folder with ``ca.crt``, the server's ``apiserver.crt`` and a client of system:masters, ``admin.crt``.
        upstream: URL of the API server.
        kubeconfig: Where the kubeconfig is written.
        who: User name under which the server sees what comes through.
        seed: Decides which requests a rule with a share hits.
    """
    outwards = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    outwards.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    inwards = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    inwards.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
    async with pool(outwards, 0, auto_decompress=False) as session:
        proxy = Proxy(kubeconfig, upstream, session, seed, _tls=inwards)
        application = web.Application(client_max_size=16 << 20)
        application.router.add_route("*", "/{path:.*}", proxy.serve)
        proxy._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await proxy._runner.setup()
        await proxy.open()
        _write(proxy, pki, who)
        try:
            yield proxy
        finally:
            await proxy.close()
            if proxy._held is not None:
                proxy._held.close()
            with contextlib.suppress(ConnectionError):
                await proxy._runner.cleanup()


def _write(proxy: Proxy, pki: Path, who: str) -> None:
    cluster = {"server": proxy.url, "certificate-authority": str(pki / "ca.crt")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": cluster}],
        "users": [{"name": who, "user": {"token": who}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": who}}],
        "current-context": "bench",
    }
    proxy.kubeconfig.touch(mode=0o600)
    proxy.kubeconfig.write_text(json.dumps(config, indent=1))
