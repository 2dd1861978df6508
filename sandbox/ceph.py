"""A Ceph of one OSD beside the node: what a site's Ceph needs of the world outside its cluster.

One monitor, one manager and one OSD on a sparse file, as processes of the sandbox in its network namespace and its
state folder: ``down`` ends them as all others. Neither a kernel module nor a device is used. One copy of everything,
and no user may do more than its service does.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.build import debian_packages
from sandbox.control_plane import wait_until
from sandbox.layout import NODE, Layout
from sandbox.processes import Processes, kill_and_wait

PACKAGES = ["ceph-common", "ceph-mgr", "ceph-mon", "ceph-osd"]
POOLS = ("backups", "images", "vms", "volumes")
USERS = {
    "cinder": ("volumes", "images"),
    "cinder-backup": ("backups", ""),
    "glance": ("images", ""),
    "nova": ("vms", "images"),
}
"""User -> the pool that it writes, and the one that it reads alone."""
NAMESPACES = {"control": "openstack", "node": "openstack-node"}
SECRETS_OF = {
    "glance-ceph": ("control", ["glance"]),
    "cinder-ceph": ("control", ["cinder", "cinder-backup"]),
    "nova-compute-ceph": ("node", ["nova"]),
    "libvirt-ceph": ("node", ["cinder", "nova"]),
}
"""Secret -> its plane, and the users whose keyrings lie in it beside ceph.conf."""
SITE = "values/sites/ceph.yaml"
AS_ROOT = ("--setuser", "root", "--setgroup", "root")
SIZE = 6 << 30
MONITOR = f"[v2:{NODE}:3300,v1:{NODE}:6789]"


@dataclass(frozen=True, slots=True)
class Ceph:
    """Where its files lie and how it is called."""

    at: Layout
    fsid: str

    @property
    def folder(self) -> Path:
        """Everything of it."""
        return self.at.state / "ceph"

    def data(self, daemon: str) -> Path:
        """Data folder of ``mon``, ``mgr`` or ``osd``."""
        return self.folder / daemon

    def run(self, *command: str) -> str:
        """Run one of Ceph's programs in the namespace as the administrator; gives what it says."""
        enter = ["nsenter", f"--net=/run/netns/{self.at.netns}"]
        whole = [*enter, *command, "--conf", f"{self.folder}/ceph.conf"]
        said = subprocess.run(whole, capture_output=True, text=True, check=False)
        if said.returncode:
            raise RuntimeError(f"{' '.join(command)}: {said.stderr.strip()[-500:]}")
        return said.stdout


def ceph(at: Layout) -> dict[str, Any]:
    """Bring up Ceph in a sandbox that is up, or find it there; gives its names and the site file that asks for it."""
    if not at.kubeconfig.exists():
        raise SystemExit(f"sandbox {at.name}: is not up; run `python -m sandbox up --name {at.name}`")
    made = at.state / "ceph" / "ceph.json"
    if not made.exists():
        debian_packages(PACKAGES)
        one = Ceph(at, str(uuid.uuid4()))
        _start(one, Processes(at.state))
        about = {"fsid": one.fsid, "monitor": MONITOR, "site": SITE, "users": sorted(USERS)}
        made.write_text(json.dumps(about, indent=1))
    asyncio.run(_hand_over(at, {name: _files(at, *place) for name, place in SECRETS_OF.items()}))
    return dict(json.loads(made.read_text()))


def _start(one: Ceph, processes: Processes) -> None:
    """Make it from nothing; what a killed try left goes first."""
    kill_and_wait([pid for name, pid in processes.alive().items() if name.startswith("ceph-")])
    shutil.rmtree(one.folder, ignore_errors=True)
    for daemon in ("mon", "mgr", "osd", "run"):
        one.data(daemon).mkdir(parents=True, mode=0o700, exist_ok=True)
    (one.folder / "ceph.conf").write_text(configuration(one.fsid, one.folder))
    _start_monitor(one, processes)
    wait_until("the monitor answers", lambda: _answers(one))
    _keyring(one, "mgr.a", one.data("mgr"), {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"})
    _run(one, processes, "mgr", "a")
    _keyring(one, "osd.0", one.data("osd"), {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"})
    name = str(uuid.uuid4())
    one.run("ceph", "osd", "new", name, "0")
    one.run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", name, *AS_ROOT)
    _run(one, processes, "osd", "0")
    wait_until("the OSD is up", lambda: json.loads(one.run("ceph", "osd", "stat", "-f", "json"))["num_up_osds"] == 1)
    for pool in POOLS:
        one.run("ceph", "osd", "pool", "create", pool, "8")
        one.run("rbd", "pool", "init", pool)
    for user in USERS:
        _keyring(one, f"client.{user}", one.folder, caps(user), f"ceph.client.{user}.keyring")


def _start_monitor(one: Ceph, processes: Processes) -> None:
    keyring, monitors = one.folder / "admin.keyring", one.folder / "monmap"
    everything = [word for part in ("mon", "osd", "mgr") for word in ("--cap", part, "allow *")]
    one.run("ceph-authtool", "--create-keyring", str(keyring), "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    one.run("ceph-authtool", str(keyring), "--gen-key", "-n", "client.admin", *everything)
    one.run("monmaptool", "--create", "--fsid", one.fsid, "--addv", "a", MONITOR, str(monitors))
    one.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(monitors), "--keyring", str(keyring), *AS_ROOT)
    _run(one, processes, "mon", "a")


def _run(one: Ceph, processes: Processes, daemon: str, name: str) -> None:
    command = [f"ceph-{daemon}", "-f", "-i", name, "--conf", f"{one.folder}/ceph.conf", *AS_ROOT]
    processes.start(f"ceph-{daemon}", command, netns=one.at.netns)


def _answers(one: Ceph) -> bool:
    try:
        one.run("ceph", "--connect-timeout", "3", "quorum_status")
    except RuntimeError:
        return False
    return True


def _keyring(one: Ceph, who: str, folder: Path, may: Mapping[str, str], file: str = "keyring") -> None:
    """Make a user with these capabilities; its key goes from the monitor into the file alone."""
    words = [word for pair in may.items() for word in pair]
    one.run("ceph", "auth", "get-or-create", who, *words, "-o", str(folder / file))
    (folder / file).chmod(0o600)


def caps(user: str) -> dict[str, str]:
    """What a user may do: write one pool, and read the images it copies from.

    >>> caps("nova")["osd"]
    'profile rbd pool=vms, profile rbd-read-only pool=images'
    """
    pool, reads = USERS[user]
    more = f", profile rbd-read-only pool={reads}" if reads else ""
    return {"mon": "profile rbd", "osd": f"profile rbd pool={pool}{more}", "mgr": f"profile rbd pool={pool}"}


def client_configuration(fsid: str) -> str:
    """The ceph.conf that operators hand to the cloud."""
    return f"[global]\nfsid = {fsid}\nmon_host = {MONITOR}\n"


def configuration(fsid: str, folder: Path) -> str:
    """The ceph.conf of the daemons."""
    said = {
        "public_addr": NODE,
        "run_dir": folder / "run",
        "crash_dir": folder / "run",
        "mon_data": folder / "mon",
        "mgr_data": folder / "mgr",
        "osd_data": folder / "osd",
        "log_file": "",
        "log_to_stderr": "true",
        "mon_cluster_log_to_file": "false",
        "mon_cluster_log_to_stderr": "false",
        "auth_allow_insecure_global_id_reclaim": "false",
        "mon_allow_pool_delete": "true",
        "mon_allow_pool_size_one": "true",
        "mon_data_avail_warn": "1",
        "mon_data_avail_crit": "1",
        "mon_warn_on_pool_no_redundancy": "false",
        "osd_pool_default_size": "1",
        "osd_pool_default_pg_autoscale_mode": "off",
        "osd_crush_chooseleaf_type": "0",
        "osd_memory_target": "939524096",
        "osd_objectstore": "bluestore",
        "bluestore_block_size": SIZE,
    }
    lines = "".join(f"{name} = {value}\n" for name, value in said.items())
    return f"{client_configuration(fsid)}{lines}[client.admin]\nkeyring = {folder}/admin.keyring\n"


def _files(at: Layout, plane: str, users: list[str]) -> tuple[str, dict[str, bytes]]:
    """Namespace and content of one Secret."""
    folder = at.state / "ceph"
    fsid = json.loads((folder / "ceph.json").read_text())["fsid"]
    names = [f"ceph.client.{user}.keyring" for user in users]
    keyrings = {name: (folder / name).read_bytes() for name in names}
    return NAMESPACES[plane], {"ceph.conf": client_configuration(fsid).encode(), **keyrings}


async def _hand_over(at: Layout, wanted: Mapping[str, tuple[str, Mapping[str, bytes]]]) -> None:
    """Make the Secrets that charts expect, and the namespaces they lie in."""
    from kolla_k8s.adapters.kube import connect
    from kolla_k8s.orchestrate.secrets import SECRETS, ensure_namespaces

    async with connect(str(at.kubeconfig), None) as cluster:
        await ensure_namespaces(cluster, NAMESPACES)
        for name, (space, files) in wanted.items():
            if await cluster.get(SECRETS, name, space) is None:
                data = {file: base64.b64encode(content).decode() for file, content in files.items()}
                about = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": name}}
                await cluster.create(SECRETS, {**about, "data": data}, space)
