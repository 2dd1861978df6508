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


def pod(name: str = "api-1", *, owner: Thing | None = None, statuses: list[Thing] | None = None, **more: Any) -> Thing:
    """A pod that is pending, with these container statuses; ``init`` gives those of its init containers."""
    meta: Thing = {"labels": labels("keystone") | more.pop("labels", {}), "creationTimestamp": more.pop("born", "1")}
    if owner is not None:
        meta |= owned_by(owner)
    status = {"phase": more.pop("phase", "Pending"), "conditions": more.pop("conditions", [])}
    status |= {"containerStatuses": statuses or [], "initContainerStatuses": more.pop("init", [])}
    spec = more.pop("spec", {"containers": [{"name": "api", "image": "registry/keystone:1"}]})
    return thing("Pod", name, meta=meta | more.pop("meta", {}), spec=spec, status=status, **more)


def waits(reason: str, message: str = "", name: str = "api", **more: Any) -> Thing:
    """A container that waits."""
    return {"name": name, "ready": False, "state": {"waiting": {"reason": reason, "message": message}}, **more}


def runs(name: str = "api", *, ready: bool = False, **more: Any) -> Thing:
    """A container that runs."""
    return {"name": name, "ready": ready, "state": {"running": {}}, **more}


def ended(exit_code: int, reason: str = "Error", name: str = "api", life: str = "1", **more: Any) -> Thing:
    """A container that has ended."""
    message = {"message": more.pop("message")} if "message" in more else {}
    how = {"exitCode": exit_code, "reason": reason, "containerID": life, **message}
    return {"name": name, "ready": False, "state": {"terminated": how}, **more}


def crashing(exit_code: int, restarts: int, name: str = "api", reason: str = "Error") -> Thing:
    """A container in back-off after a crash."""
    last = {"terminated": {"exitCode": exit_code, "reason": reason, "containerID": f"life-{restarts}"}}
    return waits("CrashLoopBackOff", "back-off", name=name, restartCount=restarts, lastState=last)


def event(about: Thing, reason: str, message: str = "", **more: Any) -> Thing:
    """An event about an object; one with the same reason and ``uid`` replaces the one before."""
    uid = more.pop("uid", f"event-{reason}-{about['metadata']['uid']}")
    subject = {"kind": about["kind"], "uid": about["metadata"]["uid"], "name": about["metadata"]["name"]}
    return thing(
        "Event",
        uid,
        meta={"uid": uid},
        involvedObject=subject | more.pop("subject", {}),
        reason=reason,
        message=message,
        type=more.pop("type", "Warning"),
        **more,
    )


def claim(name: str = "data-db-0", *, storage_class: str | None = "standard", phase: str = "Pending") -> Thing:
    """A claim for a volume."""
    spec = {"storageClassName": storage_class} if storage_class else {}
    return thing("PersistentVolumeClaim", name, spec=spec, status={"phase": phase})


def replica_set(owner: Thing, name: str = "api-rs", *, want: int = 1, have: int = 1) -> Thing:
    """The ReplicaSet that a Deployment made of its template."""
    template = owner["spec"]["template"]
    told = {**template["metadata"].get("labels", {}), "pod-template-hash": name}
    spec = {"replicas": want, "template": {**template, "metadata": {"labels": told}}}
    return thing("ReplicaSet", name, "apps/v1", meta=owned_by(owner), spec=spec, status={"replicas": have})
