"""What a Galera member's start program makes of its data and of a decision."""

import subprocess
import sys
from types import SimpleNamespace

import galera
import pytest
from galera_rules import NIL

from tests.unit.compile.galera_member import CLAIMED, UUID
from tests.unit.compile.pod import PROGRAMS

GRASTATE = "# GALERA saved state\nversion: 2.1\nuuid:    {}\nseqno:   {}\nsafe_to_bootstrap: 0\n"


def unasked():
    raise AssertionError("the server must not be started to read this")


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "mysql").mkdir(parents=True)
    return folder


def test_clean_stop_needs_no_recovery(data):
    """
    What the server wrote at its end is believed.
    """
    (data / "grastate.dat").write_text(GRASTATE.format(UUID, 42))

    assert {**CLAIMED, "seqno": 42} == galera.position(data, unasked)


def test_crashed_server_tells_its_position(data):
    """
    The last word of the recovery counts, with or without a binary log's position behind it.
    """
    (data / "grastate.dat").write_text(GRASTATE.format(UUID, -1))
    said = f"[Note] WSREP: Recovered position: {UUID}:739,0-1-2\n"

    assert {**CLAIMED, "seqno": 739} == galera.position(data, lambda: said)


def test_data_that_cannot_be_read_may_be_the_newest(data):
    """
    Other than half a state transfer: what keeps the server from reading them may pass.
    """
    found = galera.position(data, lambda: "[ERROR] Out of memory")

    assert (False, False) == (found["whole"], found["readable"])


def test_half_a_state_transfer_is_no_data(data):
    """
    Neither empty nor whole: such a member may only join.
    """
    (data / "sst_in_progress").touch()

    cut = {"uuid": NIL, "seqno": -1, "empty": False, "whole": False, "readable": True}
    assert cut == galera.position(data, unasked)


def test_half_an_installation_is_an_empty_volume(data):
    """
    Nobody wrote into it yet; it is made anew.
    """
    (data / galera.INSTALLING).touch()

    assert galera.position(data, unasked)["empty"]
    assert galera.position(data.parent, unasked)["empty"]


@pytest.mark.parametrize(
    ("decision", "where", "expected"),
    [
        (
            {"do": "bootstrap"},
            CLAIMED,
            ["--wsrep-new-cluster", "--wsrep-cluster-address=gcomm://", f"--wsrep-start-position={UUID}:7"],
        ),
        ({"do": "join", "addresses": ["a", "b"]}, {**CLAIMED, "empty": True}, ["--wsrep-cluster-address=gcomm://a,b"]),
    ],
)
def test_server_starts_as_decided(decision, where, expected):
    """
    Only a first member makes a cluster, and known positions are kept for incremental transfers.
    """
    assert ["mariadbd", *expected] == galera.arguments(decision, where)


def test_waiting_server_says_each_thing_once(tmp_path, monkeypatch, capsys):
    """
    However often it looks.
    """
    monkeypatch.setattr(galera, "DECISION", tmp_path / "decision")
    monkeypatch.setattr(galera, "WHY", tmp_path / "why")
    looks = []

    def look_again(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            galera.put(tmp_path / "decision", {"life": "a", "do": "join"})

    monkeypatch.setattr(galera, "time", SimpleNamespace(sleep=look_again, monotonic=lambda: 0))

    assert "join" == galera.wait_for_decision("a", 60)["do"]
    assert "galera: waiting for the agent\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("program", "stop", "code"),
    [("exit 7", "other", 7), ("sleep 60", "a", 137), ("kill -TERM $PPID; sleep 60", "other", 143)],
)
def test_server_is_a_child_that_can_be_killed(tmp_path, program, stop, code):
    """
    Its exit code is the container's; the agent's word counts for its own life only; a TERM is passed on.
    """
    galera.put(tmp_path / "stop", {"life": stop})
    script = (
        f"import sys; sys.path.insert(0, {str(PROGRAMS)!r}); import galera, pathlib; "
        f"galera.STOP = pathlib.Path({str(tmp_path / 'stop')!r}); "
        f"sys.exit(galera.serve(['sh', '-c', {program!r}], 'a'))"
    )

    assert code == subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode
