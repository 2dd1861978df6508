"""List a kind, then follow it for ever: what a client of a watch has to do itself.

A watch ends all the time: the server closes it, its place in history is compacted away (410), the line falls silent.
Whoever follows must never miss a change and never see a ghost, so after a gap the list is read again and compared.

What is followed is kept in memory for as long as a run lasts, for each of thousands of pods; so it is kept lean.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from kolla_k8s.adapters.answers import refusal
from kolla_k8s.adapters.wire import NoAnswerError, Wire
from kolla_k8s.ports import KubeObject, WatchEvent

BOOKMARK = "BOOKMARK"
WATCH_S = 55
SILENCE_S = WATCH_S + 10.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
CONTAINERS = frozenset({"initContainers", "containers", "ephemeralContainers"})

Listing = Callable[[], Awaitable[tuple[list[KubeObject], str]]]


class Watching:
    """One list+watch."""

    def __init__(self, wire: Wire, path: str, labels: str, listing: Listing) -> None:
        """Follow the collection at ``path``; ``listing`` gives its items and their resourceVersion."""
        self._wire = wire
        self._path = path
        self._labels = labels
        self._list = listing

    async def events(self) -> AsyncGenerator[WatchEvent, None]:
        """Changes for ever; see ``Cluster.watch``."""
        async with aclosing(self._all()) as everything:
            async for event in everything:
                if event.type != BOOKMARK:
                    yield event

    async def _all(self) -> AsyncGenerator[WatchEvent, None]:
        """Changes and bookmarks, which only say that the line is alive."""
        known: dict[str, KubeObject] = {}
        is_first, pause_s = True, FIRST_PAUSE_S
        while True:
            items, version = await self._list()
            for event in difference(known, items):
                yield event
            known = {item["metadata"]["uid"]: item for item in items}
            if is_first:
                is_first = False
                yield WatchEvent("SYNCED", None)
            began_s = self._wire.clock.monotonic()
            async with aclosing(self._since(version)) as changes:
                async for event in changes:
                    _remember(known, event)
                    yield event
            has_lasted = self._wire.clock.monotonic() - began_s > LONGEST_PAUSE_S
            pause_s = FIRST_PAUSE_S if has_lasted else pause_s
            await self._wire.clock.sleep(pause_s)  # a server that ends each watch at once is not asked in a loop
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _since(self, version: str) -> AsyncGenerator[WatchEvent, None]:
        """Changes after a version, over as many watches as bring something; ends when a list is due."""
        last = ""
        while version and version != last:
            last = version
            async with aclosing(self._watch(version)) as changes:
                async for event, at in changes:
                    version = at
                    yield event

    async def _watch(self, version: str) -> AsyncGenerator[tuple[WatchEvent, str], None]:
        """What one watch says until it ends, however it ends, with versions; raises only when it is not allowed."""
        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        query |= {"timeoutSeconds": str(WATCH_S)} | ({"labelSelector": self._labels} if self._labels else {})
        try:
            async with aclosing(self._wire.lines(self._path, query, silence_s=SILENCE_S)) as lines:
                async for line in lines:
                    yield _read(line)
        except (ValueError, KeyError):
            return  # cut off in the middle, or an ERROR, which has no version
        except NoAnswerError as error:
            if error.answer and error.answer.status == 403:
                raise refusal(error.answer, f"watch {self._path}", self._wire.access.url) from None


def lean(thing: KubeObject) -> KubeObject:
    """Take from an object what nobody reads who follows it.

    Who wrote which field (half of an object), and what a pod's containers are made with but for name and image, which
    its owner's template says once for all its pods. A BOOKMARK's object has no such parts.
    """
    thing["metadata"].pop("managedFields", None)
    if thing.get("kind") == "Pod":
        spec = thing.get("spec", {})
        for part in CONTAINERS & spec.keys():
            spec[part] = [{key: one[key] for key in ("name", "image") if key in one} for one in spec[part] or ()]
    return thing


def difference(known: Mapping[str, KubeObject], items: Sequence[KubeObject]) -> list[WatchEvent]:
    """Events that lead from what was known (by uid) to what a list says; those that vanished come first."""
    there = {item["metadata"]["uid"] for item in items}
    events = [WatchEvent("DELETED", item) for uid, item in known.items() if uid not in there]
    for item in items:
        before = known.get(item["metadata"]["uid"])
        if before is None:
            events.append(WatchEvent("ADDED", item))
        elif before["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            events.append(WatchEvent("MODIFIED", item))
    return events


def _read(line: bytes) -> tuple[WatchEvent, str]:
    """An event and its resourceVersion; ValueError or KeyError for what is none."""
    said: dict[str, Any] = json.loads(line)
    return WatchEvent(said["type"], lean(said["object"])), said["object"]["metadata"]["resourceVersion"]


def _remember(known: dict[str, KubeObject], event: WatchEvent) -> None:
    if event.object is None or event.type == BOOKMARK:
        return
    uid = event.object["metadata"]["uid"]
    if event.type == "DELETED":
        known.pop(uid, None)
    else:
        known[uid] = event.object
