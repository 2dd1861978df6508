"""The programs of a pod at work: waiting, preparing, steps, rotation and bootstrap, against small real servers."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.compile.pod import FakeDatabase, FakeKeystone, in_turn, serving

FILES = Path(__file__).parents[3] / "kolla_k8s" / "compile" / "files"
POD = {
    "service": "keystone",
    "wait": [],
    "site": {"region": "RegionOne", "namespaces": {"control": "openstack"}},
    "hosts": {
        "mariadb": {"service": "mariadb", "port": 3306, "peers": "mariadb-peers", "pods": "m", "plane": "control"}
    },
    "members": {"mariadb": 2},
    "urls": {},
    "files": {"a.conf": {"format": "sysctl", "mode": "0440", "content": {"b": True, "a": 1, "c": None}}},
}
HERE = "127.15.67.2"


@pytest.fixture(autouse=True)
def root(tmp_path, authority, monkeypatch):
    """Root directory of a pod: its file, its token, its secrets."""
    for folder in ("dev", "kolla-k8s", "run/kolla-k8s/rendered", "run/kolla-k8s/token", "run/kolla-k8s/secrets"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "kolla-k8s/pod.json").write_text(json.dumps(POD))
    (tmp_path / "run/kolla-k8s/token/ca.crt").write_bytes((authority / "ca.crt").read_bytes())
    (tmp_path / "run/kolla-k8s/token/token").write_text("the-token")
    (tmp_path / "run/kolla-k8s/token/namespace").write_text("openstack")
    secrets = {"keystone/password": "pa'ss", "mariadb/root-password": "root", "rabbitmq/admin-password": "rabbit"}
    for name, text in {**secrets, "keystone/admin-password": "admin"}.items():
        path = tmp_path / "run/kolla-k8s/secrets" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("KOLLA_K8S_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def program(monkeypatch):
    """Load a program as it is in this pod."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    load("init")
    return load


@pytest.fixture
def api(authority):
    """Serve a Kubernetes API with these answers and tell the pod where."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "api.crt", authority / "api.key")

    def serve(*answers):
        return serving(in_turn(*answers), tls=context)

    return serve


def told(server):
    return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}


def run(*command, pod=None, **environment):
    if pod is not None:
        (Path(os.environ["KOLLA_K8S_ROOT"]) / "kolla-k8s/pod.json").write_text(json.dumps({**POD, **pod}))
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, env={**os.environ, **environment},
        cwd=FILES,
    )  # fmt: skip


def here(init, pod):
    """Facts of a pod whose services all answer on one address of this machine."""

    class Here(init.Facts):
        def host(self, _name):
            return HERE

    return Here({**POD, **pod})


def test_port_is_waited_for_until_it_accepts():
    """
    What it waits for, and why, is said once.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        wait = f"import init; init.wait_for_port('mariadb', '127.0.0.1', {port})"
        with subprocess.Popen([sys.executable, "-c", wait], cwd=FILES, stdout=subprocess.PIPE, text=True) as waiting:
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


def steps_of(*names, steps):
    return run("init.py", "steps", *names, pod={"steps": steps})


@pytest.fixture
def script(root):
    """Write a script of this Python, which says what it is told and ends as it is told."""

    def write(*lines, guard="if __name__ == '__main__':"):
        path = root / "script"
        work = ["print(sys.argv[1], open('/proc/self/cmdline').read().count('pa'))", "sys.exit(int(sys.argv[2]))"]
        body = [*(f"    {line}" for line in work)] if guard else work
        path.write_text("\n".join([f"#!{sys.executable}", "import os, signal, sys", *lines, guard, *body, ""]))
        return str(path)

    return write


def test_step_becomes_its_command():
    """
    With placeholders filled in.
    """
    steps = {"show": {"run": ["echo", "${count:mariadb} on ${host:mariadb}"]}}

    assert "show: begins\n2 on mariadb.openstack.svc\n" == steps_of("show", steps=steps).stdout


def test_script_runs_in_forks_of_one_process_that_has_loaded_it(script, root):
    """
    What it imports is loaded once for all steps, and a secret stands in no process's arguments.
    """
    (root / "heavy.py").write_text("print('once')\n")
    made = script(f"sys.path.append({str(root)!r})", "import heavy")
    step = {"run": [made, "${secret:password}", "0"]}
    done = steps_of("one", "two", steps={"one": {**step, "in_process": True}, "two": step})

    assert ["one: begins", "once", "pa'ss 0", "two: begins", "pa'ss 0"] == done.stdout.splitlines()


def test_script_that_would_work_while_it_is_loaded_is_not_loaded_before(script):
    """
    It has no guard; it still runs in a fork.
    """
    step = {"run": [script(guard=""), "${secret:password}", "0"], "in_process": True}

    assert ["one: begins", "pa'ss 0"] == steps_of("one", steps={"one": step}).stdout.splitlines()


def test_step_that_fails_ends_the_others_and_is_named(script, root):
    """
    By what Kubernetes shows of the container.
    """
    steps = {"one": {"run": ["true"]}, "two": {"run": [script(), "a", "3"]}, "three": {"run": ["echo", "three"]}}
    done = steps_of("one", "two", "three", steps=steps)

    assert (3, "a 0") == (done.returncode, done.stdout.splitlines()[-1])
    assert "two" == (root / "dev/termination-log").read_text()


@pytest.mark.parametrize("kind", ["script", "other"])
def test_step_that_is_killed_ends_as_a_shell_would_say_it(script, kind):
    """
    Whatever kind of program it is.
    """
    own = script("if __name__ == '__main__': os.kill(os.getpid(), signal.SIGKILL)")
    command = {"script": [own, "a", "0"], "other": ["sh", "-c", "kill -9 $$"]}[kind]

    assert 137 == steps_of("one", steps={"one": {"run": command}}).returncode


def test_program_that_would_show_its_arguments_is_refused():
    """
    Only a script of this Python can be given a secret.
    """
    done = steps_of("one", steps={"one": {"run": ["echo", "${secret:password}"], "in_process": True}})

    assert (1, "one: begins\n") == (done.returncode, done.stdout)
    assert f"is no script of {sys.executable}, and would show its arguments" in done.stderr


def test_contraction_is_left_to_the_upgrade_of_an_old_database(root):
    """
    And runs on a fresh one.
    """
    steps = {"schema-contract": {"run": ["echo", "contracted"], "only_when_fresh": True}}
    old = steps_of("schema-contract", steps=steps)
    (root / "run/kolla-k8s/rendered/.fresh").touch()

    assert "schema-contract: not a fresh database, left to the upgrade\n" == old.stdout
    assert "schema-contract: begins\ncontracted\n" == steps_of("schema-contract", steps=steps).stdout


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


def test_per_cent_sign_of_a_secret_is_escaped_for_uwsgi(program, root):
    """
    It has magic variables of its own, which a definition may use and a secret may not.
    """
    init = program("init")
    (root / "run/kolla-k8s/secrets/keystone/odd").write_text("a%b")
    content = {"uwsgi": {"a": "${secret:odd} %n", "b": None}, "gone": None}

    assert "[uwsgi]\na = a%%b %n\n" == init.render({"format": "uwsgi", "content": content}, init.Facts(POD))


def test_my_cnf_knows_flags_and_quotes(program):
    """
    An option without a value, a plain one, and one that needs quotes.
    """
    init = program("init")
    content = {"mysqld": {"skip-name-resolve": True, "port": 3306, "password": "${secret:password}"}}

    text = init.render({"format": "my.cnf", "content": content}, init.Facts(POD))

    assert '[mysqld]\npassword = "pa\'ss"\nport = 3306\nskip-name-resolve\n' == text


def test_password_that_my_cnf_cannot_say_ends_the_program(program):
    """
    Better no file than a password cut short.
    """
    with pytest.raises(SystemExit, match="quotes and # in an order that MariaDB's option files cannot say"):
        program("init").render({"format": "my.cnf", "content": {"client": {"password": "\"#'#"}}}, None)


def a_secret(**more):
    return {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", **more}, "data": {"0": "s", "1": "o", "2": "p"}}


def test_rotation_stages_a_new_key(api):
    """
    The Secret is read, changed and written back with the time of the change.
    """
    with api((200, a_secret()), (200, {})) as server:
        rotated = run("rotate.py", "keystone-fernet", "3", "600", **told(server))
    written = server.asked[1].body

    assert {"secret": "keystone-fernet", "keys_before": 3, "keys_after": 3} == json.loads(rotated.stdout)
    assert ("PUT", "p", "s") == (server.asked[1].method, written["data"]["2"], written["data"]["3"])
    assert 44 == len(base64.b64decode(written["data"]["0"]))
    assert "kolla-k8s.io/rotated" in written["metadata"]["annotations"]


def test_young_repository_is_left_alone(api):
    """
    Its staged key may not have reached every pod.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with api((200, a_secret(annotations={"kolla-k8s.io/rotated": now}))) as server:
        said = run("rotate.py", "keystone-fernet", "3", "600", **told(server)).stdout

    assert "less than 600 s: left alone" in said
    assert 1 == len(server.asked)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([(404, {"message": "no such Secret"})], "Secret keystone-fernet cannot be read: no such Secret"),
        ([(200, a_secret()), (409, {"message": "conflict"})], "Secret keystone-fernet was not changed: conflict"),
    ],
)
def test_rotation_that_is_refused_fails(api, answers, message):
    """
    With the words of Kubernetes.
    """
    with api(*answers) as server:
        failed = run("rotate.py", "keystone-fernet", "3", "600", **told(server))

    assert (1, f"{message}\n") == (failed.returncode, failed.stderr)


def test_databases_and_users_are_made_with_their_passwords(program, monkeypatch, capsys):
    """
    Once the server answers; what else the user may use is made too.
    """
    library = FakeDatabase(refusals=1)
    monkeypatch.setitem(sys.modules, "pymysql", library)
    bootstrap = program("bootstrap")
    wanted = {"databases": {"nova": {"user": "nova", "password": "password", "also": ["nova_cell0"]}}}

    bootstrap.databases(sys.modules["init"].Facts({**POD, **wanted}))

    assert {"host": "mariadb.openstack.svc", "user": "root", "password": "root", "autocommit": True} == library.asked
    assert [
        ("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", ("nova", "pa'ss")),
        ("ALTER USER %s@'%%' IDENTIFIED BY %s", ("nova", "pa'ss")),
        ("CREATE DATABASE IF NOT EXISTS `nova` CHARACTER SET utf8mb4", ()),
        ("GRANT ALL PRIVILEGES ON `nova`.* TO %s@'%%'", ("nova",)),
        ("CREATE DATABASE IF NOT EXISTS `nova_cell0` CHARACTER SET utf8mb4", ()),
        ("GRANT ALL PRIVILEGES ON `nova_cell0`.* TO %s@'%%'", ("nova",)),
    ] == library.statements
    assert "trying again: not yet\ndatabase nova and user nova are there\n" == capsys.readouterr().out


def test_patience_has_an_end(program, monkeypatch):
    """
    The last failure is the step's.
    """
    bootstrap = program("bootstrap")
    monkeypatch.setattr(bootstrap, "PATIENCE_S", -1)

    def refused():
        raise OSError("nobody there")

    with pytest.raises(OSError, match="nobody there"):
        bootstrap.patiently(refused, OSError)


MESSAGING = {"messaging": {"nova": {"vhosts": ["nova/1"], "password": "password"}}}


def test_messaging_user_is_made_with_its_virtual_host(program, capsys):
    """
    RabbitMQ that is still starting is asked again.
    """
    bootstrap = program("bootstrap")
    with serving(in_turn((503, None), (201, None)), host=HERE, port=15672) as server:
        bootstrap.messaging(here(sys.modules["init"], MESSAGING))

    assert [
        ("PUT", "/api/vhosts/nova%2F1", {"default_queue_type": "quorum"}),
        ("PUT", "/api/users/nova", {"password": "pa'ss", "tags": ""}),
        ("PUT", "/api/permissions/nova%2F1/nova", {"configure": ".*", "write": ".*", "read": ".*"}),
    ] == [(request.method, request.path, request.body) for request in server.asked[1:]]
    assert "Basic YWRtaW46cmFiYml0" == server.asked[0].headers["Authorization"]
    assert "trying again: RabbitMQ answered 503\nmessaging user nova of virtual hosts nova/1 is there\n" == (
        capsys.readouterr().out
    )


def test_refusal_of_rabbitmq_ends_the_step(program):
    """
    Repeating would change nothing.
    """
    bootstrap = program("bootstrap")
    with (
        serving(in_turn((401, None)), host=HERE, port=15672),
        pytest.raises(SystemExit, match="RabbitMQ refused vhosts/nova%2F1: 401 Unauthorized"),
    ):
        bootstrap.messaging(here(sys.modules["init"], MESSAGING))


def registration(**more):
    user = {"password": "password", "project": "service", "roles": ["admin"]}
    entry = {"type": "compute", "description": "Compute"}
    return {
        "identity": {"projects": [], "roles": ["reader"], "users": {"nova": user}, "services": {"nova": entry}, **more}
    }


def urls(port, **nova):
    keystone = {"internal": f"http://127.0.0.1:{port}"}
    return {"urls": {"keystone": keystone, "nova": {"internal": "http://nova:8774", "public": "https://nova", **nova}}}


def register(program, keystone, **more):
    bootstrap = program("bootstrap")
    with serving(keystone) as server:
        facts = sys.modules["init"].Facts({**POD, **registration(**more), **urls(server.port)})
        bootstrap.identity(facts)
        return facts, server


def test_service_is_registered_in_keystone(program, capsys):
    """
    Projects, roles, users with theirs, the catalogue entry and its two endpoints.
    """
    keystone = FakeKeystone(admin="admin", nova="pa'ss")

    register(program, keystone)

    assert ["service"] == [project["name"] for project in keystone.things["projects"]]
    assert ["reader", "admin"] == [role["name"] for role in keystone.things["roles"]]
    assert ["projects/projects-0/users/users-0/roles/roles-1"] == [f"projects/{role}" for role in keystone.roles]
    assert {"internal": "http://nova:8774", "public": "https://nova"} == {
        endpoint["interface"]: endpoint["url"] for endpoint in keystone.things["endpoints"]
    }
    assert [{"id": "RegionOne"}] == keystone.things["regions"]
    assert "user nova is there\ncatalogue entry nova is there\n" == capsys.readouterr().out


DOMAIN = {"stacks": {"users": {"keeper": {"password": "password", "roles": ["admin"]}}}}


def test_domain_and_its_keeper_are_registered(program, capsys):
    """
    The keeper has its roles in the domain alone, and a password of its own.
    """
    keystone = FakeKeystone(admin="admin", keeper="old")

    register(program, keystone, users={}, services={}, domains=DOMAIN)

    assert ["stacks"] == [domain["name"] for domain in keystone.things["domains"]]
    assert [("keeper", "domains-0")] == [(user["name"], user["domain_id"]) for user in keystone.things["users"]]
    assert ["domains-0/users/users-0/roles/roles-1"] == keystone.roles
    assert "pa'ss" == keystone.passwords["keeper"]
    assert "domain stacks is there\n" == capsys.readouterr().out


def test_administrator_gets_the_roles_of_a_service(program):
    """
    In its own project; its password is not touched.
    """
    keystone = FakeKeystone(admin="admin")

    _, server = register(program, keystone, users={}, services={}, admin_roles=["owner"])

    assert ["reader", "owner"] == [role["name"] for role in keystone.things["roles"]]
    assert ["projects-1/users/users-0/roles/roles-1"] == keystone.roles
    assert "PATCH" not in {request.method for request in server.asked}


def test_second_registration_changes_nothing(program):
    """
    It looks first.
    """
    keystone = FakeKeystone(admin="admin", nova="pa'ss")
    register(program, keystone)
    before = json.dumps(keystone.things)

    _, server = register(program, keystone)

    assert before == json.dumps(keystone.things)
    assert {"GET", "POST", "PUT"} == {request.method for request in server.asked}
    assert {"/v3/auth/tokens"} == {request.path for request in server.asked if request.method == "POST"}


def test_changed_password_and_address_are_brought_up_to_date(program):
    """
    A rotated password and a moved endpoint.
    """
    keystone = FakeKeystone(admin="admin", nova="old")
    register(program, keystone)
    keystone.things["endpoints"][0]["url"] = "http://elsewhere"

    register(program, keystone)

    assert "pa'ss" == keystone.passwords["nova"]
    assert "http://nova:8774" == keystone.things["endpoints"][0]["url"]


def test_refusal_of_keystone_ends_the_step(program):
    """
    With its words.
    """
    with pytest.raises(SystemExit, match=r"Keystone refused POST roles: 409 .*forbidden"):
        register(program, FakeKeystone(admin="admin"), roles=["forbidden"])


def test_keystone_that_is_starting_is_asked_again(program, capsys):
    """
    An answer that is no token is no refusal.
    """
    keystone, busy = FakeKeystone(admin="admin", nova="pa'ss"), [(503, {})]

    register(program, lambda request: busy.pop() if busy else keystone(request))

    assert "trying again: Keystone answered 503: {}" in capsys.readouterr().out


RECORD = {"BOOTSTRAP_RECORD": "r", "JOB_NAME": "keystone-bootstrap-abc"}
FINDING = {
    "options": {"size": 2},
    "steps": {
        "net": {"run": ["find"], "outputs": ["net"], "when": {"size": "2"}},
        "left-out": {"run": ["find"], "outputs": ["other"], "when": {"size": 3}},
    },
}


def test_what_steps_found_is_recorded_with_the_bootstrap(root, api):
    """
    At once with its digest, so that no pod finds the one without the other; steps that options leave out found nothing.
    """
    (root / "run/kolla-k8s/facts").mkdir()
    (root / "run/kolla-k8s/facts/net").write_text("a1b2\n")
    with api((200, {})) as server:
        run("bootstrap.py", "record", pod=FINDING, **RECORD, **told(server))

    assert {"fact.net": "a1b2"} == {k: v for k, v in server.asked[0].body["data"].items() if k != "abc"}
    assert "abc" in server.asked[0].body["data"]


def test_step_that_did_not_find_what_it_should_ends_the_bootstrap(root):
    """
    Pods would otherwise start without it.
    """
    done = run("bootstrap.py", "record", pod=FINDING, **RECORD)

    assert (1, f"no step wrote net into {root}/run/kolla-k8s/facts\n") == (done.returncode, done.stderr)


def test_step_that_options_leave_out_is_not_run():
    """
    And says so.
    """
    pod = {**FINDING, "steps": {"one": {"run": ["echo", "ran"], "when": {"size": 3}}}}

    assert "one: not chosen by the site's options\n" == run("init.py", "steps", "one", pod=pod).stdout


def test_facts_of_the_bootstrap_stand_in_files(root, api):
    """
    Read from the record that the pod waits for; what was left out is empty.
    """
    files = {"a.conf": {"format": "raw", "mode": "0440", "content": "${fact:net} ${fact:other|default=none}"}}
    with api((200, {"data": {"abc": "1", "fact.net": "a1b2"}})) as server:
        asked = {"BOOTSTRAP_DIGEST": "abc", "BOOTSTRAP_RECORD": "r"}
        run("init.py", "prepare", pod={"files": files}, **asked, **told(server))

    assert "a1b2 none" == (root / "run/kolla-k8s/rendered/a.conf").read_text()


def test_built_in_steps_follow_each_other_in_one_process(root, api):
    """
    Each says its name, which Kubernetes shows of the one that fails.
    """
    with api((200, {})) as server:
        done = run("bootstrap.py", "record", "identity", pod={"steps": {}}, **RECORD, **told(server))

    assert ["record: begins", "bootstrap abc is done", "identity: begins"] == done.stdout.splitlines()
    assert (1, "identity") == (done.returncode, (root / "dev/termination-log").read_text())


def test_bootstrap_is_recorded_by_its_digest(api):
    """
    A refusal is waited out: without the record pods would wait for ever.
    """
    with api((503, {"message": "busy"}), (200, {})) as server:
        done = run("bootstrap.py", "record", pod={"steps": {}}, **RECORD, **told(server))
    request = server.asked[1]

    assert "record: begins\ntrying again: Kubernetes answered 503: busy\nbootstrap abc is done\n" == done.stdout
    assert ("PATCH", ["abc"]) == (request.method, list(request.body["data"]))
    assert "application/merge-patch+json" == request.headers["Content-Type"]
