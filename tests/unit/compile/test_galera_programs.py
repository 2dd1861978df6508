"""A Galera member's programs as they are run: processes with a root of their own and servers that are shell scripts."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.compile.pod import serving

FILES = Path(__file__).parents[3] / "kolla_k8s" / "compile" / "files"
sys.path.insert(0, str(FILES))

import galera_api  # noqa: E402 - a program of pods, found by its folder

UUID = "ef3d2fd2-e73e-11f1-a849-27dfa281742d"
GRASTATE = "version: 2.1\nuuid:    {}\nseqno:   {}\nsafe_to_bootstrap: 0\n"
# An address of this process alone: two runs of the tests on one machine never meet.
HERE = f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}.3"
PATIENCE_S = 60


@pytest.fixture
def root(tmp_path, authority):
    """Root directory of a member's pod: its volume, its memory, its token."""
    for folder in ("run/galera", "run/mysqld", "run/kolla-k8s/token", "kolla-k8s", "etc/mysql", "var/lib/mysql", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/mysql/users.sql").write_text("CREATE USER gate;")
    hosts = {"mariadb": {"pods": "mariadb", "peers": "mariadb-peers"}}
    (tmp_path / "kolla-k8s/pod.json").write_text(json.dumps({"service": "mariadb", "hosts": hosts}))
    token = tmp_path / "run/kolla-k8s/token"
    (token / "ca.crt").write_bytes((authority / "ca.crt").read_bytes())
    (token / "token").write_text("the-token")
    (token / "namespace").write_text("openstack")
    return tmp_path


def program(root, name, script):
    """Put a shell script on the path that writes down how it was called."""
    path = root / "bin" / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{root}/called"\n{script}\n')
    path.chmod(0o700)


def called(root):
    path = root / "called"
    return path.read_text().splitlines() if path.exists() else []


def data(root):
    return root / "var/lib/mysql"


@contextmanager
def running(root, word, setting="", **environment):
    """A program of the member, ended with the block if it has not ended by itself; ``setting`` is run before."""
    about = {
        "PYTHONPATH": str(FILES),
        "KOLLA_K8S_ROOT": str(root),
        "PATH": f"{root}/bin:{os.environ['PATH']}",
        **environment,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", f"import galera\n{setting}\ngalera.main({word.split()!r})"],
        env={**os.environ, **about},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def until(condition):
    """Wait for a condition; gives its value."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value


def report(root):
    path = root / "run/galera/state.json"
    return json.loads(path.read_text()).get("report") if path.exists() else None


def started(root, **decision):
    """Start a member, decide for it, and give its report and what it printed."""
    with running(root, "start") as process:
        found = until(lambda: report(root))
        (root / "run/galera/decision.json").write_text(json.dumps({"life": found["life"], **decision}))
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert 0 == process.returncode, said
    return found, said


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


# The agent and its requests.


class Api:
    """A member's objects as the API serves them; anything else is not found."""

    def __init__(self, replicas):
        prefix = "/api/v1/namespaces/openstack"
        self.objects = {
            "/apis/apps/v1/namespaces/openstack/statefulsets/mariadb": {
                "spec": {"replicas": replicas},
                "status": {},
            },
            f"{prefix}/configmaps/mariadb-members": {"metadata": {"resourceVersion": "1"}},
            "/apis/coordination.k8s.io/v1/namespaces/openstack/leases/mariadb-writer": {
                "metadata": {"resourceVersion": "1"}
            },
        }

    def __call__(self, request):
        if request.path not in self.objects:
            return 404, {"message": "not found"}
        if request.method == "PUT":
            self.objects[request.path] = request.body
        return 200, self.objects[request.path]


@pytest.fixture
def serve(authority, monkeypatch):
    """Serve a Kubernetes API over TLS and tell this process where."""

    @contextmanager
    def begin(answer):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority / "api.crt", authority / "api.key")
        with serving(answer, tls=context) as server:
            monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
            yield server

    return begin


@pytest.fixture
def kube(root, monkeypatch):
    """The agent's way to the API, with this pod's token."""
    monkeypatch.setattr(galera_api, "TOKEN", root / "run/kolla-k8s/token")
    return galera_api.Kube()


def test_agent_lets_the_only_member_start_and_leave(root, serve):
    """
    From its report to its end, with a server that never comes up.
    """
    claimed = {"life": "a", "uuid": UUID, "seqno": 7, "empty": False, "whole": True}
    (root / "run/galera/state.json").write_text(json.dumps({"life": "a", "report": claimed}))
    program(root, "mariadb", "exit 1")
    about = {"POD_NAME": "mariadb-0", "POD_NAMESPACE": "openstack", "POD_IP": HERE, "NODE_NAME": "n"}
    decision = root / "run/galera/decision.json"
    with serve(Api(1)), running(root, "agent", **about) as process:
        until(decision.exists)
        with urllib.request.urlopen(f"http://{HERE}:4569/", timeout=10) as answer:
            status = json.loads(answer.read())
        (root / "run/galera/leaving").touch()
        until((root / "run/galera/left").exists)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=PATIENCE_S)

    assert 0 == process.returncode, said
    assert "bootstrap" == json.loads(decision.read_text())["do"]
    assert HERE == status["address"]
    assert "every member has reported" in said


def test_peers_are_asked_again_and_again(root):
    """
    Each by a thread of its own; words that an older agent does not say are assumed.
    """
    script = f"""
import time, galera_agent
import galera_api
galera_api.PORT = int(__import__("sys").argv[1])
peers = galera_agent.Peers(lambda number: ["{HERE}", "127.0.0.1"][number])
peers.watch([0, 1])
peers.watch([0])
while not peers.fresh():
    time.sleep(0.01)
print(len(peers.threads), peers.fresh())
"""
    with serving(lambda _: (200, {"phase": "running", "synced": True}), host=HERE) as server:
        done = subprocess.run(
            [sys.executable, "-c", script, str(server.port)],
            env={**os.environ, "PYTHONPATH": str(FILES), "KOLLA_K8S_ROOT": str(root)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )

    assert done.stdout.startswith("2 {0: {")
    assert "'phase': 'running'" in done.stdout
    assert "'leaving': False" in done.stdout


def test_objects_are_read_written_and_made_with_the_pods_token(kube, serve):
    """
    In its namespace, over one connection.
    """
    with serve(lambda request: (201 if request.method == "POST" else 200, {"is": request.method})) as server:
        said = [
            kube.get("v1", "configmaps/a"),
            kube.put("apps/v1", "statefulsets/b", {"x": 1}),
            kube.post("discovery.k8s.io/v1", "endpointslices", {"y": 2}),
        ]
        kube.close()

    assert [{"is": "GET"}, {"is": "PUT"}, {"is": "POST"}] == said
    assert [
        "/api/v1/namespaces/openstack/configmaps/a",
        "/apis/apps/v1/namespaces/openstack/statefulsets/b",
        "/apis/discovery.k8s.io/v1/namespaces/openstack/endpointslices",
    ] == [request.path for request in server.asked]
    assert {"Bearer the-token"} == {request.headers["Authorization"] for request in server.asked}
    assert [None, {"x": 1}, {"y": 2}] == [request.body for request in server.asked]


def test_refusal_has_its_status_and_the_servers_words(kube, serve):
    """
    So that a lost race is told from trouble.
    """
    with serve(lambda _: (409, {"message": "modified"})), pytest.raises(galera_api.RefusedError) as refused:
        kube.put("v1", "configmaps/a", {})

    assert (409, "PUT configmaps/a: modified") == (refused.value.status, str(refused.value))


def test_api_that_closes_the_line_is_refused_and_asked_anew(kube, serve):
    """
    By a connection of its own; one that is closed twice stays closed.
    """
    answers = [(0, None), (200, {"is": "back"})]
    with serve(lambda _: answers.pop(0)):
        with pytest.raises(galera_api.RefusedError, match="the Kubernetes API does not answer") as refused:
            kube.get("v1", "configmaps/a")
        again = kube.get("v1", "configmaps/a")
    kube.close()
    kube.close()

    assert 0 == refused.value.status
    assert {"is": "back"} == again


@pytest.mark.parametrize(("answer", "said"), [((200, {"phase": "running"}), {"phase": "running"}), ((0, None), None)])
def test_peer_says_how_it_is_or_nothing(monkeypatch, answer, said):
    """
    Whatever goes wrong with it is silence.
    """
    with serving(lambda _: answer) as server:
        monkeypatch.setattr(galera_api, "PORT", server.port)
        assert said == galera_api.ask_peer("127.0.0.1")


STATUS = "wsrep_ready\tON\nwsrep_cluster_status\tPrimary\nwsrep_local_state_comment\t{}\n"


@pytest.mark.parametrize(
    ("script", "state"),
    [
        (f"printf '{STATUS.format('Synced')}'", (True, True, True)),
        (f"printf '{STATUS.format('Donor/Desynced')}'", (True, True, False)),
        ("printf 'wsrep_ready\tOFF\n'", (True, False, False)),
        (
            'echo "ERROR 2002 (HY000): Can\'t connect to local server through socket (111)" >&2; exit 1',
            (False, False, False),
        ),
    ],
)
def test_state_of_the_server_is_what_it_says_itself(root, monkeypatch, script, state):
    """
    A donor is of the primary component, and not in step with it.
    """
    program(root, "mariadb", script)
    monkeypatch.setenv("PATH", f"{root}/bin:{os.environ['PATH']}")

    found = galera_api.server_state()

    assert state == (found["is_up"], found["primary"], found["synced"])


def test_server_that_gives_no_answer_is_not_down(root, monkeypatch):
    """
    It may have too much to do: nothing is known of it then.
    """
    program(root, "mariadb", "echo 'ERROR 1040 (HY000): Too many connections' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{root}/bin:{os.environ['PATH']}")

    assert galera_api.server_state() is None


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


def test_server_names_those_it_sees_without_their_ports(root, monkeypatch):
    """
    Addresses of either family.
    """
    program(root, "mariadb", "printf 'wsrep_incoming_addresses\t10.0.0.1:3306,[fd00::1]:3306\n'")
    monkeypatch.setenv("PATH", f"{root}/bin:{os.environ['PATH']}")

    assert ["10.0.0.1", "[fd00::1]"] == galera_api.server_state()["sees"]


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


def test_words_of_a_lease_and_of_a_socket():
    """
    Microseconds in UTC, and the family of an address.
    """
    assert 27 == len(galera_api.now())
    assert galera_api.now().endswith("Z")
    assert ("AF_INET6", "AF_INET") == (galera_api.family("fd00::1").name, galera_api.family("10.0.0.1").name)
