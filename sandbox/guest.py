"""A small guest made from Debian's kernel and busybox: ``python -m sandbox.guest`` prints where kernel and ramdisk lie.

It asks DHCP for its address, reads its metadata, and says both on its console; it answers ping. 64 MiB are enough.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sandbox.build import cache

PACKAGES = ("linux-image-cloud-amd64", "busybox-static")
MODULES = ("virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_net")
MORE_MODULES = ("failover", "net_failover", "virtio_blk")
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /etc /bin /sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
for pass in 1 2 3; do for module in /modules/*.ko; do insmod $module 2>/dev/null; done; done
ip link set lo up
until [ -e /sys/class/net/eth0 ]; do sleep 1; done
ip link set eth0 up
until udhcpc -i eth0 -O staticroutes -O mtu -s /dhcp -n -q -t 5 -T 1; do echo "guest: no lease yet"; done
until name=$(timeout 5 wget -q -O - http://169.254.169.254/latest/meta-data/hostname); do
  echo "guest: no metadata yet"; sleep 1
done
echo "guest: metadata says $name"
while true; do echo "guest: alive"; sleep 60; done
"""
DHCP = """#!/bin/busybox sh
case $1 in
  bound|renew)
    ip address flush dev $interface
    ip address add $ip/$mask dev $interface
    [ -n "$mtu" ] && ip link set $interface mtu $mtu
    for one in $router; do ip route replace default via $one dev $interface; done
    set -- $staticroutes
    while [ -n "$2" ]; do
      ip route replace $1 via $2 dev $interface 2>/dev/null || ip route replace $1 dev $interface
      shift 2
    done
    echo "guest: address $ip, mtu $(cat /sys/class/net/$interface/mtu)";;
esac
"""


def make() -> dict[str, str]:
    """Make the guest once; gives paths of ``kernel`` and ``ramdisk``.

    Raises:
        RuntimeError: Debian's packages cannot be had.
    """
    key = hashlib.sha256(json.dumps([INIT, DHCP, PACKAGES, MODULES, MORE_MODULES]).encode()).hexdigest()[:12]
    folder = cache() / "guest" / key
    if not (folder / "ramdisk").exists():
        with tempfile.TemporaryDirectory() as work:
            root = _unpacked(Path(work))
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(next((root / "boot").glob("vmlinuz-*")), folder / "kernel")
            partial = folder / f".ramdisk.{os.getpid()}"
            partial.write_bytes(lzma.compress(_ramdisk(root), format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32))
            partial.replace(folder / "ramdisk")
    return {"kernel": str(folder / "kernel"), "ramdisk": str(folder / "ramdisk")}


def _unpacked(work: Path) -> Path:
    """Content of the packages, and of the kernel package that the first one stands for."""
    _run(work, "apt-get", "update", "-qq")
    said = _run(work, "apt-cache", "depends", "--no-recommends", "--no-suggests", PACKAGES[0])
    kernel = next(line.split()[-1] for line in said.splitlines() if "Depends: linux-image-" in line)
    _run(work, "apt-get", "download", "-qq", kernel, *PACKAGES[1:])
    root = work / "root"
    for package in work.glob("*.deb"):
        _run(work, "dpkg-deb", "-x", str(package), str(root))
    return root


def _run(work: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-500:]}")
    return done.stdout


def _ramdisk(root: Path) -> bytes:
    busybox = next(path for path in (root / "usr/bin/busybox", root / "bin/busybox") if path.is_file())
    files = {"init": INIT.encode(), "dhcp": DHCP.encode(), "bin/busybox": busybox.read_bytes()}
    for name in (*MODULES, *MORE_MODULES):
        for path in root.rglob(f"{name}.ko*"):
            content = path.read_bytes()
            files[f"modules/{name}.ko"] = lzma.decompress(content) if path.suffix == ".xz" else content
    folders = sorted({str(parent) for name in files for parent in Path(name).parents} - {"."})
    entries = [*((name, 0o40755, b"") for name in folders), *((n, 0o100755, c) for n, c in sorted(files.items()))]
    return b"".join(_entry(number, *entry) for number, entry in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1))


def _entry(number: int, name: str, mode: int, content: bytes) -> bytes:
    """One member of a cpio archive in the "newc" format, which the kernel reads."""
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


if __name__ == "__main__":
    try:
        print(json.dumps(make(), indent=1))
    except RuntimeError as error:
        sys.exit(str(error))
