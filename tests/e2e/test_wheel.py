"""The built wheel, alone in an empty environment away from the checkout, with its own data."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.e2e.conftest import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def test_wheel_generates_plans_and_installs_with_its_own_data(cloud, tmp_path):
    """
    Pip install, and the tool works without a checkout.
    """
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, check=True, capture_output=True, cwd=ROOT)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    wheel = str(next((tmp_path / "dist").glob("*.whl")))
    pip = [str(tmp_path / "venv/bin/pip"), "install", "-q", wheel]
    subprocess.run(pip, check=True, capture_output=True, cwd=tmp_path)
    tool = str(tmp_path / "venv/bin/kolla-k8s")
    site = tmp_path / "site.yaml"
    site.write_text((ROOT / "values/sites/sandbox.yaml").read_text())

    def run(*arguments):
        command = ["env", "-C", str(tmp_path), "-u", "PYTHONPATH", tool, *arguments]
        done = cloud.run(*command)
        assert 0 == done.returncode, done.stderr
        return done.stdout

    charts = run("gen-charts", "--output", str(tmp_path / "charts"))
    plan = json.loads(run("plan", "--values", str(site), "--output", "json"))
    report = json.loads(run("install", "--values", str(site), "--output", "json"))

    assert f"{len(list((ROOT / 'service_defs').glob('*.yaml')))} charts" in charts
    assert str(tmp_path / "venv") in plan["steps"][0]["chart"]
    assert "green" == report["outcome"]
