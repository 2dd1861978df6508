"""Peak memory of a run that follows a big cloud: 40 releases, 7 of them with a pod on each of 500 nodes.

Run as a program, it prints the MiB. An API server that is a process of its own (``serve``) lists pods as the charts
describe them, with what a real one adds to each: who wrote which field, and its status.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import rich.live  # noqa: F401 - what a run has loaded
from aiohttp import web

from kolla_k8s.adapters.kube import connect
from kolla_k8s.cli.cloud import Source, load_cloud, with_charts
from kolla_k8s.orchestrate.observe import observing
from kolla_k8s.orchestrate.plan import build_plan
from kolla_k8s.yamlio import dump, manifest

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
    """Lists pods, page by page; its watches are silent."""

    def __init__(self) -> None:
        """Take the pods' looks from charts, as text."""
        api = template("keystone", "Deployment")
        agents = [template(chart, "DaemonSet") for chart in ON_NODES]
        looks = {
            "openstack-node": [(agent, NODES) for agent in agents],
            "openstack": [(api, MEMBERS)] * (RELEASES - len(agents)),
        }
        self.pods = {
            namespace: [
                a_pod(look, {"name": f"s{release}-{number}", "namespace": namespace})
                for release, (look, count) in enumerate(releases)
                for number in range(count)
            ]
            for namespace, releases in looks.items()
        }

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """A list, or a watch that says nothing until it is closed."""
        if "watch" in request.query:
            silent = web.StreamResponse()
            await silent.prepare(request)
            await asyncio.Event().wait()
        *_, namespace, plural = request.path.split("/")
        there = self.pods.get(namespace, ()) if plural == "pods" else ()
        start = int(request.query.get("continue") or 0)
        end = start + int(request.query.get("limit", len(there)))
        about = {"resourceVersion": "1", "continue": str(end) if end < len(there) else ""}
        items = ",".join(there[start:end])
        return web.Response(
            text=f'{{"metadata": {json.dumps(about)}, "items": [{items}]}}', content_type="application/json"
        )


def template(chart: str, kind: str) -> dict[str, Any]:
    """A chart's pod template."""
    said = subprocess.run(["helm", "template", chart, str(ROOT / "charts" / chart)], capture_output=True, check=True)
    found: dict[str, Any] = next(o for o in manifest(said.stdout.decode()) if o["kind"] == kind)["spec"]["template"]
    return found


def a_pod(template: dict[str, Any], named: dict[str, str]) -> str:
    """A pod that runs, as JSON."""
    about = {**template["metadata"], **named, "uid": named["name"], "resourceVersion": "1"}
    written = {"manager": "kubelet", "operation": "Update", "fieldsV1": fields(template["spec"])}
    running = [
        {"name": one["name"], "image": one["image"], "ready": True, "restartCount": 0, "state": {"running": {}}}
        for one in template["spec"]["containers"]
    ]
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": running}
    metadata = {**about, "managedFields": [written]}
    return json.dumps({"metadata": metadata, "spec": template["spec"], "status": status})


def fields(value: Any) -> dict[str, Any]:
    """What ``managedFields`` says of a value: a key for each of its."""
    if isinstance(value, list):
        return {f"k:{index}": fields(one) for index, one in enumerate(value)}
    return {f"f:{key}": fields(one) for key, one in value.items()} if isinstance(value, dict) else {}


def serve() -> None:
    """Serve on a port of the system's choice, which is printed."""
    application = web.Application()
    application.router.add_get("/version", lambda _: web.json_response({"gitVersion": "v1.34.0"}))
    application.router.add_get("/{path:.*}", BigCluster().answer)
    with socket.create_server(("127.0.0.1", 0)) as door:
        print(door.getsockname()[1], flush=True)
        web.run_app(application, sock=door, print=None, shutdown_timeout=0)


async def follow(url: str) -> None:
    """Load, plan and follow; print the peak."""
    cloud = with_charts(load_cloud(Source([ROOT / "values/sites/all-in-one.yaml"], [])))
    plan = build_plan(cloud.wanted, {})
    with TemporaryDirectory() as folder:
        kubeconfig = Path(folder, "kubeconfig")
        kubeconfig.write_text(dump(a_kubeconfig(url)))
        wanted = {step.request.namespace for step in plan.steps}
        async with connect(str(kubeconfig), None) as cluster, observing(cluster, wanted) as observer:
            assert NODES == len(observer.store.of_release("openstack-node", "libvirt", "Pod"))
            print(peak_mib())


def peak_mib() -> int:
    """What this program held at most; a process' rusage would count what its parent held when it was made."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) // 1024


def a_kubeconfig(url: str) -> dict[str, Any]:
    """For a server that asks nobody who he is."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "big", "cluster": {"server": url}}],
        "users": [{"name": "any", "user": {}}],
        "contexts": [{"name": "big", "context": {"cluster": "big", "user": "any"}}],
        "current-context": "big",
    }


def main() -> None:
    """Follow the cluster of a child, which goes with us."""
    with subprocess.Popen([sys.executable, "-m", __spec__.name, "serve"], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        try:
            asyncio.run(follow(f"http://127.0.0.1:{child.stdout.readline().strip()}"))
        finally:
            child.kill()


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
