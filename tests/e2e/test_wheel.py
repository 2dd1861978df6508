"""The built wheel, alone in an empty environment away from the checkout, installs a cloud with its own data."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.e2e.conftest import ROOT, SITE, clouds_beside

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SPACE = "wheel"


@pytest.fixture(scope="module")
def run(sandbox, tmp_path_factory):
    """Runs the tool of the wheel on a cloud beside the big one; gives what it printed."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, check=True, capture_output=True, cwd=ROOT)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    wheel = str(next((folder / "dist").glob("*.whl")))
    pip = [str(folder / "venv/bin/pip"), "install", "-q", wheel]
    subprocess.run(pip, check=True, capture_output=True, cwd=folder)
    (folder / "site.yaml").write_bytes((ROOT / SITE).read_bytes())
    with clouds_beside(sandbox) as make:
        site = [str(folder / "site.yaml") if word == SITE else word for word in make(SPACE)]

        def one(verb, *arguments, of_site=True):
            command = [str(folder / "venv/bin/kolla-k8s"), verb, *(site if of_site else ()), *arguments]
            done = sandbox.run("env", "-C", str(folder), "-u", "PYTHONPATH", *command)
            assert 0 == done.returncode, done.stderr
            return done.stdout

        yield one


@pytest.fixture(scope="module")
def installed(run):
    """Report of the wheel's install, its Secrets made before."""
    return json.loads(run("install", "--output", "json"))


def test_wheel_generates_plans_and_installs_with_its_own_data(run, installed, sandbox, tmp_path):
    """
    Pip install, and the tool works without a checkout, up to a token.
    """
    charts = run("gen-charts", "--output", str(tmp_path / "charts"), of_site=False)
    plan = json.loads(run("plan", "--output", "json"))

    assert f"{len(list((ROOT / 'service_defs').glob('*.yaml')))} charts" in charts
    assert "/venv/lib/" in plan["steps"][0]["chart"]
    assert ("green", {"install"}) == (installed["outcome"], {step["action"] for step in installed["steps"]})
    assert "service" == sandbox.token(SPACE)["project"]


def test_install_right_after_the_first_writes_nothing_but_the_lease(run, installed, sandbox):  # noqa: ARG001 - it was
    """
    The second install of a cloud is the first one that has nothing to do.
    """
    before = len(sandbox.writes())

    report = json.loads(run("install", "--output", "json"))

    assert {"unchanged"} == {step["action"] for step in report["steps"]}
    assert {"leases"} == {kind for _, kind, _ in sandbox.writes()[before:]}
