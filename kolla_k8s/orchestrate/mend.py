"""Clear away what an earlier run left: Jobs that failed, and ConfigMaps that no pod of this release uses any more."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable

from kolla_k8s.errors import ConflictError, KollaK8sError
from kolla_k8s.orchestrate.containers import oldest_back_off
from kolla_k8s.orchestrate.evidence import Evidence, Remedy
from kolla_k8s.orchestrate.kinds import CLAIM, CONFIG_MAP, JOB, POD, SERVICE, STATEFUL_SET, resource_of
from kolla_k8s.orchestrate.ready import KubeObject, holds
from kolla_k8s.orchestrate.store import uid_of
from kolla_k8s.ports import Cluster, Resource

KEEP = "helm.sh/resource-policy"
NUDGED = "kolla-k8s.io/nudged-at"
SECRET = Resource("", "v1", "secrets", "Secret")


async def delete_failed_jobs(cluster: Cluster, namespace: str, service: str) -> list[str]:
    """Delete a service's bootstrap Jobs that have a failure behind them, under their uid; give their names.

    One that works on without a failure, or is complete, is left alone.
    """
    labels = f"app.kubernetes.io/name={service},app.kubernetes.io/component=bootstrap"
    gone = []
    for job in await cluster.list(JOB, namespace, labels=labels):
        has_failed = holds(job, "Failed") or bool(job.get("status", {}).get("failed"))
        if has_failed and not holds(job, "Complete"):
            about = job["metadata"]
            await cluster.delete(JOB, about["name"], namespace, uid=about["uid"])
            gone.append(about["name"])
    return gone


async def delete_stuck_pods(cluster: Cluster, namespace: str, service: str) -> list[str]:
    """Delete a service's pods that sit in back-off, so that a mended cause is seen now and not after minutes.

    A StatefulSet would besides never replace a broken pod of an old revision by itself.
    """
    gone = []
    for pod in await cluster.list(POD, namespace, labels=f"app.kubernetes.io/name={service}"):
        if oldest_back_off(pod) is not None and "deletionTimestamp" not in pod["metadata"]:
            about = pod["metadata"]
            await cluster.delete(POD, about["name"], namespace, uid=about["uid"])
            gone.append(about["name"])
    return gone


async def delete_unbound_sets(cluster: Cluster, namespace: str, service: str) -> list[str]:
    """Delete a service's StatefulSets and claims when no claim was ever bound; give the names of what is gone.

    Volumes that never came to be hold no data, and the templates of claims cannot be changed in place: this is how a
    wrong storage class is mended. One bound claim, and nothing is touched; one that is bound meanwhile stays.
    """
    labels = f"app.kubernetes.io/name={service}"
    claims = await cluster.list(CLAIM, namespace, labels=labels)
    if not claims or any(map(_is_bound, claims)):
        return []
    gone = []
    for found in await cluster.list(STATEFUL_SET, namespace, labels=labels):
        about = found["metadata"]
        await cluster.delete(STATEFUL_SET, about["name"], namespace, uid=about["uid"])
        gone.append(f"StatefulSet {about['name']}")
    claims = [claim for claim in await cluster.list(CLAIM, namespace, labels=labels) if not _is_bound(claim)]
    deleted = [claim["metadata"]["name"] for claim in claims if await _is_deleted_as_seen(cluster, claim)]
    return gone + [f"PersistentVolumeClaim {name}" for name in deleted]


def _is_bound(claim: KubeObject) -> bool:
    return bool(claim.get("spec", {}).get("volumeName"))


async def _is_deleted_as_seen(cluster: Cluster, claim: KubeObject) -> bool:
    """Delete a claim, unless it has changed since: it may be bound by now."""
    about = claim["metadata"]
    try:
        await cluster.delete(CLAIM, about["name"], about["namespace"], version=about["resourceVersion"])
    except ConflictError:
        return False
    return True


async def apply_remedy(cluster: Cluster, proof: Evidence, wall_s: float) -> None:
    """Make Kubernetes try again now what an earlier run left in back-off; that it cannot be done fails nothing."""
    thing = proof.thing
    name, namespace = thing["metadata"]["name"], thing["metadata"].get("namespace", "")
    with contextlib.suppress(KollaK8sError):
        if proof.remedy is Remedy.REMAKE_POD:
            await cluster.delete(POD, name, namespace, uid=uid_of(thing))
        elif proof.remedy is Remedy.NUDGE:
            annotations = {NUDGED: f"{wall_s:.3f}"}
            await cluster.patch(resource_of(thing), name, {"metadata": {"annotations": annotations}}, namespace)


async def prune_config_maps(
    cluster: Cluster, namespace: str, service: str, manifest: Iterable[KubeObject]
) -> list[str]:
    """Delete a service's kept ConfigMaps that neither the manifest nor a living pod names; give their names."""
    wanted = {item["metadata"]["name"] for item in manifest if item["kind"] == "ConfigMap"}
    labels = f"app.kubernetes.io/name={service}"
    kept = [
        item["metadata"]
        for item in await cluster.list(CONFIG_MAP, namespace, labels=labels)
        if KEEP in (item["metadata"].get("annotations") or {}) and item["metadata"]["name"] not in wanted
    ]
    if not kept:
        return []
    pods = await cluster.list(POD, namespace, labels=labels)
    volumes = [volume for pod in pods for volume in pod["spec"].get("volumes", ())]
    parts = [part for volume in volumes for part in (volume, *volume.get("projected", {}).get("sources", ()))]
    used = {part["configMap"]["name"] for part in parts if "configMap" in part}
    gone = [about for about in kept if about["name"] not in used]
    for about in gone:
        await cluster.delete(CONFIG_MAP, about["name"], namespace, uid=about["uid"])
    return [about["name"] for about in gone]


async def delete_kept(cluster: Cluster, namespace: str, service: str) -> None:
    """Delete every ConfigMap that helm was told to keep for a service, or that we made."""
    for item in await cluster.list(CONFIG_MAP, namespace, labels=f"app.kubernetes.io/name={service}"):
        about = item["metadata"]
        is_ours = (about.get("labels") or {}).get("app.kubernetes.io/managed-by") == "kolla-k8s"
        if is_ours or KEEP in (about.get("annotations") or {}):
            await cluster.delete(CONFIG_MAP, about["name"], namespace)


async def delete_data(cluster: Cluster, namespace: str, service: str, secrets: Collection[str]) -> None:
    """Delete claims, kept addresses and those of the named Secrets that we made: what nothing brings back."""
    for item in await cluster.list(SERVICE, namespace, labels=f"app.kubernetes.io/name={service}"):
        if KEEP in (item["metadata"].get("annotations") or {}):
            await cluster.delete(SERVICE, item["metadata"]["name"], namespace)
    for item in await cluster.list(CLAIM, namespace, labels=f"app.kubernetes.io/name={service}"):
        await cluster.delete(CLAIM, item["metadata"]["name"], namespace)
    for item in await cluster.list(SECRET, namespace, labels="app.kubernetes.io/managed-by=kolla-k8s"):
        if item["metadata"]["name"] in secrets:
            await cluster.delete(SECRET, item["metadata"]["name"], namespace)
