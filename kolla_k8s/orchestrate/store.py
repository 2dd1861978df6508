"""What do we know of the cluster right now?

One copy in memory of everything the watches brought, found by name, by owner and by release, so that a judgement asks
nobody and the same copy serves every step. Apart from the watches that fill it, because it is plain data: tests put
objects in by hand. It keeps no history but two things that would otherwise be lost: the number of the change that last
touched an object, which tells old evidence from new, and Jobs that completed before their time to live removed them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kolla_k8s.orchestrate.ready import KubeObject, State, assess, group_kind

Key = tuple[str, str, str]
"""Kind with group, namespace (empty for cluster-wide ones), name."""

Owner = tuple[str, str]
"""Namespace and release."""

RELEASE_ANNOTATION = "meta.helm.sh/release-name"
RELEASE_LABEL = "app.kubernetes.io/instance"
EVENTS_KEPT = 50
"""Per object: enough for every cause there can be, and a bound for an object that fails for days."""


def key_of(thing: KubeObject, namespace: str = "") -> Key:
    """Name an object; ``namespace`` is for manifests, which often leave theirs out."""
    meta = thing.get("metadata", {})
    return group_kind(thing), str(meta.get("namespace") or namespace), str(meta.get("name", ""))


def uid_of(thing: KubeObject) -> str:
    """Give the uid, empty for what the API has not seen."""
    return str(thing.get("metadata", {}).get("uid", ""))


class Store:
    """The objects, by all the names under which they are looked for."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.change = 0
        self._by_key: dict[Key, KubeObject] = {}
        self._by_uid: dict[str, KubeObject] = {}
        self._changed: dict[str, int] = {}
        self._children: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._of_release: defaultdict[Owner, dict[str, None]] = defaultdict(dict)
        self._events: defaultdict[str, dict[str, KubeObject]] = defaultdict(dict)
        self._completed: dict[Key, KubeObject] = {}

    def put(self, thing: KubeObject) -> None:
        """Take in an object, new or changed; one that is made anew under an old name replaces the old one."""
        self.change += 1
        uid = uid_of(thing)
        self._changed[uid] = self.change
        if thing.get("kind") == "Event":
            self._put_event(thing)
            return
        old = self._by_key.get(key_of(thing))
        if old is not None:
            self._forget(old)
        self._changed[uid] = self.change
        self._by_key[key_of(thing)] = thing
        self._by_uid[uid] = thing
        for owner in _owner_uids(thing):
            self._children[owner][uid] = None
        if release := _named_release(thing):
            self._of_release[release][uid] = None

    def drop(self, thing: KubeObject) -> None:
        """Forget an object that was deleted; a Job that had completed is remembered as completed."""
        self.change += 1
        if thing.get("kind") == "Event":
            self._events.get(thing.get("involvedObject", {}).get("uid", ""), {}).pop(uid_of(thing), None)
            self._changed.pop(uid_of(thing), None)
            return
        known = self._by_key.get(key_of(thing))
        if known is None or uid_of(known) != uid_of(thing):
            return
        if group_kind(thing) == "batch/Job" and assess(known).state is State.READY:
            self._completed[key_of(thing)] = known
        del self._by_key[key_of(thing)]
        self._forget(known)
        for event in self._events.pop(uid_of(thing), {}):
            self._changed.pop(event, None)

    def take_as_completed(self, job: KubeObject, namespace: str) -> None:
        """Remember a Job that is gone as completed, because something else records its work as done."""
        done = {"conditions": [{"type": "Complete", "status": "True"}]}
        self._completed[key_of(job, namespace)] = {**job, "status": done}

    def get(self, key: Key) -> KubeObject | None:
        """Find an object by its name; a Job that completed and is gone still counts."""
        return self._by_key.get(key) or self._completed.get(key)

    def children(self, uid: str) -> Iterator[KubeObject]:
        """Give what an object owns, the one that changed last at the end."""
        return (self._by_uid[child] for child in tuple(self._children.get(uid, ())))

    def of_release(self, namespace: str, release: str, kind: str) -> list[KubeObject]:
        """List the objects of one kind that say they belong to a release."""
        found = (self._by_uid[uid] for uid in self._of_release.get((namespace, release), ()))
        return [thing for thing in found if group_kind(thing) == kind]

    def all_of_release(self, namespace: str, release: str) -> list[KubeObject]:
        """List every object of a release, those too that only belong to it through their owners."""
        return [thing for thing in self._by_uid.values() if self.release_of(thing) == (namespace, release)]

    def events(self, uid: str) -> tuple[KubeObject, ...]:
        """Give the events about an object, the one that changed last at the end."""
        return tuple(sorted(self._events.get(uid, {}).values(), key=lambda e: self._changed[uid_of(e)]))

    def changed(self, uids: Iterable[str]) -> dict[str, int]:
        """Map uids to the number of the change that last touched them; unknown ones to 0."""
        return {uid: self._changed.get(uid, 0) for uid in uids}

    def release_of(self, thing: KubeObject) -> Owner | None:
        """Name the release that an object or an event belongs to, through its owners; None when nobody knows."""
        if thing.get("kind") == "Event":
            subject = self._by_uid.get(thing.get("involvedObject", {}).get("uid", ""))
            return self.release_of(subject) if subject else None
        if named := _named_release(thing):
            return named
        owners = (self._by_uid.get(uid) for uid in _owner_uids(thing))
        return next((found for owner in owners if owner and (found := self.release_of(owner))), None)

    def _put_event(self, event: KubeObject) -> None:
        kept = self._events[event.get("involvedObject", {}).get("uid", "")]
        kept.pop(uid_of(event), None)
        kept[uid_of(event)] = event
        if len(kept) > EVENTS_KEPT:
            oldest = next(iter(kept))
            del kept[oldest]
            self._changed.pop(oldest, None)

    def _forget(self, thing: KubeObject) -> None:
        uid = uid_of(thing)
        self._by_uid.pop(uid, None)
        self._changed.pop(uid, None)
        for owner in _owner_uids(thing):
            self._children[owner].pop(uid, None)
        if release := _named_release(thing):
            self._of_release[release].pop(uid, None)


def _owner_uids(thing: KubeObject) -> Iterator[str]:
    return (str(owner.get("uid", "")) for owner in thing.get("metadata", {}).get("ownerReferences") or ())


def _named_release(thing: KubeObject) -> Owner | None:
    meta: Mapping[str, Any] = thing.get("metadata", {})
    annotated = (meta.get("annotations") or {}).get(RELEASE_ANNOTATION)
    release = annotated or (meta.get("labels") or {}).get(RELEASE_LABEL)
    return (str(meta.get("namespace", "")), str(release)) if release else None
