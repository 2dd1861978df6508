"""What a run shows: a table that is drawn again and again on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60
# Two rows go through two phases; each waits until it was seen.
RUN = """
import sys
from kolla_k8s.cli.screen import Screen
from kolla_k8s.orchestrate.report import Phase, Row
from tests.unit.orchestrate.test_running_a_plan import a_step
rows = {name: Row(a_step(name)) for name in ("mariadb", "keystone")}
screen = Screen("auto", lambda text: text.replace("pass-word", "***"), lambda: None)
with screen.shown(rows):
    for phase, why in ((Phase.COMING_UP, "its pass-word"), (Phase.GREEN, "")):
        for row in rows.values():
            row.phase, row.started_s, row.gate_green_s, row.waits_for = phase, 1.0, 2.5, why
            screen.change(row)
        sys.stdin.readline()
"""


def begun(stdout: int) -> subprocess.Popen[bytes]:
    about = {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100", "LINES": "20"}
    environment = {**os.environ, **about}
    return subprocess.Popen([sys.executable, "-c", RUN], stdin=subprocess.PIPE, stdout=stdout, env=environment)


def read_until(terminal: int, word: str, times: int) -> str:
    """What is written to a terminal until it has a word that often."""
    said = b""
    while said.count(word.encode()) < times:
        ready, _, _ = select.select([terminal], [], [], PATIENCE_S)
        assert ready, said
        said += os.read(terminal, 65536)
    return said.decode()


def test_table_is_drawn_anew_as_rows_change():
    """
    In its own place on the terminal, without what must not be shown.
    """
    terminal, end = pty.openpty()
    with begun(end) as running:
        os.close(end)
        first = read_until(terminal, "***", 2)
        running.stdin.write(b"\n")
        running.stdin.flush()
        second = read_until(terminal, "green", 2)
        running.stdin.close()
        while select.select([terminal], [], [], PATIENCE_S)[0]:
            try:
                second += os.read(terminal, 65536).decode()
            except OSError:  # how a terminal says that nobody writes any more
                break
    os.close(terminal)

    assert 0 == running.returncode
    assert all(word in first for word in ("service", "waits for", "mariadb", "keystone", "objects come up"))
    assert "pass-word" not in first + second
    assert "\x1b[1A" in second


def test_each_change_is_a_line_where_nobody_looks():
    """
    Plain text, once for each phase.
    """
    with begun(subprocess.PIPE) as running:
        said, _ = running.communicate(b"\n\n", timeout=PATIENCE_S)

    assert [
        "    1.0 s  mariadb: objects come up",
        "    1.0 s  keystone: objects come up",
        "    2.5 s  mariadb: green: took 1.5 s",
        "    2.5 s  keystone: green: took 1.5 s",
    ] == said.decode().splitlines()
