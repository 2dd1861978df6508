"""Where things of one sandbox lie and which addresses it uses: everything that its parts must agree on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sandbox.build import cache

NODE = "10.201.0.1"
POD_NET = "10.201.0.0/22"
SERVICE_NET = "10.96.0.0/16"
DNS = "10.96.0.10"
REGISTRY_PORT = 5000
DOMAIN = "cloud.sandbox"
EDGE_PORT = 8443
KUBELET_PORT = 10250
REGISTRY = f"registry.sandbox:{REGISTRY_PORT}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Names and paths of the sandbox called ``name``."""

    name: str
    state: Path

    @property
    def netns(self) -> str:
        """The network namespace."""
        return f"kolla-k8s-{self.name}"

    @property
    def pki(self) -> Path:
        """Certificates."""
        return self.state / "pki"

    @property
    def kubeconfig(self) -> Path:
        """For people and tools outside the namespace."""
        return self.state / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        """One JSON line a request, at Metadata level."""
        return self.state / "audit.log"

    @property
    def containerd(self) -> Path:
        """Containerd's socket."""
        return self.state / "containerd.sock"

    @property
    def registry_data(self) -> Path:
        """The registry's storage: a cache that outlives the sandbox."""
        return cache() / "registry"

    @property
    def cgroup(self) -> str:
        """Parent of every pod's cgroup."""
        return f"kolla-k8s-{self.name}"


def layout(name: str = "default") -> Layout:
    """Layout of a sandbox below the user's state directory."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Layout(name, Path(base) / "kolla-k8s" / "sandbox" / name)
