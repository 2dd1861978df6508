"""The one node: its network namespace, containerd, kubelet, kube-proxy, DNS and the registry."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

from sandbox import pki
from sandbox.build import program
from sandbox.layout import DNS, DOMAIN, EDGE_PORT, NODE, POD_NET, REGISTRY, REGISTRY_PORT, Layout
from sandbox.processes import Processes

PACKAGES = [
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "docker-registry",
    "iproute2",
    "iptables",
    "nftables",
    "openssl",
    "procps",
    "runc",
    "util-linux",
]
PAUSE = "docker.io/sandbox/pause:1"
HOST_FOLDERS = "host-folders.json"
ENOUGH_GIB = 14
"""Free memory that is plenty: a whole cloud takes 11 GiB, its images in memory counted."""
NETWORKS_OF_AGENTS = ("qdhcp-", "qrouter-", "snat-", "fip-")
"""How Neutron's agents call the network namespaces that they share with the machine."""
PROCESSES = ("kubelet", "kube-proxy", "containerd")
"""What a power cut of the node takes away, besides containers."""
CONTROLLERS = (
    "unified",
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "devices",
    "freezer",
    "blkio",
    "pids",
    "systemd",
    "hugetlb",
)


def make_network(at: Layout) -> None:
    """Make the namespace and the node's address on its pod bridge; nothing routes out of it."""
    if not Path(f"/run/netns/{at.netns}").exists():
        _run("ip", "netns", "add", at.netns)
    inside = ["nsenter", f"--net=/run/netns/{at.netns}"]
    bits = POD_NET.rpartition("/")[2]
    for command in (
        "ip link set lo up",
        "ip link add cni0 type bridge",
        f"ip address add {NODE}/{bits} dev cni0",
        "ip link set cni0 up",
        f"ip route add default via {NODE.rpartition('.')[0]}.254 dev cni0",
    ):
        subprocess.run([*inside, *command.split()], check=False, capture_output=True)
    _run(*inside, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    with contextlib.suppress(subprocess.CalledProcessError):
        _run(*inside, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def start_registry(at: Layout, processes: Processes) -> None:
    """Start the registry on the node's address, over the images of the cache."""
    at.registry_data.mkdir(parents=True, exist_ok=True)
    config = at.state / "registry.yml"
    storage = {"filesystem": {"rootdirectory": str(at.registry_data)}, "delete": {"enabled": True}}
    http = {"addr": f"{NODE}:{REGISTRY_PORT}"}
    config.write_text(json.dumps({"version": 0.1, "storage": storage, "http": http, "log": {"level": "warn"}}))
    processes.start("registry", ["docker-registry", "serve", str(config)], netns=at.netns)


def start_containerd(at: Layout, processes: Processes) -> None:
    """Start containerd with root, state and socket of its own."""
    _write_cni(at)
    hosts = at.state / "certs.d" / REGISTRY
    hosts.mkdir(parents=True, exist_ok=True)
    address = f"http://{NODE}:{REGISTRY_PORT}"
    (hosts / "hosts.toml").write_text(
        f'server = "{address}"\n[host."{address}"]\n  capabilities = ["pull", "resolve"]\n'
    )
    keep_images_in_memory(at.state / "containerd")
    (at.state / "containerd.toml").write_text(_CONTAINERD.format(state=at.state, socket=at.containerd, pause=PAUSE))
    processes.start("containerd", ["containerd", "-c", str(at.state / "containerd.toml")], netns=at.netns)


def keep_images_in_memory(folder: Path) -> None:
    """Unpack images into memory where there is plenty: it takes a third of the time, and nothing is to be deleted.

    A node that comes back finds its images where they were.
    """
    if folder.exists():
        return
    folder.mkdir()
    said = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    if int(said["MemAvailable"].split()[0]) >> 20 >= ENOUGH_GIB:
        _run("mount", "-t", "tmpfs", f"kolla-k8s-{folder.parent.name}", str(folder))


_CONTAINERD = """version = 2
root = "{state}/containerd"
state = "{state}/containerd-run"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  max_concurrent_downloads = 4
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{state}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{state}/certs.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    discard_unpacked_layers = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def _write_cni(at: Layout) -> None:
    first, last = (f"{NODE.rpartition('.')[0]}.{number}" for number in (10, 250))
    ranges = [[{"subnet": POD_NET, "rangeStart": first, "rangeEnd": last, "gateway": NODE}]]
    routes = [{"dst": "0.0.0.0/0"}]
    ipam = {"type": "host-local", "ranges": ranges, "routes": routes, "dataDir": f"{at.state}/ipam"}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipMasq": False, "ipam": ipam}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    (at.state / "cni").mkdir(exist_ok=True)
    config = {"cniVersion": "0.4.0", "name": "sandbox", "plugins": [bridge, portmap]}
    (at.state / "cni" / "10-sandbox.conflist").write_text(json.dumps(config))


def import_pause(at: Layout) -> None:
    """Give containerd the pause image, made of one program."""
    archive = at.state / "pause.tar"
    _write_image(archive, program("pause").read_bytes())
    _run("ctr", "-a", str(at.containerd), "-n", "k8s.io", "images", "import", str(archive))


def _write_image(archive: Path, binary: bytes) -> None:
    layer = _tar({"pause": binary})
    root = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}
    run = {"Entrypoint": ["/pause"], "User": "65535:65535"}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": run, "rootfs": root}).encode()
    index = json.dumps([{"Config": "config.json", "RepoTags": [PAUSE], "Layers": ["layer.tar"]}]).encode()
    archive.write_bytes(_tar({"config.json": config, "layer.tar": layer, "manifest.json": index}))


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(content), 0o755
            archive.addfile(about, io.BytesIO(content))
    return out.getvalue()


def start_kubelet(at: Layout, processes: Processes) -> None:
    """Start kubelet; it ends at once where containerd's runtime service is not initialised yet."""
    _make_cgroups(at)
    (at.state / "resolv.conf").write_text(f"nameserver {NODE}\n")
    (at.state / "kubelet.json").write_text(json.dumps(_kubelet_config(at)))
    kubeconfig = f"--kubeconfig={at.state}/system.kubeconfig"
    kubelet = [str(program("kubelet")), f"--config={at.state}/kubelet.json", kubeconfig]
    about = ["--hostname-override=sandbox", f"--node-ip={NODE}", f"--root-dir={at.state}/kubelet"]
    about.append("--node-labels=kolla-k8s.io/compute=true")
    processes.start("kubelet", [*kubelet, *about], netns=at.netns)


def start_kube_proxy(at: Layout, processes: Processes) -> None:
    """Start kube-proxy."""
    kubeconfig = f"--kubeconfig={at.state}/system.kubeconfig"
    proxy = [str(program("kube-proxy")), kubeconfig, "--hostname-override=sandbox", "--proxy-mode=iptables"]
    conntrack = ("max-per-core", "min", "tcp-timeout-established", "tcp-timeout-close-wait")
    limits = [f"--conntrack-{name}=0" for name in conntrack]
    processes.start("kube-proxy", [*proxy, *limits, f"--cluster-cidr={POD_NET}"], netns=at.netns)


def _kubelet_config(at: Layout) -> dict[str, object]:
    folder = at.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{at.cgroup}",
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "enforceNodeAllocatable": [],
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{folder}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{at.containerd}",
        "tlsCertFile": f"{folder}/kubelet.crt",
        "tlsPrivateKeyFile": f"{folder}/kubelet.key",
        "resolvConf": f"{at.state}/resolv.conf",
        "evictionHard": {"memory.available": "100Mi"},
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
        "syncFrequency": "10s",
        "maxPods": 200,
        # The usual place is one for all sandboxes of a machine, and each removes what it does not know.
        "podLogsDir": f"{at.state}/pod-logs",
    }


def _make_cgroups(at: Layout) -> None:
    for folder in cgroup_folders(at):
        folder.mkdir(exist_ok=True)
        cpuset = folder / "cpuset.cpus"
        if cpuset.exists():
            for name in ("cpuset.cpus", "cpuset.mems"):
                (folder / name).write_text((folder.parent / name).read_text())


def cgroup_folders(at: Layout) -> list[Path]:
    """The sandbox's cgroup in every hierarchy of the machine."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root / at.cgroup]
    return [
        root / name / at.cgroup for name in CONTROLLERS if (root / name).is_dir() and not (root / name).is_symlink()
    ]


def start_dns(at: Layout, processes: Processes) -> None:
    """Start CoreDNS on the node's address; the Service of kube-dns points to it."""
    (at.state / "Corefile").write_text(_COREFILE.format(state=at.state))
    processes.start("coredns", [str(program("coredns")), "-conf", f"{at.state}/Corefile"], netns=at.netns)


_COREFILE = """.:53 {{
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {state}/system.kubeconfig
    ttl 5
  }}
  cache 5
}}
"""


def start_edge(at: Layout, processes: Processes, port: int = EDGE_PORT) -> int:
    """Start the load balancer on a loopback port of the machine, with a certificate for every name of the domain."""
    pki.leaf(at.pki, "edge", f"/CN=*.{DOMAIN}", f"DNS:*.{DOMAIN},DNS:{DOMAIN}")
    return _start_listening(at, processes, "edge", port, ["sandbox.edge", "{handle}", str(at.state)])


def start_forward(at: Layout, processes: Processes, name: str, inside_port: int) -> int:
    """Carry a free loopback port of the machine to a port of the node; gives the loopback port."""
    return _start_listening(at, processes, name, 0, ["sandbox.forward", "{handle}", NODE, str(inside_port)])


def _start_listening(at: Layout, processes: Processes, name: str, port: int, module: list[str]) -> int:
    """Run a module inside the namespace that accepts what comes to a loopback port outside of it."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.set_inheritable(True)
        handle = listener.fileno()
        command = [sys.executable, "-m", *(word.format(handle=handle) for word in module)]
        processes.start(name, command, netns=at.netns, fds=[handle])
        return int(listener.getsockname()[1])


def note_host_folders(at: Layout) -> None:
    """Write down which folders of the machine the cloud's pods will make: they are the sandbox's, and go with it."""
    definitions = (path.read_text() for path in (Path(__file__).parent.parent / "service_defs").glob("*.yaml"))
    wanted = {
        found for text in definitions for found in re.findall(r"host: {path: (/[^,]+),[^}]*DirectoryOrCreate", text)
    }
    others = _noted_by_others(at)
    ours = sorted(path for path in wanted if path in others or not Path(path).exists())
    fresh = at.state / f"{HOST_FOLDERS}.new"
    fresh.write_text(json.dumps(ours))
    fresh.replace(at.state / HOST_FOLDERS)  # sandboxes beside this one read it


def remove_host_folders(at: Layout) -> None:
    """Delete the folders that this sandbox noted, but for those of another one that is there still."""
    for path in _noted(at.state) - _noted_by_others(at):
        shutil.rmtree(path, ignore_errors=True)


def _noted_by_others(at: Layout) -> set[str]:
    return {path for state in at.state.parent.glob("*") if state != at.state for path in _noted(state)}


def _noted(state: Path) -> set[str]:
    try:
        return set(json.loads((state / HOST_FOLDERS).read_text()))
    except FileNotFoundError:
        return set()


def remove_networks_of_agents() -> None:
    """Delete the network namespaces of Neutron's agents in which nobody lives."""
    for path in Path("/run/netns").glob("*"):
        if path.name.startswith(NETWORKS_OF_AGENTS):
            pids = subprocess.run(["ip", "netns", "pids", path.name], capture_output=True, text=True, check=False)
            if not pids.stdout.strip():
                subprocess.run(["ip", "netns", "delete", path.name], check=False, capture_output=True)


def remove_leftovers(at: Layout) -> None:
    """Unmount what lies below the state directory, delete namespace, cgroups and state."""
    remove_host_folders(at)
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{at.state}/")), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
    remove_networks_of_agents()
    if Path(f"/run/netns/{at.netns}").exists():
        subprocess.run(["ip", "netns", "delete", at.netns], check=False, capture_output=True)
    roots = [folder.parent for folder in cgroup_folders(at)]
    outliving = [folder for root in roots for name in ("kolla-k8s.*", "machine") for folder in root.glob(name)]
    for folder in [*cgroup_folders(at), *outliving]:
        for below, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):
                Path(below).rmdir()
    shutil.rmtree(at.state, ignore_errors=True)
