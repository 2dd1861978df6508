"""Pod specs: one prepare step, the processes, hardened by default.

The same builder makes the pods of workloads, bootstrap Jobs and periodic tasks, so that a rule of the design (a limit,
a dropped capability) is written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kolla_k8s.compile.emit import Go, only_when, structure
from kolla_k8s.compile.objects import switch
from kolla_k8s.compile.podfile import secret_source
from kolla_k8s.model.borrowed import secrets_named
from kolla_k8s.model.catalog import Catalog, is_control, is_optional, secret_ref
from kolla_k8s.model.service import Service
from kolla_k8s.model.workload import Privilege, Resources, Volume

TOOLS = "/kolla-k8s"
RENDERED = "/run/kolla-k8s/rendered"
SECRETS = "/run/kolla-k8s/secrets"
PREPARE_RESOURCES = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}
NODES = "/run/kolla-k8s/nodes"
OUTLIVE = "/run/kolla-k8s/outlive"
CGROUPS = "/run/kolla-k8s/cgroup"
TOKEN = "/run/kolla-k8s/token"  # noqa: S105 - a path

OWN_VOLUMES = frozenset({"cgroups", "facts", "kolla-k8s", "nodes", "outlive", "rendered", "tmp", "token"})
PROGRAMS_NAME = 'include "@@.programsName" $'
SECRETS_OF = "secrets-"  # and the container that reads them: a volume of its own


@dataclass(slots=True)
class PodPlan:
    """What a pod is made of, gathered before it is written down.

    Attributes:
        key: Name of the pod among those of its service: a workload's, ``bootstrap`` or a periodic task's.
        config_name: Go expression (without braces) of its ConfigMap's name; empty when it has none.
        files: Configuration file -> path in the containers.
        outlive: Programs that run on when the pod ends.
        node_parts: ConfigMap of what single nodes have of their own; empty when its pods belong to no node.
    """

    catalog: Catalog
    service: Service
    key: str
    config_name: str = ""
    files: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    needs_token: bool = False
    node_parts: str = ""
    outlive: list[str] = field(default_factory=list)
    secret_volumes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def secret_mount(self, name: str, pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """Mount of exactly these secrets, for the one container that reads them."""
        if not pairs:
            return []
        volume = f"{SECRETS_OF}{name}"
        self.secret_volumes[volume] = secret_source(self.catalog, pairs)
        return [{"name": volume, "mountPath": SECRETS, "readOnly": True}]


def container(
    name: str, image: str, command: list[str], resources: Any, env: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """A hardened container; ``resources`` is a dict or a ``Go``."""
    return {
        "name": name,
        "image": Go(image_expression(image)),
        "imagePullPolicy": Go("{{ .Values.global.images.pullPolicy }}"),
        "command": command,
        **({"env": list(env)} if env else {}),
        "resources": resources,
        "securityContext": security(None),
    }


def pod_env() -> list[dict[str, Any]]:
    """What a container that writes files, or runs what a definition says, knows of its pod."""
    facts = {
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
        "POD_IP": "status.podIP",
        "NODE_NAME": "spec.nodeName",
        "NODE_IP": "status.hostIP",
    }
    return [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in facts.items()]


def image_expression(image: str) -> str:
    """Go expression of an image's full name: the chart's own, or registry, name and tag of the site."""
    return f'{{{{ include "@@.image" (dict "root" $ "name" "{image}") | quote }}}}'


def security(privilege: Privilege | None) -> dict[str, Any]:
    """Security context of a container: restricted, but for what a written reason allows."""
    context: dict[str, Any] = {
        "allowPrivilegeEscalation": bool(privilege and privilege.privileged),
        "readOnlyRootFilesystem": not (privilege and privilege.writable_root),
        "capabilities": {"drop": ["ALL"]},
    }
    if privilege is None:
        return context
    if privilege.capabilities:
        context["capabilities"]["add"] = list(privilege.capabilities)
    if privilege.privileged:
        context["privileged"] = True
        del context["capabilities"]
    if privilege.root:
        context |= {"runAsUser": 0, "runAsNonRoot": False}
    return context


def requests_and_limits(resources: Resources) -> dict[str, Any]:
    """Kubernetes' spelling of a definition's resources."""
    return {
        "requests": {"cpu": resources.cpu, "memory": resources.memory},
        "limits": {"cpu": resources.cpu_limit, "memory": resources.memory_limit},
    }


def limit_env(container_name: str) -> list[dict[str, Any]]:
    """Limits of another container of the pod, as ``LIMIT_MEMORY`` in MiB and ``LIMIT_CPU`` in cores."""
    return [
        {
            "name": f"LIMIT_{kind.upper()}",
            "valueFrom": {
                "resourceFieldRef": {
                    "containerName": container_name,
                    "resource": f"limits.{kind}",
                    "divisor": divisor,
                }
            },
        }
        for kind, divisor in {"memory": "1Mi", "cpu": "1"}.items()
    ]


def record_env(service: Service) -> dict[str, Any]:
    """Where the bootstrap of a service is recorded."""
    return {"name": "BOOTSTRAP_RECORD", "value": f"{service.name}-bootstrap"}


def token_mount() -> dict[str, Any]:
    """Mount of the short-lived token."""
    return {"name": "token", "mountPath": TOKEN, "readOnly": True}


def _node_parts_mount() -> dict[str, Any]:
    """Mount of what single nodes have of their own."""
    return {"name": "nodes", "mountPath": NODES, "readOnly": True}


def programs_mount() -> dict[str, Any]:
    """Mount of the programs of ours and of the pod's file."""
    return {"name": "kolla-k8s", "mountPath": TOOLS, "readOnly": True}


def tool_mounts() -> list[dict[str, Any]]:
    """Mounts of the init program and of the place for rendered files."""
    return [programs_mount(), {"name": "rendered", "mountPath": RENDERED}]


def prepare_step(plan: PodPlan, main: str, image: str) -> dict[str, Any]:
    """The init step of workloads and periodic commands: it waits, then writes the files for the container ``main``."""
    contents = [[plan.service.spec.config[f].content, plan.service.spec.config[f].variants] for f in plan.files]
    used = [[c, [v.content for v in variants.values()]] for c, variants in contents]
    pairs = secrets_named(plan.catalog, plan.service, used)
    env = [*pod_env(), *limit_env(main)]
    if plan.service.spec.bootstrap:
        env += [
            {"name": "BOOTSTRAP_DIGEST", "value": Go('{{ include "@@.bootstrapDigest" $ | quote }}')},
            record_env(plan.service),
        ]
    token = [token_mount()] if plan.service.spec.bootstrap else []
    secrets = plan.secret_mount("prepare", pairs)
    tmp = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - in the container
    nodes = [_node_parts_mount()] if plan.node_parts else []
    made = container("prepare", image, ["python3", f"{TOOLS}/init.py", "prepare"], PREPARE_RESOURCES, env)
    return {**made, "volumeMounts": [*tool_mounts(), *nodes, *secrets, *token, tmp]}


def process_mounts(plan: PodPlan, privilege: Privilege | None = None) -> list[Any]:
    """Mounts of a process: its rendered files one by one, its volumes, a private /tmp."""
    files: list[dict[str, Any]] = [
        {"name": "rendered", "mountPath": path, "subPath": name, "readOnly": True}
        for name, path in sorted(plan.files.items())
    ]
    volumes = [
        part
        for name, volume in plan.volumes.items()
        for part in only_when(switch(volume.when), [_volume_mount(name, volume, privilege)])
    ]
    if plan.outlive:
        volumes.append({"name": "outlive", "mountPath": OUTLIVE, "readOnly": True})
        volumes.append({"name": "cgroups", "mountPath": CGROUPS})
    return [{"name": "tmp", "mountPath": "/tmp"}, *volumes, *files]  # noqa: S108 - in the container


def _volume_mount(name: str, volume: Volume, privilege: Privilege | None) -> dict[str, Any]:
    """A mount of a volume; what a step without privileges mounts stays with it, as Kubernetes demands."""
    mount: dict[str, Any] = {"name": name, "mountPath": volume.path}
    if volume.secret or (volume.host and volume.host.read_only):
        mount["readOnly"] = True
    if volume.host and volume.host.propagation != "None":
        is_privileged = privilege is not None and privilege.privileged
        mount["mountPropagation"] = volume.host.propagation if is_privileged else "HostToContainer"
    return mount


def pod_volumes(plan: PodPlan) -> list[Any]:
    """Every volume of the pod but the claims of a StatefulSet."""
    volumes: list[Any] = [{"name": "tmp", "emptyDir": {}}]
    if plan.config_name:
        sources = [{"configMap": {"name": Go(f"{{{{ {name} }}}}")}} for name in (plan.config_name, PROGRAMS_NAME)]
        volumes.append({"name": "kolla-k8s", "projected": {"defaultMode": 0o444, "sources": sources}})
        volumes.append({"name": "rendered", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}})
    if plan.outlive:
        links = [{"key": "outlive.sh", "path": program, "mode": 0o555} for program in plan.outlive]
        programs = Go(f"{{{{ {PROGRAMS_NAME} }}}}")
        volumes.append({"name": "outlive", "configMap": {"name": programs, "items": links}})
        volumes.append({"name": "cgroups", "hostPath": {"path": "/sys/fs/cgroup"}})
    volumes += [
        {"name": name, "projected": {"defaultMode": 0o440, "sources": sources}}
        for name, sources in plan.secret_volumes.items()
    ]
    if plan.node_parts:
        parts = {"name": plan.node_parts, "defaultMode": 0o444, "optional": True}
        volumes.append({"name": "nodes", "configMap": parts})
    if plan.needs_token:
        volumes.append({"name": "token", "projected": {"defaultMode": 0o440, "sources": _token_sources()}})
    return volumes + [
        part
        for name, volume in plan.volumes.items()
        if volume.persistent is None
        for part in only_when(switch(volume.when), [{"name": name, **_source(plan.service, volume)}])
    ]


def _token_sources() -> list[dict[str, Any]]:
    field_ref = {"fieldPath": "metadata.namespace"}
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field_ref}]}},
    ]


def _source(service: Service, volume: Volume) -> dict[str, Any]:
    if volume.secret:
        secret = secret_ref(service, volume.secret).secret
        optional = {"optional": True} if is_optional(service, volume.secret) else {}
        return {"secret": {"secretName": secret, "defaultMode": 0o440, **optional}}
    if volume.host:
        return {"hostPath": {"path": volume.host.path, "type": volume.host.type}}
    return {"emptyDir": {"medium": "Memory"} if volume.scratch == "memory" else {}}


def pod_spec(plan: PodPlan, containers: dict[str, list[dict[str, Any]]], **more: Any) -> dict[str, Any]:
    """The pod's spec around ``init`` and ``main`` containers; ``more`` is laid on top."""
    user = plan.service.spec.user.uid
    is_workload = plan.key in plan.service.spec.workloads
    placed = f'(index .Values.workloads "{plan.key}")' if is_workload else ".Values.global"
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "imagePullSecrets": structure(".Values.global.images.pullSecrets"),
        "priorityClassName": Go("{{ .Values.global.priorityClass | quote }}"),
        "nodeSelector": structure(f"{placed}.nodeSelector"),
        "tolerations": structure(f"{placed}.tolerations"),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **more,
    }
    if not is_control(plan.service):
        del spec["securityContext"]["runAsNonRoot"]
    if containers["init"]:
        spec["initContainers"] = containers["init"]
    return {**spec, "containers": containers["main"], "volumes": pod_volumes(plan)}
