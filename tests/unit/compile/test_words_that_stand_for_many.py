"""What ``wsgi``, ``oslo`` and a gate's login are short for."""

from __future__ import annotations

import json

import pytest

from kolla_k8s.errors import UserFilesError
from kolla_k8s.model.borrowed import borrowed_secrets
from kolla_k8s.yamlio import loads
from tests.conftest import catalog_of
from tests.unit.compile.defined import DEPLOYMENT, LISTENING, a_definition, files_of, write

API = {"kind": "Deployment", "image": "memcached", "wsgi": {"module": "one.wsgi:application"}, "ports": {"api": 8000}}
OSLO = {
    "databases": {"database": "one_cell", "api_database": "one"},
    "messaging": "one",
    "identity": "one",
    "clients": ["neutron"],
    "service-user": True,
    "cache": True,
}
USERS = {"one": {"password": "service-password"}}
STATEFUL = {**LISTENING, "kind": "StatefulSet"}
NEEDED = [
    a_definition("mariadb", secrets={"root-password": {"kind": "password"}}),
    a_definition("memcached", workloads={"server": STATEFUL}),
    a_definition("rabbitmq", workloads={"server": STATEFUL}, secrets={"admin-password": {"kind": "password"}}),
    a_definition(
        "keystone",
        secrets={"admin-password": {"kind": "password"}},
        identity={"services": {"keystone": {"type": "identity", "port": "api"}}},
        bootstrap={"image": "memcached"},
    ),
]


def one(**more):
    spec = {
        "needs": {"start": ["mariadb", "memcached", "rabbitmq", "keystone"]},
        "databases": {"one": {"also": ["one_cell"]}},
        "messaging": {"one": {}, "agent": {"vhost": "one"}},
        "identity": {"users": {"one": {"password": "login"}}},
        "secrets": {"login": {"kind": "password"}},
        "bootstrap": {"image": "memcached"},
        "config": {
            "one.conf": {"path": "/etc/one.conf", "format": "ini", "oslo": OSLO, "content": {"cache": {"a": 1}}}
        },
        "workloads": {"api": API, "worker": {**DEPLOYMENT, "config": ["one.conf"]}},
        "gates": {"answers": {"kind": "openstack-request", "workload": "api", "login": "one"}},
    }
    return a_definition("one", **{**spec, **more})


def values(files):
    return loads(files["values.yaml"], "values.yaml").data["defaults"]


def test_oslo_sections_follow_from_the_definition(tmp_path):
    """
    Databases, transport, tokens and logins; what the definition says itself is laid over them.
    """
    said = values(files_of(tmp_path, "one", one(), *NEEDED))["one.conf"]

    assert (
        "mysql+pymysql://one@${host:mariadb}/one_cell?read_default_file=/etc/kolla-k8s/database.cnf"
        "&read_default_group=one&charset=utf8mb4"
    ) == said["database"]["connection"]
    assert "${transport:one}" == said["DEFAULT"]["transport_url"]
    assert "${secret:login}" == said["keystone_authtoken"]["password"] == said["neutron"]["password"]
    assert said["service_user"]["send_service_user_token"]
    assert {"a": 1, "enabled": True} == {key: said["cache"][key] for key in ("a", "enabled")}


def test_passwords_of_databases_lie_in_a_file_beside(tmp_path):
    """
    By user, so that two databases can have two users.
    """
    assert {"one": {"password": "${secret:database-password}"}} == values(files_of(tmp_path, "one", one(), *NEEDED))[
        "database.cnf"
    ]


def test_database_of_another_service_is_used_with_its_password(tmp_path):
    """
    By its user, also from the other plane, whose namespace borrows the password.
    """
    oslo = {"databases": {"database": "one/one"}}
    config = {"two.conf": {"path": "/etc/two.conf", "format": "ini", "oslo": oslo}}
    two = a_definition("two", plane="node", needs={"start": ["mariadb"]}, config=config)

    said = values(files_of(tmp_path, "two", two, one(), *NEEDED))

    assert said["two.conf"]["database"]["connection"].startswith("mysql+pymysql://one@${host:mariadb}/one?read_default")
    assert {"one": {"password": "${secret:one/database-password}"}} == said["database.cnf"]
    assert [("one", "database-password")] == borrowed_secrets(catalog_of(tmp_path), "two")


def test_api_gets_uwsgi_and_only_it(tmp_path):
    """
    Its file, command and probes; a worker beside it keeps the files that it names.
    """
    files = files_of(tmp_path, "one", one(), *NEEDED)

    assert {"http": "0.0.0.0:8000", "module": "one.wsgi:application"}.items() <= values(files)["api-uwsgi.ini"][
        "uwsgi"
    ].items()
    assert "- /etc/kolla-k8s/api-uwsgi.ini" in files["templates/api-deployment.yaml"]
    assert "path: /healthcheck" in files["templates/api-deployment.yaml"]
    assert ["one.conf"] == list(json.loads(files["files/worker.json"])["files"])


def test_pod_is_told_how_to_log_in_to_rabbitmq(tmp_path):
    """
    User, virtual host and where the password lies; another service's user by its service's name.
    """
    config = {
        "a.conf": {"path": "/a.conf", "format": "raw", "content": "${transport:one/agent} ${host:rabbitmq/server}"}
    }
    two = a_definition("two", needs={"run": ["rabbitmq"]}, config=config)

    told = json.loads(files_of(tmp_path, "two", two, one(), *NEEDED)["files/api.json"])

    assert {"one/agent": {"user": "agent", "vhost": "one", "password": "one/agent-messaging-password"}} == told[
        "transports"
    ]
    assert {"rabbitmq", "rabbitmq/server"} <= set(told["hosts"])


def test_secrets_of_the_other_plane_are_borrowed(tmp_path):
    """
    Each pair once; those of its own plane are not.
    """
    config = {
        "a.conf": {"path": "/a", "format": "raw", "content": "${transport:one/agent} ${secret:one/login} ${secret:own}"}
    }
    own = {"own": {"kind": "password"}}
    node = a_definition("node", plane="node", needs={"run": ["rabbitmq"]}, config=config, secrets=own)

    catalog = catalog_of(write(tmp_path, node, one(), *NEEDED))

    assert [("one", "agent-messaging-password"), ("one", "login")] == borrowed_secrets(catalog, "node")
    assert [] == borrowed_secrets(catalog, "one")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${transport:on/agent}", 'no service is called "on"; did you mean "one"?'),
        ("${transport:one/agen}", 'no messaging user is called "agen"; did you mean "agent"?'),
        ("${host:rabbitmq/serve}", 'no workload of rabbitmq is called "serve"; did you mean "server"?'),
    ],
)
def test_login_or_host_that_is_not_there_is_refused(tmp_path, text, message):
    """
    With the nearest name.
    """
    config = {"a.conf": {"path": "/a", "format": "raw", "content": text}}

    with pytest.raises(UserFilesError) as refused:
        catalog_of(write(tmp_path, a_definition("two", needs={"run": ["rabbitmq"]}, config=config), one(), *NEEDED))

    assert message in str(refused.value)


def test_users_of_domains_have_passwords_of_the_service(tmp_path):
    """
    The step that registers them reads these and no others; who has no domain is told of none.
    """
    domains = {"stacks": {"users": {"keeper": {"password": "kept"}}}}
    secrets = {"login": {"kind": "password"}, "kept": {"kind": "password"}, "other": {"kind": "password"}}
    users = {"one": {"password": "login"}}
    has = files_of(tmp_path, "one", one(identity={"users": users, "domains": domains}, secrets=secrets), *NEEDED)
    has_not = files_of(tmp_path, "one", one(), *NEEDED)

    assert {"stacks": {"users": {"keeper": {"password": "kept", "roles": ["admin"]}}}} == json.loads(
        has["files/bootstrap.json"]
    )["identity"]["domains"]
    assert "path: one/kept" in has["templates/_helpers.tpl"]
    assert "path: one/other" not in has["templates/_helpers.tpl"]
    assert "domains" not in json.loads(has_not["files/bootstrap.json"])["identity"]


def test_password_of_a_domains_user_is_a_secret(tmp_path):
    """
    With the nearest name when it is none.
    """
    domains = {"stacks": {"users": {"keeper": {"password": "logon"}}}}

    with pytest.raises(UserFilesError) as refused:
        catalog_of(write(tmp_path, one(identity={"domains": domains}), *NEEDED))

    assert (
        'spec.identity.domains.stacks.users.keeper.password: no secret is called "logon"; did you mean "login"?'
    ) in str(refused.value)


def test_uwsgi_is_told_what_the_definition_adds(tmp_path):
    """
    Laid over what every API has.
    """
    wsgi = {**API["wsgi"], "options": {"start-time": "%t", "processes": 1}}
    found = values(files_of(tmp_path, "one", *NEEDED, one(workloads={"api": {**API, "wsgi": wsgi}})))

    assert ("%t", 1) == tuple(found["api-uwsgi.ini"]["uwsgi"][key] for key in ("start-time", "processes"))


def test_workload_has_either_a_command_or_a_module(tmp_path):
    """
    Neither and both are refused.
    """
    with pytest.raises(UserFilesError, match="exactly one of run and wsgi"):
        catalog_of(write(tmp_path, a_definition("two", workloads={"api": {"kind": "Deployment", "image": "a"}})))


def test_gate_logs_in_as_a_user_of_another_service(tmp_path):
    """
    Its password lies in the gate's own file, so the other service's Secret is borrowed.
    """
    other = a_definition(
        "other",
        plane="node",
        needs={"start": ["one", "keystone"]},
        workloads={"agent": {"kind": "DaemonSet", "image": "memcached", "run": ["agent"]}},
        gates={"up": {"kind": "compute-up", "workload": "agent", "login": "one/one"}},
    )
    logged = one(secrets={"service-password": {"kind": "password"}}, identity={"users": USERS})
    said = values(files_of(tmp_path, "other", other, logged, *NEEDED))["gate.json"]

    assert ("one", "${secret:one/service-password}") == (said["username"], said["password"])


def test_wsgi_takes_further_options_of_uwsgi(tmp_path):
    """
    Laid over the usual ones.
    """
    api = {**API, "wsgi": {**API["wsgi"], "options": {"static-map": "/static=/var/lib/static", "socket-timeout": 60}}}
    files = files_of(tmp_path, "two", a_definition("two", workloads={"api": api}))

    uwsgi = values(files)["api-uwsgi.ini"]["uwsgi"]

    assert ("/static=/var/lib/static", 60) == (uwsgi["static-map"], uwsgi["socket-timeout"])
    assert "one.wsgi:application" == uwsgi["module"]
