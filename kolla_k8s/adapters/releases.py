"""Helm's release records, read and mended without helm: they are Secrets with labels that say all we need."""

from __future__ import annotations

import base64
import gzip
import json
import zlib

from kolla_k8s.errors import OutsideError
from kolla_k8s.ports import Cluster, KubeObject, Release, Resource

SECRETS = Resource("", "v1", "secrets", "Secret")
PREFIX = "sh.helm.release.v1."
UNFINISHED = frozenset({"pending-install", "pending-upgrade", "pending-rollback", "uninstalling"})


async def releases(cluster: Cluster, namespace: str) -> dict[str, Release]:
    """Newest record of every release in a namespace, by name: one request, labels only."""
    found: dict[str, Release] = {}
    for secret in await cluster.list(SECRETS, namespace, labels="owner=helm", metadata_only=True):
        release = _release(secret, namespace)
        if release and (release.name not in found or found[release.name].revision < release.revision):
            found[release.name] = release
    return found


def _release(secret: KubeObject, namespace: str) -> Release | None:
    """The release a record is of; None for a Secret that only looks like a record."""
    labels = secret["metadata"].get("labels", {})
    name, version = labels.get("name", ""), labels.get("version", "")
    if secret["metadata"]["name"] != f"{PREFIX}{name}.v{version}" or not version.isdigit():
        return None
    return Release(name, namespace, labels.get("status", ""), int(version), labels.get("kolla-k8s.io/digest", ""))


async def unlock(cluster: Cluster, release: Release) -> bool:
    """Rewrite a record that a dead helm left unfinished to ``failed``; whether there was anything to do.

    Only under the cloud's Lease. Helm then upgrades from it; nothing is ever uninstalled. Under the record's
    resourceVersion, so that a helm that is alive after all wins.
    """
    if release.status not in UNFINISHED:
        return False
    name = f"{PREFIX}{release.name}.v{release.revision}"
    record = await cluster.get(SECRETS, name, release.namespace)
    if record is None:
        return False
    await cluster.replace(SECRETS, failed(record), release.namespace)
    return True


def failed(record: KubeObject) -> KubeObject:
    """A release record with its status set to ``failed``, in the payload and in the label."""
    about = record["metadata"]
    try:
        payload = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(record["data"]["release"]))))
        payload["info"]["status"] = "failed"
        payload["info"]["description"] = "unlocked by kolla-k8s: the run that wrote this record is gone"
    except (KeyError, TypeError, ValueError, OSError, EOFError, zlib.error) as error:
        fact = f"the release record cannot be read: {str(error) or type(error).__name__}"
        way_out = f"delete Secret {about['name']} and run the same command again: helm then adopts the objects"
        raise OutsideError(about["name"], fact, way_out) from None
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(payload).encode(), mtime=0))).decode()
    labels = {**about.get("labels", {}), "status": "failed"}
    return {**record, "metadata": {**about, "labels": labels}, "data": {**record["data"], "release": packed}}
