"""How a Galera member's agent decides for a server that starts."""

import json

import galera
import galera_agent
import pytest
from galera_api import RefusedError

from tests.unit.compile.galera_member import CLAIMED, REPORT, UP, Api


def test_one_of_three_starts_and_has_no_report_then(member):
    """
    All report, the newest starts: its report is gone before its server runs.
    """
    api = Api(3)
    members = [member(number, api) for number in range(3)]
    for number, one in enumerate(members):
        one.wait_for_decision(seqno=7 + number)
    for _ in range(3):
        for one in members:
            one.tick()

    assert [None, None, "bootstrap"] == [one.decision for one in members]
    assert {"mariadb-0", "mariadb-1"} == api.reports()


def test_two_cannot_both_start(member):
    """
    A write in between makes the second one look again, and then a report is missing.
    """
    api = Api(1)
    one = member(0, api)
    one.wait_for_decision()
    one.tick()
    stale = api.get("v1", "configmaps/mariadb-members")
    one.tick()

    with pytest.raises(RefusedError):
        api.put("v1", "configmaps/mariadb-members", stale)
    assert set() == api.reports()


def test_report_that_arrives_late_is_refused(member):
    """
    Its answer was lost on the way, and the server runs since then: it must not stand beside it.
    """
    api = Api(2)
    one = member(1, api)
    one.wait_for_decision()
    late = api.get("v1", "configmaps/mariadb-members")
    late["data"] = {"mariadb-1": REPORT}
    one.agent.peers.said = {0: {**galera_agent.NOTHING, **UP, "phase": "running", "address": "10.0.0.9"}}
    one.tick()

    assert {"life": "a", "do": "join", "addresses": ["10.0.0.9"]} == galera.get(one.folder / "decision")
    with pytest.raises(RefusedError):
        api.put("v1", "configmaps/mariadb-members", late)
    assert set() == api.reports()


def test_lost_race_decides_nothing(member):
    """
    The server goes on waiting when the report could not be taken out.
    """
    api = Api(1)
    one = member(0, api)
    one.wait_for_decision()
    one.tick()
    api.put = lambda *_: (_ for _ in ()).throw(RefusedError("conflict", 409))
    one.tick()

    assert one.decision is None


def test_server_that_is_never_let_in_is_killed(member, monkeypatch):
    """
    Once all others have stopped for a while, in this life of it only.
    """
    one = member(1, Api(3))
    one.wait_for_decision()
    galera.put(one.folder / "decision", {"life": "a", "do": "join"})
    waiting = {**galera_agent.NOTHING, "phase": "waiting"}
    one.agent.peers.said = {0: waiting, 2: waiting}
    ticks = iter((100.0, 114.0, 116.0))
    seen = []
    for _ in range(3):
        now = next(ticks)
        monkeypatch.setattr(galera_agent, "clock", lambda now=now: now)
        one.tick()
        seen.append(galera.get(one.folder / "stop"))

    assert [{}, {}, {"life": "a"}] == seen


def forced(member, number):
    """A member that waits and is told to start the cluster, and the API."""
    api = Api(3)
    api.objects["configmaps/mariadb-members"]["data"] = {"force-from": f"mariadb-{number}/a", "mariadb-2": REPORT}
    one = member(number, api)
    one.wait_for_decision()
    return one, api


def test_force_is_used_up(member, clock):
    """
    The key is gone in the very write that lets the member start, once the others had time to say what they do.
    """
    one, api = forced(member, 1)
    one.tick()
    one.tick()
    before = one.decision, api.reports()
    clock.append(clock[-1] + 6)
    one.tick()

    assert (None, {"force-from", "mariadb-1", "mariadb-2"}) == before
    assert "bootstrap" == one.decision
    assert {"mariadb-2"} == api.reports()


def test_force_is_used_up_by_joining(member):
    """
    Or it would make a second cluster at the member's next start.
    """
    one, api = forced(member, 1)
    one.agent.peers.said = {0: {**galera_agent.NOTHING, **UP, "phase": "running", "address": "10.0.0.9"}}
    one.tick()

    assert "join" == one.decision
    assert {"mariadb-2"} == api.reports()


def test_api_that_does_not_answer_is_said_and_survived(member, capsys):
    """
    The agent says so once, and a member can leave all the same.
    """
    api = Api(1)
    one = member(0, api)
    one.wait_for_decision()
    api.get = lambda *_: (_ for _ in ()).throw(RefusedError("the Kubernetes API does not answer"))
    one.tick()
    one.tick()
    one.agent.status["leaving"] = True
    one.tick()

    assert 1 == capsys.readouterr().out.count("does not answer")
    assert "the Kubernetes API does not answer" == (one.folder / "why").read_text()
    assert (one.folder / "left").exists()


def test_report_is_json_that_everybody_reads(member):
    """
    Life, position, and whether they are all the data there are.
    """
    api = Api(2)
    one = member(0, api)
    one.wait_for_decision()
    one.tick()

    written = json.loads(api.objects["configmaps/mariadb-members"]["data"]["mariadb-0"])
    assert {"life": "a", **CLAIMED} == written


def test_server_that_has_not_said_anything_starts(member):
    """
    There is nothing to decide for it yet, and nothing to contend for when the Lease is known.
    """
    api = Api(1)
    one = member(0, api)
    one.tick()
    seen = dict(one.agent.status)
    api.get = lambda *_: pytest.fail("it asks for the Lease again")
    one.tick()

    assert "starting" == seen["phase"]
    assert "starting" == one.agent.status["phase"]
