"""What an operator relies on in MariaDB, RabbitMQ and Keystone, read from their charts as helm renders them."""

from __future__ import annotations

import pytest

from tests.contract.charts import are_rights_few, objects, pods
from tests.contract.rendered import contents, pod_files

pytestmark = pytest.mark.helm


def files(name: str, pod: str) -> dict[str, object]:
    return contents(pod_files(objects(name))[pod])


def container(name: str, wanted: str):
    return next(one for _, pod in pods(name) for one in pod["containers"] if one["name"] == wanted)


def test_what_mariadb_has_confirmed_is_on_the_disk():
    """
    Each transaction, and the log of them; half of the memory it may use is for pages.
    """
    server = files("mariadb", "server")["my.cnf"]["mysqld"]

    assert (1, 1) == (server["innodb_flush_log_at_trx_commit"], server["sync_binlog"])
    assert "${limit:memory|percent=50}M" == server["innodb_buffer_pool_size"]


@pytest.mark.parametrize(
    "right",
    [
        "GRANT USAGE, REPLICA MONITOR, PROCESS ON *.* TO monitor@'%';",
        "GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR, REPLICA MONITOR ON *.* TO backup@localhost;",
        "ALTER USER mysql@localhost IDENTIFIED VIA unix_socket;",
    ],
)
def test_accounts_of_mariadb_may_no_more_than_they_must(right):
    """
    Who looks reads no rows, who takes backups writes none, and the server's own account has no password.
    """
    users = files("mariadb", "server")["users.sql"]

    assert right in users
    assert sum(f"{right.split()[-1]}" in line for line in users.splitlines() if line.startswith("GRANT")) <= 1


def test_receipts_of_keystone_have_keys_like_its_tokens():
    """
    Without a section of their own a second factor is refused as soon as the first one was right.
    """
    keystone = files("keystone", "api")["keystone.conf"]

    assert keystone["fernet_tokens"] == keystone["fernet_receipts"]


def test_keystone_is_started_directly():
    """
    Without the images' own start script, which needs rights that no pod of the control plane has.
    """
    api = container("keystone", "api")

    assert "uwsgi" == api["command"][0]
    assert not any(entry["name"].startswith("KOLLA") for entry in api["env"])


def test_rabbitmq_is_never_killed_by_a_question():
    """
    Nothing that joins Erlang's distribution asks whether it lives; its cookie is for its owner's eyes.
    """
    server = container("rabbitmq", "server")
    probes = {key: str(server[key]) for key in server if key.endswith("Probe")}

    assert {"startupProbe", "readinessProbe"} == set(probes)
    assert not any("rabbitmq" in said for said in probes.values())
    assert "0400" == pod_files(objects("rabbitmq"))["server"]["files"]["erlang.cookie"]["mode"]


def test_rights_of_the_four_are_few():
    """
    Under a fifth of their objects.
    """
    assert are_rights_few([item for name in ("mariadb", "rabbitmq", "memcached", "keystone") for item in objects(name)])
