"""A whole cloud on a sandbox of its own: it boots a server, and the server outlives the pods that started it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import guest
from sandbox.api import Api
from sandbox.cluster import down, up
from sandbox.images.build import build
from sandbox.layout import layout
from tests.e2e.conftest import ROOT, Sandbox, steps_of

pytestmark = [pytest.mark.e2e, pytest.mark.compute, pytest.mark.timeout(1800)]
SITE = str(ROOT / "values/sites/all-in-one.yaml")
NODE_SPACE = "/api/v1/namespaces/openstack-node"


@pytest.fixture(scope="module")
def compute() -> Iterator[tuple[Sandbox, dict[str, Any]]]:
    """A sandbox with the cloud, and the report of its install; nothing is left of it afterwards."""
    build(["control", "compute"])
    at = layout("compute")
    down(at)
    about = up(at)
    made = json.loads((at.state / "host-folders.json").read_text())
    port = int(json.loads(at.kubeconfig.read_text())["clusters"][0]["cluster"]["server"].rpartition(":")[2])
    cloud = Sandbox(at, Api(at.pki, "system", "127.0.0.1", port), about["kubeconfig"])
    done = cloud.tool("install", "--values", SITE, "--output", "json", timeout_s=1200)
    yield cloud, json.loads(done.stdout)
    down(at)
    assert [] == [path for path in made if Path(path).exists()]
    assert set() == guests()


def smoke(cloud: Sandbox, *more: str) -> dict[str, Any]:
    """Boot the small guest; gives the report."""
    made = guest.make()
    options = ["--kernel", made["kernel"], "--ramdisk", made["ramdisk"], "--output", "json", *more]
    done = cloud.tool("smoke", "--values", SITE, *options, timeout_s=900)
    return dict(json.loads(done.stdout))


def guests() -> set[int]:
    """Processes of guests on this machine."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().startswith("qemu-system"):
                found.add(int(process.name))
        except OSError:
            continue
    return found


def test_every_service_starts_after_what_it_needs(compute):
    """
    All are green, and none began before the gates of its needs were.
    """
    steps = steps_of(compute[1])

    early = [
        f"{name} before {need}"
        for name, step in steps.items()
        for need in step["needs"]
        if step["started"] < steps[need]["gate_green"]
    ]
    assert {"green"} == {step["state"] for step in steps.values()}
    assert [] == early
    assert len(steps) > 15


def test_server_boots_and_goes_without_a_trace(compute):
    """
    Its console shows the address and the metadata, it answers ping, and no process is left of it.
    """
    report = smoke(compute[0])

    assert ["image", "flavor", "network", "port", "server", "console", "ping", "clean"] == [
        step["step"] for step in report["steps"] if step["is_green"]
    ]
    assert "green" == report["outcome"]
    assert set() == guests()


def test_second_install_changes_nothing(compute):
    """
    Every release is what is wanted.
    """
    done = compute[0].tool("install", "--values", SITE, "--output", "json")

    assert {"unchanged"} == {step["action"] for step in json.loads(done.stdout)["steps"]}


def test_guest_outlives_the_pods_that_started_it(compute):
    """
    Both pods are made anew; the guest is the same process and answers ping.
    """
    cloud = compute[0]
    made = smoke(cloud, "--keep")["made"]
    before = guests()
    for name in ("libvirt", "nova-compute"):
        cloud.api.ask("DELETE", f"{NODE_SPACE}/pods?labelSelector=app.kubernetes.io%2Fname%3D{name}")

    again = cloud.tool("install", "--values", SITE, "--output", "json", "libvirt", "nova-compute")

    assert 0 == again.returncode, again.stderr
    assert before == guests()
    assert 1 == len(before)
    assert made["address"]
