"""What only a person can decide: to start a cluster although members are lost, from the data of one that is there.

Members that decide by agents report where their data end into a ConfigMap; the one that is named there starts the
cluster alone, once: what is said to one start of it does not count for the next. Others have a command that tells them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.gate import is_ready
from kolla_k8s.orchestrate.kinds import CONFIG_MAP, POD
from kolla_k8s.ports import Cluster, Command, KubeObject

FORCE = "force-from"
FORCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Member:
    """A member's pod: whether it serves, as its own probe says, and whether any container of it runs."""

    pod: str
    is_serving: bool
    is_running: bool


@dataclass(frozen=True, slots=True)
class ForceSpec:
    """What tells a member to start without the others, and the container in which it does."""

    container: str
    command: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """Where a stopped member's data end, as it said itself in one start (its life).

    Attributes:
        flaw: Why no cluster can be started from them; empty when one can.
    """

    pod: str
    life: str
    uuid: str
    seqno: int
    flaw: str = ""


async def reports(cluster: Cluster, namespace: str, pods: str) -> list[Report]:
    """Reports of the stopped members of a StatefulSet, by pod; members that run have none.

    Raises:
        OutsideError: When the service is not installed.
    """
    record = await cluster.get(CONFIG_MAP, f"{pods}-members", namespace)
    if record is None:
        raise OutsideError(f"ConfigMap {namespace}/{pods}-members", "is not there", "install the service first")
    told = {pod: json.loads(said) for pod, said in (record.get("data") or {}).items() if pod != FORCE}
    return [Report(pod, one["life"], one["uuid"], int(one["seqno"]), _flaw(one)) for pod, one in sorted(told.items())]


def _flaw(said: Mapping[str, Any]) -> str:
    if said["empty"]:
        return "empty"
    if said["whole"]:
        return ""
    return "cut short by a state transfer" if said.get("readable", True) else "cannot read its data, see its log"


async def members(cluster: Cluster, namespace: str, pods: str) -> list[Member]:
    """Members of a StatefulSet that have a pod, by its name."""
    found = sorted(await cluster.list(POD, namespace), key=lambda pod: str(pod["metadata"]["name"]))
    owners = [(pod, pod["metadata"].get("ownerReferences") or ()) for pod in found]
    return [_member(pod) for pod, owned in owners if any(owner["name"] == pods for owner in owned)]


def _member(pod: KubeObject) -> Member:
    containers = pod["status"].get("containerStatuses") or ()
    is_running = any("running" in one.get("state", {}) for one in containers)
    return Member(pod["metadata"]["name"], is_serving=is_ready(pod), is_running=is_running)


async def _stopped(cluster: Cluster, namespace: str, pods: str, pod: str) -> list[Member]:
    """Members; OutsideError when one of them serves, for there would be two clusters."""
    found = await members(cluster, namespace, pods)
    if serving := [one.pod for one in found if one.is_serving]:
        fact = f"serves, and with {pod} there would be two clusters"
        raise OutsideError(f"Pod {serving[0]}", fact, f"{pod} joins it by itself; see `kolla-k8s why`")
    return found


async def force_from(cluster: Cluster, namespace: str, pods: str, pod: str) -> None:
    """Let one stopped member start the cluster from its own data.

    Raises:
        OutsideError: When the cluster serves, with other members; when that member has no report, for it runs or is not
            there, or nothing to start from.
    """
    await _stopped(cluster, namespace, pods, pod)
    known = {report.pod: report for report in await reports(cluster, namespace, pods)}
    if pod not in known or known[pod].flaw:
        fit = ", ".join(name for name, report in known.items() if not report.flaw) or "none yet"
        why = f"has nothing to start from ({known[pod].flaw})" if pod in known else "is no stopped member"
        raise OutsideError(f"Pod {pod}", why, f"name one of: {fit}")
    await cluster.patch(CONFIG_MAP, f"{pods}-members", {"data": {FORCE: f"{pod}/{known[pod].life}"}}, namespace)


async def force_start(cluster: Cluster, namespace: str, pods: str, pod: str, force: ForceSpec) -> None:
    """Let one member that waits for others start without them: it is told, then made anew.

    Raises:
        OutsideError: When the cluster serves, with other members; when that member is not there, or cannot be told.
    """
    waiting = [one.pod for one in await _stopped(cluster, namespace, pods, pod) if one.is_running]
    if pod not in waiting:
        raise OutsideError(f"Pod {pod}", "is no member that waits", f"name one of: {', '.join(waiting) or 'none yet'}")
    done = await cluster.exec(namespace, pod, force.container, Command(tuple(force.command), timeout_s=FORCE_S))
    if done.exit_code:
        said = ((done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.exit_code}"])[-1]
        unknown = "may have been told to start without the others"  # it would count whenever it starts next
        fact = unknown if done.exit_code < 0 else "cannot be told to start without the others"
        raise OutsideError(
            f"Pod {pod}", f"{fact}: {said}", f"see `kubectl -n {namespace} logs {pod}`, and say it again"
        )
    await cluster.delete(POD, pod, namespace)
