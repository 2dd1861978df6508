"""What the gates of databases, caches, paths and Keystone ask of servers, and say of answers that are wrong."""

from __future__ import annotations

import os
import socketserver

import pytest

from tests.unit.orchestrate.gate_programs import HOSTS, LOGIN, an_api, check, serving

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
