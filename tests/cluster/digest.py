"""What a cluster holds of a cloud, without what differs between two installs that are the same.

Two clouds with equal digests have the same objects with the same content. Left out: uids, versions, times, addresses
and names that the cluster gave, values of Secrets, revisions of releases, what only follows from other objects
(ReplicaSets, EndpointSlices, ControllerRevisions, events), and what a CronJob made when its hour came. A digest is
plain data, so that two differ readably.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.api import Api

DERIVED = frozenset({"Event", "Endpoints", "EndpointSlice", "ReplicaSet", "ControllerRevision", "Lease"})
GIVEN = frozenset(
    {
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "generation",
        "generateName",
        "ownerReferences",
        "clusterIP",
        "clusterIPs",
        "volumeName",
        "nodePort",
        "controller-uid",
        "batch.kubernetes.io/controller-uid",
        "deployment.kubernetes.io/revision",
        "pod-template-hash",
        "controller-revision-hash",
        "selfLink",
    }
)
CLUSTER_GAVE = re.compile(r"^(pv|volume)(\.beta)?\.kubernetes\.io/")
RELEASE = "helm.sh/release.v1"


@dataclass(frozen=True, slots=True)
class Spaces:
    """Namespaces of a cloud."""

    control: str
    node: str


def digest(api: Api, spaces: Spaces) -> dict[str, Any]:
    """Name of each object of a cloud -> its content; pods are counted, releases are told by their newest record."""
    found: dict[str, Any] = {}
    releases: dict[str, tuple[int, str]] = {}
    pods: Counter[str] = Counter()
    for space in (spaces.control, spaces.node):
        periodic = _periodic(api, space)
        for kind, path in _kinds(api):
            for thing in api.items(path.format(space)):
                if _job_of(kind, thing) in periodic:
                    continue
                if kind == "Pod":
                    pods[_pod(thing)] += 1
                    continue
                if thing.get("type") == RELEASE:
                    _note(releases, thing)
                    continue
                found[f"{kind} {_role(space, spaces)}/{thing['metadata']['name']}"] = _content(kind, thing)
    about = {f"Release {name}": status for name, (_, status) in releases.items()}
    text = json.dumps({**found, **about, **pods}, sort_keys=True)
    return _unhashed(text.replace(spaces.node, "NODE").replace(spaces.control, "CONTROL"))


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Lines that say what differs; none when the digests are equal."""
    lines = [f"only in the first: {name}" for name in sorted(one.keys() - other.keys())]
    lines += [f"only in the second: {name}" for name in sorted(other.keys() - one.keys())]
    for name in sorted(one.keys() & other.keys()):
        here, there = dict(_leaves(one[name])), dict(_leaves(other[name]))
        places = sorted(place for place in here.keys() | there.keys() if here.get(place) != there.get(place))
        lines += [f"{name}: {place}: {here.get(place)!r} is not {there.get(place)!r}" for place in places]
    return lines


def _leaves(thing: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value with its path."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield from _leaves(value, f"{place}.{key}")
    elif isinstance(thing, list):
        for number, value in enumerate(thing):
            yield from _leaves(value, f"{place}[{number}]")
    else:
        yield place, thing


def _kinds(api: Api) -> Iterator[tuple[str, str]]:
    """Every kind that can be listed in a namespace, with the path of its list."""
    groups = ["/api/v1"]
    groups += [f"/apis/{group['preferredVersion']['groupVersion']}" for group in api.ask("GET", "/apis")[1]["groups"]]
    for group in groups:
        for resource in api.ask("GET", group)[1]["resources"]:
            if resource["namespaced"] and "list" in resource["verbs"] and resource["kind"] not in DERIVED:
                yield resource["kind"], f"{group}/namespaces/{{}}/{resource['name']}"


def _periodic(api: Api, space: str) -> set[str]:
    """Names of Jobs that CronJobs have made."""
    jobs = (job["metadata"] for job in api.items(f"/apis/batch/v1/namespaces/{space}/jobs"))
    return {job["name"] for job in jobs if any(o["kind"] == "CronJob" for o in job.get("ownerReferences", ()))}


def _job_of(kind: str, thing: dict[str, Any]) -> str:
    about = thing["metadata"]
    return str(about["name"]) if kind == "Job" else str(about.get("labels", {}).get("job-name", ""))


def _role(space: str, spaces: Spaces) -> str:
    return "NODE" if space == spaces.node else "CONTROL"


def _pod(pod: dict[str, Any]) -> str:
    """A pod by what it is for: its owner's kind and its labels stand for a name that the cluster made up."""
    about = pod["metadata"]
    owners = ",".join(owner["kind"] for owner in about.get("ownerReferences", ()))
    labels = {key: value for key, value in about.get("labels", {}).items() if key.startswith("app.kubernetes.io/")}
    ready = [c["status"] for c in pod["status"].get("conditions", ()) if c["type"] == "Ready"]
    is_going = "deletionTimestamp" in about
    state = {"phase": pod["status"].get("phase"), "ready": ready, "is_going": is_going}
    return f"Pods of {owners} {' '.join(sorted(labels.values()))}: {json.dumps(state)}"


def _note(releases: dict[str, tuple[int, str]], record: dict[str, Any]) -> None:
    labels = record["metadata"]["labels"]
    newest = (int(labels["version"]), labels["status"])
    releases[labels["name"]] = max(releases.get(labels["name"], newest), newest)


def _content(kind: str, thing: dict[str, Any]) -> Any:
    about, rest = thing["metadata"], {k: v for k, v in thing.items() if k not in ("metadata", "status")}
    if kind == "Secret":
        rest["data"] = sorted(rest.get("data") or {})
    if kind == "Job":
        rest["spec"].pop("selector", None)
        rest["spec"]["template"]["metadata"].get("labels", {}).pop("batch.kubernetes.io/job-name", None)
    return _lasting({**rest, "metadata": about, "state": _state(kind, thing.get("status", {}))})


def _state(kind: str, status: dict[str, Any]) -> Any:
    """What of a status is the same in two equal clouds."""
    if kind == "Job":
        return [c["type"] for c in status.get("conditions", ()) if c["status"] == "True"]
    return {key: status[key] for key in ("phase", "replicas", "readyReplicas", "updatedReplicas") if key in status}


def _lasting(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {k: _lasting(v) for k, v in thing.items() if k not in GIVEN and not CLUSTER_GAVE.match(k)}
    return [_lasting(item) for item in thing] if isinstance(thing, list) else thing


def _unhashed(text: str) -> dict[str, Any]:
    """Names by content, without the content's hash, where that holds a namespace's name."""
    found: dict[str, Any] = json.loads(re.sub(r"(-|(?<=\"))[0-9a-f]{10}(?=\"|-)", r"\1HASH", text))
    return found
