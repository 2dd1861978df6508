"""Make the images and push them into the registry's storage, once for each set of ingredients.

The key is made of all that decides the result; ``images.json`` beside the storage is written last, so a build that
was killed is done again. Mirrors and certificate authorities are the building machine's own, read at run time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sandbox.build import cache, debian_packages
from sandbox.images import engine
from sandbox.images.table import KOLLA, NAMESPACE, RELEASE, REPOSITORIES, SUITE, TAG, Image, chosen

HERE = Path(__file__).parent
PLUGIN = "mariadb-server-plugin-mariadb-docker"
TRIES = 3


def build(names: Sequence[str] = ()) -> dict[str, str]:
    """Make what is missing of the images or groups named (none: those of ``control``); gives image -> key.

    Raises:
        RuntimeError: A name is unknown, or kolla-build failed: then the message ends with the image's log.
    """
    wanted = chosen(names)
    folder = cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build(folder, wanted)


def _build(folder: Path, wanted: Sequence[Image]) -> dict[str, str]:
    storage, manifest = cache() / "registry", cache() / "registry" / "images.json"
    known: dict[str, str] = json.loads(manifest.read_text()) if manifest.exists() else {}
    missing = [image for image in wanted if known.get(image.name) != key(image)]
    if missing:
        debian_packages(engine.PACKAGES)
        with engine.podman(folder) as url:
            _prepare(folder, missing)
            _kolla_build(folder, url, missing)
            _push(folder, storage, missing)
        known |= {image.name: key(image) for image in missing}
        partial = manifest.with_suffix(".partial")
        partial.write_text(json.dumps(known, indent=1, sort_keys=True))
        partial.replace(manifest)
        _forget(folder)
    return {image.name: known[image.name] for image in wanted}


def key(image: Image) -> str:
    """Digest of everything that decides an image's content, but for what Debian changes in its archive."""
    override = (HERE / "override.j2").read_text()
    constraints = (HERE / "constraints.txt").read_text()
    parts = [asdict(image), KOLLA, TAG, SUITE, override, constraints if image.sdist else ""]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _prepare(folder: Path, images: Sequence[Image]) -> None:
    kolla = folder / "venv" / "bin" / "kolla-build"
    if not kolla.exists():
        _run(sys.executable, "-m", "venv", str(folder / "venv"))
        _patiently(str(folder / "venv/bin/pip"), "install", "-q", KOLLA, "podman")
    for image in images:
        if image.sdist and not (folder / _sdist(image)).exists():
            name = image.sdist.partition("==")[0]
            download = ["download", "-q", "--no-deps", "--no-binary", name, image.sdist, "-d", str(folder)]
            _patiently(str(folder / "venv/bin/pip"), *download)
    _base(folder)
    requirements = folder / "requirements"
    requirements.mkdir(exist_ok=True)
    shutil.copy(HERE / "constraints.txt", requirements / "upper-constraints.txt")
    script = folder / f"{PLUGIN}-archive" / "11.4" / "healthcheck.sh"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("#!/bin/sh\nexec mariadb-admin ping\n")


def _sdist(image: Image) -> str:
    name, _, version = image.sdist.partition("==")
    return f"{name.replace('-', '_')}-{version}.tar.gz"


def _base(folder: Path) -> None:
    """Give podman the distribution's base image, with the machine's own certificate authorities."""
    environment = engine.environment(folder)
    there = subprocess.run(["podman", "image", "exists", f"localhost/debian:{SUITE}"], env=environment, check=False)
    if there.returncode == 0:
        return
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    _patiently("debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, str(root), mirror())
    authorities = root / "usr/local/share/ca-certificates"
    for found in Path("/usr/local/share/ca-certificates").glob("*.crt"):
        shutil.copy(found, authorities)
    _run("chroot", str(root), "update-ca-certificates")
    (root / "etc/pip.conf").write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")
    archive = folder / "root.tar"
    _run("tar", "-C", str(root), "-cf", str(archive), ".")
    _run("podman", "import", "-q", str(archive), f"localhost/debian:{SUITE}", env=environment)
    archive.unlink()
    shutil.rmtree(root)


def mirror() -> str:
    """The Debian mirror of this machine."""
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for path in lists:
        text = path.read_text() if path.is_file() else ""
        for found in re.findall(r"^\s*(?:URIs:|deb(?:\s+\[[^]]*\])?)\s+(\S+/debian)/?\s*", text, re.MULTILINE):
            return str(found)
    raise RuntimeError("no Debian mirror is named in this machine's apt configuration")


def _kolla_build(folder: Path, url: str, images: Sequence[Image]) -> None:
    logs, work = folder / "logs", folder / "work"
    for path in (logs, work):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    (folder / "repos.yaml").write_text(_repositories())
    (folder / "kolla-build.conf").write_text(_configuration(folder, url, images))
    command = [str(folder / "venv/bin/kolla-build"), "--config-file", str(folder / "kolla-build.conf")]
    wanted = [f"^{image.name}$" for image in images]
    with (folder / "kolla-build.log").open("wb") as log:
        done = subprocess.run([*command, *wanted], stdout=log, stderr=log, env=engine.environment(folder), check=False)
    if done.returncode:
        raise RuntimeError(_explain(logs, folder / "kolla-build.log"))


def _repositories() -> str:
    entry = {"url": mirror(), "suite": SUITE, "component": "main", "gpg_key": "debian.gpg"}
    return json.dumps({"debian": dict.fromkeys(REPOSITORIES, entry), "deb": {}})


def _configuration(folder: Path, url: str, images: Sequence[Image]) -> str:
    sections = {
        "DEFAULT": {
            "base": "debian",
            "base_tag": SUITE,
            "base_image": "localhost/debian",
            "engine": "podman",
            "podman_base_url": url,
            "namespace": NAMESPACE,
            "tag": TAG,
            "openstack_release": RELEASE,
            "template_override": HERE / "override.j2",
            "repos_yaml": folder / "repos.yaml",
            "logs_dir": folder / "logs",
            "work_dir": folder / "work",
            "threads": os.cpu_count() or 2,
        },
        "openstack-base": {"type": "local", "location": folder / "requirements"},
        PLUGIN: {"type": "local", "location": folder / f"{PLUGIN}-archive"},
        **{name: {"type": "local", "enabled": "false"} for name in _plugins(folder)},
        **{i.base: {"type": "local", "location": folder / _sdist(i)} for i in images if i.sdist},
    }
    return "\n".join(
        f"[{name}]\n" + "".join(f"{option} = {value}\n" for option, value in options.items())
        for name, options in sections.items()
    )


def _plugins(folder: Path) -> list[str]:
    """Sections of kolla-build for plugins that would be fetched from elsewhere; MariaDB's own is made here."""
    program = "import json; from kolla.common.sources import SOURCES; print(json.dumps(sorted(SOURCES)))"
    said = subprocess.run([folder / "venv/bin/python", "-c", program], capture_output=True, text=True, check=True)
    return [name for name in json.loads(said.stdout) if "-plugin-" in name and name != PLUGIN]


def _explain(logs: Path, log: Path) -> str:
    failed = sorted(logs.glob("000_FAILED_*.log"))
    source = failed[0] if failed else log
    name = source.name.removeprefix("000_FAILED_").removesuffix(".log")
    lines = source.read_text(errors="replace").splitlines()[-25:]
    return f"image {name} was not built; the end of {source}:\n" + "\n".join(lines)


def _push(folder: Path, storage: Path, images: Sequence[Image]) -> None:
    storage.mkdir(parents=True, exist_ok=True)
    with engine.registry(storage, _free_port()) as address:
        for image in images:
            name = f"{NAMESPACE}/{image.name}:{TAG}"
            target = f"docker://{address}/{name}"
            _run("podman", "push", "-q", "--tls-verify=false", name, target, env=engine.environment(folder))


def _forget(folder: Path) -> None:
    """Leave nothing of podman mounted; its storage stays, so that the next image is built on what is there."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _patiently(*command: str) -> None:
    """Run what needs the network, again if it fails."""
    for attempt in range(1, TRIES + 1):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        if attempt == TRIES:
            raise RuntimeError(f"{command[0]} failed {TRIES} times: {done.stderr[-800:] or done.stdout[-800:]}")


def _run(*command: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} failed: {done.stderr[-800:]}")
