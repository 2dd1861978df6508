"""What the programs of the gates ask of servers, and what they say of answers that are wrong."""

from __future__ import annotations

import json
import os
import runpy
import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kolla_k8s.orchestrate import gate

PROGRAMS = Path(gate.__file__).parent / "gates"
# Addresses of this process alone: two runs of the tests on one machine never meet.
HOSTS = [f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}.{number}" for number in (1, 2)]
LOGIN = {"username": "gate", "password": "s3cret", "project": "service", "vhost": "gate", "host": HOSTS[0]}


def check(program, **arguments):
    """Run a program as a pod would, but for the loader."""
    return runpy.run_path(str(PROGRAMS / f"{program}.py"))["check"]({"nonce": "n0nce", **arguments})


@contextmanager
def serving(server):
    """Let a server answer for the length of a block."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def login(tmp_path):
    """The file with the gate's own user."""
    path = tmp_path / "gate.json"
    path.write_text(json.dumps(LOGIN))
    return str(path)


# MariaDB.

ONE = {"mariadb-0": "10.0.0.1"}
TWO = {**ONE, "mariadb-1": "10.0.0.2"}


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Put a ``mariadb`` on the path that does what a shell script says; it sees the statements as ``$SQL``."""

    def put(script):
        path = tmp_path / "mariadb"
        path.write_text(f"#!/bin/sh\nfor SQL; do :; done\n{script}\n")
        path.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return put


def test_row_that_comes_back_proves_a_database(client):
    """
    Written with the nonce of this question.
    """
    client("""case $SQL in *"VALUES (1, 'n0nce')"*) echo n0nce; echo mariadb-2;; esac""")

    assert "a row written through the Service was read back from mariadb-2" == check("mariadb", members=ONE)


def test_row_that_is_at_every_member_proves_a_cluster(client):
    """
    Each is asked at its own address.
    """
    client("""case "$SQL $*" in
        *REPLACE*) echo n0nce; echo mariadb-0;;
        *--host=10.0.0.[12]\\ *) echo n0nce; echo 7; echo 2; echo uuid;; esac""")

    said = check("mariadb", members=TWO)

    assert "read back from mariadb-0 and from each of 2 members of one cluster" == said[-66:]


def test_row_that_a_member_does_not_have_is_red(client):
    """
    Ready pods alone prove nothing.
    """
    client("""case $SQL in *REPLACE*) echo n0nce; echo mariadb-0;; *) echo 0ld; echo 7; echo 2; echo uuid;; esac""")

    with pytest.raises(SystemExit, match="is not at mariadb-0, mariadb-1"):
        check("mariadb", members=TWO)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'ERROR 1045: access denied' >&2; exit 1", "ERROR 1045: access denied"),
        ("exit 3", "mariadb ended with 3"),
        ("echo 0ld; echo mariadb-0", "wrote n0nce, read 0ld"),
    ],
)
def test_database_that_takes_no_row_is_red(client, script, said):
    """
    In the words of the client, where it has any.
    """
    client(script)

    with pytest.raises(SystemExit, match=said):
        check("mariadb", members=ONE)


# memcached.


class Cache(socketserver.StreamRequestHandler):
    """Says what it is told to, line by line; None says what was stored."""

    says: tuple[bytes | None, ...] = (b"STORED\r\n", b"VALUE kolla-k8s-gate 0 5\r\n", None)

    def handle(self):
        self.rfile.readline()
        value = self.rfile.readline()
        self.wfile.write(self.says[0])
        if self.rfile.readline():
            for line in self.says[1:]:
                self.wfile.write(value if line is None else line)


def ask_cache(monkeypatch, *says):
    handler = type("Told", (Cache,), {"says": says}) if says else Cache
    monkeypatch.setenv("POD_IP", HOSTS[0])
    with serving(socketserver.ThreadingTCPServer((HOSTS[0], 0), handler)) as port:
        return check("memcached", port=port)


def test_value_that_comes_back_proves_a_cache(monkeypatch):
    """
    At the pod's own address.
    """
    assert "a value was set and read back" == ask_cache(monkeypatch)


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ([b"SERVER_ERROR out of memory\r\n"], "a value was not stored"),
        ([b"STORED\r\n", b"END\r\n", b"\r\n"], "a stored value did not come back"),
    ],
)
def test_cache_that_keeps_nothing_is_red(monkeypatch, says, said):
    """
    Both ways of it.
    """
    with pytest.raises(SystemExit, match=said):
        ask_cache(monkeypatch, *says)


# Programs that speak HTTP.


class Api(BaseHTTPRequestHandler):
    """Answers as ``answers`` says: (method, path) -> function of body and headers -> status, headers, content."""

    answers: dict = {}  # noqa: RUF012 - each test makes a class of its own

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.answers[self.command, self.path]
        status, headers, content = answer(json.loads(body or "null"), self.headers)
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names that the base class calls

    def log_message(self, *_arguments):
        """Say nothing."""


def an_api(host, port, answers):
    return serving(ThreadingHTTPServer((host, port), type("Answering", (Api,), {"answers": answers})))


@pytest.mark.parametrize(("wanted", "said"), [(204, "GET /a: 204"), (200, "GET /a: 204, not 200")])
def test_path_gives_the_status_that_is_wanted_or_is_red(wanted, said):
    """
    With the one that it gave.
    """
    with an_api(HOSTS[0], 0, {("GET", "/a"): lambda *_: (204, {}, b"")}) as port:
        try:
            found = check("http", address=HOSTS[0], port=port, path="/a", status=wanted)
        except SystemExit as red:
            found = str(red)

    assert said == found


# Keystone.

BOTH = [{"interface": "internal"}, {"interface": "public"}, {"interface": "admin"}]
COMPLETE = [{"type": "identity", "endpoints": BOTH}, {"type": "image", "endpoints": BOTH}]


def keystone(catalogue, *, issues=201, accepts=200):
    def issue(body, _headers):
        user = body["auth"]["identity"]["password"]["user"]
        is_right = (user["name"], user["password"]) == (LOGIN["username"], LOGIN["password"])
        content = {"token": {"catalog": catalogue}}
        return issues if is_right else 401, {"X-Subject-Token": "t0ken"}, content

    def validate(_body, headers):
        is_ours = headers["X-Auth-Token"] == headers["X-Subject-Token"] == "t0ken"
        return accepts if is_ours else 404, {}, {"said": "whatever"}

    return {("POST", "/v3/auth/tokens"): issue, ("GET", "/v3/auth/tokens"): validate}


def ask_keystone(login, first, second):
    with an_api(HOSTS[0], 0, first) as port, an_api(HOSTS[1], port, second):
        return check("keystone", login=login, port=port, addresses=HOSTS, catalogue=["identity", "image"])


def test_token_that_every_pod_takes_proves_keystone(login):
    """
    Same keys, same database, and a catalogue with all that was registered.
    """
    said = ask_keystone(login, keystone(COMPLETE), keystone(COMPLETE))

    assert f"a token issued at {HOSTS[0]} was validated at 2 pods; catalogue: identity, image" == said


def test_token_that_one_pod_refuses_is_red(login):
    """
    With the address of that pod: its keys are other ones.
    """
    with pytest.raises(SystemExit, match=rf"of {HOSTS[0]} is not accepted at {HOSTS[1]}: 401 .*whatever"):
        ask_keystone(login, keystone(COMPLETE), keystone(COMPLETE, accepts=401))


def test_keystone_that_issues_no_token_is_red(login):
    """
    With its own words.
    """
    with pytest.raises(SystemExit, match=rf"no token from {HOSTS[0]}: 500 .*catalog"):
        ask_keystone(login, keystone(COMPLETE, issues=500), keystone(COMPLETE))


@pytest.mark.parametrize("image", [[], [{"type": "image", "endpoints": BOTH[:1]}]])
def test_incomplete_catalogue_is_red(login, image):
    """
    A service without both of its endpoints is not in it.
    """
    catalogue = [*COMPLETE[:1], *image]

    with pytest.raises(SystemExit, match="the catalogue lacks image"):
        ask_keystone(login, keystone(catalogue), keystone(catalogue))


# RabbitMQ.


def a_node(name="rabbit@0", *, running=True, **more):
    return {"name": name, "running": running, **more}


class Broker:
    """The management API of a broker: keeps what is published, and gives it back after so many questions for it."""

    def __init__(self, *nodes, routes=True, after=1):
        self.nodes, self.routes, self.after = nodes, routes, after
        self.queues, self.payloads = {}, []
        self.answers = {
            ("GET", "/api/nodes"): self._nodes,
            ("PUT", "/api/queues/gate/gate"): self._declare,
            ("POST", "/api/exchanges/gate/amq.default/publish"): self._publish,
            ("POST", "/api/queues/gate/gate/get"): self._get,
        }

    def _nodes(self, _body, headers):
        return (200, {}, self.nodes) if headers["Authorization"] == "Basic Z2F0ZTpzM2NyZXQ=" else (401, {}, b"who")

    def _declare(self, body, _headers):
        self.queues["gate"] = body["arguments"]["x-queue-type"]
        return 201, {}, b""

    def _publish(self, body, _headers):
        self.payloads.append(body["payload"])
        return 200, {}, {"routed": self.routes}

    def _get(self, _body, _headers):
        self.after -= 1
        return 200, {}, [{"payload": one} for one in self.payloads if self.after <= 0]


ENABLED = {"name": "old", "state": "enabled", "stability": "stable"}
EXPERIMENT = {"name": "bold", "state": "disabled", "stability": "experimental"}
DISABLED = {"name": "new", "state": "disabled", "stability": "stable"}


@pytest.fixture
def flags(tmp_path, monkeypatch):
    """Put a ``rabbitmqctl`` on the path that lists these feature flags; gives how it was called."""

    def put(*listed, enabling="exit 0"):
        path = tmp_path / "rabbitmqctl"
        path.write_text(
            f"""#!/bin/sh
            echo "$*" >> "{tmp_path}/called"
            case $* in *list_feature_flags*) echo '{json.dumps(listed)}';; *) {enabling};; esac"""
        )
        path.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setenv("HOME", str(tmp_path))
        return lambda: (tmp_path / "called").read_text().splitlines() if (tmp_path / "called").exists() else []

    return put


def ask_broker(login, monkeypatch, broker, members=1, *, publishes=True):
    monkeypatch.setenv("POD_IP", HOSTS[0])
    with an_api(HOSTS[0], 15672, broker.answers):
        return check("rabbitmq", login=login, members=members, publishes=publishes)


def test_message_that_comes_back_proves_a_broker(login, monkeypatch, flags):
    """
    From a quorum queue, after a moment.
    """
    flags(ENABLED, EXPERIMENT)
    broker = Broker(a_node(), a_node("rabbit@1"), after=2)

    said = ask_broker(login, monkeypatch, broker, 2)

    told = "2 nodes without alarm; all feature flags enabled; a confirmed message was consumed from a quorum queue"
    assert told == said
    assert ({"gate": "quorum"}, ["n0nce"]) == (broker.queues, broker.payloads)


def test_member_that_only_looks_publishes_nothing(login, monkeypatch, flags):
    """
    One message proves the cluster, and one member enables its feature flags.
    """
    called = flags(DISABLED)
    broker = Broker(a_node())

    said = ask_broker(login, monkeypatch, broker, publishes=False)

    assert "1 nodes without alarm" == said
    assert ([], []) == (broker.payloads, called())


def test_feature_flags_of_a_new_version_are_enabled_once(login, monkeypatch, flags):
    """
    The version after it would not start without them; experiments stay as they are. A pod asks until it is so.
    """
    called = flags(ENABLED, DISABLED, EXPERIMENT)
    said = [ask_broker(login, monkeypatch, Broker(a_node())) for _ in range(2)]

    assert ["--silent --formatter json list_feature_flags name state stability", "enable_feature_flag all"] == called()
    assert "all feature flags enabled, now also: new" in said[0]
    assert "all feature flags enabled;" in said[1]


def test_feature_flags_that_cannot_be_enabled_are_red(login, monkeypatch, flags):
    """
    With the broker's words; nothing is published.
    """
    flags(DISABLED, enabling="echo 'a node does not know new' >&2; exit 69")
    broker = Broker(a_node())

    with pytest.raises(SystemExit, match="feature flags: a node does not know new"):
        ask_broker(login, monkeypatch, broker)
    assert [] == broker.payloads


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([a_node(running=False)], r"1 of 1 nodes; down: \['rabbit@0'\]"),
        ([a_node(mem_alarm=True, disk_free_alarm=False)], r"alarms: \['rabbit@0: mem_alarm'\]"),
        ([a_node(partitions=["rabbit@1"])], r"partitioned: \['rabbit@1'\]"),
        ([a_node(), a_node("rabbit@1")], "2 of 1 nodes"),
    ],
)
def test_cluster_that_is_not_whole_is_red(login, monkeypatch, nodes, said):
    """
    Before anything is published.
    """
    broker = Broker(*nodes)

    with pytest.raises(SystemExit, match=said):
        ask_broker(login, monkeypatch, broker)
    assert [] == broker.payloads


def test_message_that_is_not_confirmed_is_red(login, monkeypatch, flags):
    """
    The queue has no majority then.
    """
    flags(ENABLED)
    with pytest.raises(SystemExit, match="a published message was not confirmed"):
        ask_broker(login, monkeypatch, Broker(a_node(), routes=False))


def test_confirmed_message_that_never_comes_back_is_red(login, monkeypatch, flags):
    """
    After two seconds of asking.
    """
    flags(ENABLED)
    with pytest.raises(SystemExit, match="a confirmed message did not come back"):
        ask_broker(login, monkeypatch, Broker(a_node(), after=99))


def test_refused_login_is_red_in_the_brokers_words(tmp_path, monkeypatch):
    """
    With what was asked.
    """
    path = tmp_path / "gate.json"
    path.write_text(json.dumps({**LOGIN, "password": "other"}))

    with pytest.raises(SystemExit, match="GET nodes: 401 Unauthorized: who"):
        ask_broker(str(path), monkeypatch, Broker(a_node()))
