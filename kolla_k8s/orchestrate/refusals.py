"""What do events, conditions and claims prove?

Everything that keeps a pod from being made, placed or given its volumes, and that no container state tells: quotas,
admission, the scheduler, mounts, claims, and Jobs that gave up. An event outlives its cause, so each rule first asks
the object whether the trouble can still be there: a pod that runs was mounted, a maker that has its pods was not
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kolla_k8s.orchestrate.containers import describe_named, ended_how, failed_container, oldest_back_off, statuses
from kolla_k8s.orchestrate.evidence import (
    AT_ONCE_S,
    TRANSIENT_S,
    UNSCHEDULABLE_S,
    UNSCHEDULABLE_WARN_S,
    Evidence,
    LogTarget,
    Remedy,
    kubectl,
    memory_field,
)
from kolla_k8s.orchestrate.ready import KubeObject, State, assess, conditions
from kolla_k8s.orchestrate.store import uid_of
from kolla_k8s.orchestrate.view import PodOf, ReleaseView

_WEBHOOK_PASSES = re.compile(
    r"failed calling webhook|no endpoints|timed? ?out|deadline exceeded|connection refused|status unknown for quota"
    r"|internal error|has been modified|being terminated|etcdserver|try again|serviceaccount .*not found",
    re.IGNORECASE,
)
_MOUNT_FINAL = re.compile(
    r"references non-existent (secret|config) key|(secret|configmap) \"?[\w./-]+\"? not found"
    r"|hostPath type check failed",
    re.IGNORECASE,
)
_VOLUME = re.compile(r"for volume \"([^\"]+)\"")
_CLAIM_PASSES = re.compile(r"timed? ?out|deadline exceeded|unavailable|connection|try again|modified", re.IGNORECASE)
_MOUNT_REASONS = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"})
_CLAIM_REASONS = frozenset({"ProvisioningFailed", "FailedBinding"})
_NOT_BEGUN = frozenset({"ContainerCreating", "PodInitializing", ""})


def of_release(view: ReleaseView) -> Iterator[Evidence]:
    """Give what keeps pods of a release from being made, placed and mounted, and what has failed for good."""
    for claim in view.claims:
        yield from _of_claim(claim, view.events.get(uid_of(claim), ()))
    for maker in view.makers:
        yield from _of_maker(maker, view.events.get(uid_of(maker), ()))
    for one in view.pods:
        if one.is_newest:
            yield from _of_placing(one.pod)
            yield from _of_mounts(one.pod, view.events.get(uid_of(one.pod), ()))
        else:
            yield from _of_old_pod(one)
    yield from _of_failed_objects(view)


def _of_claim(claim: KubeObject, events: Sequence[KubeObject]) -> Iterator[Evidence]:
    """A claim that nobody can serve: its class is missing, or its provisioner says no."""
    if claim.get("status", {}).get("phase", "Pending") != "Pending" or not events:
        return
    last = events[-1]
    message = str(last.get("message", ""))
    if last.get("reason") not in _CLAIM_REASONS:
        return
    has_no_class = not claim.get("spec", {}).get("storageClassName")
    hint = "; set storage.class in the site file, or make one class the default" if has_no_class else ""
    is_class_trouble = has_no_class or "storageclass" in message.lower()
    yield Evidence(
        thing=claim,
        source=uid_of(last),
        family="claim",
        reason=str(last["reason"]),
        message=message + hint,
        command="kubectl get storageclass" if is_class_trouble else kubectl(claim, "describe"),
        grace_s=TRANSIENT_S if _CLAIM_PASSES.search(message) else AT_ONCE_S,
        remedy=Remedy.NUDGE,
    )


def _of_maker(maker: KubeObject, events: Sequence[KubeObject]) -> Iterator[Evidence]:
    """Pods that the API server refuses to make: quota, Pod Security, webhooks, limits, a missing service account."""
    refused = [event for event in events if event.get("reason") == "FailedCreate"]
    if not refused or not _lacks_pods(maker):
        return
    message = str(refused[-1].get("message", ""))
    yield Evidence(
        thing=maker,
        source=uid_of(refused[-1]),
        family="refused",
        reason="FailedCreate",
        message=message,
        command=_command_for_refusal(maker, message),
        grace_s=TRANSIENT_S if _WEBHOOK_PASSES.search(message) else AT_ONCE_S,
        remedy=Remedy.NUDGE,
    )


def _lacks_pods(maker: KubeObject) -> bool:
    status, spec = maker.get("status", {}), maker.get("spec", {})
    match maker["kind"]:
        case "Job":
            return not status.get("active") and assess(maker).state is State.WAITING
        case "DaemonSet":
            return int(status.get("currentNumberScheduled") or 0) < int(status.get("desiredNumberScheduled") or 0)
    wanted = spec.get("replicas")
    return int(status.get("replicas") or 0) < (1 if wanted is None else int(wanted))


def _command_for_refusal(maker: KubeObject, message: str) -> str:
    namespace = maker["metadata"].get("namespace", "")
    if "exceeded quota" in message:
        return f"kubectl -n {namespace} describe resourcequota"
    if "violates PodSecurity" in message:
        return f"kubectl get namespace {namespace} --show-labels"
    if "webhook" in message:
        return "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"
    return kubectl(maker, "describe")


def _of_placing(pod: KubeObject) -> Iterator[Evidence]:
    """A pod that no node takes: often an autoscaler's work in progress, so it may stand for a while."""
    scheduled = conditions(pod).get("PodScheduled", {})
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        yield Evidence(
            thing=pod,
            source=uid_of(pod),
            family="placing",
            reason="Unschedulable",
            message=str(scheduled.get("message", "")),
            command=kubectl(pod, "describe"),
            grace_s=UNSCHEDULABLE_S,
            warn_s=UNSCHEDULABLE_WARN_S,
        )


def _of_mounts(pod: KubeObject, events: Sequence[KubeObject]) -> Iterator[Evidence]:
    """A pod that is placed but cannot begin, for its volumes or its network cannot be set up."""
    troubles = [event for event in events if event.get("reason") in _MOUNT_REASONS]
    if not troubles or pod.get("status", {}).get("phase") != "Pending" or _has_begun(pod):
        return
    final = [event for event in troubles if _MOUNT_FINAL.search(str(event.get("message", "")))]
    telling = (final or troubles)[-1]
    message = _with_volume(pod, str(telling.get("message", "")))
    yield Evidence(
        thing=pod,
        source=uid_of(telling),
        family="mount",
        reason=str(telling["reason"]),
        message=message,
        command=describe_named(pod, message) if final else kubectl(pod, "describe"),
        grace_s=AT_ONCE_S if final else UNSCHEDULABLE_S,
        warn_s=0.0 if final else UNSCHEDULABLE_WARN_S,
        remedy=Remedy.REMAKE_POD,
    )


def _with_volume(pod: KubeObject, message: str) -> str:
    """Add what a volume is made of to a message that names only the volume: the key is missing in which Secret?"""
    named = _VOLUME.search(message)
    volumes = [v for v in pod.get("spec", {}).get("volumes") or () if named and v.get("name") == named[1]]
    parts = [part for volume in volumes for part in (volume, *((volume.get("projected") or {}).get("sources") or ()))]
    sources = [
        f"Secret {part['secret'].get('secretName') or part['secret'].get('name')}" for part in parts if "secret" in part
    ]
    sources += [f"ConfigMap {part['configMap'].get('name')}" for part in parts if "configMap" in part]
    return f"{message} (volume {named[1]}: {', '.join(sources)})" if named and sources else message


def _has_begun(pod: KubeObject) -> bool:
    waiting = ((status.get("state") or {}).get("waiting") for status in statuses(pod))
    return any(one is None or one.get("reason", "") not in _NOT_BEGUN for one in waiting)


def _of_old_pod(one: PodOf) -> Iterator[Evidence]:
    """A broken old pod that holds up its StatefulSet, which updates only pods that are ready.

    https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
    """
    stuck = oldest_back_off(one.pod)
    if stuck:
        yield Evidence(
            thing=one.pod,
            source=uid_of(one.pod),
            family="old",
            container=stuck["name"],
            reason=str(stuck["state"]["waiting"]["reason"]),
            message=f"broken, of an old revision, and StatefulSet {one.workload['metadata']['name']} waits for it",
            command=kubectl(one.pod, "delete"),
            grace_s=TRANSIENT_S,
            remedy=Remedy.REMAKE_POD,
        )


def _of_failed_objects(view: ReleaseView) -> Iterator[Evidence]:
    """What the readiness table calls failed: a Job that gave up, a pod that ended, a claim that lost its volume."""
    for seen in view.objects:
        if seen.live is not None and seen.verdict.state is State.FAILED:
            yield _of_job(seen.live, view) if seen.live["kind"] == "Job" else _of_failed(seen.live, seen.verdict.why)


def _of_failed(thing: KubeObject, why: str) -> Evidence:
    return Evidence(
        thing=thing,
        source=uid_of(thing),
        family="failed",
        reason="Failed",
        message=why,
        command=kubectl(thing, "describe"),
        grace_s=0.0,
    )


def _of_job(job: KubeObject, view: ReleaseView) -> Evidence:
    """A Job that gave up, explained by the last pod in which a container ended badly."""
    told = next(conditions(job)[name] for name in ("Failed", "FailureTarget") if name in conditions(job))
    mine = [one.pod for one in view.pods if one.workload is job]
    mine.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    for pod in reversed(mine):
        if found := failed_container(pod):
            container, ended = found
            is_oom = ended.get("reason") == "OOMKilled"
            hint = f"; raise {memory_field(pod)}" if is_oom else ""
            return Evidence(
                thing=job,
                source=uid_of(job),
                family="failed",
                container=container,
                reason=str(told.get("reason") or "Failed"),
                message=f"{told.get('message', '')}; {container}: {ended_how(ended)}{hint}",
                command=kubectl(pod, "logs", "-c", container),
                grace_s=0.0,
                log=LogTarget(pod["metadata"]["name"], container),
            )
    return _of_failed(job, assess(job).why)
