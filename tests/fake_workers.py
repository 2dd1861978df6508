"""Controllers and a kubelet in memory: they make the pods of workloads and bring them up, as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from kolla_k8s.orchestrate.kinds import resource_of
from kolla_k8s.ports import Clock, KubeObject, Resource, WatchEvent
from tests.fake_cluster import FakeCluster

PODS = Resource("", "v1", "pods", "Pod")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")


@dataclass(frozen=True, slots=True)
class Life:
    """How the pods of a workload (or a Job) fare.

    Attributes:
        ready_after_s: When they are ready, or the Job is complete.
        waiting: Reason that the container waits with instead, for ever: ``ImagePullBackOff``...
        fails: The Job fails instead.
    """

    ready_after_s: float = 1.0
    waiting: str = ""
    fails: bool = False


class Workers:
    """Controllers and a kubelet for a FakeCluster: make pods of workloads and bring them up, as ``lives`` says.

    A workload of a new generation gets new pods. Works as long as its ``with`` block lasts.
    """

    def __init__(self, cluster: FakeCluster, clock: Clock, lives: Mapping[str, Life] | None = None) -> None:
        """Let each workload live as its name says in ``lives``, and well when it says nothing."""
        self._cluster, self._clock = cluster, clock
        self.lives = dict(lives or {})
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Begin to work."""
        self._cluster.reactors.append(self._react)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; what is not up stays so."""
        self._cluster.reactors.remove(self._react)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _react(self, event: WatchEvent) -> None:
        thing = event.object
        if event.type == "DELETED" or thing is None:
            return
        if thing["kind"] not in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            return
        if thing.get("status", {}).get("observedGeneration") == thing["metadata"]["generation"]:
            return
        task = asyncio.get_running_loop().create_task(self._run(thing))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, thing: KubeObject) -> None:
        about, kind = thing["metadata"], thing["kind"]
        life = self.lives.get(about["name"], Life())
        count = 1 if kind in ("Job", "DaemonSet") else int(thing.get("spec", {}).get("replicas", 1))
        self._tell(thing, _status(thing, count, ready=0))
        pods = [self._pod(thing, number) for number in range(count)]
        main = _main(thing)
        if life.waiting:
            state = {"waiting": {"reason": life.waiting, "message": life.waiting}}
            self._tell_pods(pods, about["namespace"], _pod_status(main, "Pending", state, is_ready=False))
            return
        self._tell_pods(pods, about["namespace"], _pod_status(main, "Running", {"running": {}}, is_ready=False))
        await self._clock.sleep(life.ready_after_s)
        if kind == "Job":
            self._tell(thing, _job_status(about["generation"], fails=life.fails))
            return
        self._tell_pods(pods, about["namespace"], _pod_status(main, "Running", {"running": {}}, is_ready=True))
        self._tell(thing, _status(thing, count, ready=count))

    def _tell(self, thing: KubeObject, status: Mapping[str, Any]) -> None:
        name, space = thing["metadata"]["name"], thing["metadata"]["namespace"]
        if self._cluster.peek(resource_of(thing), name, space) is not None:
            self._cluster.set_status(resource_of(thing), name, space, status)

    def _tell_pods(self, pods: list[str], namespace: str, status: Mapping[str, Any]) -> None:
        for name in pods:
            if self._cluster.peek(PODS, name, namespace) is not None:
                self._cluster.set_status(PODS, name, namespace, status)

    def _pod(self, thing: KubeObject, number: int) -> str:
        """Make a pod of a workload, owned as the real controllers own it; gives its name."""
        about, generation = thing["metadata"], thing["metadata"]["generation"]
        template = thing.get("spec", {}).get("template", {})
        labels, owner = dict(template.get("metadata", {}).get("labels") or {}), thing
        if thing["kind"] == "Deployment":
            owner = self._replica_set(thing, labels)
        if thing["kind"] == "StatefulSet":
            labels["controller-revision-hash"] = f"{about['name']}-{generation}"
        if thing["kind"] == "DaemonSet":
            labels["pod-template-generation"] = str(generation)
        ordinal = f"{about['name']}-{number}"
        name = ordinal if thing["kind"] == "StatefulSet" else f"{ordinal}-{generation}"
        self._cluster.remove(PODS, name, about["namespace"])
        body = {"metadata": {"name": name, "labels": labels, **_owned(owner)}, "spec": template.get("spec", {})}
        self._cluster.put(PODS, body, about["namespace"])
        return name

    def _replica_set(self, deployment: KubeObject, labels: dict[str, str]) -> KubeObject:
        about, spec = deployment["metadata"], deployment.get("spec", {})
        revision = {"deployment.kubernetes.io/revision": str(about["generation"])}
        name = f"{about['name']}-{about['generation']}"
        body = {
            "metadata": {"name": name, "labels": labels, "annotations": revision, **_owned(deployment)},
            "spec": {key: spec[key] for key in ("replicas", "template") if key in spec},
        }
        return self._cluster.put(REPLICA_SETS, body, about["namespace"])


def _main(thing: KubeObject) -> str:
    containers = thing.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [{"name": "main"}]
    return str(containers[0]["name"])


def _owned(owner: KubeObject) -> dict[str, Any]:
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "controller": True}
    return {"ownerReferences": [{**reference, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}]}


def _status(thing: KubeObject, count: int, *, ready: int) -> dict[str, Any]:
    kind, name, generation = thing["kind"], thing["metadata"]["name"], thing["metadata"]["generation"]
    revision = dict.fromkeys(("currentRevision", "updateRevision"), f"{name}-{generation}")
    if kind == "DaemonSet":
        numbers = ("numberReady", "numberAvailable")
        scheduled = dict.fromkeys(("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled"), count)
        return {"observedGeneration": generation, **scheduled, **dict.fromkeys(numbers, ready)}
    made = dict.fromkeys(("replicas", "updatedReplicas", "currentReplicas"), count)
    if kind == "Job":
        return {"observedGeneration": generation, "active": 1}
    told = {"observedGeneration": generation, **made, "readyReplicas": ready, "availableReplicas": ready}
    return {**told, **revision} if kind == "StatefulSet" else told


def _job_status(generation: int, *, fails: bool) -> dict[str, Any]:
    name, count = ("Failed", "failed") if fails else ("Complete", "succeeded")
    condition = {"type": name, "status": "True", "reason": "BackoffLimitExceeded" if fails else "Completed"}
    return {"observedGeneration": generation, count: 1, "conditions": [condition]}


def _pod_status(main: str, phase: str, state: Mapping[str, Any], *, is_ready: bool) -> dict[str, Any]:
    word = "True" if is_ready else "False"
    container = {"name": main, "ready": is_ready, "restartCount": 0, "state": dict(state)}
    return {"phase": phase, "conditions": [{"type": "Ready", "status": word}], "containerStatuses": [container]}
