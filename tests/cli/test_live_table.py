"""What a run shows on a terminal, and what elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from kolla_k8s.adapters.clock import SystemClock
from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.cli.screen import Screen
from kolla_k8s.cli.session import Session
from kolla_k8s.cli.work import carry_out
from kolla_k8s.model.plan import Action, HelmRequest, Plan, Step
from kolla_k8s.orchestrate.lease import Claim, Holder, hold
from kolla_k8s.orchestrate.report import Phase, Row
from kolla_k8s.redact import Redactor
from tests.cli.test_command_line import SITE
from tests.fakes import FakeCluster, FakeHelm

PLAY = """
import asyncio, sys
from tests.cli import test_live_table as here
asyncio.run(getattr(here, sys.argv[1])(sys.argv[2]))
"""
CLAIM = Claim("sky", "openstack", Holder("ann@a:1:x", "kolla-k8s install"))
HEAD = "service action state time waits for"
UP = "\x1b[1A"
"""To the line above, as a terminal is told it."""
PATIENCE_S = 60


class Cue:
    """A clock of a helm that works until the test says a line."""

    async def sleep(self, _seconds):
        await asyncio.to_thread(sys.stdin.readline)


def a_step(name, *needs):
    return Step(name, Action.INSTALL, "not installed", needs, HelmRequest(name, "openstack", "chart", {}))


async def install(output):
    """Install two services, one after the other, each on its cue."""
    cluster, clock, redact = FakeCluster(), SystemClock(), Redactor()
    session = Session(cluster, FakeHelm(cluster, Cue(), {"chart": []}), clock, redact)
    plan = Plan("sky", "2026.1", (a_step("mariadb"), a_step("keystone", "mariadb")))
    async with hold(cluster, clock, CLAIM) as held:
        await carry_out(session, load_cloud(Source([Path(SITE)], [])), plan, output, patience_s=PATIENCE_S, held=held)


async def crowd(output):
    """Show more services than a small terminal has lines, the last of them at work, and all of them done on cue."""
    screen = Screen(output, str, lambda: None)
    with screen.shown():
        for name in ("a", "b", "c", "d"):
            screen.change(Row(a_step(name), Phase.GREEN))
        screen.change(Row(a_step("e", "f"), waits_for="f"))
        screen.change(Row(a_step("f"), Phase.COMING_UP, started_s=1.0))
        await asyncio.to_thread(sys.stdin.readline)
        for name in ("e", "f"):
            screen.change(Row(a_step(name), Phase.GREEN))


async def leak(output):
    """Show a row that waits for something that says a secret."""
    screen = Screen(output, Redactor(["s3cret-of-ann"]), lambda: None)
    with screen.shown():
        screen.change(Row(a_step("mariadb"), Phase.COMING_UP, waits_for="s3cret-of-ann is refused"))


class Terminal:
    """The other end of a terminal that a program writes to."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self.text = ""

    def read_until(self, pattern):
        """Read on until a pattern has come, and give what came until then; an end before that is a failure."""
        began, limit_s = len(self.text), time.monotonic() + PATIENCE_S
        while not re.search(pattern, plain(self.text[began:])):
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, limit_s - time.monotonic()))
            more = self._read() if ready else ""
            assert more, f"{pattern} never came: {self.text!r}"
            self.text += more
        return self.text[began:]

    def read_all(self):
        """Read until the program has closed its end."""
        began = len(self.text)
        while more := self._read():
            self.text += more
        return self.text[began:]

    def _read(self):
        try:
            return os.read(self._descriptor, 65536).decode()
        except OSError:  # how Linux says that nobody has the terminal open any more
            return ""


def program(scene, output):
    """Words and environment of a program that plays a scene."""
    kept = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "LINES", "FORCE_COLOR"}}
    return [sys.executable, "-c", PLAY, scene, output], {**kept, "TERM": "xterm", "NO_COLOR": "1"}


@contextmanager
def on_terminal(scene, output="auto", lines=24):
    """A program that plays a scene on a terminal of its own, and that terminal; it has nothing to complain of."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (lines, 100))
    command, environment = program(scene, output)
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, stdout=theirs, text=True, env=environment, **pipes) as running:
        os.close(theirs)
        try:
            yield running, Terminal(ours)
            assert "" == running.stderr.read()
        finally:
            running.kill()  # one that has ended feels nothing
            os.close(ours)


def cue(running):
    running.stdin.write("go on\n")
    running.stdin.flush()


def plain(text):
    """What is drawn: without control sequences, each run of blanks as one."""
    return re.sub(r"[^\S\n]+", " ", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", ""))


def drawn(text):
    """Lines of what is drawn, with a mark for each time."""
    return [re.sub(r"\d+\.\d s", "T", line.strip()) for line in plain(text).splitlines() if line.strip()]


def off_terminal(output, scene="install"):
    """Lines of a program that plays a scene into a pipe."""
    command, environment = program(scene, output)
    done = subprocess.run(command, input="go on\ngo on\n", capture_output=True, text=True, env=environment, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


LINES = [
    "T mariadb: helm applies (not installed)",
    "T mariadb: objects come up",
    "T mariadb: gates",
    "T mariadb: green: took T",
    "T keystone: helm applies (not installed)",
    "T keystone: objects come up",
    "T keystone: gates",
    "T keystone: green: took T",
    "2 services green after T",
]


def test_table_is_drawn_over_itself_as_a_run_goes_on():
    """
    Every service has one line on a terminal, which changes in its place; it stays when the run is over.
    """
    with on_terminal("install") as (running, terminal):
        first = terminal.read_until(r"keystone install waits for its needs mariadb\s")
        cue(running)
        second = terminal.read_until(r"keystone install helm applies")
        cue(running)
        last = terminal.read_all()

    assert [HEAD, "mariadb install helm applies ...", "keystone install waits for its needs mariadb"] == drawn(first)[
        :3
    ]
    assert re.search(r"mariadb install green \d+\.\d s \nkeystone install helm applies", plain(second))
    assert 2 <= second.count(UP)
    assert [HEAD, "mariadb install green T", "keystone install green T", "2 services green after T"] == drawn(last)[-4:]
    assert UP not in last[last.rindex("keystone") :]
    assert 0 == running.returncode


def test_service_at_work_is_seen_on_a_terminal_with_few_lines():
    """
    What is cut off is what is done.
    """
    with on_terminal("crowd", lines=4) as (running, terminal):
        shown = terminal.read_until(r"f install objects come up")
        terminal.read_until(r"f install objects come up")
        cue(running)
        last = terminal.read_all()

    assert [HEAD, "f install objects come up ...", "e install waits for its needs f", "..."] == drawn(shown)[-4:]
    assert ["a", "b", "c", "d", "e", "f"] == [line.split()[0] for line in drawn(last)[-6:]]


def test_table_says_no_secret():
    """
    Like every line that is printed.
    """
    with on_terminal("leak") as (_running, terminal):
        shown = terminal.read_all()

    assert "<redacted> is refused" in plain(shown)
    assert "s3cret" not in shown


@pytest.mark.parametrize("output", ["auto", "text"])
def test_each_change_has_its_line_where_no_terminal_is(output):
    """
    In a pipe or a log: nothing moves the cursor.
    """
    said = off_terminal(output)

    assert LINES == drawn(said)
    assert "\x1b" not in said


def test_lines_come_on_a_terminal_too_when_they_are_asked_for():
    """
    For whoever keeps what a terminal has shown.
    """
    with on_terminal("install", "text") as (running, terminal):
        cue(running)
        cue(running)
        said = terminal.read_all()

    assert LINES == drawn(said)
    assert "\x1b" not in said


def test_json_is_all_there_is_when_it_is_asked_for():
    """
    On a terminal as well.
    """
    with on_terminal("install", "json") as (running, terminal):
        cue(running)
        cue(running)
        said = terminal.read_all()

    assert "green" == json.loads(said)["outcome"]
