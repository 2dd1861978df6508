"""Who asks Galera's agents while members die is itself tested: a power cut takes it along, and it asks again."""

from __future__ import annotations

from http.server import ThreadingHTTPServer
from typing import ClassVar

import pytest

from tests.e2e.members import Asker
from tests.unit.orchestrate.gate_programs import HOSTS, Answers, Api, serving

PORT = 4569
SAID = {"primary": True, "sees": ["a", "b"]}


class Agent(Api):
    """An agent of a healthy member."""

    answers: ClassVar[Answers] = {("GET", "/"): lambda *_: (200, {}, SAID)}


@pytest.fixture
def asker():
    """One that asks in this process's network; it ends afterwards."""
    made = Asker()
    yield made
    made.end()


def test_agents_that_answer_are_heard(asker):
    """
    Who is not there is left out.
    """
    with serving(ThreadingHTTPServer((HOSTS[0], PORT), Agent)):
        said = asker.said(HOSTS)

    assert [SAID] == said


def test_asker_that_was_killed_is_replaced(asker):
    """
    Killed just now, its pipe is still open; what was asked then is answered by nobody, and the next question is.
    """
    killed = asker.process
    killed.kill()

    with serving(ThreadingHTTPServer((HOSTS[0], PORT), Agent)):
        unanswered = asker.said(HOSTS)
        killed.wait()
        said = asker.said(HOSTS)

    assert unanswered in ([], [SAID])
    assert [SAID] == said
