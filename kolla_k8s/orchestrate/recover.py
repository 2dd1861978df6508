"""What only a person can decide: to start a cluster although members are lost, from the data of one that is there.

Members report where their data end into a ConfigMap; the member that is named there starts the cluster alone, once:
what is said to one start of it does not count for the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.gate import is_ready
from kolla_k8s.orchestrate.kinds import CONFIG_MAP, POD
from kolla_k8s.ports import Cluster

FORCE = "force-from"


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


async def _ready(cluster: Cluster, namespace: str, pods: str) -> list[str]:
    """Members that are synced in a primary component, as their own probe says."""
    found = [pod for pod in await cluster.list(POD, namespace) if is_ready(pod)]
    owners = {pod["metadata"]["name"]: pod["metadata"].get("ownerReferences") or () for pod in found}
    return sorted(name for name, owned in owners.items() if any(owner["name"] == pods for owner in owned))


async def force_from(cluster: Cluster, namespace: str, pods: str, pod: str) -> None:
    """Let one stopped member start the cluster from its own data.

    Raises:
        OutsideError: When the cluster serves, with other members; when that member has no report, for it runs or is not
            there, or nothing to start from.
    """
    if serving := await _ready(cluster, namespace, pods):
        fact = f"serves, and with {pod} there would be two clusters"
        raise OutsideError(f"Pod {serving[0]}", fact, f"{pod} joins it by itself; see `kolla-k8s why`")
    known = {report.pod: report for report in await reports(cluster, namespace, pods)}
    if pod not in known or known[pod].flaw:
        fit = ", ".join(name for name, report in known.items() if not report.flaw) or "none yet"
        why = f"has nothing to start from ({known[pod].flaw})" if pod in known else "is no stopped member"
        raise OutsideError(f"Pod {pod}", why, f"name one of: {fit}")
    await cluster.patch(CONFIG_MAP, f"{pods}-members", {"data": {FORCE: f"{pod}/{known[pod].life}"}}, namespace)
