"""Nodes in memory: a DaemonSet controller and kubelets that make a pod on each, with what is the node's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Self

from kolla_k8s.model.node_parts import FILE, config_map_name
from kolla_k8s.orchestrate.kinds import CONFIG_MAP, CONTROLLER_REVISION, DAEMON_SET, POD
from kolla_k8s.ports import Clock, KubeObject, WatchEvent
from tests.fake_cluster import FakeCluster

HASH = "controller-revision-hash"


class Nodes:
    """Controller and kubelets for the DaemonSets of a FakeCluster, as long as the ``with`` block lasts.

    Attributes:
        ready_after_s: How long a new pod needs.
        broken: Nodes whose new pods crash.
        stale: Node -> how many of its next pods still see the ConfigMap as it was when the block began.
        made: Node of each pod that was made, in order.
    """

    def __init__(self, cluster: FakeCluster, clock: Clock, names: Sequence[str]) -> None:
        """Have these nodes."""
        self._cluster, self._clock, self._names = cluster, clock, list(names)
        self.ready_after_s = 2.0
        self.broken: set[str] = set()
        self.stale: dict[str, int] = {}
        self.made: list[str] = []
        self._old: dict[str, str] = {}
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Begin to work."""
        self._old = {one["metadata"]["name"]: self._content(one) for one in self._cluster.matching(CONFIG_MAP, "")}
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
        if thing is None:
            return
        if thing["kind"] == "DaemonSet" and event.type != "DELETED":
            if thing.get("status", {}).get("observedGeneration") != thing["metadata"]["generation"]:
                self._follow(thing)
        elif thing["kind"] == "Pod" and event.type == "DELETED":
            owner = thing["metadata"]["ownerReferences"][0]["name"]
            daemon_set = self._cluster.peek(DAEMON_SET, owner, thing["metadata"]["namespace"])
            if daemon_set is not None:
                self._tell(daemon_set)
                self._begin(daemon_set, thing["spec"]["nodeName"])

    def _follow(self, daemon_set: KubeObject) -> None:
        """Take in a new template; pods of before stay when the strategy says so."""
        about = daemon_set["metadata"]
        body = {"metadata": {"name": _hash(daemon_set), **_owned(daemon_set)}, "revision": about["generation"]}
        body["metadata"]["labels"] = {**_labels(daemon_set), HASH: _hash(daemon_set)}
        self._cluster.put(CONTROLLER_REVISION, body, about["namespace"])
        self._tell(daemon_set)
        pods = {pod["spec"]["nodeName"]: pod for pod in self._pods(daemon_set)}
        for node in self._names:
            if node not in pods:
                self._begin(daemon_set, node)
            elif daemon_set["spec"].get("updateStrategy", {}).get("type") != "OnDelete":
                self._cluster.remove(POD, pods[node]["metadata"]["name"], about["namespace"])

    def _begin(self, daemon_set: KubeObject, node: str) -> None:
        task = asyncio.get_running_loop().create_task(self._make(daemon_set, node))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _make(self, daemon_set: KubeObject, node: str) -> None:
        about = daemon_set["metadata"]
        self._count += 1
        name = f"{about['name']}-{self._count}"
        labels = {**_labels(daemon_set), HASH: _hash(daemon_set)}
        spec = {**daemon_set["spec"]["template"]["spec"], "nodeName": node}
        self.made.append(node)
        self._cluster.put(
            POD, {"metadata": {"name": name, "labels": labels, **_owned(daemon_set)}, "spec": spec}, about["namespace"]
        )
        await self._clock.sleep(self.ready_after_s)
        if self._cluster.peek(POD, name, about["namespace"]) is not None:
            status = _crashes() if node in self.broken else _runs(self._part(daemon_set, node))
            self._cluster.set_status(POD, name, about["namespace"], status)
            self._tell(daemon_set)

    def _part(self, daemon_set: KubeObject, node: str) -> str:
        """What the node's prepare step says of its own part."""
        name = config_map_name(_labels(daemon_set)["app.kubernetes.io/name"])
        there = self._cluster.peek(CONFIG_MAP, name, daemon_set["metadata"]["namespace"])
        content = self._content(there) if there else ""
        if self.stale.get(node):
            self.stale[node] -= 1
            content = self._old.get(name, "")
        told = json.loads(content)["nodes"] if content else {}
        return str(told.get(node, {}).get("digest", ""))

    @staticmethod
    def _content(config_map: KubeObject) -> str:
        return str(config_map.get("data", {}).get(FILE, ""))

    def _pods(self, daemon_set: KubeObject) -> list[KubeObject]:
        uid = daemon_set["metadata"]["uid"]
        pods = self._cluster.matching(POD, daemon_set["metadata"]["namespace"])
        return [pod for pod in pods if pod["metadata"].get("ownerReferences", [{}])[0].get("uid") == uid]

    def _tell(self, daemon_set: KubeObject) -> None:
        about = daemon_set["metadata"]
        newest = self._cluster.peek(DAEMON_SET, about["name"], about["namespace"]) or daemon_set
        pods = self._pods(newest)
        ready = sum(pod.get("status", {}).get("phase") == "Running" for pod in pods)
        updated = sum(pod["metadata"]["labels"][HASH] == _hash(newest) for pod in pods)
        status = {
            "observedGeneration": newest["metadata"]["generation"],
            "desiredNumberScheduled": len(self._names),
            "currentNumberScheduled": len(pods),
            "updatedNumberScheduled": updated,
            "numberReady": ready,
            "numberAvailable": ready,
        }
        self._cluster.set_status(DAEMON_SET, about["name"], about["namespace"], status)


def daemon_set(
    service: str, strategy: str = "RollingUpdate", image: str = "one", component: str = "agent"
) -> KubeObject:
    """A DaemonSet as charts make it, with the ConfigMap of nodes in its pods."""
    labels = {"app.kubernetes.io/name": service, "app.kubernetes.io/instance": service}
    labels["app.kubernetes.io/component"] = component
    volumes = [{"name": "nodes", "configMap": {"name": config_map_name(service), "optional": True}}]
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "agent", "image": image}], "volumes": volumes},
    }
    spec = {"updateStrategy": {"type": strategy}, "template": template}
    about = {"name": f"{service}-{component}", "labels": labels}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": about, "spec": spec}


def _labels(daemon_set: KubeObject) -> dict[str, str]:
    return dict(daemon_set["spec"]["template"]["metadata"]["labels"])


def _hash(daemon_set: KubeObject) -> str:
    return f"{daemon_set['metadata']['name']}-h{daemon_set['metadata']['generation']}"


def _owned(daemon_set: KubeObject) -> dict[str, Any]:
    about = daemon_set["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": about["name"], "uid": about["uid"]}
    return {"ownerReferences": [{**owner, "controller": True}]}


def _runs(part: str) -> dict[str, Any]:
    prepare = {"name": "prepare", "state": {"terminated": {"exitCode": 0, **({"message": part} if part else {})}}}
    agent = {"name": "agent", "ready": True, "restartCount": 0, "state": {"running": {}}}
    ready = {"type": "Ready", "status": "True"}
    return {
        "phase": "Running",
        "conditions": [ready],
        "initContainerStatuses": [prepare],
        "containerStatuses": [agent],
    }


def _crashes() -> dict[str, Any]:
    waiting = {"reason": "CreateContainerConfigError", "message": "no such file"}
    agent = {"name": "agent", "ready": False, "restartCount": 0, "state": {"waiting": waiting}}
    return {
        "phase": "Pending",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [agent],
    }
