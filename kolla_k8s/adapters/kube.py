"""The Cluster port over the Kubernetes API: raw JSON as the ``kubernetes`` package's configuration leads to it.

Its typed models measured 15-25 times slower than JSON, and its watch knows neither 410 nor silence; so only its
configuration (kubeconfig, exec plugins, certificates) is used. See ``wire`` for deadlines and repetition.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from kolla_k8s.adapters import channels
from kolla_k8s.adapters.answers import Answer, covers, refusal
from kolla_k8s.adapters.clock import SystemClock
from kolla_k8s.adapters.hollow import hollow
from kolla_k8s.adapters.pool import pool
from kolla_k8s.adapters.watching import Watching, lean
from kolla_k8s.adapters.wire import OUTAGE_S, Call, Sure, Wire
from kolla_k8s.errors import AlreadyExistsError, OutsideError
from kolla_k8s.ports import Clock, Command, ExecResult, KubeObject, Resource, WatchEvent

GREETING_S = 8.0
SMALL_OUTAGE_S = 5.0
PAGE = 500
"""Objects asked for at once: what kubectl asks for."""
MERGE_PATCH = "application/merge-patch+json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
OWN_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

Objects = list[KubeObject]


class KubeCluster:
    """A cluster reached through a kubeconfig."""

    def __init__(self, wire: Wire) -> None:
        """Ask over this wire; ``connect`` makes one."""
        self._wire = wire
        self.url = wire.access.url

    def held(self, sure: Sure) -> KubeCluster:
        """The same cluster; ``sure`` is awaited before each try of a change, and refuses it by raising."""
        return KubeCluster(self._wire.held(sure))

    async def get(self, resource: Resource, name: str, namespace: str = "") -> KubeObject | None:
        """One object, or None."""
        answer = await self._wire.ask(Call("GET", _path(resource, namespace, name)))
        return None if answer.status == 404 else self._good(answer, "get", resource)

    async def list(
        self, resource: Resource, namespace: str = "", *, labels: str = "", metadata_only: bool = False
    ) -> Objects:
        """All objects of a kind; none of a kind that is not served."""
        query = {"labelSelector": labels} if labels else {}
        headers = {"Accept": METADATA_ONLY} if metadata_only else {}
        return (await self._list(resource, Call("GET", _path(resource, namespace), query, headers=headers)))[0]

    async def _list(
        self, resource: Resource, call: Call, shape: Callable[[KubeObject], KubeObject] | None = None
    ) -> tuple[Objects, str]:
        """All objects and their resourceVersion, page by page; all at once when a page comes too late (410).

        ``shape`` is done to each object before the next page comes, so that no more than a page is there as it came.
        """
        version = f"{resource.group}/{resource.version}".lstrip("/")
        items: Objects = []
        page = {"limit": str(PAGE)}
        while True:
            answer = await self._wire.ask(replace(call, query={**call.query, **page}))
            if answer.status == 404:
                return [], ""
            if answer.status == 410 and page:
                items, page = [], {}
                continue
            body = self._good(answer, "list", resource)
            for item in body.get("items") or ():
                item["apiVersion"], item["kind"] = version, resource.kind
                items.append(shape(item) if shape else item)
            page = {"limit": str(PAGE), "continue": body["metadata"].get("continue", "")}
            if not page["continue"]:
                return items, body["metadata"].get("resourceVersion", "")

    async def watch(self, resource: Resource, namespace: str = "", *, labels: str = "") -> AsyncIterator[WatchEvent]:
        """List, then follow for ever."""
        call = Call("GET", _path(resource, namespace), {"labelSelector": labels} if labels else {})
        watching = Watching(self._wire, call.path, labels, lambda: self._list(resource, call, lean))
        async with aclosing(watching.events()) as events:
            async for event in events:
                yield event

    async def create(self, resource: Resource, body: KubeObject, namespace: str = "") -> KubeObject:
        """Create; never sent twice blindly: after a lost answer the name is looked up.

        What is there then, or was there when the second request came, is ours when it is as asked for. What has no name
        (an access review) is stored nowhere and may be asked again.
        """
        name = body.get("metadata", {}).get("name", "")
        was_lost = False

        async def look_up() -> Answer | None:
            nonlocal was_lost
            was_lost = True
            found = await self._wire.ask(Call("GET", _path(resource, namespace, name)))
            return None if found.status == 404 else found

        call = Call("POST", _path(resource, namespace), body=body)
        answer = await self._wire.ask(call, recover=look_up if name else None)
        if answer.status == 409 and was_lost:
            answer = await look_up() or answer
        made = self._good(answer, "create", resource)
        if answer.status == 200 and not covers(made, body):
            fact = f'create {resource.plural}: "{name}" exists, made by someone else'
            raise AlreadyExistsError(self.url, fact, "run the same command again")
        return made

    async def replace(self, resource: Resource, body: KubeObject, namespace: str = "") -> KubeObject:
        """Update under the object's resourceVersion; a conflict with our own lost request is none.

        The request may have been sent twice, so any conflict is looked at.
        """
        name = body["metadata"]["name"]
        answer = await self._wire.ask(Call("PUT", _path(resource, namespace, name), body=body))
        if answer.status == 409:
            there = await self.get(resource, name, namespace)
            if there is not None and covers(there, body) and covers(body, there):
                return there
        return self._good(answer, "update", resource)

    async def patch(self, resource: Resource, name: str, body: KubeObject, namespace: str = "") -> KubeObject:
        """JSON merge patch."""
        call = Call("PATCH", _path(resource, namespace, name), body=body, headers={"Content-Type": MERGE_PATCH})
        return self._good(await self._wire.ask(call), "patch", resource)

    async def delete(
        self, resource: Resource, name: str, namespace: str = "", *, uid: str = "", version: str = ""
    ) -> None:
        """Delete in the background; absent is fine."""
        body: KubeObject = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if wanted := {key: value for key, value in (("uid", uid), ("resourceVersion", version)) if value}:
            body["preconditions"] = wanted
        answer = await self._wire.ask(Call("DELETE", _path(resource, namespace, name), body=body))
        if answer.status != 404:
            self._good(answer, "delete", resource)

    async def exec(self, namespace: str, pod: str, container: str, command: Command) -> ExecResult:
        """Run a command in a container, which may change anything; exit code -1 when it could not be run."""
        await self._wire.sure()
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"
        return await channels.execute(self._wire, path, container, command)

    async def logs(self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 40) -> str:
        """Last lines of a container's log; empty when there are none, or its node does not answer."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": "262144"}
        if previous:
            query["previous"] = "true"
        call = Call("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query)
        try:
            answer = await self._wire.ask(call, outage_s=SMALL_OUTAGE_S)
        except OutsideError:
            return ""
        return answer.text if answer.status == 200 else ""

    async def server(self) -> Mapping[str, str]:
        """URL, version and user, as far as the server says."""
        said = (await self._wire.ask(Call("GET", "/version"), outage_s=GREETING_S)).json()
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        status = (await self._wire.ask(Call("POST", REVIEW, body=review))).json().get("status", {})
        user = status.get("userInfo", {}).get("username", "") if isinstance(status, dict) else ""
        return {"url": self.url, "version": str(said.get("gitVersion", "")).lstrip("v"), "user": str(user)}

    async def greet(self) -> None:
        """Return when the API answers and takes our credentials; OutsideError soon, when it does not."""
        answer = await self._wire.ask(Call("GET", "/version"), outage_s=GREETING_S)
        if answer.status == 401:
            raise refusal(answer, "get /version", self.url)

    async def discover(self) -> set[str]:
        """Every served kind; a group whose server is down is left out."""
        groups = [("/api/v1", "v1")]
        for group in (await self._wire.ask(Call("GET", "/apis"))).json().get("groups", ()):
            groups += [(f"/apis/{v['groupVersion']}", v["groupVersion"]) for v in group["versions"]]
        found = await asyncio.gather(*(self._kinds(path, version) for path, version in groups))
        return {kind for kinds in found for kind in kinds}

    async def _kinds(self, path: str, version: str) -> set[str]:
        try:
            answer = await self._wire.ask(Call("GET", path), outage_s=SMALL_OUTAGE_S)
        except OutsideError:
            return set()
        return {f"{version}/{resource['kind']}" for resource in answer.json().get("resources", ())}

    def _good(self, answer: Answer, verb: str, resource: Resource) -> KubeObject:
        if answer.status < 300:
            return answer.json()
        raise refusal(answer, f"{verb} {resource.plural}", self.url)


class KubeAccess:
    """Where the API is and who we are, as a kubeconfig (or the pod's own account) says."""

    def __init__(self, configuration: Any, kubeconfig: str | None, context: str | None) -> None:
        """Use a loaded configuration; the names are for loading it again."""
        from kubernetes.aio.client.rest import RESTClientObject  # noqa: PLC0415 - as below

        self.url: str = configuration.host.rstrip("/")
        self.client = RESTClientObject(configuration)
        self._configuration = configuration
        self._source = (kubeconfig, context)
        self._renewing: asyncio.Task[None] | None = None

    async def headers(self) -> dict[str, str]:
        """The bearer token, if any."""
        token = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"Authorization": token} if token else {}

    def options(self) -> dict[str, Any]:
        """Proxy and name in the certificate, if any."""
        named = {"server_hostname": self._configuration.tls_server_name, "proxy": self._configuration.proxy}
        return {key: value for key, value in named.items() if value}

    async def renew(self) -> None:
        """Read token and client certificate again, once for all who ask meanwhile."""
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._reload())
        await asyncio.shield(self._renewing)

    async def _reload(self) -> None:
        self._configuration = fresh = await _configuration(*self._source)
        if fresh.cert_file:
            self.client.ssl_context.load_cert_chain(fresh.cert_file, keyfile=fresh.key_file)


@asynccontextmanager
async def connect(
    kubeconfig: str | None,
    context: str | None,
    *,
    outage_s: float = OUTAGE_S,
    is_insecure_fine: bool = False,
    clock: Clock | None = None,
) -> AsyncIterator[KubeCluster]:
    """Open a cluster by kubeconfig (else ``KUBECONFIG``, ``~/.kube/config``, the pod's own account).

    Raises:
        OutsideError: No usable configuration, one that turns off the check of the server's certificate, or a server
            that does not answer.
    """
    configuration = await _configuration(kubeconfig, context)
    if not configuration.verify_ssl and not is_insecure_fine:
        way_out = "name the certificate authority in the kubeconfig"
        raise OutsideError("kubeconfig", "turns off the check of the server's certificate", way_out)
    try:
        access = KubeAccess(configuration, kubeconfig, context)
    except OSError as error:  # of which ssl's errors are some
        raise OutsideError("kubeconfig", f"names a certificate that cannot be used: {error}", "mend it") from None
    async with pool(access.client.ssl_context, access.client.maxsize, trust_env=True) as session:
        cluster = KubeCluster(Wire(session, access, clock or SystemClock(), outage_s=outage_s))
        await cluster.greet()
        yield cluster


def is_in_pod(kubeconfig: str | None) -> bool:
    """Whether nothing but the pod's own account says how to reach the API: helm decides in the same order."""
    is_told = kubeconfig or os.environ.get("KUBECONFIG") or Path(_own_kubeconfig()).exists()
    return not is_told and OWN_ACCOUNT.exists()


def _own_kubeconfig() -> str:
    return os.path.expanduser("~/.kube/config")  # noqa: PTH111 - Path's own way raises for a user without a home


async def _configuration(kubeconfig: str | None, context: str | None) -> Any:
    hollow("kubernetes", "kubernetes.aio")  # the synchronous half is none of ours, and took 0.15 s
    from kubernetes.aio import client, config  # noqa: PLC0415 - 0.1 s that --help does not need

    configuration = client.Configuration()
    # Clusters made by hand have authorities without key usage, which Python 3.13 would refuse and helm takes.
    configuration.disable_strict_ssl_verification = True
    source = kubeconfig or os.environ.get("KUBECONFIG") or _own_kubeconfig()
    is_ours = is_in_pod(kubeconfig)
    if not is_ours and not any(Path(part).expanduser().exists() for part in source.split(os.pathsep)):
        raise OutsideError(source, "is not there", "name a kubeconfig with --kubeconfig or KUBECONFIG")
    try:
        if is_ours:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call] # the library's
        else:
            await config.load_kube_config(  # type: ignore[no-untyped-call] # the library's
                config_file=source, context=context, client_configuration=configuration, persist_config=False
            )
    except Exception as error:  # noqa: BLE001 - a broken file makes the library raise anything
        is_told = isinstance(error, (config.ConfigException, OSError))
        why = str(error) if is_told else f"is no kubeconfig ({type(error).__name__})"
        way_out = "name a kubeconfig with --kubeconfig or KUBECONFIG"
        raise OutsideError(source, f"cannot be used: {why}", way_out) from None
    if configuration.proxy is not None and not isinstance(configuration.proxy, str):
        raise OutsideError(source, f"its proxy-url {configuration.proxy!r} is no address", "put it in quotes")
    return configuration


def _path(resource: Resource, namespace: str, name: str = "") -> str:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    space = f"/namespaces/{namespace}" if namespace and resource.is_namespaced else ""
    return f"{root}{space}/{resource.plural}" + (f"/{name}" if name else "")
