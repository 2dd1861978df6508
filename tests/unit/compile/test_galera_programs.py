"""A Galera member's programs as they are run, from the first start of all to leaving for good."""

from __future__ import annotations

import json
import signal

import galera_api
import pytest

from tests.unit.compile.galera_member import UUID
from tests.unit.compile.galera_pod import (
    PATIENCE_S,
    called,
    data,
    member_root,
    program,
    report,
    running,
    started,
    until,
)
from tests.unit.compile.pod import HERE, serving

GRASTATE = "version: 2.1\nuuid:    {}\nseqno:   {}\nsafe_to_bootstrap: 0\n"


@pytest.fixture
def root(tmp_path, authority):
    return member_root(tmp_path, authority)


def test_first_member_of_all_makes_its_system_tables_and_a_cluster(root):
    """
    Whatever half an installation left is removed, but not what is the file system's own.
    """
    (data(root) / "half").mkdir()
    (data(root) / "ibdata1").touch()
    (data(root) / "lost+found").mkdir()
    program(root, "mariadb-install-db", f'printf "{GRASTATE.format(UUID, -1)}" > {data(root)}/grastate.dat')
    program(root, "mariadbd", f'case $1 in --bootstrap) cat >> "{root}/users";; esac')

    found, said = started(root, do="bootstrap")

    assert found["empty"]
    assert "empty volume: creating the system tables and users" in said
    assert [
        f"mariadb-install-db --no-defaults --datadir={data(root)} --skip-test-db",
        "mariadbd --bootstrap --wsrep-on=OFF",
        "mariadbd --wsrep-new-cluster --wsrep-cluster-address=gcomm://",
    ] == called(root)
    assert "CREATE USER gate;" == (root / "users").read_text()
    assert {"lost+found", "grastate.dat"} == {path.name for path in data(root).iterdir()}
    assert "safe_to_bootstrap: 1" in (data(root) / "grastate.dat").read_text()


def test_member_that_stopped_well_joins_where_its_data_end(root):
    """
    Nothing is asked of the server for it; what a former life left in its way is removed.
    """
    (data(root) / "mysql").mkdir()
    (data(root) / "grastate.dat").write_text(GRASTATE.format(UUID, 42))
    (data(root) / "gvwstate.dat").touch()
    program(root, "mariadbd", "")

    found, said = started(root, do="join", addresses=["10.0.0.1", "10.0.0.2"])

    assert (UUID, 42) == (found["uuid"], found["seqno"])
    assert f"data end at {UUID}:42" in said
    address = "--wsrep-cluster-address=gcomm://10.0.0.1,10.0.0.2"
    assert [f"mariadbd {address} --wsrep-start-position={UUID}:42"] == called(root)
    assert not (data(root) / "gvwstate.dat").exists()
    assert "safe_to_bootstrap: 0" in (data(root) / "grastate.dat").read_text()


def test_member_with_data_and_no_state_file_may_make_the_cluster(root):
    """
    A server that had no cluster before leaves none.
    """
    (data(root) / "mysql").mkdir()
    program(root, "mariadbd", f'echo "Recovered position: {UUID}:5"')

    started(root, do="bootstrap")

    assert not (data(root) / "grastate.dat").exists()
    assert f"--wsrep-start-position={UUID}:5" in called(root)[-1]


def test_transactions_that_nobody_decides_any_more_are_rolled_back(root):
    """
    Only when the server asks for it.
    """
    (data(root) / "mysql").mkdir()
    script = f"""case $1 in
    --tc-heuristic-recover=rollback) touch {root}/rolled;;
    --wsrep-recover) test -e {root}/rolled && echo "Recovered position: {UUID}:7" || echo use --tc-heuristic-recover;;
    esac"""
    program(root, "mariadbd", script)

    found, said = started(root, do="join", addresses=["10.0.0.1"])

    assert (UUID, 7) == (found["uuid"], found["seqno"])
    assert "transactions were prepared but never decided: rolling them back" in said
    assert "--wsrep-start-position" not in called(root)[-1]


def test_server_that_cannot_read_its_data_is_quoted(root):
    """
    Its data are neither whole nor empty; it may join, and gets them anew.
    """
    (data(root) / "mysql").mkdir()
    program(root, "mariadbd", "echo page is corrupt >&2")

    found, said = started(root, do="join", addresses=["10.0.0.1"])

    assert (False, False) == (found["whole"], found["empty"])
    assert "the server cannot read its data; its last words:\npage is corrupt" in said


def test_rolled_back_member_gets_all_data_anew(root):
    """
    Others may have committed what it gave up, and no later start of it knows any more.
    """
    (data(root) / "mysql").mkdir()
    (data(root) / "grastate.dat").write_text(GRASTATE.format(UUID, -1))
    (data(root) / ".kolla-k8s-rolled-back").touch()
    program(root, "mariadbd", f'echo "Recovered position: {UUID}:7"')

    started(root, do="join", addresses=["10.0.0.1"])

    assert "mariadbd --wsrep-cluster-address=gcomm://10.0.0.1" == called(root)[-1]
    assert not (data(root) / "grastate.dat").exists()
    assert (data(root) / ".kolla-k8s-rolled-back").exists()


def test_rolled_back_member_that_makes_the_cluster_is_its_truth(root):
    """
    Nothing is left to be had from others.
    """
    (data(root) / "mysql").mkdir()
    (data(root) / ".kolla-k8s-rolled-back").touch()
    program(root, "mariadbd", f'echo "Recovered position: {UUID}:7"')

    started(root, do="bootstrap")

    assert called(root)[-1].endswith(f"--wsrep-start-position={UUID}:7")
    assert not (data(root) / ".kolla-k8s-rolled-back").exists()


def test_data_that_could_not_be_read_are_read_again(root):
    """
    In the same life: a full disk may have been emptied meanwhile.
    """
    (data(root) / "mysql").mkdir()
    program(root, "mariadbd", f'test -e {root}/mended && echo "Recovered position: {UUID}:7"')
    with running(root, "start", setting="galera.READ_AGAIN_S = 0.1"):
        first = until(lambda: report(root))
        (root / "mended").touch()
        until(lambda: report(root)["whole"])

    assert {**first, "uuid": UUID, "seqno": 7, "whole": True, "readable": True} == report(root)


def test_member_says_what_its_agent_says_while_it_waits(root):
    """
    A decision for another life is none; a TERM ends it in good order.
    """
    (root / "run/galera/decision.json").write_text(json.dumps({"life": "before", "do": "bootstrap"}))
    with running(root, "start") as process:
        until(lambda: report(root))
        lines = iter(process.stdout.readline, "")
        first = [next(lines), next(lines)]
        (root / "run/galera/why").write_text("waiting for mariadb-1")
        told = next(lines)
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE_S)

    assert ["galera: empty volume\n", "galera: waiting for the agent\n"] == first
    assert "galera: waiting for mariadb-1\n" == told
    assert 0 == code
    assert [] == called(root)


def test_server_leaves_when_its_agent_lets_it(root):
    """
    Its clients are with another member then.
    """
    with running(root, "leave") as process:
        until((root / "run/galera/leaving").exists)
        is_waiting = process.poll() is None
        (root / "run/galera/left").touch()
        code = process.wait(PATIENCE_S)

    assert is_waiting
    assert 0 == code


def part(root, count, setting=""):
    """Ask a member to go for good; gives exit code and what it said."""
    about = {"POD_NAME": "mariadb-2", "POD_NAMESPACE": "openstack"}
    setting = f"import galera_api; galera.PART_S = 0; galera_api.host_of = lambda number: {HERE!r}; {setting}"
    with running(root, f"part {count}", setting, **about) as process:
        said, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, said


def test_member_may_go_when_those_that_stay_are_synced(root):
    """
    Each of them is asked, by its agent.
    """
    with serving(lambda _: (200, {"phase": "running", "synced": True, "leaving": False}), host=HERE) as server:
        code, said = part(root, 2, f"galera_api.PORT = {server.port}")

    assert (0, "") == (code, said)
    assert 2 == len(server.asked)


def test_member_stays_when_one_that_should_stay_is_behind(root):
    """
    With that member's name, and a way out.
    """
    code, said = part(root, 1)

    assert 1 == code
    assert "mariadb-0 does not answer" in said
    assert "bring it up first" in said


def test_members_are_called_by_their_names(root, monkeypatch):
    """
    In their own namespace.
    """
    monkeypatch.setattr(galera_api, "ROOT", root)
    monkeypatch.setenv("POD_NAMESPACE", "openstack")

    assert "mariadb-1.mariadb-peers.openstack.svc" == galera_api.host_of(1)
