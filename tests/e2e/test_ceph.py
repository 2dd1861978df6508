"""A whole cloud whose images, volumes, backups and disks of guests lie in a Ceph, on a sandbox of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.ceph import USERS, Ceph, ceph
from tests.e2e.conftest import OPENSTACK, ROOT, Sandbox, own_sandbox, steps_of

pytestmark = [pytest.mark.e2e, pytest.mark.compute, pytest.mark.timeout(1800)]
SITES = [word for name in ("all-in-one", "ceph") for word in ("--values", str(ROOT / f"values/sites/{name}.yaml"))]
CLIENT = OPENSTACK + "\none = Cloud(json.load(open(LOGIN)))\n"
UPLOAD = """
about = {"name": "e2e", "disk_format": "raw", "container_format": "bare"}
made = one.want("image", "POST", "/v2/images", about)["id"]
one.want("image", "PUT", f"/v2/images/{made}/file", b"x" * 100000)
print(made)
"""
REMOVE = """
print(one.ask("image", "DELETE", "/v2/images/{image}")[0])
"""
VOLUME = """
made = one.want("block-storage", "POST", "/volumes", {"volume": {"name": "e2e", "size": 1}})["volume"]["id"]
path = f"/volumes/{made}"
one.until(lambda: one.want("block-storage", "GET", path)["volume"]["status"] == "available", "a volume is made", 50)
print(made)
"""
BACKUP = """
print(one.want("block-storage", "POST", "/backups", {"backup": {"volume_id": "{volume}"}})["backup"]["id"])
"""
BACKED = """
def ended():
    found = one.want("block-storage", "GET", "/backups/{backup}")["backup"]
    return found if found["status"] in ("available", "error") else None
print(one.until(ended, "a backup is made", 50)["status"])
"""

ATTACH = """
server = one.want("compute", "GET", "/servers?all_tenants=1")["servers"][0]["id"]
made = {"volumeAttachment": {"volumeId": "{volume}"}}
print(one.want("compute", "POST", f"/servers/{server}/os-volume_attachments", made)["volumeAttachment"]["device"])
"""
ATTACHED = """
look = lambda: one.want("block-storage", "GET", "/volumes/{volume}")["volume"]["status"]
print(one.until(lambda: look() if look() in ("in-use", "available", "error") else None, "a volume is attached", 50))
"""


class Cloud:
    """A cloud on Ceph, as its user and as Ceph's administrator see it."""

    def __init__(self, sandbox: Sandbox, report: dict[str, Any]) -> None:
        """Remember both."""
        self.sandbox, self.report = sandbox, report
        self.ceph = Ceph(sandbox.at, "")

    def ask(self, service: str, program: str, **filled: str) -> str:
        """Last word of a program that runs beside the API of a service, with its login."""
        for name, value in filled.items():
            program = program.replace(f"{{{name}}}", value)
        labels = f"app.kubernetes.io/name={service},app.kubernetes.io/component=api"
        done = self.sandbox.python(labels, "api", CLIENT + program)
        assert 0 == done.exit_code, done.stderr
        return done.stdout.split()[-1]

    def disks(self, pool: str) -> list[str]:
        """Names of what lies in a pool."""
        return self.ceph.run("rbd", "--pool", pool, "ls").split()

    def key(self, user: str) -> str:
        """What proves that one is this user."""
        return (self.ceph.folder / f"ceph.client.{user}.keyring").read_text().split()[-1]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A sandbox with Ceph, and images and volumes on it; nothing is left of it afterwards."""
    with own_sandbox("ceph", ["control", "compute"]) as made:
        ceph(made.at)
        done = made.tool("install", *SITES, "--set", "want={glance,cinder}", "--output", "json")
        yield Cloud(made, json.loads(done.stdout))
    assert not made.at.state.exists()


def test_gates_are_green_on_ceph(cloud):
    """
    An image was read back from every pod; a volume was made by the driver of Ceph and deleted.
    """
    steps = steps_of(cloud.report)

    assert {"green"} == {step["state"] for step in steps.values()}
    assert "@rbd#rbd" in json.dumps(steps["cinder"])


def test_image_lies_in_its_pool_until_it_is_deleted(cloud):
    """
    Under its identity.
    """
    image = cloud.ask("glance", UPLOAD)
    there = cloud.disks("images")
    cloud.ask("glance", REMOVE, image=image)

    assert [image] == [name for name in there if name == image]
    assert image not in cloud.disks("images")


def test_backup_of_a_volume_lies_in_a_pool_of_its_own(cloud):
    """
    Made by a pod without privileges.
    """
    volume = cloud.ask("cinder", VOLUME)
    backup = cloud.ask("cinder", BACKUP, volume=volume)

    assert "available" == cloud.ask("cinder", BACKED, backup=backup)
    assert f"volume-{volume}" in cloud.disks("volumes")
    assert 1 == len(cloud.disks("backups"))


@pytest.mark.parametrize("pool", ["volumes", "vms", "backups"])
def test_user_of_images_sees_no_other_pool(cloud, pool):
    """
    Its key opens what is its own.
    """
    folder = cloud.ceph.folder
    with pytest.raises(RuntimeError, match="not permitted"):
        cloud.ceph.run(
            "rbd", "--id", "glance", "--keyring", f"{folder}/ceph.client.glance.keyring", "--pool", pool, "ls"
        )


def test_server_has_its_disk_and_a_volume_in_ceph(cloud):
    """
    Libvirt has both keys, which no argument of a process shows; the disk goes with the server.
    """
    done = cloud.sandbox.tool("install", *SITES)
    assert 0 == done.returncode, done.stderr

    kept = cloud.sandbox.smoke(*SITES, "--keep")
    there, arguments = cloud.disks("vms"), processes()
    volume = cloud.ask("cinder", VOLUME)
    cloud.ask("nova", ATTACH, volume=volume)
    attached = cloud.ask("cinder", ATTACHED, volume=volume)
    cloud.sandbox.smoke(*SITES, "--clean", kept["name"])

    assert "green" == kept["outcome"]
    assert 1 == len(there)
    assert "in-use" == attached
    assert '"driver":"rbd"' in arguments
    assert [] == [user for user in USERS if cloud.key(user) in arguments]
    assert [] == cloud.disks("vms")


def processes() -> str:
    """Arguments of all processes of the machine."""
    return subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
