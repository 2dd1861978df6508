"""What ``helm test`` runs: a pod that reaches the service as a client would."""

from __future__ import annotations

from typing import Any

from kolla_k8s.compile.objects import NEEDS, metadata
from kolla_k8s.compile.pod import PREPARE_RESOURCES, PodPlan, container, pod_spec, process_mounts
from kolla_k8s.model.catalog import Catalog, host_of, main_workload
from kolla_k8s.model.service import Service

CONNECT = "import socket, sys; [socket.create_connection((sys.argv[1], int(p)), 10).close() for p in sys.argv[2:]]"


def test_objects(catalog: Catalog, service: Service) -> dict[str, dict[str, Any]]:
    """Template file name below tests/ -> object; none when nothing of the service listens."""
    main, host = main_workload(service), host_of(service)
    if main is None or host is None:
        return {}
    name, workload = main
    made = container(
        "test", workload.image, ["python3", "-c", CONNECT, host.service, str(host.port)], PREPARE_RESOURCES
    )
    plan = PodPlan(catalog=catalog, service=service, key="test")
    made["volumeMounts"] = process_mounts(plan)
    about = metadata(service, f"{service.name}-test", "test")
    about["labels"] = {**about["labels"], f"{NEEDS}{service.name}": "true"}
    about["annotations"] = {
        "helm.sh/hook": "test",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    }
    spec = pod_spec(plan, {"init": [], "main": [made]}, restartPolicy="Never")
    return {f"{name}-pod": {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec}}
