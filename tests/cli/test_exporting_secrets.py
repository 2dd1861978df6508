"""What ``secrets export`` writes, what it never does, and the way back."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import stat
import subprocess
from functools import partial
from pathlib import Path

import pytest

from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.orchestrate.secrets import SECRETS, ensure_secrets, secret_specs
from kolla_k8s.yamlio import load
from tests.cli.test_command_line import ROOT, SITE, TOOL, run
from tests.fake_cluster import FakeCluster
from tests.served import served

KEYS_OF_CLUSTER = ("keystone-credential-keys", "keystone-fernet-keys")
OF_SITE = ("keystone-secrets", "mariadb-secrets", "rabbitmq-secrets")


async def keep(cluster, folder, *words):
    """Run ``kolla-k8s secrets`` against a cluster."""
    async with served(cluster, folder / "kubeconfig"):
        options = ("--values", SITE, "--kubeconfig", str(folder / "kubeconfig"))
        return await asyncio.to_thread(run, "secrets", *words, *options, NO_PROXY="127.0.0.1")


def values(cluster, name):
    data = cluster.peek(SECRETS, name, "openstack")["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


@pytest.fixture(scope="module")
def specs():
    """The Secrets of the cloud."""
    wanted = load_cloud(Source([Path(SITE)], [])).wanted
    return secret_specs(wanted.catalog, wanted.values, wanted.namespaces)


@pytest.fixture
async def cluster(specs):
    """A cluster that holds them."""
    made = FakeCluster()
    await ensure_secrets(made, specs)
    return made


async def test_export_is_for_its_owner_alone(cluster, tmp_path):
    """
    Passwords of a whole cloud: mode 0600 from the first moment.
    """
    file = tmp_path / "secrets.yaml"

    done = await keep(cluster, tmp_path, "export", str(file))

    assert (0, f"{len(OF_SITE)} secrets in {file}\n", "") == (done.returncode, done.stdout, done.stderr)
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)


async def test_export_never_writes_over_a_file(cluster, tmp_path):
    """
    It may be the only copy of older passwords: exit 3, the place, what is so, what to do.
    """
    file = tmp_path / "secrets.yaml"
    file.write_text("the only copy\n")

    done = await keep(cluster, tmp_path, "export", str(file))

    said = f"{file}: cannot be made: File exists; name a file that is not there\n"
    assert (3, "", said) == (done.returncode, done.stdout, done.stderr)
    assert "the only copy\n" == file.read_text()


async def test_export_follows_no_link(cluster, tmp_path):
    """
    Whoever may write to the folder must not choose where passwords go.
    """
    elsewhere, file = tmp_path / "elsewhere", tmp_path / "secrets.yaml"
    file.symlink_to(elsewhere)

    done = await keep(cluster, tmp_path, "export", str(file))

    assert 3 == done.returncode
    assert done.stderr.endswith("; name a file that is not there\n")
    assert not elsewhere.exists()


async def test_export_into_a_folder_that_is_not_there_names_it(cluster, tmp_path):
    """
    Another name for the file would not help.
    """
    file = tmp_path / "missing" / "secrets.yaml"

    done = await keep(cluster, tmp_path, "export", str(file))

    said = f"{file}: cannot be made: No such file or directory; make its folder first\n"
    assert (3, "", said) == (done.returncode, done.stdout, done.stderr)


async def test_export_that_does_not_fit_is_taken_back(cluster, tmp_path):
    """
    Half of the passwords would look like all of them, and be in the way of the next try.
    """
    file = tmp_path / "secrets.yaml"
    async with served(cluster, tmp_path / "kubeconfig"):
        words = ("secrets", "export", str(file), "--values", SITE, "--kubeconfig", str(tmp_path / "kubeconfig"))
        command = ["prlimit", "--fsize=100", TOOL, *words]
        environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
        run_it = partial(subprocess.run, command, capture_output=True, text=True, check=False, env=environment)
        done = await asyncio.to_thread(run_it)

    said = f"{file}: cannot be written: File too large; name a file elsewhere\n"
    assert (3, "", said) == (done.returncode, done.stdout, done.stderr)
    assert not file.exists()


async def test_value_that_is_no_text_is_named_and_nothing_is_written(cluster, tmp_path):
    """
    Someone replaced a password by bytes; no file of texts can hold them, and half an export is worse than none.
    """
    there = cluster.peek(SECRETS, "keystone-secrets", "openstack")
    cluster.put(SECRETS, {**there, "data": {**there["data"], "admin-password": "//79"}}, "openstack")
    file = tmp_path / "secrets.yaml"

    done = await keep(cluster, tmp_path, "export", str(file))

    way_out = "save it with `kubectl -n openstack get secret keystone-secrets -o yaml`, or give it a text"
    said = f"Secret openstack/keystone-secrets: admin-password is no UTF-8 text; {way_out}\n"
    assert (3, "", said) == (done.returncode, done.stdout, done.stderr)
    assert not file.exists()


async def test_export_leaves_keys_of_the_cluster_where_they_are(cluster, tmp_path):
    """
    It rotates them: a copy is soon another cloud's, and opens tokens until then.
    """
    file = tmp_path / "secrets.yaml"

    await keep(cluster, tmp_path, "export", str(file))

    assert set(OF_SITE) == set(load(file).data)
    assert [] == [
        value for name in KEYS_OF_CLUSTER for value in values(cluster, name).values() if value in file.read_text()
    ]


async def test_exported_secrets_make_the_same_ones_elsewhere(cluster, tmp_path):
    """
    Whatever they hold; keys of the cluster are made anew.
    """
    words = "0x10", "no", "a: b # c", " 'x' ", "über\\n\x07\u202e"
    there = cluster.peek(SECRETS, "keystone-secrets", "openstack")
    data = dict(zip(there["data"], (base64.b64encode(word.encode()).decode() for word in words), strict=False))
    cluster.put(SECRETS, {**there, "data": data}, "openstack")
    file, other = tmp_path / "secrets.yaml", FakeCluster()

    await keep(cluster, tmp_path, "export", str(file))
    done = await keep(other, tmp_path, "init", "--from", str(file))

    assert 0 == done.returncode, done.stderr
    assert [values(cluster, name) for name in OF_SITE] == [values(other, name) for name in OF_SITE]
    assert [] == [name for name in KEYS_OF_CLUSTER if values(cluster, name) == values(other, name)]


async def test_export_leaves_out_what_no_chart_expects(cluster, tmp_path):
    """
    A key that an older release left, which ``secrets init --from`` would refuse.
    """
    there = cluster.peek(SECRETS, "keystone-secrets", "openstack")
    cluster.put(SECRETS, {**there, "data": {**there["data"], "of-before": "b2xk"}}, "openstack")
    file = tmp_path / "secrets.yaml"

    await keep(cluster, tmp_path, "export", str(file))
    done = await keep(FakeCluster(), tmp_path, "init", "--from", str(file))

    assert (0, "") == (done.returncode, done.stderr)
    assert set(there["data"]) == set(load(file).data["keystone-secrets"])


async def test_key_of_the_cluster_stays_when_it_shares_a_secret(cluster, tmp_path):
    """
    With passwords of the site, which are written.
    """
    definitions, file = tmp_path / "definitions", tmp_path / "secrets.yaml"
    shutil.copytree(ROOT / "service_defs", definitions)
    text = (definitions / "rabbitmq.yaml").read_text()
    (definitions / "rabbitmq.yaml").write_text(
        text.replace("{kind: erlang-cookie", "{owner: cluster, kind: erlang-cookie")
    )

    done = await keep(cluster, tmp_path, "export", str(file), "--definitions", str(definitions))

    assert (0, "") == (done.returncode, done.stderr)
    assert {"admin-password", "gate-password"} == set(load(file).data["rabbitmq-secrets"])
