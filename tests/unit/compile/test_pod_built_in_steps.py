"""What the programs of a bootstrap and of a rotation make, against small real servers."""

from __future__ import annotations

import base64
import json
import sys
import time

import pytest

from tests.unit.compile.pod import (
    HERE,
    POD,
    FakeDatabase,
    FakeKeystone,
    a_secret,
    here,
    in_turn,
    run,
    serving,
    told,
)

pytestmark = pytest.mark.usefixtures("root")


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
