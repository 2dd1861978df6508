"""What a run will do, as data: printed by ``plan``, carried out by ``install`` without asking what is what.

Apart from the orchestrator so that a plan can be printed, saved and compared without a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from kolla_k8s.model.node_parts import NodeParts


class Action(StrEnum):
    """What a step does with its release.

    UNCHANGED leaves a release alone unless something of it is gone or failed; CHECK leaves it alone whatever is found.
    ROLL leaves it alone too, and makes the pods of nodes anew that are not what a new pod would be.
    """

    INSTALL = "install"
    CHANGE = "change"
    UNCHANGED = "unchanged"
    CHECK = "check"
    RECOVER = "recover"
    ROLL = "roll"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class GateSpec:
    """A functional check that must pass before dependants start.

    Attributes:
        kind: Which check: ``keystone-token``, ``sql``, ``exec``, ``http``...
        workload: Name of the workload in whose pods it runs.
        settings: What the kind needs further, from the definition.
        timeout_s: How long it may stay red after the objects are ready.
    """

    name: str
    kind: str
    workload: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = 300.0


@dataclass(frozen=True, slots=True)
class LeaveSpec:
    """How members of a cluster go for good before there are fewer: this command in each of those beyond the wanted.

    Attributes:
        members: How many members are wanted; pods of this ordinal and above leave.
    """

    workload: str
    command: tuple[str, ...]
    members: int


@dataclass(frozen=True, slots=True)
class HelmRequest:
    """One ``helm upgrade --install``: what to install, where, with which values (one dict, already merged)."""

    release: str
    namespace: str
    chart: Path | str
    values: Mapping[str, Any]
    digest: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One service of the plan: bring its release to the wanted state, wait for its objects, pass its gates.

    Attributes:
        needs: Names of steps whose gates must be green before this one starts.
        reason: Why the action is what it is, for people.
        leaves: How members go that are no longer wanted, for each workload where they may not just go.
        node_parts: What single nodes have of their own; None for what belongs to no node.
        nodes: Only these are rolled; empty for all.
    """

    name: str
    action: Action
    reason: str
    needs: tuple[str, ...]
    request: HelmRequest
    gates: tuple[GateSpec, ...] = ()
    leaves: tuple[LeaveSpec, ...] = ()
    node_parts: NodeParts | None = None
    nodes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole run: a DAG of steps, sorted by name; needs name steps of the same plan."""

    cloud: str
    release: str
    steps: tuple[Step, ...]
