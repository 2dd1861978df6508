"""What a run did, as data: for the live table, for plain lines, for JSON, all from the same rows.

Apart from the run, so that every word an operator or a machine reads is made in one place, and the two cannot differ in
content. Rows change while the run goes on; nothing in here prints, and nothing hides secrets: whoever prints does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from kolla_k8s.model.plan import Action, Plan, Step


class Phase(StrEnum):
    """Where a step is."""

    WAITING = "waits for its needs"
    CHECKING = "is checked"
    APPLYING = "helm applies"
    COMING_UP = "objects come up"
    GATING = "gates"
    ROLLING = "nodes are rolled"
    GOING = "pods go"
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
    """One step as it goes: times are seconds since the run began, None for what has not happened.

    Attributes:
        waits_for: The object, container and reason it waits for, or the needs that are not green yet.
        first_evidence_s: When this run first saw what failed the step, by our own clock: a proof that has stood since,
            the first red answer of a gate, an error of helm or the API. Not when the cluster says that it happened:
            its time stamps are whole seconds of other clocks. None when nothing was seen, and patience ended.
        lost: Names of the steps whose failure kept this one from being tried.
        repairs: What was gone or failed of an unchanged release, for which it was applied again.
        evidence: Gate -> what it said last.
        rolled: Nodes whose pod was made anew, in order.
        old_nodes: Nodes whose pod runs what was there before, until somebody rolls them.
    """

    step: Step
    phase: Phase = Phase.WAITING
    waits_for: str = ""
    needs_ready_s: float | None = None
    started_s: float | None = None
    objects_ready_s: float | None = None
    gate_green_s: float | None = None
    first_evidence_s: float | None = None
    failed_s: float | None = None
    cause: Cause | None = None
    lost: tuple[str, ...] = ()
    repairs: list[str] = field(default_factory=list)
    evidence: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    rolled: list[str] = field(default_factory=list)
    old_nodes: list[str] = field(default_factory=list)

    @property
    def not_tried_because(self) -> str:
        """Why this step was not tried; empty when it was."""
        what = "could not be removed" if self.step.action is Action.REMOVE else "did not become ready"
        return f"{_list(self.lost)} {what}" if self.lost else ""


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
        failed = sorted(self._in(Phase.FAILED), key=lambda row: (row.failed_s or 0.0, row.step.name))
        lines = [line for row in failed for line in failure_lines(row)]
        lines += [f"{names}: not tried, because {why}" for why, names in self._not_tried().items()]
        stopped = [row.step.name for row in self._in(Phase.STOPPED)]
        lines += [f"{', '.join(stopped)}: stopped before it was green"] if stopped else []
        lines += [old_nodes_line(row.step.name, row.old_nodes) for row in self._in(Phase.GREEN) if row.old_nodes]
        if self.is_green:
            lines.append(f"{len(self.rows)} services green after {self.took_s:.1f} s")
        return "\n".join(lines)

    def _in(self, phase: Phase) -> list[Row]:
        return [row for row in self.rows.values() if row.phase is phase]

    def _not_tried(self) -> dict[str, str]:
        """Map each reason to the names of the steps it kept away."""
        names: dict[str, list[str]] = {}
        for row in self._in(Phase.NOT_TRIED):
            names.setdefault(row.not_tried_because, []).append(row.step.name)
        return {why: ", ".join(some) for why, some in names.items()}


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
        "evidence": _rounded(row.first_evidence_s),
        "failed": _rounded(row.failed_s),
        "gates": dict(row.evidence),
        "waits_for": row.waits_for,
        "repairs": list(row.repairs),
        "warnings": list(row.warnings),
        "rolled": list(row.rolled),
        "old_nodes": list(row.old_nodes),
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


def old_nodes_line(service: str, nodes: Sequence[str]) -> str:
    """Line that tells where pods of before run, and how they go."""
    return f"{service}: pods of before run on {some(nodes)}; `kolla-k8s roll {service}` makes them anew"


def some(names: Sequence[str], most: int = 5) -> str:
    """Name nodes in a line, not all of them when they are many.

    >>> some(["c", "a", "b"], most=2)
    'a, b and 1 more'
    """
    ordered, left = sorted(names), len(names) - most
    return f"{', '.join(ordered[:most])} and {left} more" if left > 0 else ", ".join(ordered)


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
    """Cells of the live table: service, action, state, seconds, what it waits for and the chain behind that."""
    by_name = {row.step.name: row for row in rows}
    return [
        (
            row.step.name,
            row.step.action.value,
            row.phase.value,
            took(row),
            " < ".join(filter(None, chain(row, by_name))),
        )
        for row in rows
    ]


def chain(row: Row, rows: Mapping[str, Row]) -> Iterator[str]:
    """Give what a step waits for, then what that waits for, down to what is really waited for.

    A step that waits for several needs is explained by the first of them that has begun.
    """
    if row.phase is not Phase.WAITING:
        yield row.waits_for or _said(row)
        return
    yield row.waits_for
    needs = [rows[name] for name in row.step.needs if name in rows and rows[name].phase not in DONE]
    begun = [need for need in needs if need.phase is not Phase.WAITING]
    for need in (begun or needs)[:1]:
        yield from chain(need, rows)


def _said(row: Row) -> str:
    if row.cause is not None:
        return f"{row.cause.place}: {row.cause.reason}"
    return row.not_tried_because or "; ".join(row.evidence.values())


def took(row: Row) -> str:
    """How long a step worked, as a person reads it; empty when it did not begin or did not get to an end."""
    if row.started_s is None or row.phase is Phase.STOPPED:
        return ""
    end = row.gate_green_s or row.failed_s
    return f"{end - row.started_s:.1f} s" if end else "..."


def _list(names: Sequence[str]) -> str:
    """Write names as people do.

    >>> _list(["keystone", "mariadb", "rabbitmq"])
    'keystone, mariadb and rabbitmq'
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
