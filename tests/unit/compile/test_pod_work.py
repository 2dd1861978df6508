"""The first program of a pod at work: it waits, then writes files from what only the pod knows."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.unit.compile.pod import (
    HERE,
    POD,
    PROGRAMS,
    here,
    run,
    told,
)

pytestmark = pytest.mark.usefixtures("root")


def test_port_is_waited_for_until_it_accepts():
    """
    What it waits for, and why, is said once.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        wait = f"import init; init.wait_for_port('mariadb', '127.0.0.1', {port})"
        with subprocess.Popen([sys.executable, "-c", wait], cwd=PROGRAMS, stdout=subprocess.PIPE, text=True) as waiting:
            said = waiting.stdout.readline()
            listener.listen()
            rest = waiting.stdout.read()

    assert f"waiting for mariadb at 127.0.0.1:{port} (Connection refused)\n" == said
    assert (0, "") == (waiting.returncode, rest)


def test_prepare_waits_for_each_need_and_writes_the_files(program, root, capsys):
    """
    A need that listens holds nothing back; a key without a value is left out.
    """
    init = program("init")
    with socket.create_server((HERE, 0)) as listener:
        host = {**POD["hosts"]["mariadb"], "port": listener.getsockname()[1]}
        init.prepare(here(init, {"wait": ["mariadb"], "hosts": {"mariadb": host}}))

    assert "a = 1\nb = true\n" == (root / "run/kolla-k8s/rendered/a.conf").read_text()
    assert "1 files written\n" == capsys.readouterr().out


def test_prepare_waits_for_its_own_bootstrap(api):
    """
    Refusals, a lost connection and other bootstraps are told once each, and waited out.
    """
    refused, others, done = (
        (403, {"message": "not yours"}),
        (200, {"data": {"old": "1"}}),
        (200, {"data": {"abc": "2"}}),
    )
    with api(refused, refused, (0, None), (500, {}), others, done) as server:
        asked = {"BOOTSTRAP_DIGEST": "abc", "BOOTSTRAP_RECORD": "keystone-bootstrap"}
        waited = run("init.py", "prepare", **asked, **told(server))

    assert 0 == waited.returncode, waited.stderr
    assert [
        "waiting for ConfigMap keystone-bootstrap: not yours",
        "waiting for ConfigMap keystone-bootstrap: Remote end closed connection without response",
        "waiting for ConfigMap keystone-bootstrap: status 500",
        "waiting for bootstrap abc in ConfigMap keystone-bootstrap, which has 1 others",
        "1 files written",
    ] == waited.stdout.splitlines()
    assert {"/api/v1/namespaces/openstack/configmaps/keystone-bootstrap"} == {request.path for request in server.asked}
    assert {"Bearer the-token"} == {request.headers["Authorization"] for request in server.asked}


@pytest.mark.parametrize(("data", "is_fresh"), [({"old": "1"}, False), (None, True)])
def test_prepare_of_a_bootstrap_sees_whether_the_database_is_fresh(root, api, data, is_fresh):
    """
    It is when no bootstrap was ever recorded.
    """
    with api((200, {"data": data})) as server:
        run("init.py", "prepare", pod={"is_bootstrap": True}, BOOTSTRAP_RECORD="r", **told(server))

    assert is_fresh == (root / "run/kolla-k8s/rendered/.fresh").exists()


def test_facts_of_pod_node_and_limits_come_from_the_environment(program, monkeypatch):
    """
    As the downward API gives them.
    """
    init = program("init")
    for name, value in {"POD_NAME": "nova-0", "NODE_NAME": "n1", "LIMIT_MEMORY": "512"}.items():
        monkeypatch.setenv(name, value)
    text = "${pod:name} ${node:name} ${limit:memory|percent=50} ${each:key} ${hosts:mariadb} ${site:region|default=x}"
    text += " ${site:region|first=6}"

    said = init.fill(text, init.Facts({**POD, "each": "az1"}))

    assert (
        "nova-0 n1 256 az1 m-0.mariadb-peers.openstack.svc,m-1.mariadb-peers.openstack.svc RegionOne Region" == said
    )  # fmt: skip


def test_address_of_an_interface_is_its_global_one_once_it_has_one(program, root, monkeypatch, capsys):
    """
    As ``ip`` tells it: first there is no such interface, then it has no address that others reach.
    """
    init = program("init")
    own, of_all = {"scope": "link", "local": "fe80::1"}, {"scope": "global", "local": "10.0.0.7"}
    for number, addresses in enumerate([[own], [own, of_all]], start=1):
        (root / f"{number}.json").write_text(json.dumps([{"addr_info": addresses}]))
    (root / "ip").write_text(
        f"""#!/bin/sh
        [ "$*" = "-j address show dev eth1" ] || exit 2
        echo >>{root}/asked
        cat {root}/$(($(wc -l <{root}/asked) - 1)).json 2>/dev/null && exit
        echo 'Device "eth1" does not exist.' >&2; exit 1
        """
    )
    (root / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", str(root), prepend=os.pathsep)

    assert "10.0.0.7" == init.fill("${iface:eth1}", init.Facts(POD))
    assert [
        'waiting for an address of the interface eth1 (Device "eth1" does not exist.)',
        "waiting for an address of the interface eth1 (it has none)",
    ] == capsys.readouterr().out.splitlines()


def test_unknown_filter_ends_the_program(program):
    """
    A chart of another version may name one.
    """
    init = program("init")

    with pytest.raises(SystemExit, match="placeholder filter 'other' is not known"):
        init.fill("${site:region|other}", init.Facts(POD))


LOGIN = {"one": {"user": "one", "vhost": "v", "password": "keystone/odd"}}
RABBITMQ = {"rabbitmq": {"service": "rabbitmq", "port": 5672, "peers": "peers", "pods": "r", "plane": "control"}}


@pytest.mark.parametrize(("password", "said"), [("a@:%$ ", "a%40%3A%25%24%20"), ("a/b", None)])
def test_password_stands_in_a_transport_or_is_refused(program, root, password, said):
    """
    The one letter that oslo.messaging loses ends the program: a worker would only say that no port is called so.
    """
    init = program("init")
    (root / "run/kolla-k8s/secrets/keystone/odd").write_text(password)
    facts = init.Facts({**POD, "transports": LOGIN, "hosts": RABBITMQ})

    if said is None:
        with pytest.raises(SystemExit, match=r"the secret keystone/odd holds a /, which oslo\.messaging"):
            facts.transport("one")
    else:
        assert f"rabbit://one:{said}@r-0.peers.openstack.svc:5672/v" == facts.transport("one")
