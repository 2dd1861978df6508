"""Gates on function: does the service do its work, asked from inside its own pods.

Each kind is a small program (``gates/``), sent to a pod's python3 and run there: so network policies count, and nothing
has to be shipped with the chart. Credentials lie in files of the pod; none goes through here.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from kolla_k8s.model.catalog import Catalog, pods_name
from kolla_k8s.model.plan import GateSpec, Step
from kolla_k8s.orchestrate.kinds import STATEFUL_SET
from kolla_k8s.ports import Cluster, Command, ExecResult, KubeObject, Resource

ON_OPENSTACK = frozenset(
    {
        "cinder_volume",
        "compute_up",
        "glance_image",
        "heat_stack",
        "neutron_agents",
        "neutron_network",
        "nova_cells",
        "smoke",
    }
)
PODS = Resource("", "v1", "pods", "Pod")
LOGIN = "/etc/kolla-k8s/gate.json"
LOADER = (
    "import json, sys; length, arguments = json.loads(sys.stdin.readline()); space = {}; "
    "exec(compile(sys.stdin.read(length), 'gate', 'exec'), space); print(space['check'](arguments))"
)


@dataclass(frozen=True, slots=True)
class GateResult:
    """What a gate found: green or not, and why, in one line."""

    is_green: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Gates:
    """Runs the gates of a plan's steps against a cluster."""

    cluster: Cluster
    catalog: Catalog

    async def check(self, step: Step, gate: GateSpec) -> GateResult:
        """Run one gate once; never raises for a gate that is red."""
        pods = await self.ready_pods(step, gate)
        if not pods:
            return GateResult(is_green=False, evidence=f"no pod of {gate.workload} is ready")
        kind = KINDS[gate.kind]
        return await kind(self, step, gate, pods)

    async def ready_pods(self, step: Step, gate: GateSpec) -> list[KubeObject]:
        """Pods of the gate's workload that kubelet calls ready, by name."""
        labels = f"app.kubernetes.io/name={step.name},app.kubernetes.io/component={gate.workload}"
        pods = await self.cluster.list(PODS, step.request.namespace, labels=labels)
        return sorted((pod for pod in pods if is_ready(pod)), key=lambda pod: str(pod["metadata"]["name"]))

    async def run(self, pod: KubeObject, gate: GateSpec, program: str, arguments: Mapping[str, Any]) -> GateResult:
        """Run a program of ``gates/`` in a pod."""
        container = str(gate.settings.get("container", gate.workload))
        done = await run_program(self.cluster, pod, container, program, arguments)
        return GateResult(done.is_green, f"{pod['metadata']['name']}: {done.evidence}")


async def run_program(
    cluster: Cluster, pod: KubeObject, container: str, program: str, arguments: Mapping[str, Any]
) -> GateResult:
    """Run a program of ``gates/`` in a container; its evidence is the last line it says."""
    text = _program(program)
    header = json.dumps([len(text), {"login": LOGIN, **arguments, "nonce": secrets.token_hex(8)}])
    about = pod["metadata"]
    command = Command(["python3", "-c", LOADER], f"{header}\n{text}")
    return _result(await cluster.exec(about["namespace"], about["name"], container, command))


def _result(done: ExecResult) -> GateResult:
    """Green at exit 0; the evidence is the last line that was said."""
    said = (done.stdout if done.exit_code == 0 else done.stderr or done.stdout).strip().splitlines()
    return GateResult(done.exit_code == 0, said[-1] if said else "no answer")


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether kubelet calls a pod ready and nobody has deleted it."""
    conditions = pod.get("status", {}).get("conditions", ())
    is_going = "deletionTimestamp" in pod["metadata"]
    return not is_going and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@cache
def _program(name: str) -> str:
    """Text of a program; those that look at the cloud through its APIs stand on ``openstack``."""
    folder = resources.files("kolla_k8s.orchestrate") / "gates"
    text = (folder / f"{name}.py").read_text(encoding="utf-8")
    base = (folder / "openstack.py").read_text(encoding="utf-8") if name in ON_OPENSTACK else ""
    return f"{base}\n{text}"


async def _missing(gates: Gates, step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult | None:
    """Be red when fewer members are ready than their set has: a cluster's gate speaks for all of them."""
    name = pods_name(gates.catalog[step.name], gate.workload)
    found = await gates.cluster.get(STATEFUL_SET, name, step.request.namespace)
    wanted = int(found["spec"]["replicas"]) if found else 0
    evidence = f"{len(pods)} of {wanted} members are ready"
    return GateResult(is_green=False, evidence=evidence) if len(pods) < wanted else None


async def _mariadb(gates: Gates, step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult:
    members = {str(pod["metadata"]["name"]): str(pod["status"]["podIP"]) for pod in pods}
    missing = await _missing(gates, step, gate, pods)
    return missing or await gates.run(pods[0], gate, "mariadb", {"members": members})


async def _rabbitmq(gates: Gates, step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult:
    if missing := await _missing(gates, step, gate, pods):
        return missing
    for pod in reversed(pods):
        found = await gates.run(pod, gate, "rabbitmq", {"members": len(pods), "publishes": pod is pods[0]})
        if not found.is_green:
            break
    return found


async def _memcached(gates: Gates, step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult:
    port = next(iter(gates.catalog[step.name].spec.workloads[gate.workload].ports.values()))
    results = [await gates.run(pod, gate, "memcached", {"port": port}) for pod in pods]
    red = [result for result in results if not result.is_green]
    return red[0] if red else GateResult(is_green=True, evidence=f"set and get at {len(pods)} replicas")


async def _each_node(gates: Gates, _step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult:
    """Programs that ask every node; one red node makes the gate red."""
    results = [await gates.run(pod, gate, gate.kind.replace("-", "_"), dict(gate.settings)) for pod in pods]
    red = [result for result in results if not result.is_green]
    return red[0] if red else GateResult(is_green=True, evidence=f"{results[0].evidence}, on {len(pods)} nodes")


async def _ovn(gates: Gates, step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult:
    southbound = await gates.ready_pods(step, replace(gate, workload=str(gate.settings["southbound"])))
    sides = {"OVN_Northbound": pods, "OVN_Southbound": southbound}
    members = {name: [str(pod["status"]["podIP"]) for pod in found] for name, found in sides.items()}
    return await gates.run(pods[0], gate, "ovn_leader", {"members": members})


async def _keystone(gates: Gates, step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult:
    service = gates.catalog[step.name]
    arguments = {
        "port": next(iter(service.spec.workloads[gate.workload].ports.values())),
        "addresses": [pod["status"]["podIP"] for pod in pods],
        "catalogue": [entry.type for entry in service.spec.identity.services.values()],
    }
    return await gates.run(pods[0], gate, "keystone", arguments)


async def _glance(gates: Gates, step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult:
    port = next(iter(gates.catalog[step.name].spec.workloads[gate.workload].ports.values()))
    places = [f"{pod['status']['podIP']}:{port}" for pod in pods]
    return await gates.run(pods[0], gate, "glance_image", {"places": places})


async def _horizon(gates: Gates, step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult:
    """Each pod made its own static files."""
    port = next(iter(gates.catalog[step.name].spec.workloads[gate.workload].ports.values()))
    for pod in pods:
        found = await gates.run(
            pod, gate, "horizon", {"address": pod["status"]["podIP"], "port": port, **gate.settings}
        )
        if not found.is_green:
            break
    return found


async def _exec(gates: Gates, _step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult:
    """A command of the definition's own, in each pod: exit 0 is green, the last line is the evidence."""
    container = str(gate.settings.get("container", gate.workload))
    for pod in pods:
        about = pod["metadata"]
        done = await gates.cluster.exec(about["namespace"], about["name"], container, Command(gate.settings["run"]))
        found = _result(done)
        if not found.is_green:
            break
    return replace(found, evidence=f"{about['name']}: {found.evidence}")


async def _http(gates: Gates, step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult:
    """Each pod gives the status that is wanted, asked from inside it."""
    port = gates.catalog[step.name].spec.workloads[gate.workload].ports[str(gate.settings["port"])]
    for pod in pods:
        asked = {"address": pod["status"]["podIP"], "status": 200, **gate.settings, "port": port}
        found = await gates.run(pod, gate, "http", asked)
        if not found.is_green:
            break
    return found


async def _openstack(gates: Gates, _step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult:
    """Programs that look at the cloud through its APIs; the gate's settings are their arguments."""
    program = "openstack" if gate.kind == "openstack-request" else gate.kind.replace("-", "_")
    nodes = {str(pod["spec"].get("nodeName")): _started(pod, gate.workload) for pod in pods}
    return await gates.run(pods[0], gate, program, {**gate.settings, "nodes": nodes})


async def _nova_cells(gates: Gates, step: Step, gate: GateSpec, pods: list[KubeObject]) -> GateResult:
    """Pods of all workloads that the settings name, for one cell's conductors say nothing of another's."""
    named = {
        str(workload): [
            str(pod["metadata"]["name"]) for pod in await gates.ready_pods(step, replace(gate, workload=str(workload)))
        ]
        for workload in gate.settings["workloads"]
    }
    return await gates.run(pods[0], gate, "nova_cells", {"pods": named})


def _started(pod: KubeObject, container: str) -> str:
    """When a container of a pod was started, in UTC to the second; what was said of its node before is not of it."""
    statuses = pod["status"].get("containerStatuses") or ()
    running = (one["state"].get("running") or {} for one in statuses if one["name"] == container)
    return str(next(running, {}).get("startedAt", "")).removesuffix("Z")


Kind = Callable[[Gates, Step, GateSpec, list[KubeObject]], Awaitable[GateResult]]
KINDS: dict[str, Kind] = {
    "compute-up": _openstack,
    "cinder-volume": _openstack,
    "exec": _exec,
    "glance-image": _glance,
    "heat-stack": _openstack,
    "horizon-login": _horizon,
    "http": _http,
    "keystone-token": _keystone,
    "libvirt-answers": _each_node,
    "nova-cells": _nova_cells,
    "openstack-request": _openstack,
    "mariadb-write-read": _mariadb,
    "memcached-set-get": _memcached,
    "neutron-agents": _openstack,
    "neutron-metadata": _each_node,
    "neutron-network": _openstack,
    "openvswitch-bridge": _each_node,
    "ovn-chassis": _each_node,
    "ovn-leader": _ovn,
    "rabbitmq-publish-consume": _rabbitmq,
}
