"""What belongs to one release right now, and which of it counts?

The cut through the store that a judgement needs: the objects of the manifest as they live, the pods of their *newest*
generation, who makes those pods, the claims they use and the events about all of them. Pods of an older template never
count: after a repair they would prove what is no longer asked for. Pure, like the store it reads; judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kolla_k8s.orchestrate.kinds import resource_of
from kolla_k8s.orchestrate.ready import KubeObject, State, Verdict, assess, group_kind, is_passive, is_stale
from kolla_k8s.orchestrate.store import Store, key_of, uid_of

_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


@dataclass(frozen=True, slots=True)
class Seen:
    """An object of the manifest: as it was asked for, as it lives (None: not there), and what it is."""

    wanted: KubeObject
    live: KubeObject | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PodOf:
    """A pod and the object of the manifest it works for.

    Attributes:
        is_newest: It runs what is asked for now; when False, it is an old pod that a StatefulSet waits to replace.
    """

    pod: KubeObject
    workload: KubeObject
    is_newest: bool = True


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """All that one judgement of a release looks at.

    Attributes:
        makers: Objects that create pods and tell in events when they are refused: newest ReplicaSets, StatefulSets...
        claims: Of the manifest, and those the pods use.
        events: By the uid of the object they are about, newest last.
        changed: By uid (of events too): number of the change that last touched it.
    """

    namespace: str
    release: str
    objects: tuple[Seen, ...] = ()
    pods: tuple[PodOf, ...] = ()
    makers: tuple[KubeObject, ...] = ()
    claims: tuple[KubeObject, ...] = ()
    events: Mapping[str, tuple[KubeObject, ...]] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)


def view_of(store: Store, namespace: str, release: str, manifest: Sequence[KubeObject]) -> ReleaseView:
    """Cut out what belongs to a release.

    The manifest is what helm installed: kinds that are ready by existing are taken to exist, as helm said so.
    """
    seen = [_see(store, namespace, wanted) for wanted in manifest]
    live = [one.live for one in seen if one.live is not None]
    makers = [maker for thing in live for maker in _makers(store, thing)]
    pods = [pod for thing in live for pod in _pods(store, thing)]
    claims = list(_claims(store, live, [p.pod for p in pods]))
    subjects = dict.fromkeys(uid_of(t) for t in [*live, *makers, *(p.pod for p in pods), *claims])
    events = {uid: store.events(uid) for uid in subjects}
    uids = [*subjects, *(uid_of(e) for some in events.values() for e in some)]
    return ReleaseView(
        namespace, release, tuple(seen), tuple(pods), tuple(makers), tuple(claims), events, store.changed(uids)
    )


def newest_replica_set(store: Store, deployment: KubeObject) -> KubeObject | None:
    """Find the ReplicaSet that runs the Deployment's template; None until it is there.

    Found by comparing templates, as the Deployment's own controller does: the revision annotation is of no use here,
    for the watch of ReplicaSets may lag behind that of Deployments, and then the highest revision is still the old one.
    """
    if is_stale(deployment):
        return None
    wanted = _template(deployment)
    sets = (t for t in store.children(uid_of(deployment)) if t["kind"] == "ReplicaSet")
    return next((one for one in sets if _template(one) == wanted), None)


def _see(store: Store, namespace: str, wanted: KubeObject) -> Seen:
    if is_passive(wanted):
        return Seen(wanted, None, assess(wanted))
    live = store.get(key_of(wanted, namespace if resource_of(wanted).is_namespaced else ""))
    if live is None:
        return Seen(wanted, None, Verdict(State.WAITING, "is not there"))
    verdict = assess(live)
    if verdict.state is State.WAITING and _waits_for_first_pod(store, live):
        verdict = Verdict(State.READY, "is bound when its first pod comes")
    return Seen(wanted, live, verdict)


def _waits_for_first_pod(store: Store, thing: KubeObject) -> bool:
    events = store.events(uid_of(thing)) if thing["kind"] == "PersistentVolumeClaim" else ()
    return bool(events) and events[-1].get("reason") == "WaitForFirstConsumer"


def _makers(store: Store, thing: KubeObject) -> Iterator[KubeObject]:
    """Give the objects whose pods count for this one; none for what makes no pods."""
    match group_kind(thing):
        case "apps/Deployment":
            if newest := newest_replica_set(store, thing):
                yield newest
        case "batch/Job":  # its template never changes, and its status names no generation
            yield thing
        case "apps/StatefulSet" | "apps/DaemonSet" | "apps/ReplicaSet" if not is_stale(thing):
            yield thing


def _pods(store: Store, thing: KubeObject) -> Iterator[PodOf]:
    """Give the pods that count: those being deleted do not."""
    if group_kind(thing) == "Pod":
        yield PodOf(thing, thing)
    for maker in _makers(store, thing):
        for pod in store.children(uid_of(maker)):
            if pod["kind"] != "Pod" or "deletionTimestamp" in pod["metadata"]:
                continue
            is_newest = _is_newest(pod, maker)
            if is_newest or group_kind(maker) == "apps/StatefulSet":
                yield PodOf(pod, thing, is_newest)


def _is_newest(pod: KubeObject, maker: KubeObject) -> bool:
    """Tell whether a pod runs what its maker asks for now; where pods change only when deleted, all of them count."""
    labels = pod["metadata"].get("labels") or {}
    if maker.get("spec", {}).get("updateStrategy", {}).get("type") == "OnDelete":
        return True
    match maker["kind"]:
        case "StatefulSet":
            return bool(labels.get("controller-revision-hash") == maker.get("status", {}).get("updateRevision"))
        case "DaemonSet":
            wanted = (maker["metadata"].get("annotations") or {}).get(_TEMPLATE_GENERATION)
            return wanted is None or bool(labels.get("pod-template-generation") == wanted)
    return True


def _template(thing: KubeObject) -> Any:
    template = thing.get("spec", {}).get("template", {})
    meta = dict(template.get("metadata") or {})
    meta["labels"] = {k: v for k, v in (meta.get("labels") or {}).items() if k != "pod-template-hash"}
    return {**template, "metadata": meta}


def _claims(store: Store, live: Iterable[KubeObject], pods: Iterable[KubeObject]) -> Iterator[KubeObject]:
    found = {uid_of(thing): thing for thing in live if thing["kind"] == "PersistentVolumeClaim"}
    for pod in pods:
        for volume in pod.get("spec", {}).get("volumes") or ():
            name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            claim = store.get(("PersistentVolumeClaim", pod["metadata"].get("namespace", ""), name)) if name else None
            if claim:
                found[uid_of(claim)] = claim
    yield from found.values()
