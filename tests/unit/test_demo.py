"""What `make demo` installs where, and whom it asks for its proof."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from kolla_k8s.orchestrate.gate import PODS
from kolla_k8s.ports import ExecResult
from sandbox.demo import prove
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import condition, labels

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("said", "site"),
    [
        ({}, "sandbox.yaml"),
        ({"KUBECONFIG": "/somewhere"}, "demo.yaml"),
        ({"KUBECONFIG": "/somewhere", "SITE": "values/sites/ha.yaml"}, "ha.yaml"),
    ],
)
def test_site_follows_the_cluster(said, site):
    """
    A cluster that is given cannot pull from the sandbox's registry.
    """
    environment = {key: value for key, value in os.environ.items() if key not in {"KUBECONFIG", "SITE"}} | said
    command = ["make", "--dry-run", "--no-print-directory", "demo"]
    planned = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)

    assert planned.stdout.splitlines()[-1].endswith(f"sandbox.demo values/sites/{site}")


def with_pods(**ready):
    """A cluster with pods of Keystone in the namespace ``cloud``, ready or not."""
    cluster = FakeCluster(namespaces=["cloud"])
    for name, is_ready in ready.items():
        status = {"conditions": [condition("Ready", "True" if is_ready else "False")]}
        cluster.put(PODS, {"metadata": {"name": name, "labels": labels("keystone")}, "status": status}, "cloud")
    return cluster


def test_proof_comes_from_a_ready_pod_of_the_site():
    """
    Wherever the site has its control plane.
    """
    cluster = with_pods(a=False, b=True)
    cluster.on_exec = lambda call: ExecResult(0, f'{{"project": "{call.namespace}/{call.pod}"}}', "")

    assert {"project": "cloud/b"} == asyncio.run(prove(cluster, "cloud"))


def test_proof_that_cannot_be_had_says_why():
    """
    Without a traceback.
    """
    speechless = with_pods(a=True)
    speechless.on_exec = lambda _call: ExecResult(1, "", "refused")

    with pytest.raises(SystemExit, match=r"no pod with .* is ready in cloud"):
        asyncio.run(prove(with_pods(a=False), "cloud"))
    with pytest.raises(SystemExit, match="a gives out no token: refused"):
        asyncio.run(prove(speechless, "cloud"))
