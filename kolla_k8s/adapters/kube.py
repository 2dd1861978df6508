"""The Cluster port over the Kubernetes API: raw JSON through the ``kubernetes`` package's connection pool.

Its typed models measured 15-25 times slower than JSON, and its watch knows neither 410 nor silence; so only its
configuration (kubeconfig, exec plugins, certificates) and pool are used. Every request has a deadline.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from kolla_k8s.adapters.answers import Answer, refusal
from kolla_k8s.errors import OutsideError
from kolla_k8s.ports import ExecResult, KubeObject, Resource, WatchEvent

CONNECT_S = 5.0
READ_S = 30.0
WATCH_S = 55
OUTAGE_S = 300.0
RETRIED = frozenset({429, 500, 502, 503, 504})
MERGE_PATCH = "application/merge-patch+json"
_MAX_OUTPUT = 1 << 20
_OWN_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_HAS_OWN_ACCOUNT = _OWN_ACCOUNT.exists()

Objects = list[KubeObject]


class KubeCluster:
    """A cluster reached through a kubeconfig."""

    def __init__(self, session: aiohttp.ClientSession, configuration: Any, *, outage_s: float = OUTAGE_S) -> None:
        """Use ``connect``; this takes what it prepared."""
        self._session = session
        self._configuration = configuration
        self._outage_s = outage_s
        self.url: str = configuration.host.rstrip("/")
        self._random = random.Random()  # noqa: S311 - jitter

    async def get(self, resource: Resource, name: str, namespace: str = "") -> KubeObject | None:
        """One object, or None."""
        answer = await self._ask("GET", _path(resource, namespace, name))
        return None if answer.status == 404 else self._good(answer, "get", resource)

    async def list(
        self, resource: Resource, namespace: str = "", *, labels: str = "", metadata_only: bool = False
    ) -> Objects:
        """All objects of a kind."""
        return (await self._list(resource, namespace, labels, metadata_only=metadata_only))[0]

    async def _list(
        self, resource: Resource, namespace: str, labels: str, *, metadata_only: bool = False
    ) -> tuple[Objects, str]:
        query = {"labelSelector": labels} if labels else {}
        kind = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
        headers = {"Accept": kind if metadata_only else "application/json"}
        answer = await self._ask("GET", _path(resource, namespace), query=query, headers=headers)
        if answer.status == 404:
            return [], ""
        body = self._good(answer, "list", resource)
        version = f"{resource.group}/{resource.version}".lstrip("/")
        items: Objects = body.get("items") or []
        for item in items:
            item.setdefault("kind", resource.kind)
            item.setdefault("apiVersion", version)
        return items, body["metadata"].get("resourceVersion", "")

    async def watch(self, resource: Resource, namespace: str = "", *, labels: str = "") -> AsyncIterator[WatchEvent]:
        """List, then follow for ever."""
        known: dict[str, KubeObject] = {}
        is_first = True
        while True:
            items, version = await self._list(resource, namespace, labels)
            for event in _difference(known, items):
                yield event
            known = {item["metadata"]["uid"]: item for item in items}
            if is_first:
                is_first = False
                yield WatchEvent("SYNCED", None)
            async for event in self._follow(resource, namespace, labels, version):
                about = event.object["metadata"] if event.object else {}
                if event.type == "DELETED":
                    known.pop(about["uid"], None)
                elif event.object:
                    known[about["uid"]] = event.object
                yield event

    async def _follow(self, resource: Resource, namespace: str, labels: str, version: str) -> AsyncIterator[WatchEvent]:
        """Events after a version until the server or the line gives up; then a list is due."""
        while version:
            query = {
                "watch": "true",
                "resourceVersion": version,
                "allowWatchBookmarks": "true",
                "timeoutSeconds": str(WATCH_S),
                **({"labelSelector": labels} if labels else {}),
            }
            last = version
            try:
                async for event in self._stream(_path(resource, namespace), query):
                    if event["type"] == "ERROR":
                        return
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        yield WatchEvent(event["type"], event["object"])
            except (aiohttp.ClientError, TimeoutError, ValueError):
                await asyncio.sleep(0.2)
            if version == last:
                return

    async def _stream(self, path: str, query: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=WATCH_S + 10)
        headers = await self._headers()
        options = self._options()
        async with self._session.get(
            f"{self.url}{path}?{urlencode(query)}", headers=headers, timeout=timeout, **options
        ) as answer:
            if answer.status != 200:
                return
            async for line in answer.content:
                if line.strip():
                    yield json.loads(line)

    async def create(self, resource: Resource, body: KubeObject, namespace: str = "") -> KubeObject:
        """Create; never sent twice blindly: after a lost answer the name is looked up."""
        path = _path(resource, namespace)
        try:
            answer = await self._send("POST", path, body=body)
        except (aiohttp.ClientError, TimeoutError):
            name = body["metadata"].get("name")
            if name and (found := await self.get(resource, name, namespace)) is not None:
                return found
            answer = await self._send("POST", path, body=body)
        return self._good(answer, "create", resource)

    async def replace(self, resource: Resource, body: KubeObject, namespace: str = "") -> KubeObject:
        """Update under the object's resourceVersion."""
        path = _path(resource, namespace, body["metadata"]["name"])
        return self._good(await self._ask("PUT", path, body=body), "update", resource)

    async def patch(self, resource: Resource, name: str, body: KubeObject, namespace: str = "") -> KubeObject:
        """JSON merge patch."""
        headers = {"Content-Type": MERGE_PATCH}
        answer = await self._ask("PATCH", _path(resource, namespace, name), body=body, headers=headers)
        return self._good(answer, "patch", resource)

    async def delete(self, resource: Resource, name: str, namespace: str = "", *, uid: str = "") -> None:
        """Delete in the background; absent is fine."""
        body: KubeObject = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        answer = await self._ask("DELETE", _path(resource, namespace, name), body=body)
        if answer.status != 404:
            self._good(answer, "delete", resource)

    async def exec(
        self, namespace: str, pod: str, container: str, command: Sequence[str], stdin: str = ""
    ) -> ExecResult:
        """Run a command in a container."""
        query = [("container", container), ("stdout", "1"), ("stderr", "1"), *(("command", c) for c in command)]
        if stdin:
            query.append(("stdin", "1"))
        url = f"{self.url}/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(query)}"
        try:
            async with asyncio.timeout(READ_S * 2), self._socket(url) as socket:
                if stdin:
                    await socket.send_bytes(b"\0" + stdin.encode())
                return await _heard(socket)
        except (aiohttp.ClientError, TimeoutError) as error:
            return ExecResult(-1, "", f"exec in {pod}: {error or 'no answer in time'}")

    @asynccontextmanager
    async def _socket(self, url: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        headers = await self._headers()
        protocols = ("v5.channel.k8s.io", "v4.channel.k8s.io")
        async with self._session.ws_connect(url, headers=headers, protocols=protocols, **self._options()) as socket:
            yield socket

    async def logs(self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 40) -> str:
        """Last lines of a container's log; empty when there are none."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": "262144"}
        if previous:
            query["previous"] = "true"
        answer = await self._ask("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query=query)
        return answer.text if answer.status == 200 else ""

    async def server(self) -> Mapping[str, str]:
        """URL and version."""
        answer = await self._send("GET", "/version")
        said = answer.json() if answer.status == 200 else {}
        return {"url": self.url, "version": str(said.get("gitVersion", "")).lstrip("v")}

    async def discover(self) -> set[str]:
        """Every served kind."""
        groups = [("/api/v1", "v1")]
        body = (await self._ask("GET", "/apis")).json()
        for group in body.get("groups", ()):
            groups += [(f"/apis/{v['groupVersion']}", v["groupVersion"]) for v in group["versions"]]
        answers = await asyncio.gather(*(self._ask("GET", path) for path, _ in groups))
        return {
            f"{version}/{resource['kind']}"
            for (_, version), answer in zip(groups, answers, strict=True)
            if answer.status == 200
            for resource in answer.json().get("resources", ())
        }

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send what may be repeated, again and again with growing pauses, as long as an outage may last."""
        loop = asyncio.get_running_loop()
        deadline, pause_s, has_renewed = loop.time() + self._outage_s, 0.25, False
        while True:
            try:
                answer = await self._send(method, path, body=body, query=query, headers=headers)
                if answer.status == 401 and not has_renewed:
                    has_renewed = True
                    continue
                if answer.status not in RETRIED or answer.is_final:
                    return answer
                why = f"answered {answer.status}"
            except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
                raise OutsideError(
                    self.url, f"has a certificate that is not trusted: {error}", "see the kubeconfig"
                ) from None
            except (aiohttp.ClientError, TimeoutError) as error:
                answer, why = None, str(error) or "no answer in time"
            if loop.time() + pause_s > deadline:
                raise OutsideError(self.url, f"cannot be reached: {why}", "check it and run the same command again")
            wait_s = answer.retry_after_s if answer and answer.retry_after_s else pause_s
            await asyncio.sleep(wait_s * self._random.uniform(0.5, 1.5))
            pause_s = min(pause_s * 2, 10)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        url = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        sent = {"Content-Type": "application/json", **await self._headers(), **(headers or {})}
        timeout = aiohttp.ClientTimeout(total=READ_S, sock_connect=CONNECT_S)
        data = None if body is None else json.dumps(body)
        async with self._session.request(
            method, url, data=data, headers=sent, timeout=timeout, **self._options()
        ) as answer:
            return Answer(answer.status, await answer.text(), answer.headers.get("Retry-After", ""))

    async def _headers(self) -> dict[str, str]:
        token = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"Authorization": token} if token else {}

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self._configuration.tls_server_name:
            options["server_hostname"] = self._configuration.tls_server_name
        if self._configuration.proxy:
            options["proxy"] = self._configuration.proxy
        return options

    def _good(self, answer: Answer, verb: str, resource: Resource) -> KubeObject:
        if answer.status < 300:
            return answer.json()
        raise refusal(answer, f"{verb} {resource.plural}", self.url)


@asynccontextmanager
async def connect(
    kubeconfig: str | None, context: str | None, *, outage_s: float = OUTAGE_S, is_insecure_fine: bool = False
) -> AsyncIterator[KubeCluster]:
    """Open a cluster by kubeconfig (else ``KUBECONFIG``, ``~/.kube/config``, the pod's own account).

    Raises:
        OutsideError: No usable configuration, or one that turns off the check of the server's certificate.
    """
    configuration = await _configuration(kubeconfig, context)
    if not configuration.verify_ssl and not is_insecure_fine:
        way_out = "name the certificate authority in the kubeconfig"
        raise OutsideError("kubeconfig", "turns off the check of the server's certificate", way_out)
    configuration.disable_strict_ssl_verification = True
    from kubernetes.aio.client.rest import RESTClientObject  # noqa: PLC0415 - 0.3 s that --help does not need

    client = RESTClientObject(configuration)
    async with client._create_pool_manager() as session:  # noqa: SLF001 - the pool is what we want of it
        yield KubeCluster(session, configuration, outage_s=outage_s)


async def _configuration(kubeconfig: str | None, context: str | None) -> Any:
    from kubernetes.aio import client, config  # noqa: PLC0415 - 0.3 s that --help does not need
    from kubernetes.aio.config import ConfigException  # noqa: PLC0415

    configuration = client.Configuration()
    try:
        if kubeconfig is None and _HAS_OWN_ACCOUNT:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call] # the library's
        else:
            await config.load_kube_config(  # type: ignore[no-untyped-call] # the library's
                config_file=kubeconfig, context=context, client_configuration=configuration, persist_config=False
            )
    except (ConfigException, OSError) as error:
        way_out = "name a kubeconfig with --kubeconfig or KUBECONFIG"
        raise OutsideError(kubeconfig or "kubeconfig", f"cannot be used: {error}", way_out) from None
    return configuration


def _path(resource: Resource, namespace: str, name: str = "") -> str:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    space = f"/namespaces/{namespace}" if namespace and resource.is_namespaced else ""
    return f"{root}{space}/{resource.plural}" + (f"/{name}" if name else "")


def _difference(known: Mapping[str, KubeObject], items: Sequence[KubeObject]) -> list[WatchEvent]:
    """Events that lead from what was known to what a list says."""
    events = []
    there = {item["metadata"]["uid"] for item in items}
    for uid, item in known.items():
        if uid not in there:
            events.append(WatchEvent("DELETED", item))
    for item in items:
        about = item["metadata"]
        before = known.get(about["uid"])
        if before is None:
            events.append(WatchEvent("ADDED", item))
        elif before["metadata"]["resourceVersion"] != about["resourceVersion"]:
            events.append(WatchEvent("MODIFIED", item))
    return events


async def _heard(socket: aiohttp.ClientWebSocketResponse) -> ExecResult:
    """Read channels of an exec until its end: 1 is stdout, 2 stderr, 3 the status."""
    heard = {1: b"", 2: b"", 3: b""}
    async for message in socket:
        data = message.data if isinstance(message.data, bytes) else str(message.data).encode()
        if data and data[0] in heard and len(heard[data[0]]) < _MAX_OUTPUT:
            heard[data[0]] += data[1:]
    return ExecResult(_exit_code(heard[3]), heard[1].decode(errors="replace"), heard[2].decode(errors="replace"))


def _exit_code(status: bytes) -> int:
    said = json.loads(status) if status else {}
    if said.get("status") == "Success":
        return 0
    causes = said.get("details", {}).get("causes", ())
    return int(next((cause["message"] for cause in causes if cause.get("reason") == "ExitCode"), -1))
