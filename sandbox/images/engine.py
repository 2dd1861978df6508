"""A podman service of our own: its storage lies in the cache, and it ends with the build."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ["buildah", "ca-certificates", "debootstrap", "docker-registry", "podman", "skopeo"]


def environment(folder: Path) -> dict[str, str]:
    """Environment in which podman uses this folder alone; machines may forbid to raise limits, so they are low."""
    settings = {
        "containers.conf": '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n',
        "storage.conf": f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n',
    }
    for name, text in settings.items():
        (folder / name).write_text(text)
    return {
        **os.environ,
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "BUILDAH_ISOLATION": "chroot",
    }


@contextmanager
def podman(folder: Path) -> Iterator[str]:
    """Run podman's service for the length of a block; gives its URL."""
    socket = folder / "podman.sock"
    socket.unlink(missing_ok=True)
    url = f"unix://{socket}"
    with (folder / "podman.log").open("ab") as log:
        service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", url], env=environment(folder), stdout=log, stderr=log
        )
    try:
        while not socket.exists():
            if service.poll() is not None:
                raise RuntimeError(f"podman ended at once; see {folder}/podman.log")
            time.sleep(0.1)
        yield url
    finally:
        service.terminate()
        service.wait(30)


@contextmanager
def registry(storage: Path, port: int) -> Iterator[str]:
    """Run a registry over a storage folder on loopback for the length of a block; gives its address."""
    config = storage.parent / "registry-build.yml"
    config.write_text(
        f'{{"version": 0.1, "log": {{"level": "warn"}}, "http": {{"addr": "127.0.0.1:{port}"}},'
        f' "storage": {{"filesystem": {{"rootdirectory": "{storage}"}}}}}}'
    )
    service = subprocess.Popen(
        ["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(1)
        yield f"127.0.0.1:{port}"
    finally:
        service.terminate()
        service.wait(30)
