"""No secret stands anywhere but in its Secret and in the memory of whom it is for."""

from __future__ import annotations

import base64
import gzip
import json
import os
from pathlib import Path

import pytest

from kolla_k8s.yamlio import load
from tests.e2e.conftest import MARKER, SITE, SPACE, secret_values

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def test_no_process_and_no_temporary_file_held_a_secret(watched):
    """
    Arguments and environment of every process of the machine, sampled during the whole install.
    """
    _, sampler = watched

    assert set() == sampler.found
    assert {"helm", "mariadbd", "uwsgi", "memcached"} <= sampler.processes
    assert sampler.looks > 20


def test_passwords_of_all_nasty_characters_are_the_ones_in_use(cloud, passwords):
    """
    The cloud came up with them: every gate logs in as its service.
    """
    given = {value for keys in load(passwords).data.values() for value in keys.values()}

    assert len(given) >= 9
    assert given == {value for value in secret_values(cloud.api) if value.startswith(MARKER)}


def test_no_secret_stands_outside_its_secret(cloud):
    """
    Not in ConfigMaps, events, pods, release records, logs, what the tool prints, the audit log.
    """
    said = cloud.tool("install", "--values", SITE, "--output", "json")
    texts = {"stdout": said.stdout, "stderr": said.stderr, "audit": cloud.at.audit_log.read_text()}
    for kind in ("configmaps", "events", "pods"):
        texts[kind] = json.dumps(cloud.api.items(f"{SPACE}/{kind}"))
    texts |= records(cloud.api) | logs(cloud.api)
    words = {MARKER} | {value for value in secret_values(cloud.api) if MARKER not in value}

    assert len(words) >= 3
    assert [] == [name for name, text in texts.items() for word in words if word in text]


def records(api):
    found = {}
    for secret in api.items(f"{SPACE}/secrets"):
        if secret["type"] == "helm.sh/release.v1":
            record = base64.b64decode(base64.b64decode(secret["data"]["release"]))
            found[secret["metadata"]["name"]] = gzip.decompress(record).decode()
    return found


def logs(api):
    found = {}
    for pod in api.items(f"{SPACE}/pods"):
        name = pod["metadata"]["name"]
        for container in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]:
            path = f"{SPACE}/pods/{name}/log?container={container['name']}"
            found[f"log {name} {container['name']}"] = str(api.ask("GET", path)[1])
    return found


def test_bundle_of_a_failure_holds_no_secret(cloud, tmp_path):
    """
    A step that fails because its password is refused says so without the password.
    """
    wrong = r"services.keystone.config.keystone\.conf.database.connection="
    wrong += "mysql+pymysql://keystone:${secret:database-password|url}@${host:mariadb}/nowhere"

    failed = cloud.tool("install", "--values", SITE, "-o", "json", "--set", wrong, XDG_STATE_HOME=str(tmp_path))

    assert 1 == failed.returncode, failed.stderr
    folder = Path(json.loads(failed.stdout)["bundle"])
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {"report.txt", "report.json", "events.txt"} <= {path.name for path in files}
    assert [0o600] * len(files) == [path.stat().st_mode & 0o777 for path in files]
    assert [] == [path for path, content in files.items() if MARKER.encode() in content]
    assert MARKER not in failed.stdout + failed.stderr
    assert os.fspath(tmp_path) in os.fspath(folder)
    assert "green" == cloud.install()["outcome"]
