"""Bring the sandbox up and down."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sandbox import control_plane, node
from sandbox.api import Api
from sandbox.build import debian_packages, program
from sandbox.control_plane import Ports, wait_until
from sandbox.layout import DNS, DOMAIN, EDGE_PORT, KUBELET_PORT, NODE, REGISTRY, REGISTRY_PORT, Layout
from sandbox.processes import Processes, kill_and_wait, listens


def up(at: Layout) -> dict[str, Any]:
    """Bring everything up, or say what is up already; gives what ``status`` gives."""
    if status(at).get("is_up"):
        return status(at)
    down(at)
    debian_packages(node.PACKAGES)
    for name in (*control_plane.PROGRAMS, "kubelet", "kube-proxy", "coredns", "pause"):
        program(name)
    began = time.monotonic()
    at.state.mkdir(parents=True, mode=0o700)
    processes = Processes(at.state)
    ports = _start(at, processes)
    about = {
        "kubeconfig": str(at.kubeconfig),
        "audit_log": str(at.audit_log),
        "registry": {"inside": REGISTRY, "outside": f"127.0.0.1:{ports['registry']}"},
        "ready_after_s": round(time.monotonic() - began, 1),
    }
    (at.state / "sandbox.json").write_text(json.dumps(about, indent=1))
    return status(at)


def _start(at: Layout, processes: Processes) -> dict[str, int]:
    node.make_network(at)
    node.note_host_folders(at)
    node.start_registry(at, processes)
    node.start_containerd(at, processes)
    control_plane.start(processes, Ports(), NODE, netns=at.netns)
    ports = {
        "api": node.start_forward(at, processes, "forward-api", Ports().api),
        "registry": node.start_forward(at, processes, "forward-registry", REGISTRY_PORT),
    }
    control_plane.write_kubeconfig(at.state, at.kubeconfig, f"https://127.0.0.1:{ports['api']}", "admin")
    api = Api(at.pki, "system", "127.0.0.1", ports["api"])
    wait_until("the API server is ready", lambda: control_plane.is_ready(api))
    wait_until("containerd listens", at.containerd.exists)
    wait_until("containerd answers", lambda: _takes_images(at))
    node.start_dns(at, processes)
    agent = [sys.executable, "-m", "sandbox.agent", str(at.state), at.netns]
    processes.start("agent", agent, netns=at.netns)
    _switch_on(at, processes)
    _first_objects(api)
    wait_until("the node is ready", lambda: _node_is_ready(api))
    return ports


def edge(at: Layout, port: int = EDGE_PORT) -> dict[str, Any]:
    """Bring up the edge of a sandbox that is up; gives where it listens and who signed its certificate."""
    processes = Processes(at.state)
    if not at.kubeconfig.exists():
        raise SystemExit(f"sandbox {at.name}: is not up; run `python -m sandbox up --name {at.name}`")
    if "edge" in processes.alive():
        raise SystemExit(f"sandbox {at.name}: has an edge already; its log is {at.state}/log/edge.log")
    port = node.start_edge(at, processes, port)
    return {"url": f"https://SERVICE.{DOMAIN}:{port}", "address": f"127.0.0.1:{port}", "ca": str(at.pki / "ca.crt")}


def _takes_images(at: Layout) -> bool:
    try:
        node.import_pause(at)
    except subprocess.CalledProcessError:
        return False
    return True


def _first_objects(api: Api) -> None:
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    name = {"name": "kube-dns", "labels": {"k8s-app": "kube-dns"}}
    spec = {"clusterIP": DNS, "ports": ports}
    space = "/api/v1/namespaces/kube-system"
    wait_until("kube-system exists", lambda: api.ask("GET", space)[0] == 200)
    api.create(f"{space}/services", {"apiVersion": "v1", "kind": "Service", "metadata": name, "spec": spec})
    about = {"name": "kube-dns-node", "labels": {"kubernetes.io/service-name": "kube-dns"}}
    endpoints = {"addressType": "IPv4", "endpoints": [{"addresses": [NODE]}], "ports": ports}
    body = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": about, **endpoints}
    api.create("/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices", body)
    storage = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "sandbox/local-path",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    }
    api.create("/apis/storage.k8s.io/v1/storageclasses", storage)


def _node_is_ready(api: Api) -> bool:
    conditions = [c for n in api.items("/api/v1/nodes") for c in n["status"].get("conditions", ())]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def down(at: Layout) -> None:
    """End every process, mount, namespace and rule of the sandbox, and its state; a half-made one too."""
    Processes(at.state).kill()
    while pids := _strays(at):
        kill_and_wait(pids)
    node.remove_leftovers(at)


def power_cut(at: Layout) -> None:
    """Kill everything that runs on the node at once, containers and kubelet alike, and switch the node on again.

    The control plane is another machine: it stays. Returns when kubelet answers.
    """
    processes = Processes(at.state)
    stay = {pid for name, pid in processes.alive().items() if name not in node.PROCESSES}
    # By network namespace and root, too: guests and what serves them have left the cgroups of their pods.
    while pids := set(_strays(at)) - stay:
        kill_and_wait(pids)
    node.remove_networks_of_agents()
    at.containerd.unlink(missing_ok=True)
    node.start_containerd(at, processes)
    wait_until("containerd answers", lambda: at.containerd.exists() and _takes_images(at))
    _switch_on(at, processes)


def _switch_on(at: Layout, processes: Processes) -> None:
    """Start kubelet as a service manager does, until it stays: containerd answers before its runtime service does."""
    node.start_kube_proxy(at, processes)

    def stays() -> bool:
        pid = processes.alive().get("kubelet")
        if pid is None:
            node.start_kubelet(at, processes)
        return pid is not None and listens(pid, KUBELET_PORT)

    wait_until("kubelet answers", stays)


def _strays(at: Layout) -> list[int]:
    """Processes that ours left behind: those of containers, and others by network namespace."""
    named = subprocess.run(["ip", "netns", "pids", at.netns], capture_output=True, text=True, check=False)
    return sorted({*_of_containers(at), *(int(pid) for pid in named.stdout.split())})


def _of_containers(at: Layout) -> set[int]:
    """Processes of containers, by their cgroup or the root that they see, and their shims, by their socket."""
    found: set[int] = set()
    for folder in node.cgroup_folders(at):
        for place, _, _ in os.walk(folder):  # groups go while we look
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in (Path(place) / "cgroup.procs").read_text().split())
    socket, layers = str(at.containerd).encode(), f"upperdir={at.state}/".encode()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        if socket in _said(process / "cmdline") or layers in _root_of(process):
            found.add(int(process.name))
    return found


def _root_of(process: Path) -> bytes:
    """The mount that a process sees as /."""
    return next((line for line in _said(process / "mountinfo").splitlines() if line.split()[4] == b"/"), b"")


def _said(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def status(at: Layout) -> dict[str, Any]:
    """What runs, and where: JSON for people and scripts."""
    about = at.state / "sandbox.json"
    known, alive = Processes(at.state).known(), Processes(at.state).alive()
    said: dict[str, Any] = json.loads(about.read_text()) if about.exists() else {}
    is_up = bool(said) and set(known) == set(alive)
    missing = sorted(set(known) - set(alive))
    return {"name": at.name, "is_up": is_up, "state": str(at.state), **said, "processes": alive, "dead": missing}
