"""Whether guests run by the processor or are emulated is found out on each node, by the start script of libvirt."""

from __future__ import annotations

import os
import subprocess

import pytest


@pytest.fixture
def started(shipped, tmp_path):
    """Run the start script on a node; gives what it found and the commands that it ran of these."""

    def run(*, has_device=True, may_use=True, machine="x86_64", guest_ends=33):
        device = tmp_path / "kvm"
        if has_device:
            device.touch()
        (tmp_path / "called").touch()
        script = shipped["libvirt"].spec.config["start.sh"].content
        for old, new in {"/dev/kvm": str(device), "/run/libvirt": str(tmp_path)}.items():
            script = script.replace(old, new)
        script = script.replace("/etc/kolla-k8s/ceph-users", "/dev/null").replace("/run/kolla-k8s/outlive/", "")
        (tmp_path / "start.sh").write_text(script)
        programs = {
            "libvirtd": "",
            "mount": f'echo "mount $2 $3" >> {tmp_path}/called',
            "qemu-system-x86_64": f"exit {guest_ends}",
            "runuser": f"exit {0 if may_use else 1}",
            "stat": "echo 0",
            "uname": f"echo {machine}",
        }
        for name, text in programs.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        subprocess.run(["bash", "-e", tmp_path / "start.sh"], env=environment, check=True, capture_output=True)
        called = (tmp_path / "called").read_text().replace(str(tmp_path), "")
        return (tmp_path / "kolla-k8s-virt-type").read_text().strip(), called

    return run


def test_guest_that_ends_by_itself_proves_the_device(started):
    """
    Its program writes to a port at which QEMU ends with 33.
    """
    assert ("kvm", "") == started()


@pytest.mark.parametrize(
    "node",
    [{"has_device": False}, {"guest_ends": 134}, {"guest_ends": 137}, {"machine": "aarch64", "has_device": False}],
)
def test_guests_are_emulated_where_none_runs_by_the_device(started, node):
    """
    It is not there, QEMU gives up, or the guest hangs and is killed.
    """
    assert ("qemu", "") == started(**node)


def test_device_on_another_machine_is_believed(started):
    """
    The small guest is a program of x86.
    """
    assert ("kvm", "") == started(machine="aarch64", guest_ends=1)


def test_device_that_is_root_s_alone_is_hidden(started):
    """
    Guests run as nova, and libvirt would ask QEMU anew at each question: as root it finds what nova does not.
    """
    assert ("qemu", "mount /kolla-k8s-no-kvm /kvm\n") == started(may_use=False)
