"""``make demo``: bring up what is missing, install, and prove it with a token.

With KUBECONFIG set, that cluster is used and images come from the registry of the site file (the public one, when no
site is named); else the sandbox.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.compile.values import images
from kolla_k8s.orchestrate.gate import PODS, is_ready
from kolla_k8s.ports import Cluster, Command
from sandbox import guest

PROOF = """
import http.client, json, os
login = json.load(open("/etc/kolla-k8s/gate.json"))
user = {"name": login["username"], "domain": {"id": "default"}, "password": login["password"]}
scope = {"project": {"name": login["project"], "domain": {"id": "default"}}}
body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
connection = http.client.HTTPConnection(os.environ["POD_IP"], 5000, timeout=20)
connection.request("POST", "/v3/auth/tokens", json.dumps(body), {"Content-Type": "application/json"})
token = json.loads(connection.getresponse().read())["token"]
endpoints = [(s["type"], e["interface"], e["url"]) for s in token["catalog"] for e in s["endpoints"]]
print(json.dumps({"project": token["project"]["name"], "expires": token["expires_at"], "catalogue": endpoints}))
"""


def main(site: str) -> None:
    """Run the demo; exits with the install's code when it fails."""
    cloud = load_cloud(Source([Path(site)], []))
    if not os.environ.get("KUBECONFIG"):
        _sandbox(sorted({image for name in cloud.wanted.values for image in images(cloud.catalog[name])}))
    _run("kolla-k8s", "gen-charts")
    done = subprocess.run(["kolla-k8s", "install", "--values", site], check=False)
    if done.returncode:
        sys.exit(done.returncode)
    proof = asyncio.run(_proof(cloud.wanted.namespaces["control"]))
    print(f"token: project {proof['project']}, expires {proof['expires']}")
    for kind, interface, url in proof["catalogue"]:
        print(f"catalogue: {kind} {interface} {url}")
    if "nova-compute" in cloud.wanted.values:
        small = guest.make()
        options = ["--kernel", small["kernel"], "--ramdisk", small["ramdisk"]]
        sys.exit(subprocess.run(["kolla-k8s", "smoke", "--values", site, *options], check=False).returncode)


def _sandbox(names: list[str]) -> None:
    from sandbox.cluster import up
    from sandbox.images.build import build
    from sandbox.layout import layout

    build(names)
    about = up(layout())
    print(f"sandbox ready after {about['ready_after_s']} s; KUBECONFIG={about['kubeconfig']}")
    os.environ["KUBECONFIG"] = str(about["kubeconfig"])


async def _proof(namespace: str) -> dict[str, Any]:
    from kolla_k8s.adapters.kube import connect

    async with connect(os.environ["KUBECONFIG"], None) as cluster:
        return await prove(cluster, namespace)


async def prove(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """Project, expiry and catalogue of a token that a ready pod of Keystone gives out."""
    labels = "app.kubernetes.io/name=keystone,app.kubernetes.io/component=api"
    ready = [pod["metadata"]["name"] for pod in await cluster.list(PODS, namespace, labels=labels) if is_ready(pod)]
    if not ready:
        sys.exit(f"keystone: no pod with {labels} is ready in {namespace}; see `kolla-k8s status`")
    done = await cluster.exec(namespace, ready[0], "api", Command(["python3", "-c", PROOF]))
    if done.exit_code:
        sys.exit(f"keystone: {ready[0]} gives out no token: {done.stderr.strip() or 'no answer'}")
    return dict(json.loads(done.stdout))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(sys.argv[1])
