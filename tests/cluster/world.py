"""A cluster whose pods come up without a kubelet, and clouds in it that are installed by the real tool and real helm.

The control plane is the sandbox's own (etcd, API server, controllers, scheduler); kwok plays the node: pods become
Ready, pods of Jobs succeed, nothing runs in them. So there is nothing that a functional gate could ask, and clouds here
are installed from a copy of the definitions without their gates (``--definitions``): no code is patched.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.api import Api
from sandbox.build import program
from sandbox.control_plane import ControlPlane, control_plane, wait_until
from sandbox.processes import Processes
from sandbox.volumes import provision
from tests.cluster.digest import Spaces, digest
from tests.cluster.proxy import Proxy, proxied

ROOT = Path(__file__).parents[2]
TOOL = Path(sys.executable).parent / "kolla-k8s"
STAGES = Path(__file__).parent / "stages.yaml"
CLOUD = "faults"
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "kwok", "labels": {"kubernetes.io/hostname": "kwok", "kubernetes.io/os": "linux"}},
    "status": {"allocatable": {"cpu": "1k", "memory": "1Ti", "pods": "100k"}},
}
STORAGE = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "sandbox/local-path",
    "volumeBindingMode": "WaitForFirstConsumer",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """A run of the tool that has ended."""

    code: int
    stdout: str
    stderr: str

    def report(self) -> dict[str, Any]:
        """Its report."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found


@dataclass(slots=True)
class World:
    """The cluster, and what installs in it need."""

    plane: ControlPlane
    folder: Path
    definitions: Path
    _serial: Iterator[int] = field(default_factory=lambda: iter(range(1, 1 << 30)))

    def api(self) -> Api:
        """The API server itself, past every proxy."""
        return Api(self.plane.state / "pki", "system", "127.0.0.1", int(self.plane.url.rpartition(":")[2]))

    @asynccontextmanager
    async def cloud(self, *, seed: int = 0) -> AsyncIterator[Cloud]:
        """A cloud that is not there yet, in namespaces of its own, reached through a proxy of its own."""
        name = f"c{next(self._serial)}-{secrets.token_hex(2)}"
        folder = self.folder / name
        folder.mkdir()
        site = {
            "apiVersion": "kolla-k8s.io/v1",
            "kind": "Site",
            "name": CLOUD,
            "presets": ["all-in-one"],
            "want": ["keystone", "rabbitmq"],
            "images": {"registry": "registry.example/kolla", "tag": "1"},
            "namespaces": {"control": name, "node": f"{name}-node"},
        }
        (folder / "site.yaml").write_text(json.dumps(site))
        async with self.proxy(folder / "kubeconfig", seed=seed) as proxy:
            cloud = Cloud(self, name, folder, proxy)
            try:
                yield cloud
            finally:
                await cloud.end()

    def proxy(
        self, kubeconfig: Path, *, who: str = "operator", seed: int = 0
    ) -> contextlib.AbstractAsyncContextManager[Proxy]:
        """A way to the API server through a proxy."""
        return proxied(self.plane.state / "pki", self.plane.url, kubeconfig, who=who, seed=seed)


@dataclass(slots=True)
class Cloud:
    """One cloud."""

    world: World
    name: str
    folder: Path
    proxy: Proxy
    runs: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def spaces(self) -> Spaces:
        """Its namespaces."""
        return Spaces(self.name, f"{self.name}-node")

    async def start(self, *, kubeconfig: Path | None = None) -> asyncio.subprocess.Process:
        """Start an install, with nothing of this machine's user in it."""
        environment = {
            "PATH": f"{program('helm').parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "KUBECONFIG": str(kubeconfig or self.proxy.kubeconfig),
        }
        options = ["--values", str(self.folder / "site.yaml"), "--definitions", str(self.world.definitions)]
        started = await asyncio.create_subprocess_exec(
            str(TOOL),
            "install",
            *options,
            "--output",
            "json",
            env=environment,
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self.runs.append(started)
        return started

    async def install(self, *, kubeconfig: Path | None = None) -> Ended:
        """Install and wait for the end."""
        return await ended(await self.start(kubeconfig=kubeconfig))

    def helms(self) -> list[int]:
        """Ids of the helm processes that work on this cloud, whoever is their parent now."""
        return helms_with(self.folder)

    async def helms_have_ended(self) -> None:
        """Return when no helm works on this cloud; TimeoutError when one goes on."""
        async with asyncio.timeout(30):
            while pids := self.helms():
                await asyncio.gather(*(_has_ended(pid) for pid in pids))

    async def digest(self) -> dict[str, Any]:
        """What the cluster holds of this cloud."""
        return await asyncio.to_thread(digest, self.world.api(), self.spaces)

    async def claims(self) -> dict[str, str]:
        """Name -> uid of its claims."""
        path = f"/api/v1/namespaces/{self.name}/persistentvolumeclaims"
        found = await asyncio.to_thread(self.world.api().items, path)
        return {claim["metadata"]["name"]: claim["metadata"]["uid"] for claim in found}

    async def end(self) -> None:
        """End what still runs, and let the cluster remove the cloud when it has time."""
        for run in self.runs:
            if run.returncode is None:
                run.kill()
                await run.wait()
        for pid in self.helms():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        api = self.world.api()
        for space in (self.spaces.control, self.spaces.node):
            await asyncio.to_thread(api.ask, "DELETE", f"/api/v1/namespaces/{space}")


async def ended(run: asyncio.subprocess.Process) -> Ended:
    """Wait for a run and give what it said."""
    stdout, stderr = await run.communicate()
    assert run.returncode is not None
    return Ended(run.returncode, stdout.decode(), stderr.decode())


def helms_with(folder: Path) -> list[int]:
    """Ids of helm processes whose kubeconfig lies in a folder."""
    helm, mark = program("helm"), f"KUBECONFIG={folder}/".encode()
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            is_helm = process.name.isdigit() and (process / "exe").readlink() == helm
            if is_helm and mark in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


async def _has_ended(pid: int) -> None:
    """Return when a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """Run the cluster for the length of a block."""
    with control_plane(folder / "plane") as plane:
        found = World(plane, folder, _definitions(folder / "definitions"))
        api = found.api()
        api.create("/api/v1/nodes", NODE)
        api.create("/apis/storage.k8s.io/v1/storageclasses", STORAGE)
        kwok = Processes(folder / "node")
        kwok.state.mkdir()
        with _volumes(found.api(), folder / "volumes"):
            options = [f"--kubeconfig={plane.state}/system.kubeconfig", f"--config={STAGES}", "--manage-all-nodes"]
            kwok.start("kwok", [str(program("kwok")), *options, "--node-lease-duration-seconds=40"])
            try:
                wait_until("the node is ready", lambda: _is_ready(api))
                yield found
            finally:
                kwok.kill()


def _is_ready(api: Api) -> bool:
    _, node = api.ask("GET", "/api/v1/nodes/kwok")
    said = {c["type"]: c["status"] for c in node["status"].get("conditions", ())}
    return said.get("Ready") == "True" and not node["spec"].get("taints")


@contextlib.contextmanager
def _volumes(api: Api, folder: Path) -> Iterator[None]:
    """Give claims their volumes, as the sandbox does."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.3):
            with contextlib.suppress(OSError, RuntimeError):  # nobody answers, or answers with an error
                provision(api, folder)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def _definitions(folder: Path) -> Path:
    """A copy of the shipped definitions without gates."""
    folder.mkdir()
    for path in sorted((ROOT / "service_defs").glob("*.yaml")):
        definition = yaml.safe_load(path.read_text())
        definition["spec"].pop("gates", None)
        (folder / path.name).write_text(yaml.safe_dump(definition, sort_keys=False))
    shutil.copytree(ROOT / "service_defs/options", folder / "options")
    return folder
