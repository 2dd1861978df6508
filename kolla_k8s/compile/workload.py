"""From a workload of a definition to its Kubernetes objects: pods, Services, disruption budget, network policy."""

from __future__ import annotations

import json
from typing import Any, assert_never

from kolla_k8s.compile.emit import Block, Go, structure
from kolla_k8s.compile.members import agent_of, chosen, member_objects
from kolla_k8s.compile.metrics import metrics_objects, scrape_annotations
from kolla_k8s.compile.network import workload_policy
from kolla_k8s.compile.objects import KEPT, both, config_map, for_each, labels, metadata, selector, switch
from kolla_k8s.compile.pod import (
    TOOLS,
    PodPlan,
    container,
    pod_env,
    pod_spec,
    prepare_step,
    process_mounts,
    programs_mount,
    requests_and_limits,
    security,
    token_mount,
)
from kolla_k8s.compile.podfile import file_owner, files_of, has_podfile
from kolla_k8s.compile.values import keeps_apart
from kolla_k8s.model.catalog import Catalog, belongs_to_nodes, pods_name, service_name
from kolla_k8s.model.node_parts import config_map_name
from kolla_k8s.model.service import Service
from kolla_k8s.model.workload import Container, Kind, Prepare, Privilege, Probe, Workload

FOREVER_S = 2147483647
SYSLOG_RESOURCES = {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}


def workload_objects(catalog: Catalog, service: Service, name: str) -> dict[str, tuple[dict[str, Any], str]]:
    """Template file name -> object and the Go condition under which it exists."""
    workload = service.spec.workloads[name]
    found = _objects(catalog, service, name)
    if workload.for_each:
        mark = selector(service, name)
        found = {file: (for_each(item, mark), when) for file, (item, when) in found.items()}
    return {file: (item, both(switch(workload.when), when)) for file, (item, when) in found.items()}


def _objects(catalog: Catalog, service: Service, name: str) -> dict[str, tuple[dict[str, Any], str]]:
    workload = service.spec.workloads[name]
    plan = _plan(catalog, service, name)
    pods = _pods(plan, name, workload)
    found: dict[str, tuple[dict[str, Any], str]] = {}
    if plan.config_name and file_owner(service, name) == name:
        found[f"{name}-configmap"] = (config_map(service, name, is_each=bool(workload.for_each)), "")
    found[f"{name}-{workload.kind.lower()}"] = (pods, "")
    if workload.ports:
        found[f"{name}-service"] = (_service(service, name), "")
    if workload.kind is Kind.STATEFUL_SET:
        found[f"{name}-peers-service"] = (_peers(service, name), "")
        if workload.peers and workload.peers.addresses:
            found[f"{name}-member-service"] = (_member(service, name), "")
    found |= member_objects(service, name)
    found |= metrics_objects(service, name)
    if workload.kind is not Kind.DAEMON_SET:
        found[f"{name}-poddisruptionbudget"] = (_budget(service, name), f"gt (int {_values(name)}.replicas) 1")
    return found | workload_policy(service, name)


def _values(name: str) -> str:
    return f'(index .Values.workloads "{name}")'


def _plan(catalog: Catalog, service: Service, name: str) -> PodPlan:
    workload = service.spec.workloads[name]
    each = ' "each" $each' if workload.for_each else ""
    asked = f'include "@@.configName" (dict "root" $ "pod" "{file_owner(service, name)}"{each})'
    files = {file: service.spec.config[file].path for file in files_of(service, workload).sections}
    return PodPlan(
        catalog=catalog,
        service=service,
        key=name,
        config_name=asked if has_podfile(service, workload) else "",
        files=files,
        volumes=dict(workload.volumes),
        outlive=workload.host.outlive.programs if workload.host and workload.host.outlive else [],
        needs_token=service.spec.bootstrap is not None or agent_of(workload) is not None,
        node_parts=config_map_name(service.name) if files and belongs_to_nodes(service, workload) else "",
    )


def _pods(plan: PodPlan, name: str, workload: Workload) -> dict[str, Any]:
    main = [_process(plan, name, workload, resources=structure(f"{_values(name)}.resources"))]
    main += [
        _process(plan, other, beside, resources=requests_and_limits(beside.resources))
        for other, beside in workload.containers.items()
    ]
    main += [_listener(plan, workload, workload.syslog)] if workload.syslog else []
    init = [prepare_step(plan, name, workload.image)] if plan.config_name else []
    init += [_prepare_step(plan, step, prepare, workload) for step, prepare in workload.prepare.items()]
    spec = pod_spec(plan, {"init": init, "main": main}, **_placement(plan, name, workload))
    template = {
        "metadata": {
            "labels": labels(plan.service, name, needs=plan.catalog.needs(plan.service.name)),
            "annotations": _annotations(name, workload),
        },
        "spec": spec,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": workload.kind.value,
        "metadata": metadata(plan.service, pods_name(plan.service, name), name),
        "spec": {**_controller(plan.service, name, workload), "template": template, **_claims(workload)},
    }


def _annotations(name: str, workload: Workload) -> Any:
    """What the site says, where figures are, and the second interfaces that the definition asks Multus for."""
    said = f"{_values(name)}.podAnnotations"
    ours = scrape_annotations(workload)
    if workload.attachments:
        wanted = [{"name": a.network, "interface": a.interface} for a in workload.attachments.values()]
        ours["k8s.v1.cni.cncf.io/networks"] = json.dumps(wanted, sort_keys=True)
    if not ours:
        return structure(said)
    pairs = " ".join(f'"{key}" `{value}`' for key, value in ours.items())
    return structure(f"(merge (dict) {said} (dict {pairs}))")


def _placement(plan: PodPlan, name: str, workload: Workload) -> dict[str, Any]:
    placed: dict[str, Any] = {"terminationGracePeriodSeconds": workload.stop_s}
    if plan.needs_token:
        placed["serviceAccountName"] = plan.service.name
    if workload.kind is not Kind.DAEMON_SET:
        placed["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": Go(f"{{{{ {_constraint(name, workload)} }}}}"),
                "labelSelector": {"matchLabels": selector(plan.service, name)},
            }
        ]
    if keeps_apart(workload):
        placed["affinity"] = _apart(plan.service, name)
    if workload.same_node:
        term = {
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": workload.same_node}},
            "topologyKey": "kubernetes.io/hostname",
        }
        placed["affinity"] = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    if workload.host:
        shared = {"hostNetwork": workload.host.network, "hostPID": workload.host.pid, "hostIPC": workload.host.ipc}
        placed |= {key: True for key, value in shared.items() if value}
        if workload.host.network:
            placed["dnsPolicy"] = "ClusterFirstWithHostNet"
    return placed


def _constraint(name: str, workload: Workload) -> str:
    spread = f"{_values(name)}.spread"
    return f'ternary "ScheduleAnyway" {spread} (eq {spread} "OneANode")' if keeps_apart(workload) else spread


def _apart(service: Service, name: str) -> Go:
    """An affinity: no two replicas on a node, where the values say so."""
    about = f'"app.kubernetes.io/name" "{service.name}" "app.kubernetes.io/component" "{name}"'
    labels = f'(dict {about} "app.kubernetes.io/instance" .Release.Name)'
    term = f'(dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" {labels}))'
    rule = f'(dict "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list {term})))'
    return structure(f'(ternary {rule} dict (eq {_values(name)}.spread "OneANode"))')


def _controller(service: Service, name: str, workload: Workload) -> dict[str, Any]:
    common: dict[str, Any] = {"selector": {"matchLabels": selector(service, name)}, "revisionHistoryLimit": 3}
    replicas = {"replicas": Go(f"{{{{ {_values(name)}.replicas }}}}")}
    unavailable = workload.roll.max_unavailable
    match workload.kind:
        case Kind.DEPLOYMENT:
            rolling = {"maxUnavailable": unavailable, "maxSurge": 1}
            strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
            return {**replicas, **common, "progressDeadlineSeconds": FOREVER_S, "strategy": strategy}
        case Kind.STATEFUL_SET:
            policy_name = "Parallel" if workload.roll.parallel else "OrderedReady"
            more = {"serviceName": f"{service_name(service, name)}-peers", "podManagementPolicy": policy_name}
            return {**replicas, **common, **more, "updateStrategy": {"type": workload.roll.strategy}}
        case Kind.DAEMON_SET:
            update: dict[str, Any] = {"type": workload.roll.strategy}
            if workload.roll.strategy == "RollingUpdate":
                update["rollingUpdate"] = {"maxUnavailable": max(1, unavailable)}
            return {**common, "updateStrategy": update}
        case _:
            assert_never(workload.kind)


def _claims(workload: Workload) -> dict[str, Any]:
    claims = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name},
            "spec": Block(f'include "@@.claim" (dict "root" $ "volume" (index .Values.storage "{name}"))'),
        }
        for name, volume in workload.volumes.items()
        if volume.persistent
    ]
    return {"volumeClaimTemplates": claims} if claims else {}


def _process(plan: PodPlan, name: str, process: Container, *, resources: Any) -> dict[str, Any]:
    env = [*pod_env(), *({"name": key, "value": value} for key, value in process.env.items())]
    made = container(name, process.image, list(process.run), resources, env)
    made["securityContext"] = security(process.privilege)
    if process.ports or (isinstance(process, Workload) and process.peers):
        made["ports"] = _ports(process)
    probes = {"startupProbe": process.startup, "readinessProbe": process.ready, "livenessProbe": process.live}
    made |= {key: _probe(probe) for key, probe in probes.items() if probe}
    hooks = {"preStop": list(process.stop)} if process.stop else {}
    if isinstance(process, Workload) and process.syslog:
        hooks["postStart"] = ["ln", "-sf", _socket(plan, process, process.syslog), "/dev/log"]
    if hooks:
        made["lifecycle"] = {when: {"exec": {"command": command}} for when, command in hooks.items()}
    return {**made, "volumeMounts": [*_peer_mounts(plan, name), *process_mounts(plan, process.privilege)]}


def _listener(plan: PodPlan, workload: Workload, where: str) -> dict[str, Any]:
    """The container that writes out what programs of the main one say to syslog."""
    volume = workload.volumes[where]
    command = ["python3", f"{TOOLS}/syslog_listener.py", _socket(plan, workload, where)]
    made = container("syslog", workload.image, command, SYSLOG_RESOURCES)
    owner = Privilege(reason="a path of the node belongs to root", root=True) if volume.host else None
    mounts = [programs_mount(), {"name": where, "mountPath": volume.path}]
    return {**made, "securityContext": security(owner), "volumeMounts": mounts}


def _socket(plan: PodPlan, workload: Workload, where: str) -> str:
    """Pods may share a folder of the node, and what outlives one speaks to the next one at the same place."""
    return f"{workload.volumes[where].path}/{pods_name(plan.service, plan.key)}.syslog"


def _peer_mounts(plan: PodPlan, container_name: str) -> list[dict[str, Any]]:
    """What a member's processes get besides: the programs, and the agent alone the token."""
    workload = plan.service.spec.workloads[plan.key]
    has_programs = workload.peers is not None and bool(workload.peers.programs)
    token = [token_mount()] if container_name == agent_of(workload) else []
    return [*([programs_mount()] if has_programs else []), *token]


def _ports(process: Container) -> list[dict[str, Any]]:
    ports = dict(process.ports)
    if isinstance(process, Workload) and process.peers:
        ports |= process.peers.ports
    return [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()]


def _probe(probe: Probe) -> dict[str, Any]:
    if probe.http is not None:
        check: dict[str, Any] = {"httpGet": {"path": probe.http, "port": probe.port}}
    elif probe.tcp:
        check = {"tcpSocket": {"port": probe.port}}
    else:
        check = {"exec": {"command": list(probe.exec or [])}}
    times = {"periodSeconds": probe.period_s, "timeoutSeconds": probe.timeout_s, "failureThreshold": probe.failures}
    return {**check, **times}


def _prepare_step(plan: PodPlan, step: str, prepare: Prepare, workload: Workload) -> dict[str, Any]:
    resources = structure(f"{_values(plan.key)}.resources")
    made = container(step, prepare.image or workload.image, list(prepare.run), resources, pod_env())
    mounts = process_mounts(plan, prepare.privilege)
    return {**made, "securityContext": security(prepare.privilege), "volumeMounts": mounts}


def _service(service: Service, name: str) -> dict[str, Any]:
    ports = service.spec.workloads[name].ports
    about = metadata(service, service_name(service, name), name)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**about, **(KEPT if service.spec.workloads[name].keep_address else {})},
        "spec": {
            "type": "ClusterIP",
            "selector": {**selector(service, name), **chosen(service.spec.workloads[name])},
            "ports": [{"name": n, "port": p, "targetPort": n, "protocol": "TCP"} for n, p in ports.items()],
        },
    }


def _peers(service: Service, name: str) -> dict[str, Any]:
    workload = service.spec.workloads[name]
    ports = {**workload.ports, **(workload.peers.ports if workload.peers else {})}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(service, f"{service_name(service, name)}-peers", name),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector(service, name),
            "ports": [{"name": n, "port": p, "targetPort": n, "protocol": "TCP"} for n, p in ports.items()],
        },
    }


def _member(service: Service, name: str) -> dict[str, Any]:
    """Service of a single member, ``$each``: an address that stays when the pod's goes, and when the service does."""
    made = _service(service, name)
    made["metadata"] |= KEPT
    made["metadata"]["name"] = Go(f"{service_name(service, name)}-{{{{ $each }}}}")
    pod = {"statefulset.kubernetes.io/pod-name": Go(f"{pods_name(service, name)}-{{{{ $each }}}}")}
    made["spec"]["selector"] = {**selector(service, name), **pod}
    return made


def _budget(service: Service, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(service, pods_name(service, name), name),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(service, name)}},
    }
