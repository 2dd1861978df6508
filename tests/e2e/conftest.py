"""A sandbox of its own with real images, and the tool as its user calls it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kolla_k8s.adapters.kube import connect
from kolla_k8s.orchestrate.gate import is_ready
from kolla_k8s.orchestrate.kinds import POD
from kolla_k8s.ports import Cluster, Command, ExecResult
from kolla_k8s.yamlio import load
from sandbox import guest
from sandbox.api import Api
from sandbox.cluster import down, up
from sandbox.control_plane import events, wait_until
from sandbox.demo import prove
from sandbox.images.build import build
from sandbox.layout import Layout, layout
from tests.e2e.sampler import Sampler
from tests.e2e.secrecy import MARKER, nasty_passwords, secret_values

ROOT = Path(__file__).parents[2]
TOOL = str(Path(sys.executable).parent / "kolla-k8s")
SITE = str(ROOT / "values/sites/sandbox.yaml")
SPACE = "/api/v1/namespaces/openstack"
OPENSTACK = (ROOT / "kolla_k8s/orchestrate/gates/openstack.py").read_text()
TIMEOUT_S = 1200


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox."""

    at: Layout
    api: Api
    kubeconfig: str

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command against it; ``more`` adds to its environment."""
        environment = {**os.environ, "KUBECONFIG": self.kubeconfig, **more}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=ROOT
        )

    def tool(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run kolla-k8s."""
        return self.run(TOOL, *arguments, **more)

    def begun(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Begin kolla-k8s and go on."""
        environment = {**os.environ, "KUBECONFIG": self.kubeconfig, **more}
        return subprocess.Popen([TOOL, *arguments], env=environment, stdout=-1, stderr=-1, text=True, cwd=ROOT)

    def install(self, *arguments: str, **more: str) -> dict[str, Any]:
        """Install, expect success, and give the report."""
        done = self.tool("install", "--values", SITE, "--output", "json", *arguments, **more)
        assert 0 == done.returncode, done.stderr
        return json.loads(done.stdout)

    def wait_for_old_pods(self) -> None:
        """Return when no pod is ending any more that a test before has replaced."""
        pods = lambda: self.api.items(f"{SPACE}/pods")  # noqa: E731
        wait_until("no pod is ending", lambda: not any("deletionTimestamp" in pod["metadata"] for pod in pods()))

    def token(self, space: str = "openstack") -> dict[str, Any]:
        """Project, expiry and catalogue of a token that Keystone gives out to the gate's user."""

        async def ask() -> dict[str, Any]:
            async with connect(self.kubeconfig, None) as cluster:
                return await prove(cluster, space)

        return asyncio.run(ask())

    def smoke(self, *arguments: str) -> dict[str, Any]:
        """Walk a user's path with the small guest, expect success, and give the report."""
        done = self.tool("smoke", *small_guest(), "--output", "json", *arguments)
        assert 0 == done.returncode, done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    def python(
        self, labels: str, container: str, program: str, space: str = "openstack", *, timeout_s: float = 60
    ) -> ExecResult:
        """Run a Python program in a pod with these labels that is ready."""

        async def ask() -> ExecResult:
            async with connect(self.kubeconfig, None) as cluster:
                pod = await _ready(cluster, labels, space)
                return await cluster.exec(space, pod, container, Command(["python3", "-"], program, timeout_s))

        return asyncio.run(ask())

    def syslog(self, service: str) -> str:
        """What programs said that an agent of the node plane started."""

        async def ask() -> str:
            async with connect(self.kubeconfig, None) as cluster:
                space = "openstack-node"
                pod = await _ready(cluster, f"app.kubernetes.io/name={service}", space)
                return await cluster.logs(space, pod, "syslog", lines=10_000)

        return asyncio.run(ask())

    def admin_password(self) -> str:
        """Password of the cloud's administrator."""
        data = self.api.ask("GET", f"{SPACE}/secrets/keystone-secrets")[1]["data"]
        return base64.b64decode(data["admin-password"]).decode()

    def as_admin(self, program: str) -> str:
        """What a program prints that runs beside Nova's API with ``one``, the administrator's ``Cloud``."""
        user = {"username": "admin", "password": self.admin_password(), "project": "admin"}
        login = json.dumps({"auth_url": "http://keystone.openstack.svc:5000", **user})
        labels = "app.kubernetes.io/name=nova,app.kubernetes.io/component=api"
        done = self.python(labels, "api", f"{OPENSTACK}\none = Cloud(json.loads({login!r}))\n{program}")
        assert 0 == done.exit_code, done.stderr
        return done.stdout

    def writes(self) -> list[tuple[str, str, str]]:
        """Every mutating request of ours in the audit log: verb, kind, name."""
        found = []
        for event in events(self.at.audit_log):
            if event["user"].get("username") == "kolla-k8s-admin" and event["verb"] not in {"get", "list", "watch"}:
                about = event["objectRef"]
                found.append((event["verb"], about["resource"], about.get("name", "")))
        return found


async def _ready(cluster: Cluster, labels: str, space: str) -> str:
    return str(next(pod["metadata"]["name"] for pod in await cluster.list(POD, space, labels=labels) if is_ready(pod)))


def small_guest() -> tuple[str, ...]:
    """What smoke boots here."""
    made = guest.make()
    return "--kernel", made["kernel"], "--ramdisk", made["ramdisk"]


@contextmanager
def own_sandbox(name: str, images: Sequence[str] = ()) -> Iterator[Sandbox]:
    """Images, and a sandbox of that name which is gone afterwards."""
    build(images)
    at = layout(name)
    down(at)
    about = up(at)
    port = int(json.loads(at.kubeconfig.read_text())["clusters"][0]["cluster"]["server"].rpartition(":")[2])
    try:
        yield Sandbox(at, Api(at.pki, "system", "127.0.0.1", port), about["kubeconfig"])
    finally:
        down(at)


@pytest.fixture(scope="session")
def sandbox():
    """Images, and a cluster that is gone afterwards."""
    with own_sandbox(os.environ.get("SANDBOX", "test") + os.environ.get("PYTEST_XDIST_WORKER", "")) as made:
        yield made


def own_cloud(name: str, *more: str) -> tuple[str, ...]:
    """Options of a small cloud beside the big one."""
    spaces = ("--set", f"namespaces.control={name}", "--set", f"namespaces.node={name}-node", "--set", f"name={name}")
    return ("--values", SITE, "-o", "text", *spaces, *more)


def steps_of(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Steps of a report by name."""
    return {step["name"]: step for step in report["steps"]}


def installed_again(cloud: Sandbox, site: tuple[str, ...], name: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Uninstall one service and install it alone: what the plan does, by name, and the service's step."""
    gone = cloud.tool("uninstall", *site, name)
    assert 0 == gone.returncode, gone.stderr
    planned = json.loads(cloud.tool("plan", *site, "--output", "json", name).stdout)["steps"]
    done = cloud.tool("install", *site, "--output", "json", name)
    assert 0 == done.returncode, done.stderr
    actions = {step["name"]: step["action"] for step in planned if step["action"] != "unchanged"}
    return actions, steps_of(json.loads(done.stdout))[name]


@contextmanager
def clouds_beside(sandbox: Sandbox) -> Iterator[Callable[..., tuple[str, ...]]]:
    """Make small clouds beside the big one: gives their options, and takes them away."""
    names = []

    def make(name: str, *more: str) -> tuple[str, ...]:
        names.append(name)
        return own_cloud(name, *more)

    yield make
    for name in dict.fromkeys(names):
        for space in (name, f"{name}-node"):
            sandbox.api.ask("DELETE", f"/api/v1/namespaces/{space}")
            sandbox.api.ask("DELETE", f"/api/v1/namespaces/{space}/pods?gracePeriodSeconds=0")


@pytest.fixture
def beside(sandbox):
    """Makes small clouds for one test."""
    with clouds_beside(sandbox) as make:
        yield make


@pytest.fixture(scope="session")
def passwords(tmp_path_factory):
    """An export in which every password holds a marker and nasty characters."""
    return nasty_passwords([Path(SITE)], tmp_path_factory.mktemp("secrets") / "passwords.yaml")


@pytest.fixture(scope="session")
def watched(sandbox, passwords, tmp_path_factory):
    """What the install on the empty cluster said, and each process and temporary file that held a secret meanwhile."""
    made = sandbox.tool("secrets", "init", "--values", SITE, "--from", str(passwords))
    assert 0 == made.returncode, made.stderr
    folder = tmp_path_factory.mktemp("tmp")
    words = {MARKER, *secret_values(sandbox.api)}
    assert len(words) > len(load(passwords).data)  # keys and cookies, which are no passwords
    with Sampler(sorted(words), [folder]) as sampler:
        arguments = ("install", "--values", SITE, "--output", "json")
        done = sandbox.tool(*arguments, TMPDIR=str(folder), XDG_CACHE_HOME=str(folder))
    assert 0 == done.returncode, done.stderr
    return done, sampler


@pytest.fixture(scope="session")
def first_install(watched):
    """Report of the install on the empty cluster."""
    return json.loads(watched[0].stdout)


@pytest.fixture
def cloud(sandbox, first_install):  # noqa: ARG001 - it must have happened
    """An installed, green cloud."""
    return sandbox
