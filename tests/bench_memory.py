"""Peak memory of a run that follows a big cloud: 40 releases, 7 of them with a pod on each of 500 nodes.

Run as a program: everything that ``install`` keeps is in this process, the cluster only makes up lists. Pods
are those that the charts describe, with the status that a kubelet gives them. Prints the MiB.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import kubernetes.aio.client  # noqa: F401 - what a run has loaded
import rich.live  # noqa: F401

from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.orchestrate.observe import observing
from kolla_k8s.orchestrate.plan import build_plan
from kolla_k8s.ports import Resource, WatchEvent
from kolla_k8s.yamlio import manifest

ROOT = Path(__file__).parents[1]
NODES, RELEASES, MEMBERS = 500, 40, 3
ON_NODES = (
    "libvirt",
    "nova-compute",
    "openvswitch",
    "ovn-controller",
    "neutron-metadata",
    "neutron-dhcp",
    "neutron-l3",
)


class BigCluster:
    """Gives pods to whoever watches, then is silent."""

    def __init__(self) -> None:
        """Take the pods' looks from charts, as text: lists are parsed whole, as from the wire."""
        api = template("keystone", "Deployment")
        self.templates = {
            "openstack-node": [(template(chart, "DaemonSet"), NODES) for chart in ON_NODES],
            "openstack": [(api, MEMBERS)] * (RELEASES - len(ON_NODES)),
        }

    async def watch(self, kind: Resource, namespace: str = "", *, labels: str = "") -> AsyncIterator[WatchEvent]:
        """All there is, then nothing for ever."""
        assert not labels
        whole = "[" + ",".join(self.pods(namespace) if kind.kind == "Pod" else ()) + "]"
        for pod in json.loads(whole):
            yield WatchEvent("ADDED", pod)
        yield WatchEvent("SYNCED", None)
        await asyncio.Event().wait()

    def pods(self, namespace: str) -> Iterator[str]:
        """Pods of a namespace, each as JSON."""
        for release, (text, count) in enumerate(self.templates[namespace]):
            for number in range(count):
                yield json.dumps(a_pod(json.loads(text), f"s{release}-{number}", namespace))


def template(chart: str, kind: str) -> str:
    """A chart's pod template as JSON."""
    said = subprocess.run(["helm", "template", chart, str(ROOT / "charts" / chart)], capture_output=True, check=True)
    return json.dumps(next(o["spec"]["template"] for o in manifest(said.stdout.decode()) if o["kind"] == kind))


def a_pod(template: dict[str, Any], name: str, namespace: str) -> dict[str, Any]:
    """A pod that runs."""
    about = {**template["metadata"], "name": name, "namespace": namespace, "uid": name, "resourceVersion": "1"}
    running = [
        {"name": one["name"], "image": one["image"], "ready": True, "restartCount": 0, "state": {"running": {}}}
        for one in template["spec"]["containers"]
    ]
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": running}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": template["spec"], "status": status}


async def main() -> None:
    """Load, plan and follow; print the peak."""
    cloud = load_cloud(Source([ROOT / "values/sites/all-in-one.yaml"], []))
    plan = build_plan(cloud.wanted, {})
    async with observing(BigCluster(), {step.request.namespace for step in plan.steps}):  # type: ignore[arg-type]
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    asyncio.run(main())
