"""Which nodes run what they should, and the ConfigMap that tells their pods what is their own.

What a pod runs is asked of the cluster, never remembered: its template by the newest ControllerRevision, its node's own
part by the digest that its prepare step left in the pod's status. So a rerun after any crash goes on where it was, and
a pod that came up with an old copy of the ConfigMap is found out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kolla_k8s.model.node_parts import FILE, NodeParts, config_map_name, read_parts
from kolla_k8s.orchestrate.gate import is_ready
from kolla_k8s.orchestrate.kinds import CONFIG_MAP, CONTROLLER_REVISION, DAEMON_SET, NODE, POD
from kolla_k8s.orchestrate.secrets import LABELS
from kolla_k8s.orchestrate.store import Store, uid_of
from kolla_k8s.ports import Cluster, KubeObject

PREPARE = "prepare"


@dataclass(frozen=True, slots=True)
class NodePod:
    """The pod of a node.

    Attributes:
        owner: Name of its DaemonSet.
        component: Its workload in the definition.
        is_old: It was made from an older template.
        has_old_part: It started with something else of its node's own than is wanted now.
        is_on_delete: It stays as it is until somebody deletes it.
    """

    name: str
    uid: str
    node: str
    owner: str
    component: str
    is_ready: bool
    is_old: bool
    has_old_part: bool
    is_on_delete: bool

    @property
    def is_due(self) -> bool:
        """Whether it runs something else than a new pod would."""
        return self.is_old or self.has_old_part


async def labels_of_nodes(cluster: Cluster) -> dict[str, Mapping[str, str]]:
    """Node -> its labels."""
    nodes = await cluster.list(NODE, metadata_only=True)
    return {str(node["metadata"]["name"]): node["metadata"].get("labels") or {} for node in nodes}


async def node_pods(cluster: Cluster, namespace: str, parts: NodeParts) -> list[NodePod]:
    """The pods of a service's DaemonSets, by node, held against what they should run; those that go are left out."""
    labels = f"app.kubernetes.io/name={parts.service}"
    sets = {uid_of(one): one for one in await cluster.list(DAEMON_SET, namespace, labels=labels)}
    if not sets:
        return []
    newest = _newest(await cluster.list(CONTROLLER_REVISION, namespace, labels=labels))
    found = []
    for pod in await cluster.list(POD, namespace, labels=labels):
        owner = sets.get(_owner(pod))
        if owner is not None and "deletionTimestamp" not in pod["metadata"]:
            found.append(_node_pod(pod, owner, newest.get(uid_of(owner)), parts))
    return sorted(found, key=lambda pod: (pod.node, pod.owner))


async def read_node_parts(cluster: Cluster, namespace: str, service: str) -> NodeParts:
    """What the cluster tells the pods of a service."""
    there = await cluster.get(CONFIG_MAP, config_map_name(service), namespace)
    return read_parts(service, ((there or {}).get("data") or {}).get(FILE, ""))


async def ensure_parts(cluster: Cluster, namespace: str, parts: NodeParts) -> None:
    """Let the cluster tell the pods what is wanted; nothing is written where it does."""
    there = await cluster.get(CONFIG_MAP, parts.name, namespace)
    data = {FILE: parts.content}
    if not parts.content:
        if there is not None:
            await cluster.delete(CONFIG_MAP, parts.name, namespace, uid=uid_of(there))
    elif there is None:
        labels = {"app.kubernetes.io/name": parts.service, **LABELS}
        about = {"name": parts.name, "labels": labels}
        await cluster.create(
            CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": data}, namespace
        )
    elif there.get("data") != data:
        await cluster.replace(CONFIG_MAP, {**there, "data": data}, namespace)


def to_replace(pods: Iterable[NodePod]) -> list[list[NodePod]]:
    """Order in which pods are made anew: all that are down already at once, the others one by one."""
    due = list(pods)
    down = [pod for pod in due if not pod.is_ready]
    return [*([down] if down else []), *([pod] for pod in due if pod.is_ready)]


def waits_for_node(store: Store, owner: tuple[str, str], pods: Iterable[NodePod]) -> str:
    """What is missing until deleted pods have followers that are ready; empty when all have."""
    followers = [pod for pod in store.of_release(*owner, "Pod") if is_ready(pod)]
    for gone in pods:
        if not any(
            pod["spec"].get("nodeName") == gone.node and _owner_name(pod) == gone.owner and uid_of(pod) != gone.uid
            for pod in followers
        ):
            return f"DaemonSet {gone.owner}: no new pod is ready on node {gone.node}"
    return ""


def _node_pod(pod: KubeObject, owner: KubeObject, newest: str | None, parts: NodeParts) -> NodePod:
    about, node = pod["metadata"], str(pod["spec"].get("nodeName", ""))
    labels = about.get("labels") or {}
    said = _part(pod)
    is_told = any(
        (volume.get("configMap") or {}).get("name") == parts.name for volume in pod["spec"].get("volumes") or ()
    )
    return NodePod(
        name=str(about["name"]),
        uid=uid_of(pod),
        node=node,
        owner=str(owner["metadata"]["name"]),
        component=str(labels.get("app.kubernetes.io/component", "")),
        is_ready=is_ready(pod),
        is_old=newest is not None and labels.get("controller-revision-hash") != newest,
        has_old_part=is_told and said is not None and said != parts.digests.get(node, ""),
        is_on_delete=owner["spec"].get("updateStrategy", {}).get("type") == "OnDelete",
    )


def _part(pod: KubeObject) -> str | None:
    """Digest of its node's own part that a pod started with; None while its prepare step has not ended."""
    for status in pod.get("status", {}).get("initContainerStatuses") or ():
        if status["name"] == PREPARE and "terminated" in (status.get("state") or {}):
            return str(status["state"]["terminated"].get("message", "")).strip()
    return None


def _newest(revisions: Iterable[KubeObject]) -> dict[str, str]:
    """Uid of a DaemonSet -> hash of its newest template, as pods of it carry it."""
    found: dict[str, str] = {}
    for revision in sorted(revisions, key=lambda one: int(one["revision"])):
        found[_owner(revision)] = str((revision["metadata"].get("labels") or {}).get("controller-revision-hash"))
    return found


def _owner(thing: KubeObject) -> str:
    return next((str(one["uid"]) for one in thing["metadata"].get("ownerReferences") or ()), "")


def _owner_name(thing: Mapping[str, Any]) -> str:
    return next((str(one["name"]) for one in thing["metadata"].get("ownerReferences") or ()), "")
