"""The sandbox itself: up twice, policies enforced, down without a trace."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.api import Api
from sandbox.cluster import down, status, up
from sandbox.control_plane import control_plane
from sandbox.layout import layout
from sandbox.node import keep_images_in_memory
from sandbox.policy import ruleset
from sandbox.processes import Processes

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


def traces(name):
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"sandbox/{name}" in line]
    spaces = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    commands = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                commands.append((process / "cmdline").read_bytes().decode(errors="replace"))
            except OSError:
                continue
    groups = list(Path("/sys/fs/cgroup").glob(f"*/kolla-k8s-{name}"))
    return {
        "mounts": mounts,
        "netns": [line for line in spaces.splitlines() if f"kolla-k8s-{name}" in line],
        "processes": [command for command in commands if f"sandbox/{name}/" in command],
        "cgroups": groups,
        "state": [str(layout(name).state)] if layout(name).state.exists() else [],
    }


def test_up_is_idempotent_and_down_leaves_nothing():
    """
    A second up changes no process; after down no process, mount, namespace, cgroup or file is left.
    """
    at = layout("trace")
    down(at)
    try:
        first = up(at)
        assert first["processes"] == up(at)["processes"]
        port = int(json.loads(at.kubeconfig.read_text())["clusters"][0]["cluster"]["server"].rpartition(":")[2])
        api = Api(at.pki, "system", "127.0.0.1", port)
        assert 1 == len(api.items("/api/v1/nodes"))
    finally:
        down(at)

    assert {"mounts": [], "netns": [], "processes": [], "cgroups": [], "state": []} == traces("trace")
    assert not status(at)["is_up"]


def test_processes_make_files_for_everybody_whatever_the_umask(tmp_path):
    """
    With an operator's 077 containerd would unpack images that only root could enter.
    """
    program = (
        "import sys; from pathlib import Path; from sandbox.processes import Processes\n"
        "Processes(Path(sys.argv[1])).start('sleeper', ['sleep', '60'])"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], umask=0o077, check=True)
    processes = Processes(tmp_path)
    try:
        status = Path(f"/proc/{processes.alive()['sleeper']}/status").read_text()
    finally:
        processes.kill()

    assert "Umask:\t0022\n" in status


def test_node_that_comes_back_has_its_images_where_they_were(tmp_path):
    """
    By then there may be more memory: nothing is mounted over them.
    """
    (tmp_path / "images").write_text("there")
    keep_images_in_memory(tmp_path)

    assert "there" == (tmp_path / "images").read_text()
    assert not tmp_path.is_mount()


def test_control_plane_alone_serves_and_ends(tmp_path):
    """
    Tests of the orchestrator need no node.
    """
    with control_plane(tmp_path / "cp") as plane:
        port = int(plane.url.rpartition(":")[2])
        api = Api(tmp_path / "cp" / "pki", "admin", "127.0.0.1", port)
        api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}})
        names = {item["metadata"]["name"] for item in api.items("/api/v1/namespaces")}
        deadline = time.monotonic() + 5
        while "namespaces" not in plane.audit_log.read_text() and time.monotonic() < deadline:
            continue
    assert "x" in names
    with pytest.raises(OSError, match=r"refused|reset"):
        api.ask("GET", "/readyz")


def a_pod(name, address, **labels):
    return {
        "metadata": {"name": name, "namespace": "a", "labels": labels},
        "status": {"podIP": address},
        "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 80}]}]},
    }


def test_policy_becomes_rules_that_end_in_drop():
    """
    What a policy allows returns, everything else to that pod is dropped; other pods have no chain.
    """
    policy = {
        "metadata": {"namespace": "a"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "db"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": "web"}]}],
        },
    }
    pods = [a_pod("db", "10.0.0.1", app="db"), a_pod("web", "10.0.0.2", app="web"), a_pod("x", "10.0.0.3")]

    text = ruleset([policy], pods, [{"metadata": {"name": "a", "labels": {}}}])

    assert "chain ingress_10_0_0_1 {" in text
    assert "ip saddr { 10.0.0.2 } tcp dport 80 return\n    drop" in text
    assert "10_0_0_3" not in text
