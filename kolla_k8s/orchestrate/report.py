"""What a run did, as data: for the live table, for plain lines, for JSON, all from the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from kolla_k8s.model.plan import Plan, Step


class Phase(StrEnum):
    """Where a step is."""

    WAITING = "waits for its needs"
    CHECKING = "is checked"
    APPLYING = "helm applies"
    COMING_UP = "objects come up"
    GATING = "gates"
    GREEN = "green"
    FAILED = "failed"
    NOT_TRIED = "not tried"
    STOPPED = "stopped"


DONE = frozenset({Phase.GREEN, Phase.FAILED, Phase.NOT_TRIED, Phase.STOPPED})


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a step failed: what a person needs to mend it."""

    place: str
    reason: str
    message: str
    command: str = ""
    container: str = ""
    log: tuple[str, ...] = ()


@dataclass(slots=True)
class Row:
    """One step as it goes: times are seconds since the run began, None for what has not happened."""

    step: Step
    phase: Phase = Phase.WAITING
    waits_for: str = ""
    needs_ready_s: float | None = None
    started_s: float | None = None
    objects_ready_s: float | None = None
    gate_green_s: float | None = None
    failed_s: float | None = None
    cause: Cause | None = None
    not_tried_because: str = ""
    evidence: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """A run: its plan, its rows, when it began and how long it took."""

    plan: Plan
    rows: dict[str, Row]
    began: float
    took_s: float = 0.0

    @property
    def is_green(self) -> bool:
        """Whether every step is."""
        return all(row.phase is Phase.GREEN for row in self.rows.values())

    def json(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "cloud": self.plan.cloud,
            "release": self.plan.release,
            "outcome": "green" if self.is_green else "not green",
            "began": datetime.fromtimestamp(self.began, UTC).isoformat(timespec="milliseconds"),
            "took_s": round(self.took_s, 3),
            "steps": [row_json(row) for row in self.rows.values()],
        }

    def text(self) -> str:
        """What a person reads at the end: first causes first, then what they kept from being tried."""
        failed = [line for row in self.rows.values() if row.phase is Phase.FAILED for line in failure_lines(row)]
        lost = [row for row in self.rows.values() if row.phase is Phase.NOT_TRIED]
        lines = [*failed, *(f"{row.step.name}: not tried, because {row.not_tried_because}" for row in lost)]
        lines += [f"{r.step.name}: stopped before it was green" for r in self.rows.values() if r.phase is Phase.STOPPED]
        if self.is_green:
            lines.append(f"{len(self.rows)} services green after {self.took_s:.1f} s")
        return "\n".join(lines)


def row_json(row: Row) -> dict[str, Any]:
    """One step as JSON."""
    cause = row.cause
    return {
        "name": row.step.name,
        "action": row.step.action.value,
        "reason": row.step.reason,
        "needs": list(row.step.needs),
        "state": row.phase.value,
        "needs_ready": _rounded(row.needs_ready_s),
        "started": _rounded(row.started_s),
        "objects_ready": _rounded(row.objects_ready_s),
        "gate_green": _rounded(row.gate_green_s),
        "failed": _rounded(row.failed_s),
        "gates": dict(row.evidence),
        "warnings": list(row.warnings),
        "not_tried_because": row.not_tried_because,
        "cause": None
        if cause is None
        else {
            "object": cause.place,
            "container": cause.container,
            "reason": cause.reason,
            "message": cause.message,
            "log": list(cause.log),
            "next": cause.command,
        },
    }


def failure_lines(row: Row) -> list[str]:
    """Lines that tell why a step failed."""
    cause = row.cause
    if cause is None:
        return [f"{row.step.name}: failed"]
    where = f"{cause.place}: {cause.container}" if cause.container else cause.place
    see = f"; see `{cause.command}`" if cause.command else ""
    head = f"{row.step.name}: {where}: {cause.reason}: {cause.message}{see}"
    return [head, *(f"    | {line}" for line in cause.log)]


def table(rows: Sequence[Row]) -> list[tuple[str, str, str, str, str]]:
    """Cells of the live table: service, action, state, seconds, what it waits for."""
    return [
        (row.step.name, row.step.action.value, row.phase.value, _seconds(row), row.waits_for or _said(row))
        for row in rows
    ]


def _said(row: Row) -> str:
    if row.cause is not None:
        return f"{row.cause.place}: {row.cause.reason}"
    return row.not_tried_because or "; ".join(row.evidence.values())


def _seconds(row: Row) -> str:
    if row.started_s is None:
        return ""
    end = row.gate_green_s or row.failed_s
    return f"{end - row.started_s:.1f} s" if end else "..."


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
