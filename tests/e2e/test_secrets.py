"""No secret stands anywhere but in its Secret and in the memory of whom it is for."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from kolla_k8s.yamlio import load
from tests.e2e.conftest import SITE
from tests.e2e.secrecy import MARKER, leaks, secret_values

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


def test_no_secret_stands_outside_its_secret(cloud, watched):
    """
    Not in ConfigMaps, events, pods, release records, logs, the audit log, nor what the first install and a later print.
    """
    first, _ = watched
    later = cloud.tool("install", "--values", SITE, "--output", "json")

    assert [] == leaks(cloud, first.stdout, first.stderr, later.stdout, later.stderr)


def test_export_makes_another_cloud_with_the_same_passwords(cloud, beside, tmp_path):
    """
    In a file that only its owner reads and that is never written over; what the cluster rotates stays there.
    """
    file, space = tmp_path / "secrets.yaml", "copied"
    options = [word for word in beside(space) if word not in {"-o", "text"}]

    exported = cloud.tool("secrets", "export", str(file), "--values", SITE)
    whole = file.read_bytes()
    again = cloud.tool("secrets", "export", str(file), "--values", SITE)
    made = cloud.tool("secrets", "init", "--from", str(file), *options)

    assert [0, 3, 0] == [done.returncode for done in (exported, again, made)], again.stderr + made.stderr
    assert "name a file that is not there" in again.stderr
    assert (0o600, whole) == (file.stat().st_mode & 0o777, file.read_bytes())
    given = load(file).data
    assert {"keystone-secrets", "mariadb-secrets", "rabbitmq-secrets"} <= set(given)
    assert not any("fernet" in name or "credential" in name for name in given)
    for name, keys in given.items():
        data = cloud.api.ask("GET", f"/api/v1/namespaces/{space}/secrets/{name}")[1]["data"]
        assert keys == {key: base64.b64decode(value).decode() for key, value in data.items()}


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
    words = {MARKER, *secret_values(cloud.api)}
    assert [] == [path for path, content in files.items() if any(word.encode() in content for word in words)]
    assert MARKER not in failed.stdout + failed.stderr
    assert os.fspath(tmp_path) in os.fspath(folder)
    assert "green" == cloud.install()["outcome"]
