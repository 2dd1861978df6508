"""Is everything still there that a release once brought?

Asked only of releases that helm is not asked to change: an object that somebody deleted would otherwise stay away for
ever. Names alone are read, once a kind and namespace for the whole run, for what nobody watches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from kolla_k8s.orchestrate.kinds import CONFIG_MAP, resource_of
from kolla_k8s.orchestrate.ready import KubeObject, group_kind, is_passive
from kolla_k8s.orchestrate.store import Store, key_of
from kolla_k8s.ports import Cluster, Resource


class Inventory:
    """Names of passive objects, read when first asked for."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        """Know nothing yet; the store must follow the kinds that are not passive."""
        self._cluster, self._store = cluster, store
        self._reading: dict[tuple[Resource, str], asyncio.Task[frozenset[str]]] = {}

    async def missing(self, manifest: Sequence[KubeObject], namespace: str) -> list[str]:
        """Name the objects of a manifest that are not there: ``ConfigMap keystone-etc``.

        A bootstrap Job that is gone is not missed when the ConfigMap of its service records its work as done.
        """
        found = []
        for thing in manifest:
            space = str(thing["metadata"].get("namespace") or namespace)
            if not await self._is_there(thing, space):
                found.append(f"{thing['kind']} {thing['metadata']['name']}")
        return found

    async def _is_there(self, thing: KubeObject, namespace: str) -> bool:
        resource = resource_of(thing)
        space = namespace if resource.is_namespaced else ""
        if is_passive(thing):
            return thing["metadata"]["name"] in await self._names(resource, space)
        if self._store.get(key_of(thing, space)) is not None:
            return True
        return group_kind(thing) == "batch/Job" and await self._is_recorded(thing, space)

    async def _is_recorded(self, job: KubeObject, namespace: str) -> bool:
        """Tell whether ``<service>-bootstrap`` has the key that ends the Job's name; it counts as complete then."""
        record, _, key = job["metadata"]["name"].rpartition("-")
        config_map = await self._cluster.get(CONFIG_MAP, record, namespace)
        is_done = key in ((config_map or {}).get("data") or {})
        if is_done:
            self._store.take_as_completed(job, namespace)
        return is_done

    async def _names(self, resource: Resource, namespace: str) -> frozenset[str]:
        place = (resource, namespace)
        if place not in self._reading:
            self._reading[place] = asyncio.create_task(self._read(resource, namespace))
        return await asyncio.shield(self._reading[place])

    async def _read(self, resource: Resource, namespace: str) -> frozenset[str]:
        listed = await self._cluster.list(resource, namespace, metadata_only=True)
        return frozenset(thing["metadata"]["name"] for thing in listed)
