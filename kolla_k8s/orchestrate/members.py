"""Let members of a cluster leave it before their pods are taken away.

A member that merely vanishes still counts for the majority of those that stay: two of three gone at once, and the last
one stops, or it lacks what only those that went had. So before there are fewer, each that goes runs the definition's
``leave`` command, which is told how many stay, the highest ordinal first.
"""

from __future__ import annotations

from collections.abc import Callable

from kolla_k8s.errors import RefusedError
from kolla_k8s.model.plan import LeaveSpec
from kolla_k8s.orchestrate.kinds import POD
from kolla_k8s.ports import Cluster, Command, KubeObject

LEAVE_S = 600.0
"""How long a member may take to leave: each of its queues, or its database, moves first."""


async def let_leave(
    cluster: Cluster, namespace: str, service: str, leave: LeaveSpec, *, redact: Callable[[str], str] = str
) -> list[str]:
    """Run the command in every pod beyond the wanted members; give their names.

    Raises:
        RefusedError: When a member could not leave; nothing was taken away then.
    """
    labels = f"app.kubernetes.io/name={service},app.kubernetes.io/component={leave.workload}"
    pods = [pod for pod in await cluster.list(POD, namespace, labels=labels) if _ordinal(pod) >= leave.members]
    command, gone = Command((*leave.command, str(leave.members)), timeout_s=LEAVE_S), []
    for pod in sorted(pods, key=_ordinal, reverse=True):
        name = pod["metadata"]["name"]
        done = await cluster.exec(namespace, name, leave.workload, command)
        if done.exit_code:
            said = redact(done.stderr or done.stdout).strip()[-600:]
            raise RefusedError(f"Pod {name}", f"could not leave its cluster: {said}", "mend it, then run this again")
        gone.append(name)
    return gone


def _ordinal(pod: KubeObject) -> int:
    ordinal = str(pod["metadata"]["name"]).rpartition("-")[2]
    return int(ordinal) if ordinal.isdigit() else -1
