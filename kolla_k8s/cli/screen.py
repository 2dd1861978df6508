"""Draw a run: a live table on a terminal, a line for each change elsewhere, JSON when asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kolla_k8s.orchestrate.report import DONE, Phase, Report, Row, table, took

HEAD = ("service", "action", "state", "time", "waits for")


class Screen:
    """Shows rows as they change."""

    def __init__(self, output: str, redact: Callable[[str], str], on_closed: Callable[[], None]) -> None:
        """``output`` is ``auto``, ``text`` or ``json``; ``on_closed`` is called when nobody reads any more."""
        self.is_json = output == "json"
        self.is_live = output == "auto" and sys.stdout.isatty()
        self.is_closed = False
        self._redact, self._on_closed = redact, on_closed
        self._rows: dict[str, Row] = {}
        self._said: dict[str, tuple[Phase, int, int]] = {}
        self._live: Any = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show rows for the length of a block."""
        if not self.is_live:
            yield
            return
        from rich.live import Live  # noqa: PLC0415 - only a terminal needs it

        with Live(get_renderable=self._table, refresh_per_second=8, transient=False) as self._live:
            yield

    def change(self, row: Row) -> None:
        """Take note of a changed row."""
        self._rows[row.step.name] = row
        key = (row.phase, len(row.warnings), len(row.rolled))
        is_told = row.phase is Phase.WAITING or self._said.get(row.step.name) == key
        if self.is_live or self.is_json or is_told:
            return
        self._said[row.step.name] = key
        self._write(_line(row))

    def _write(self, text: str) -> None:
        """Write a line; a reader that has gone away (``| head``) ends the run in good order, not in the middle."""
        if self.is_closed:
            return
        try:
            sys.stdout.write(self._redact(text) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self.is_closed = True
            self._on_closed()

    def _table(self) -> Any:
        """Draw every row; where they are more than lines, what is at work comes first, for the rest is cut off."""
        from rich import get_console  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        rows = list(self._rows.values())
        if len(rows) >= get_console().height:
            rows.sort(key=lambda row: (row.phase in DONE, row.phase is Phase.WAITING))
        drawn = Table(*HEAD, box=None, pad_edge=False, expand=True)
        for cells in table(rows):
            drawn.add_row(*(Text(self._redact(cell), overflow="ellipsis", no_wrap=True) for cell in cells))
        return drawn

    def end(self, report: Report, more: dict[str, Any]) -> None:
        """Print what is left to say when a run is over."""
        if self.is_json:
            self._write(json.dumps({**report.json(), **more}, indent=1))
        elif report.is_green:
            self._write(report.text())


def _line(row: Row) -> str:
    at = {
        Phase.CHECKING: row.started_s,
        Phase.APPLYING: row.started_s,
        Phase.COMING_UP: row.started_s,
        Phase.ROLLING: row.started_s,
        Phase.GATING: row.objects_ready_s,
        Phase.GREEN: row.gate_green_s,
        Phase.FAILED: row.failed_s,
    }.get(row.phase)
    seconds = f"{at:7.1f} s  " if at is not None else "           "
    said = f"{row.rolled[-1]} is back" if row.rolled and row.phase not in DONE else ""
    said = "; ".join([f"took {took(row)}", *row.evidence.values()]) if row.phase is Phase.GREEN else said
    why = f" ({row.step.reason})" if row.phase in {Phase.APPLYING, Phase.CHECKING} else ""
    warning = f"; warning: {row.warnings[-1]}" if row.warnings and row.phase not in DONE else ""
    return f"{seconds}{row.step.name}: {row.phase.value}{why}{': ' + said if said else ''}{warning}"
