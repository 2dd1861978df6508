"""Charts without the orchestrator: all at once, in reverse order, from an OCI registry."""

from __future__ import annotations

import hashlib
import json
import subprocess

import pytest

from tests.e2e.conftest import ROOT, SITE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
CHARTS = ("keystone", "memcached", "rabbitmq", "mariadb")


def test_charts_installed_all_at_once_come_up_by_themselves(sandbox, tmp_path):
    """
    From an OCI registry, where they are what the folder holds, up to a token: the orchestrator adds speed and
    explanations, never something without which a chart is broken.
    """
    own = ["--set", "namespaces.control=plain", "--set", "namespaces.node=plain-node", "--set", "name=plain"]
    made = sandbox.tool("secrets", "init", "--values", SITE, *own)
    assert 0 == made.returncode, made.stderr
    target = published(sandbox)
    running = []
    for name in CHARTS:
        values = tmp_path / f"{name}.yaml"
        values.write_text(sandbox.tool("values", "render", name, "--values", SITE, *own).stdout)
        command = ["helm", "--kubeconfig", sandbox.kubeconfig, "upgrade", "--install", "-n", "plain", name]
        options = ["--plain-http", "-f", str(values), "--wait", "--timeout", "5m"]
        running.append(subprocess.Popen([*command, f"{target}/{name}", *options], stdout=-3, stderr=subprocess.PIPE))

    said = [process.communicate()[1].decode() for process in running]

    assert [0] * len(CHARTS) == [process.returncode for process in running], said
    tested = sandbox.run("helm", "test", "-n", "plain", "keystone", "--timeout", "2m")
    assert 0 == tested.returncode, tested.stderr
    assert {"up"} == soon_up(sandbox, own)
    token = sandbox.token("plain")
    assert ("service", {"identity"}) == (token["project"], {kind for kind, _, _ in token["catalogue"]})
    assert {name: files(ROOT / "charts" / name) for name in CHARTS} == pulled(sandbox, target, tmp_path / "pulled")
    sandbox.tool("uninstall", "--values", SITE, "--delete-data", *own)


def pulled(sandbox, target, folder):
    """Files of each chart as helm pulls it."""
    for name in CHARTS:
        done = sandbox.run("helm", "pull", f"{target}/{name}", "--plain-http", "--untar", "--untardir", str(folder))
        assert 0 == done.returncode, done.stderr
    return {name: files(folder / name) for name in CHARTS}


def is_said(path):
    """Whether a chart has this file; Python compiles what it installs."""
    return path.is_file() and "__pycache__" not in path.parts


def files(folder):
    """Content of each file of a folder by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if is_said(path)}


def soon_up(sandbox, own):
    """States of the services; helm does not wait for Jobs, and Keystone's registers last."""
    for _ in range(40):
        status = sandbox.tool("status", "--values", SITE, "--output", "json", *own)
        states = {row["state"] for row in json.loads(status.stdout)}
        if states == {"up"}:
            break
    return states


def published(sandbox):
    """Publish the charts into the sandbox's registry; gives the repository."""
    about = json.loads((sandbox.at.state / "sandbox.json").read_text())
    content = b"".join(path.read_bytes() for path in sorted((ROOT / "charts").rglob("*")) if path.is_file())
    target = f"oci://{about['registry']['outside']}/charts-{hashlib.sha256(content).hexdigest()[:12]}"
    done = sandbox.tool("publish", "--to", target, "--plain-http")
    assert 0 == done.returncode, done.stderr
    again = sandbox.tool("publish", "--to", target, "--plain-http")
    assert "0 of them new" in again.stdout
    return target
