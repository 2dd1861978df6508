"""Charts without the orchestrator: all at once, in reverse order, from a folder and from an OCI registry."""

from __future__ import annotations

import hashlib
import json
import subprocess

import pytest

from tests.e2e.conftest import ROOT, SITE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
CHARTS = ("keystone", "memcached", "rabbitmq", "mariadb")


@pytest.mark.parametrize("source", ["folder", "registry"])
def test_charts_installed_all_at_once_come_up_by_themselves(sandbox, tmp_path, source):
    """
    The orchestrator adds speed and explanations, never something without which a chart is broken.
    """
    space = f"plain-{source}"
    own = ["--set", f"namespaces.control={space}", "--set", f"namespaces.node={space}-node", "--set", f"name={space}"]
    made = sandbox.tool("secrets", "init", "--values", SITE, *own)
    assert 0 == made.returncode, made.stderr
    chart = published(sandbox) if source == "registry" else lambda name: [str(ROOT / "charts" / name)]
    running = []
    for name in CHARTS:
        values = tmp_path / f"{name}.yaml"
        values.write_text(sandbox.tool("values", "render", name, "--values", SITE, *own).stdout)
        command = ["helm", "--kubeconfig", sandbox.kubeconfig, "upgrade", "--install", "-n", space, name]
        options = ["-f", str(values), "--wait", "--timeout", "5m"]
        running.append(subprocess.Popen([*command, *chart(name), *options], stdout=-3, stderr=subprocess.PIPE))

    said = [process.communicate()[1].decode() for process in running]

    assert [0] * len(CHARTS) == [process.returncode for process in running], said
    tested = sandbox.run("helm", "test", "-n", space, "keystone", "--timeout", "2m")
    assert 0 == tested.returncode, tested.stderr
    assert {"up"} == soon_up(sandbox, own)
    sandbox.tool("uninstall", "--values", SITE, "--delete-data", *own)


def soon_up(sandbox, own):
    """States of the services; helm does not wait for Jobs, and Keystone's registers last."""
    for _ in range(40):
        status = sandbox.tool("status", "--values", SITE, "--output", "json", *own)
        states = {row["state"] for row in json.loads(status.stdout)}
        if states == {"up"}:
            break
    return states


def published(sandbox):
    """Publish the charts into the sandbox's registry; gives how helm names one of them."""
    about = json.loads((sandbox.at.state / "sandbox.json").read_text())
    content = b"".join(path.read_bytes() for path in sorted((ROOT / "charts").rglob("*")) if path.is_file())
    target = f"oci://{about['registry']['outside']}/charts-{hashlib.sha256(content).hexdigest()[:12]}"
    done = sandbox.tool("publish", "--to", target, "--plain-http")
    assert 0 == done.returncode, done.stderr
    again = sandbox.tool("publish", "--to", target, "--plain-http")
    assert "0 of them new" in again.stdout
    return lambda name: [f"{target}/{name}", "--plain-http"]
