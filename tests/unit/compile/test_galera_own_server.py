"""What a Galera member's agent asks its own server, whose client is a shell script."""

from __future__ import annotations

import json
import os

import galera_api
import pytest

from tests.unit.compile.galera_pod import called, member_root, program

STATUS = "wsrep_ready\tON\nwsrep_cluster_status\tPrimary\nwsrep_local_state_comment\t{}\n"
# A client that reads queries from its input, one a line, as the real one does.
ANSWERS = """while read -r query; do
  case $query in *answered*) echo answered;; *) printf '{}';; esac
done"""


@pytest.fixture
def root(tmp_path, authority):
    return member_root(tmp_path, authority)


@pytest.fixture
def client(root, monkeypatch):
    monkeypatch.setenv("PATH", f"{root}/bin:{os.environ['PATH']}")
    client = galera_api.Client()
    yield client
    client.close()


@pytest.mark.parametrize(
    ("script", "state"),
    [
        (ANSWERS.format(STATUS.format("Synced")), (True, True, True)),
        (ANSWERS.format(STATUS.format("Donor/Desynced")), (True, True, False)),
        (ANSWERS.format("wsrep_ready\tOFF\n"), (True, False, False)),
        (
            'echo "ERROR 2002 (HY000): Can\'t connect to local server through socket (111)" >&2; exit 1',
            (False, False, False),
        ),
    ],
)
def test_state_of_the_server_is_what_it_says_itself(root, client, script, state):
    """
    A donor is of the primary component, and not in step with it.
    """
    program(root, "mariadb", script)

    found = galera_api.server_state(client)

    assert state == (found["is_up"], found["primary"], found["synced"])


def test_one_client_asks_again_and_again(root, client):
    """
    Starting one each second costs more than all its questions.
    """
    program(root, "mariadb", ANSWERS.format(STATUS.format("Synced")))

    assert 1 == len({json.dumps(galera_api.server_state(client)) for _ in range(3)})
    assert 1 == len(called(root))


@pytest.mark.parametrize(
    ("then", "state"),
    [
        (ANSWERS.format(STATUS.format("Synced")), True),
        ('echo "ERROR 2002 (HY000): Can\'t connect to local server through socket (2)" >&2; exit 1', False),
    ],
)
def test_client_that_lost_its_server_says_nothing_of_it(root, client, then, state):
    """
    A new one is asked: the server has started anew, or it is down.
    """
    once = "read -r query; read -r end; echo answered; read -r query"
    program(root, "mariadb", f"{once}; echo 'ERROR 2013 (HY000): Lost connection to server' >&2; exit 1")
    client.ask("SELECT 1", 60)
    program(root, "mariadb", then)

    assert state == galera_api.server_state(client)["is_up"]
    assert 2 == len(called(root))


def test_server_that_gives_no_answer_is_not_down(root, client):
    """
    It may have too much to do: nothing is known of it then.
    """
    program(root, "mariadb", "echo 'ERROR 1040 (HY000): Too many connections' >&2; exit 1")

    assert galera_api.server_state(client) is None


def test_client_that_waits_for_its_server_is_given_up(root, client):
    """
    In time, and without a second try that would take as long again.
    """
    program(root, "mariadb", "exec sleep 60")
    slow = client.ask("SELECT 1", 0.2)

    assert (None, "no answer in time") == slow
    assert client.process is None
    assert 1 == len(called(root))


def test_clients_that_have_nothing_under_way_are_sent_off(root, monkeypatch):
    """
    One that is gone already keeps no other one here; where there is none, nothing is done.
    """
    monkeypatch.setenv("PATH", f"{root}/bin:{os.environ['PATH']}")
    program(root, "mariadb", f'cat >> "{root}/asked"; echo >> "{root}/asked"; echo "KILL SOFT CONNECTION 7;"')
    galera_api.send_clients_off()
    some = called(root)
    program(root, "mariadb", "")
    galera_api.send_clients_off()

    assert [False, True] == ["--force" in line for line in some]
    assert ["KILL SOFT CONNECTION 7;", ""] == (root / "asked").read_text().splitlines()[-2:]
    assert 3 == len(called(root))


def test_server_names_those_it_sees_without_their_ports(root, client):
    """
    Addresses of either family.
    """
    program(root, "mariadb", ANSWERS.format("wsrep_incoming_addresses\t10.0.0.1:3306,[fd00::1]:3306\n"))

    assert ["10.0.0.1", "[fd00::1]"] == galera_api.server_state(client)["sees"]


def test_statement_that_fails_gives_the_complaint_on_one_line(root, monkeypatch):
    """
    And one that takes too long is given up.
    """
    monkeypatch.setenv("PATH", f"{root}/bin:{os.environ['PATH']}")
    program(root, "mariadb", "printf 'ERROR 1290:\n read only\n' >&2; exit 1")
    failed = galera_api.sql("SELECT 1")
    program(root, "mariadb", "exec sleep 30")
    slow = galera_api.sql("SELECT 1", timeout_s=0.2)

    assert (None, "ERROR 1290: read only") == failed
    assert (None, "no answer within 0.2 s") == slow


def test_server_is_stopped_as_a_person_would(root, monkeypatch):
    """
    As its own account, over its own socket.
    """
    monkeypatch.setenv("PATH", f"{root}/bin:{os.environ['PATH']}")
    program(root, "mariadb-admin", "")

    galera_api.stop_server()

    assert called(root)[0].endswith("--user=mysql shutdown")
