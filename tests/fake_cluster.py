"""A Kubernetes API in memory: a real little program that keeps the Cluster port's promises, not a mock.

It knows resourceVersions, uids, generations, conflicts, selectors, finalizers, owners and watches. It runs nothing:
pods come alive when a test (or ``fakes.Workers``) says so. What it answers is held to the real API server by
``tests/contract``.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kolla_k8s.errors import AlreadyExistsError, ConflictError, OutsideError
from kolla_k8s.ports import Command, ExecResult, KubeObject, Resource, WatchEvent

URL = "https://fake.cluster"
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", is_namespaced=False)
REVIEWED = frozenset({"authorization.k8s.io", "authentication.k8s.io"})
WITHOUT_STATUS = frozenset({"ConfigMap", "Secret", "Lease", "Event", "ServiceAccount", "Role", "RoleBinding"})
_TERM = re.compile(r"^(!?)([\w./-]+?)\s*(?:(=|==|!=)\s*([\w.-]*)|\s(in|notin)\s*\(([^)]*)\))?$")


@dataclass(frozen=True, slots=True)
class Request:
    """One call that the cluster received; ``exec`` and ``logs`` name the pod."""

    verb: str
    plural: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ExecCall:
    """One command that was to run in a container."""

    namespace: str
    pod: str
    container: str
    command: tuple[str, ...]
    stdin: str
    timeout_s: float


class FakeCluster:
    """The Cluster port in memory.

    Attributes:
        requests: Every call, in order.
        reactors: Called with each change, after it is visible; they may change further things.
        on_exec: Answers ``exec``; exit code 0 and no words when not set.
        allows: Answers access reviews.
        fail: Called with each request before it is done; raises what shall go wrong.
    """

    def __init__(
        self, *, namespaces: Iterable[str] = ("default", "openstack", "openstack-node"), now: Callable[[], str] = str
    ) -> None:
        """Begin with namespaces only; ``now`` gives creation times."""
        self.requests: list[Request] = []
        self.reactors: list[Callable[[WatchEvent], None]] = []
        self.on_exec: Callable[[ExecCall], ExecResult] = lambda _call: ExecResult(0, "", "")
        self.allows: Callable[[Mapping[str, Any]], bool] = lambda _spec: True
        self.fail: Callable[[Request], None] = lambda _request: None
        self.kinds = {"v1/Namespace", "v1/Pod", "v1/Secret", "v1/ConfigMap", "apps/v1/Deployment"}
        self._now = now
        self._version = 0
        self._made = 0
        self._kept: dict[tuple[str, str], dict[tuple[str, str], KubeObject]] = {}
        self._logs: dict[tuple[str, str, str, bool], str] = {}
        self._watchers: list[tuple[Resource, str, asyncio.Queue[WatchEvent]]] = []
        self._news: deque[WatchEvent] = deque()
        self._is_telling = False
        for name in namespaces:
            self.put(NAMESPACES, {"metadata": {"name": name}, "status": {"phase": "Active"}})

    # What tests do behind the API's back.

    def put(self, resource: Resource, body: KubeObject, namespace: str = "") -> KubeObject:
        """Create or replace an object as it stands, status and all."""
        place = self._place(resource, body["metadata"]["name"], namespace or body["metadata"].get("namespace", ""))
        before = self._shelf(resource).get(place)
        return copy.deepcopy(self._store(resource, place, copy.deepcopy(body), before))

    def set_status(self, resource: Resource, name: str, namespace: str, status: Mapping[str, Any]) -> KubeObject:
        """Give an object a status, as its controller or its kubelet would."""
        before = self._found(resource, name, namespace)
        after = {**copy.deepcopy(before), "status": copy.deepcopy(dict(status))}
        return copy.deepcopy(self._store(resource, self._place(resource, name, namespace), after, before))

    def set_logs(
        self, pod: str, container: str, text: str, *, namespace: str = "openstack", previous: bool = False
    ) -> None:
        """Give a container a log."""
        self._logs[namespace, pod, container, previous] = text

    def peek(self, resource: Resource, name: str, namespace: str = "") -> KubeObject | None:
        """An object without a recorded request."""
        return copy.deepcopy(self._shelf(resource).get(self._place(resource, name, namespace)))

    def matching(self, resource: Resource, namespace: str, labels: str = "") -> list[KubeObject]:
        """What ``list`` gives, without a recorded request."""
        shelf = self._shelf(resource)
        space = namespace if resource.is_namespaced else ""
        inside = [shelf[key] for key in sorted(shelf) if not space or key[0] == space]
        return [copy.deepcopy(item) for item in inside if matches(labels, item["metadata"].get("labels") or {})]

    def remove(self, resource: Resource, name: str, namespace: str = "") -> None:
        """Take an object away at once, and what it owns."""
        thing = self._shelf(resource).pop(self._place(resource, name, namespace), None)
        if thing is not None:
            self._version += 1
            thing["metadata"]["resourceVersion"] = str(self._version)
            self._tell(resource, WatchEvent("DELETED", thing), thing)
            self._collect(thing)

    # The port.

    async def get(self, resource: Resource, name: str, namespace: str = "") -> KubeObject | None:
        """One object, or None."""
        await self._receive("get", resource, namespace, name)
        return self.peek(resource, name, namespace)

    async def list(
        self, resource: Resource, namespace: str = "", *, labels: str = "", metadata_only: bool = False
    ) -> list[KubeObject]:
        """All objects of a kind, by namespace and name."""
        await self._receive("list", resource, namespace)
        found = self.matching(resource, namespace, labels)
        if metadata_only:
            return [{key: item[key] for key in ("apiVersion", "kind", "metadata")} for item in found]
        return found

    async def watch(self, resource: Resource, namespace: str = "", *, labels: str = "") -> AsyncIterator[WatchEvent]:
        """List, then follow; an object that stops matching the selector is DELETED for the watcher."""
        await self._receive("watch", resource, namespace)
        queue: asyncio.Queue[WatchEvent] = asyncio.Queue()
        entry = (resource, namespace, queue)
        self._watchers.append(entry)
        try:
            first = self.matching(resource, namespace, labels)
            seen = {item["metadata"]["uid"] for item in first}
            for item in first:
                yield WatchEvent("ADDED", item)
            yield WatchEvent("SYNCED", None)
            while True:
                translated = _for_watcher(await queue.get(), labels, seen)
                if translated is not None:
                    yield translated
        finally:
            self._watchers.remove(entry)

    async def create(self, resource: Resource, body: KubeObject, namespace: str = "") -> KubeObject:
        """Create; refused when the name is taken or the namespace is not there. A review is answered, not kept."""
        if resource.group in REVIEWED:
            await self._receive("create", resource, namespace)
            return {**copy.deepcopy(body), "status": {"allowed": self.allows(body.get("spec", {}))}}
        name = body["metadata"]["name"]
        await self._receive("create", resource, namespace, name)
        place = self._place(resource, name, namespace)
        if place in self._shelf(resource):
            raise AlreadyExistsError(URL, f'create {resource.plural}: {resource.plural} "{name}" already exists')
        if resource.is_namespaced and ("", namespace) not in self._shelf(NAMESPACES):
            raise OutsideError(URL, f'create {resource.plural}: namespaces "{namespace}" not found')
        fresh = copy.deepcopy(body)
        if resource.kind not in WITHOUT_STATUS:
            fresh.pop("status", None)
        return copy.deepcopy(self._store(resource, place, fresh, None))

    async def replace(self, resource: Resource, body: KubeObject, namespace: str = "") -> KubeObject:
        """Update under the body's resourceVersion; the status stays as it was."""
        name = body["metadata"]["name"]
        await self._receive("update", resource, namespace, name)
        before = self._found(resource, name, namespace)
        version = body["metadata"].get("resourceVersion")
        if version is not None and version != before["metadata"]["resourceVersion"]:
            raise ConflictError(URL, f'update {resource.plural}: "{name}" has been modified')
        return self._update(resource, before, copy.deepcopy(body), namespace)

    async def patch(self, resource: Resource, name: str, body: KubeObject, namespace: str = "") -> KubeObject:
        """JSON merge patch; the status stays as it was."""
        await self._receive("patch", resource, namespace, name)
        before = self._found(resource, name, namespace)
        return self._update(resource, before, _merged(copy.deepcopy(before), body), namespace)

    async def delete(
        self, resource: Resource, name: str, namespace: str = "", *, uid: str = "", version: str = ""
    ) -> None:
        """Delete; what has finalizers only says that it goes."""
        await self._receive("delete", resource, namespace, name)
        place = self._place(resource, name, namespace)
        thing = self._shelf(resource).get(place)
        if thing is None:
            return
        if uid and thing["metadata"]["uid"] != uid:
            raise ConflictError(URL, f'delete {resource.plural}: "{name}" has another uid')
        if version and thing["metadata"]["resourceVersion"] != version:
            raise ConflictError(URL, f'delete {resource.plural}: "{name}" has been modified')
        if thing["metadata"].get("finalizers"):
            going = {**thing, "metadata": {**thing["metadata"], "deletionTimestamp": self._now()}}
            self._store(resource, place, going, thing)
        else:
            self.remove(resource, name, namespace)

    async def exec(self, namespace: str, pod: str, container: str, command: Command) -> ExecResult:
        """Let ``on_exec`` answer; a pod that is not there gives exit code -1."""
        pods = Resource("", "v1", "pods", "Pod")
        await self._receive("exec", pods, namespace, pod)
        if self.peek(pods, pod, namespace) is None:
            return ExecResult(-1, "", f'pods "{pod}" not found')
        return self.on_exec(ExecCall(namespace, pod, container, tuple(command.words), command.stdin, command.timeout_s))

    async def logs(self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 40) -> str:
        """Last lines of what ``set_logs`` gave."""
        await self._receive("logs", Resource("", "v1", "pods", "Pod"), namespace, pod)
        text = self._logs.get((namespace, pod, container, previous), "")
        return "".join(text.splitlines(keepends=True)[-lines:])

    async def server(self) -> Mapping[str, str]:
        """Who serves."""
        return {"url": URL, "version": "1.34.4", "user": "fake"}

    async def discover(self) -> set[str]:
        """The kinds in ``kinds``."""
        return set(self.kinds)

    # Inside.

    async def _receive(self, verb: str, resource: Resource, namespace: str, name: str = "") -> None:
        request = Request(verb, resource.plural, namespace if resource.is_namespaced else "", name)
        self.requests.append(request)
        await asyncio.sleep(0)  # as with a real API, others run meanwhile
        self.fail(request)

    def _shelf(self, resource: Resource) -> dict[tuple[str, str], KubeObject]:
        return self._kept.setdefault((resource.group, resource.plural), {})

    @staticmethod
    def _place(resource: Resource, name: str, namespace: str) -> tuple[str, str]:
        return (namespace if resource.is_namespaced else "", name)

    def _found(self, resource: Resource, name: str, namespace: str) -> KubeObject:
        thing = self._shelf(resource).get(self._place(resource, name, namespace))
        if thing is None:
            raise OutsideError(URL, f'{resource.plural} "{name}" not found')
        return thing

    def _update(self, resource: Resource, before: KubeObject, after: KubeObject, namespace: str) -> KubeObject:
        if resource.kind not in WITHOUT_STATUS:
            after.pop("status", None)
            if "status" in before:
                after["status"] = copy.deepcopy(before["status"])
        place = self._place(resource, before["metadata"]["name"], namespace)
        stored = copy.deepcopy(self._store(resource, place, after, before))
        if "deletionTimestamp" in stored["metadata"] and not stored["metadata"].get("finalizers"):
            self.remove(resource, place[1], place[0])
        return stored

    def _store(
        self, resource: Resource, place: tuple[str, str], thing: KubeObject, before: KubeObject | None
    ) -> KubeObject:
        """Keep an object with the metadata a server gives; one that is as before stays as it is."""
        thing["apiVersion"] = f"{resource.group}/{resource.version}".lstrip("/")
        thing["kind"] = resource.kind
        _encode_strings(thing)
        about = thing["metadata"] = self._metadata(resource, place, thing, before)
        if before is not None and before == thing:
            return before
        self._version += 1
        about["resourceVersion"] = str(self._version)
        self._shelf(resource)[place] = thing
        self._tell(resource, WatchEvent("MODIFIED" if before else "ADDED", copy.deepcopy(thing)), thing)
        return thing

    def _metadata(
        self, resource: Resource, place: tuple[str, str], thing: KubeObject, before: KubeObject | None
    ) -> dict[str, Any]:
        about = {key: value for key, value in thing["metadata"].items() if value not in ({}, [], None)}
        old = before["metadata"] if before else {}
        if place[0]:
            about["namespace"] = place[0]
        if before is None:
            self._made += 1
        about["uid"] = old.get("uid") or about.get("uid") or f"uid-{self._made}"
        about["creationTimestamp"] = old.get("creationTimestamp") or about.get("creationTimestamp") or self._now()
        about["resourceVersion"] = old.get("resourceVersion", "")
        if resource.kind not in WITHOUT_STATUS:
            is_other = before is not None and before.get("spec") != thing.get("spec")
            about["generation"] = old.get("generation", about.get("generation", 1)) + is_other
        return about

    def _collect(self, owner: KubeObject) -> None:
        """Remove what an object owned, and all that was in a namespace."""
        uid, about = owner["metadata"]["uid"], owner["metadata"]
        for (group, plural), shelf in list(self._kept.items()):
            for (namespace, name), thing in list(shelf.items()):
                owners = thing["metadata"].get("ownerReferences", ())
                is_inside = owner["kind"] == "Namespace" and namespace == about["name"]
                if is_inside or any(one["uid"] == uid for one in owners):
                    self.remove(Resource(group, "", plural, "", is_namespaced=bool(namespace)), name, namespace)

    def _tell(self, resource: Resource, event: WatchEvent, thing: KubeObject) -> None:
        """Give an event to watchers and reactors; what reactors change is told after it, in order."""
        namespace = thing["metadata"].get("namespace", "")
        for watched, space, queue in self._watchers:
            is_same = (watched.group, watched.plural) == (resource.group, resource.plural)
            if is_same and (not space or space == namespace):
                queue.put_nowait(event)
        self._news.append(event)
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._news:
                news = self._news.popleft()
                for reactor in list(self.reactors):
                    reactor(news)
        finally:
            self._is_telling = False


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels satisfy a selector: ``a=b,c!=d,e in (f,g),h notin (i),j,!k``.

    >>> matches("app in (a,b),tier!=front,!old", {"app": "b"})
    True
    """
    return all(_holds(term.strip(), labels) for term in re.split(r",(?![^(]*\))", selector) if term.strip())


def _holds(term: str, labels: Mapping[str, str]) -> bool:
    found = _TERM.match(term)
    if found is None:
        raise ValueError(f"not a selector: {term}")
    negation, key, operator, value, word, choices = found.groups()
    mine = labels.get(key)
    if word:
        return (mine in {choice.strip() for choice in choices.split(",")}) is (word == "in")
    if operator:
        return (mine == value) is (operator != "!=")
    return (mine is None) is bool(negation)


def _for_watcher(event: WatchEvent, labels: str, seen: set[str]) -> WatchEvent | None:
    """An event as a watcher with a selector sees it."""
    if event.object is None:
        return None
    uid = event.object["metadata"]["uid"]
    is_mine = event.type != "DELETED" and matches(labels, event.object["metadata"].get("labels") or {})
    was_mine = uid in seen
    if is_mine:
        seen.add(uid)
        return WatchEvent("MODIFIED" if was_mine else "ADDED", copy.deepcopy(event.object))
    seen.discard(uid)
    return WatchEvent("DELETED", copy.deepcopy(event.object)) if was_mine else None


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


def _encode_strings(thing: KubeObject) -> None:
    strings = thing.pop("stringData", None) or {}
    if strings:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in strings.items()}
        thing["data"] = {**thing.get("data", {}), **encoded}
