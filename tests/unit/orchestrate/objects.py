"""Kubernetes objects as the API serves them, in few words, for the orchestrator's tests."""

from __future__ import annotations

from typing import Any

Thing = dict[str, Any]


def thing(kind: str, name: str = "x", api: str = "v1", **parts: Any) -> Thing:
    """Any object: ``spec``, ``status`` and more by keyword; ``meta`` adds to the metadata."""
    meta = {"name": name, "namespace": "openstack", "uid": f"{kind}-{name}".lower(), **parts.pop("meta", {})}
    return {"apiVersion": api, "kind": kind, "metadata": meta, **parts}


def condition(name: str, status: str = "True", reason: str = "", message: str = "") -> Thing:
    """One condition of a status."""
    return {"type": name, "status": status, "reason": reason, "message": message}


def labels(release: str, workload: str = "api", **more: str) -> dict[str, str]:
    """The labels that every pod of a chart carries."""
    return {
        "app.kubernetes.io/name": release,
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/component": workload,
        **more,
    }


def owned_by(owner: Thing) -> Thing:
    """Metadata that names the controller of an object."""
    meta = owner["metadata"]
    return {
        "ownerReferences": [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": meta["name"],
                "uid": meta["uid"],
                "controller": True,
            }
        ]
    }


def deployment(name: str = "api", *, want: int = 1, generation: int = 1, **status: Any) -> Thing:
    """A Deployment that is all there, unless the status given says otherwise."""
    full = {
        "observedGeneration": generation,
        "replicas": want,
        "updatedReplicas": want,
        "readyReplicas": want,
        "availableReplicas": want,
    }
    return thing(
        "Deployment",
        name,
        "apps/v1",
        meta={"generation": generation},
        spec={"replicas": want, "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": []}}},
        status={**full, **status},
    )


def stateful_set(name: str = "db", *, want: int = 1, strategy: Thing | None = None, **status: Any) -> Thing:
    """A StatefulSet that is all there and of one revision, unless the status given says otherwise."""
    full = {
        "observedGeneration": 1,
        "replicas": want,
        "readyReplicas": want,
        "availableReplicas": want,
        "updatedReplicas": want,
        "currentRevision": "r1",
        "updateRevision": "r1",
    }
    return thing(
        "StatefulSet",
        name,
        "apps/v1",
        meta={"generation": 1},
        spec={"replicas": want, "updateStrategy": strategy or {"type": "RollingUpdate"}},
        status={**full, **status},
    )


def daemon_set(name: str = "agent", *, want: int = 1, strategy: str = "RollingUpdate", **status: Any) -> Thing:
    """A DaemonSet that is all there, unless the status given says otherwise."""
    full = {
        "observedGeneration": 1,
        "desiredNumberScheduled": want,
        "currentNumberScheduled": want,
        "updatedNumberScheduled": want,
        "numberReady": want,
        "numberAvailable": want,
    }
    return thing(
        "DaemonSet",
        name,
        "apps/v1",
        meta={"generation": 1, "annotations": {"deprecated.daemonset.template.generation": "1"}},
        spec={"updateStrategy": {"type": strategy}},
        status={**full, **status},
    )


def job(name: str = "boot", *conditions: Thing, **status: Any) -> Thing:
    """A Job with these conditions."""
    return thing("Job", name, "batch/v1", spec={}, status={"conditions": list(conditions), **status})
