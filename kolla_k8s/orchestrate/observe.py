"""Keep the store true to the cluster, and wake whoever waits when it changes.

One list+watch for each kind and namespace, however many steps wait: a step never polls, so what it waits for is seen
in the moment the API tells. A change wakes only those who wait for its release; one that nobody can place wakes all.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.kinds import ALWAYS_WATCHED, resource_of
from kolla_k8s.orchestrate.ready import is_passive
from kolla_k8s.orchestrate.store import Owner, Store
from kolla_k8s.ports import Cluster, KubeObject, Resource, WatchEvent

Place = tuple[Resource, str]


class Observer:
    """The store, the watches that fill it, and news for those who wait."""

    def __init__(self, cluster: Cluster) -> None:
        """Watch nothing yet."""
        self.store = Store()
        self._cluster = cluster
        self._watches: dict[Place, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._waiting: defaultdict[Owner, list[asyncio.Future[None]]] = defaultdict(list)
        self._failure: BaseException | None = None

    def news(self, owner: Owner) -> asyncio.Future[None]:
        """Give a future that is done at the next change about a release, or fails with what ended a watch for good.

        Ask for it *before* looking at the store: what changes between the look and the wait is not lost then.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._failure is not None:
            future.set_exception(self._failure)
        else:
            self._waiting[owner].append(future)
        return future

    async def watch(self, resource: Resource, namespace: str) -> None:
        """Follow a kind from now on; returns when the first whole list is in. Asked again, it only waits for that."""
        place = (resource, namespace if resource.is_namespaced else "")
        if place not in self._watches:
            synced = asyncio.Event()
            self._watches[place] = asyncio.create_task(self._follow(place, synced)), synced
        await self._watches[place][1].wait()
        if self._failure is not None:
            raise self._failure

    async def watch_manifest(self, manifest: Iterable[KubeObject], namespace: str) -> None:
        """Follow every kind of a manifest whose objects can be anything but ready."""
        for thing in manifest:
            if not is_passive(thing):
                await self.watch(resource_of(thing), thing["metadata"].get("namespace") or namespace)

    async def close(self) -> None:
        """End all watches."""
        tasks = [task for task, _ in self._watches.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, place: Place, synced: asyncio.Event) -> None:
        try:
            await self._copy(place, synced)
        except Exception as error:  # noqa: BLE001 - carried over to whoever waits
            self._failure = error
            for future in self._all_waiting():
                future.set_exception(error)
        finally:
            synced.set()

    async def _copy(self, place: Place, synced: asyncio.Event) -> None:
        """Take every change into the store, for ever: a watch that ends is an error, for no news would come."""
        async for event in self._cluster.watch(*place):
            if event.object is None:
                synced.set()
            else:
                self._take(event, event.object)
        raise OutsideError("the Kubernetes API", f"the watch of {place[0].plural} ended", "run this again")

    def _take(self, event: WatchEvent, thing: KubeObject) -> None:
        owner = self.store.release_of(thing)
        if event.type == "DELETED":
            self.store.drop(thing)
        else:
            self.store.put(thing)
        owner = self.store.release_of(thing) or owner
        for future in self._all_waiting() if owner is None else self._whose(owner):
            future.set_result(None)

    def _whose(self, owner: Owner) -> list[asyncio.Future[None]]:
        return [future for future in self._waiting.pop(owner, ()) if not future.done()]

    def _all_waiting(self) -> list[asyncio.Future[None]]:
        return [future for owner in list(self._waiting) for future in self._whose(owner)]


@asynccontextmanager
async def observing(cluster: Cluster, namespaces: Iterable[str]) -> AsyncIterator[Observer]:
    """Watch namespaces for the length of a block; begins when the first whole lists are in."""
    observer = Observer(cluster)
    try:
        places = [(resource, space) for space in sorted(set(namespaces)) for resource in ALWAYS_WATCHED]
        await asyncio.gather(*(observer.watch(*place) for place in places))
        yield observer
    finally:
        await observer.close()
