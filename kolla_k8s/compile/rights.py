"""One ServiceAccount a chart, with one Role: what its pods may ask of the Kubernetes API (docs/adr/0014).

Its token is mounted, short-lived, only into the containers that need it: the init step that waits, the bootstrap's
record (and registration), a rotation, an agent. Every rule names its object, but for what is to be created.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kolla_k8s.compile.emit import Go
from kolla_k8s.compile.members import agent_of
from kolla_k8s.compile.objects import metadata
from kolla_k8s.model.catalog import pods_name, secret_ref, service_name
from kolla_k8s.model.service import Service
from kolla_k8s.model.workload import Workload

GROUP = "rbac.authorization.k8s.io"
Rule = dict[str, Any]


def rights_objects(service: Service) -> dict[str, tuple[dict[str, Any], str]]:
    """Template file name -> object and condition; nothing for a service whose pods ask nothing."""
    rules = [*_of_bootstrap(service), *_of_rotations(service)]
    rules += [
        rule for name, workload in service.spec.workloads.items() for rule in _of_members(service, name, workload)
    ]
    if not rules:
        return {}
    about = metadata(service, service.name, "rights")
    subject = {"kind": "ServiceAccount", "name": service.name, "namespace": Go("{{ .Release.Namespace | quote }}")}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about, "automountServiceAccountToken": False}
    role = {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": about, "rules": rules}
    binding = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": about,
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": service.name},
        "subjects": [subject],
    }
    return {"serviceaccount": (account, ""), "role": (role, ""), "rolebinding": (binding, "")}


def _of_bootstrap(service: Service) -> Iterator[Rule]:
    if service.spec.bootstrap is not None:
        yield _rule("", "configmaps", f"{service.name}-bootstrap", "get", "patch")


def _of_rotations(service: Service) -> Iterator[Rule]:
    for task in service.spec.periodic.values():
        if task.rotate:
            yield _rule("", "secrets", secret_ref(service, task.rotate.secret).secret, "get", "update")


def _of_members(service: Service, name: str, workload: Workload) -> Iterator[Rule]:
    if agent_of(workload) is None:
        return
    pods, client = pods_name(service, name), service_name(service, name)
    yield _rule("", "configmaps", f"{pods}-members", "get", "update")
    yield _rule("apps", "statefulsets", pods, "get")
    if workload.peers and workload.peers.writer:
        yield _rule("", "services", client, "get")
        yield _rule("coordination.k8s.io", "leases", f"{pods}-writer", "get", "update")
        yield _rule("discovery.k8s.io", "endpointslices", f"{client}-writer", "get", "update")
        # A name cannot be asked for before there is an object: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
        yield {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["create"]}


def _rule(group: str, resource: str, name: str, *verbs: str) -> Rule:
    return {"apiGroups": [group], "resources": [resource], "resourceNames": [name], "verbs": list(verbs)}
