"""The control plane: etcd, API server, controller-manager, scheduler. Alone it starts in about two seconds."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import pki
from sandbox.api import Api
from sandbox.build import program
from sandbox.layout import NODE, SERVICE_NET
from sandbox.processes import Processes

ADMIN = "/O=system:masters/CN=kolla-k8s-admin"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of the control plane's servers, all on one address."""

    etcd: int = 2379
    etcd_peer: int = 2380
    api: int = 6443
    controllers: int = 10257
    scheduler: int = 10259


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running control plane: what a test needs of it."""

    state: Path
    kubeconfig: Path
    audit_log: Path
    url: str


def certificates(state: Path) -> None:
    """Make every certificate, once."""
    if (state / "pki" / "kubelet.crt").exists():
        return
    names = "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost"
    addresses = f"IP:127.0.0.1,IP:10.96.0.1,IP:{NODE}"
    pki.make(
        state / "pki",
        {
            "apiserver": ("/CN=kube-apiserver", f"{names},{addresses}"),
            "admin": (ADMIN, "DNS:admin"),
            "agent": ("/O=system:masters/CN=sandbox-agent", "DNS:agent"),
            "system": ("/O=system:masters/CN=sandbox-system", "DNS:system"),
            "kubelet": ("/O=system:nodes/CN=system:node:sandbox", f"DNS:sandbox,IP:{NODE}"),
        },
    )


def write_kubeconfig(state: Path, path: Path, url: str, who: str) -> None:
    """Write a kubeconfig of mode 0600 for the holder of a certificate."""
    folder = state / "pki"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": {"server": url, "certificate-authority": str(folder / "ca.crt")}}],
        "users": [
            {
                "name": who,
                "user": {
                    "client-certificate": str(folder / f"{who}.crt"),
                    "client-key": str(folder / f"{who}.key"),
                },
            }
        ],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": who}}],
        "current-context": "sandbox",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1))


def start(processes: Processes, ports: Ports, host: str, *, netns: str = "") -> None:
    """Start etcd and the API server, then the controllers."""
    state = processes.state
    certificates(state)
    audit = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "rules": [{"level": "Metadata", "omitStages": ["RequestReceived"]}],
    }
    (state / "audit.json").write_text(json.dumps(audit))
    write_kubeconfig(state, state / "system.kubeconfig", f"https://{host}:{ports.api}", "system")
    processes.start("etcd", _etcd(state, ports), netns=netns)
    processes.start("kube-apiserver", _api_server(state, ports, host), netns=netns)
    processes.start("kube-controller-manager", _controllers(state, ports), netns=netns)
    scheduler = [str(program("kube-scheduler")), f"--kubeconfig={state}/system.kubeconfig", "--leader-elect=false"]
    processes.start("kube-scheduler", [*scheduler, f"--secure-port={ports.scheduler}"], netns=netns)


def _etcd(state: Path, ports: Ports) -> list[str]:
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    urls = [f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}"]
    cluster = [f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"]
    return [str(program("etcd")), f"--data-dir={state}/etcd", "--unsafe-no-fsync", *urls, *cluster]


def _api_server(state: Path, ports: Ports, host: str) -> list[str]:
    folder = state / "pki"
    return [
        str(program("kube-apiserver")),
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        f"--service-cluster-ip-range={SERVICE_NET}",
        f"--bind-address={'0.0.0.0' if host == NODE else host}",  # noqa: S104 - those of a network namespace
        f"--advertise-address={NODE}",
        f"--secure-port={ports.api}",
        f"--tls-cert-file={folder}/apiserver.crt",
        f"--tls-private-key-file={folder}/apiserver.key",
        f"--client-ca-file={folder}/ca.crt",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder}/sa.pub",
        f"--service-account-signing-key-file={folder}/sa.key",
        "--authorization-mode=Node,RBAC",
        "--anonymous-auth=false",
        f"--kubelet-client-certificate={folder}/system.crt",
        f"--kubelet-client-key={folder}/system.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
        f"--audit-policy-file={state}/audit.json",
        f"--audit-log-path={state}/audit.log",
        "--audit-log-maxsize=10000",  # MiB: tests read it whole, and a new one would hide what was before
    ]


def _controllers(state: Path, ports: Ports) -> list[str]:
    folder = state / "pki"
    return [
        str(program("kube-controller-manager")),
        f"--kubeconfig={state}/system.kubeconfig",
        f"--service-account-private-key-file={folder}/sa.key",
        f"--root-ca-file={folder}/ca.crt",
        f"--cluster-signing-cert-file={folder}/ca.crt",
        f"--cluster-signing-key-file={folder}/ca.key",
        f"--secure-port={ports.controllers}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--controllers=*,-nodeipam",
    ]


def wait_until(what: str, holds: Callable[[], bool], timeout_s: float = 60) -> None:
    """Return when something holds; RuntimeError naming it when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if holds():
                return
        time.sleep(0.1)
    raise RuntimeError(f"{what}: not so after {timeout_s:.0f} s; see the sandbox's log folder")


def is_ready(api: Api) -> bool:
    """Whether the API server is ready and has its first objects."""
    return api.ask("GET", "/readyz")[0] == 200 and api.ask("GET", "/api/v1/namespaces/default")[0] == 200


@contextlib.contextmanager
def control_plane(state: Path) -> Iterator[ControlPlane]:
    """Run a control plane of its own on loopback, with free ports, for the length of a ``with`` block."""
    state.mkdir(parents=True, exist_ok=True)
    processes = Processes(state)
    ports = Ports(*_free_ports(5))
    try:
        start(processes, ports, "127.0.0.1")
        url = f"https://127.0.0.1:{ports.api}"
        write_kubeconfig(state, state / "kubeconfig", url, "admin")
        api = Api(state / "pki", "system", "127.0.0.1", ports.api)
        wait_until("the API server is ready", lambda: is_ready(api))
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        wait_until("controllers work", lambda: api.ask("GET", account)[0] == 200)
        yield ControlPlane(state, state / "kubeconfig", state / "audit.log", url)
    finally:
        processes.kill()


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens at, of those that the kernel gives to nobody by itself."""
    first = 20_000 + os.getpid() * 61 % 12_000
    free = (port for number in range(12_000) if _is_free(port := 20_000 + (first + number) % 12_000))
    return list(itertools.islice(free, count))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def events(audit_log: Path) -> list[dict[str, Any]]:
    """What an audit log holds by now; its last line may be half written."""
    text = audit_log.read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
