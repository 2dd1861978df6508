"""Keep the store true to the cluster, and wake whoever waits when it changes.

One list+watch for each kind and namespace, however many steps wait: a step never polls, so what it waits for is seen
in the moment the API tells.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from kolla_k8s.orchestrate.kinds import ALWAYS_WATCHED
from kolla_k8s.orchestrate.store import Store
from kolla_k8s.ports import Cluster, Resource


class Observer:
    """The store, the watches that fill it, and an event for each change."""

    def __init__(self, cluster: Cluster) -> None:
        """Watch nothing yet."""
        self.store = Store()
        self._cluster = cluster
        self._changed = asyncio.Event()
        self.failure: BaseException | None = None

    def news(self) -> asyncio.Event:
        """Give the event of the next change; taken *before* a look, so that nothing between is lost.

        Raises:
            BaseException: What ended a watch for good.
        """
        if self.failure is not None:
            raise self.failure
        return self._changed

    def wake(self) -> None:
        """Let everyone who waits look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self, resource: Resource, namespace: str, synced: asyncio.Event) -> None:
        """Follow one kind for ever."""
        try:
            async for event in self._cluster.watch(resource, namespace):
                if event.object is None:
                    synced.set()
                elif event.type == "DELETED":
                    self.store.drop(event.object)
                else:
                    self.store.put(event.object)
                self.wake()
        except Exception as error:  # noqa: BLE001 - carried over to whoever waits
            self.failure = error
            synced.set()
            self.wake()


@asynccontextmanager
async def observing(cluster: Cluster, namespaces: Iterable[str]) -> AsyncIterator[Observer]:
    """Watch namespaces for the length of a block; begins when the first whole lists are in."""
    observer = Observer(cluster)
    pairs = [(resource, space) for space in sorted(set(namespaces)) for resource in ALWAYS_WATCHED]
    synced = [asyncio.Event() for _ in pairs]
    tasks = [
        asyncio.create_task(observer.follow(resource, space, event))
        for (resource, space), event in zip(pairs, synced, strict=True)
    ]
    try:
        await asyncio.gather(*(event.wait() for event in synced))
        yield observer
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
