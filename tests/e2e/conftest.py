"""A sandbox of its own with real images, and the tool as its user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.api import Api
from sandbox.cluster import down, up
from sandbox.images.build import build
from sandbox.layout import Layout, layout

ROOT = Path(__file__).parents[2]
TOOL = str(Path(sys.executable).parent / "kolla-k8s")
SITE = str(ROOT / "values/sites/sandbox.yaml")


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox."""

    at: Layout
    api: Api
    kubeconfig: str

    def run(self, *command: str, timeout_s: float = 400) -> subprocess.CompletedProcess[str]:
        """Run a command against it."""
        environment = {**os.environ, "KUBECONFIG": self.kubeconfig}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=ROOT
        )

    def tool(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run kolla-k8s."""
        return self.run(TOOL, *arguments)

    def install(self, *arguments: str) -> dict[str, Any]:
        """Install, expect success, and give the report."""
        done = self.tool("install", "--values", SITE, "--output", "json", *arguments)
        assert 0 == done.returncode, done.stderr
        return json.loads(done.stdout)

    def writes(self) -> list[tuple[str, str, str]]:
        """Every mutating request of ours in the audit log: verb, kind, name."""
        found = []
        for line in self.at.audit_log.read_text().splitlines():
            event = json.loads(line)
            if event["user"].get("username") == "kolla-k8s-admin" and event["verb"] not in {"get", "list", "watch"}:
                about = event["objectRef"]
                found.append((event["verb"], about["resource"], about.get("name", "")))
        return found


@pytest.fixture(scope="session")
def sandbox():
    """Images, and a cluster that is gone afterwards."""
    build()
    at = layout("test")
    down(at)
    about = up(at)
    port = int(json.loads(at.kubeconfig.read_text())["clusters"][0]["cluster"]["server"].rpartition(":")[2])
    yield Sandbox(at, Api(at.pki, "system", "127.0.0.1", port), about["kubeconfig"])
    down(at)


@pytest.fixture(scope="session")
def first_install(sandbox):
    """Report of the install on the empty cluster."""
    return sandbox.install()


@pytest.fixture
def cloud(sandbox, first_install):  # noqa: ARG001 - it must have happened
    """An installed, green cloud."""
    return sandbox
