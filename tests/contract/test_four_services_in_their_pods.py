"""What reaches the pods of MariaDB, RabbitMQ and Keystone: files as the charts' own program writes them, and probes."""

from __future__ import annotations

import configparser
import json
import math
import os
import re
import subprocess
import sys

import pytest

from kolla_k8s.orchestrate.room import quantity
from tests.contract.charts import CHARTS, are_rights_few, objects, pods_of
from tests.contract.rendered import contents, pod_files

pytestmark = pytest.mark.helm


@pytest.fixture
def prepared(tmp_path):
    """Let the program of a chart write the files of its server's pod, with what the pod gives it; give the folder."""

    def prepare(name, *options):
        items = objects(name, *options)
        pod, text = server(items), json.dumps(pod_files(items)["server"])
        secrets = tmp_path / "run/kolla-k8s/secrets" / name
        for folder in ("kolla-k8s", "run/kolla-k8s/rendered", secrets):
            (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "kolla-k8s/pod.json").write_text(text)
        for key in re.findall(r"\$\{secret:([\w-]+)", text):
            (secrets / key).write_text(f"the {key}")
        told = {"POD_NAME": f"{name}-0", "POD_IP": "10.0.0.7", "KOLLA_K8S_ROOT": str(tmp_path), **limits(pod)}
        command = [sys.executable, "-B", str(CHARTS / name / "files/init.py"), "prepare"]
        done = subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, check=False)
        assert 0 == done.returncode, done.stderr
        return tmp_path / "run/kolla-k8s/rendered"

    return prepare


def server(items):
    """The pod of members."""
    (pod,) = (pod for kind, pod in pods_of(items) if kind == "StatefulSet")
    return pod


def limits(pod):
    """What kubelet puts into the environment of the first program: limits of containers, in whole units."""
    of_containers = {container["name"]: container["resources"]["limits"] for container in pod["containers"]}
    asked = {
        entry["name"]: entry["valueFrom"]["resourceFieldRef"]
        for entry in pod["initContainers"][0]["env"]
        if "resourceFieldRef" in entry["valueFrom"]
    }
    return {name: str(_whole(of_containers[about["containerName"]], about)) for name, about in asked.items()}


def _whole(limits_, about):
    kind = about["resource"].removeprefix("limits.")
    return math.ceil(quantity(limits_[kind]) / quantity(about["divisor"]))


def options_of_mariadb(folder):
    """Options of the server in the file that it reads."""
    parser = configparser.ConfigParser(allow_no_value=True, interpolation=None)
    parser.read_string((folder / "my.cnf").read_text())
    return dict(parser["mysqld"])


def test_what_the_database_has_confirmed_outlives_its_node(prepared):
    """
    Redo log and binary log are on disk before a client hears that its transaction is done.
    """
    found = options_of_mariadb(prepared("mariadb"))

    assert {"innodb_flush_log_at_trx_commit": "1", "sync_binlog": "1"}.items() <= found.items()


@pytest.mark.parametrize(("limit", "pool"), [(None, "512M"), ("3Gi", "1536M")])
def test_database_keeps_pages_in_half_of_its_memory(prepared, limit, pool):
    """
    Of the limit of the server's own container, as the chart has it and as a site sets it.
    """
    options = ["--set", f"workloads.server.resources.limits.memory={limit}"] if limit else []

    assert pool == options_of_mariadb(prepared("mariadb", *options))["innodb_buffer_pool_size"]


def grants_of_mariadb(folder):
    """Account -> what it may do, of all statements that the server runs at its start."""
    found: dict[str, list[str]] = {}
    said = (folder / "users.sql").read_text()
    for rights, account, more in re.findall(r"^GRANT (.*) TO (\S+?)( WITH .*)?;$", said, re.MULTILINE):
        found.setdefault(account, []).append(rights + more)
    return found


def test_users_of_the_database_may_do_what_they_are_for(prepared):
    """
    Who monitors reads the server's state and no data; who takes backups comes from the pod itself alone.
    """
    folder = prepared("mariadb")
    grants = grants_of_mariadb(folder)

    assert ["USAGE, REPLICA MONITOR, PROCESS ON *.*"] == grants["monitor@'%'"]
    assert ["RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR, REPLICA MONITOR ON *.*"] == grants["backup@localhost"]
    assert ["backup@localhost"] == [account for account in grants if account.startswith("backup@")]
    assert grants.keys() == set(re.findall(r"CREATE USER IF NOT EXISTS (\S+);", (folder / "users.sql").read_text()))
    assert "ALTER USER backup@localhost IDENTIFIED BY 'the backup-password';" in (folder / "users.sql").read_text()


def repositories(items):
    """Pod -> where its Keystone finds the keys of receipts."""
    files = {name: contents(pod) for name, pod in pod_files(items).items()}
    return {
        name: content["keystone.conf"]["fernet_receipts"]["key_repository"]
        for name, content in files.items()
        if "keystone.conf" in content
    }


def folders_of_secrets(pod):
    """Folder -> Secret, of those that the pod sees as a whole, after the first program."""
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    return {
        mount["mountPath"]: secrets[mount["name"]]
        for container in [*pod.get("initContainers", ())[1:], *pod["containers"]]
        for mount in container["volumeMounts"]
        if mount["name"] in secrets
    }


def test_receipts_of_logins_have_the_keys_of_tokens():
    """
    Their default is a folder that nobody fills: the bootstrap would end there, and a login with two factors.
    """
    items = objects("keystone")
    seen = {kind: folders_of_secrets(pod) for kind, pod in pods_of(items)}
    found = repositories(items)

    assert {"api", "bootstrap"} == set(found)
    assert "keystone-fernet-keys" == seen["Deployment"][found["api"]]
    assert "keystone-fernet-keys" == seen["Job"][found["bootstrap"]]


def test_no_probe_of_the_broker_starts_a_program():
    """
    One that asks by Erlang's distribution costs a core, times out on a busy node and has the broker killed for it.
    """
    (container,) = server(objects("rabbitmq"))["containers"]
    probes = {key: probe for key, probe in container.items() if key.endswith("Probe")}

    assert {"startupProbe", "readinessProbe"} <= set(probes)
    assert [] == [key for key, probe in probes.items() if "exec" in probe]


def test_only_the_broker_reads_its_cookie(prepared):
    """
    Erlang refuses one that others may read, and who has it may do everything.
    """
    cookie = prepared("rabbitmq") / "erlang.cookie"

    assert "0400" == f"{cookie.stat().st_mode & 0o7777:04o}"
    assert "the erlang-cookie" == cookie.read_text()


def test_keystone_is_started_directly():
    """
    Without the images' own start script, which needs rights that no pod of the control plane has.
    """
    (api,) = next(pod for kind, pod in pods_of(objects("keystone")) if kind == "Deployment")["containers"]

    assert "uwsgi" == api["command"][0]
    assert not any(entry["name"].startswith("KOLLA") for entry in api["env"])


def test_rights_of_the_four_are_few():
    """
    Under a fifth of their objects.
    """
    assert are_rights_few([item for name in ("mariadb", "rabbitmq", "memcached", "keystone") for item in objects(name)])
