"""What commands cost, as counts and ratios: a busy machine changes neither."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("aiohttp", "asyncio", "jinja2", "jsonschema", "kubernetes", "pydantic", "pyhelm3", "rich", "yaml")
HELP = f"""
import sys
from kolla_k8s import cli
try: cli.app(["--help"])
finally: print("loaded", [name for name in {HEAVY} if name in sys.modules])
"""
UNUSED = ("kubernetes.client", "kubernetes.config", "pyhelm3.client", "pyhelm3.models", "requests", "urllib3")
ASK = f"""
import asyncio, sys
from kolla_k8s.cli import work
from kolla_k8s.adapters.kube import connect
from kolla_k8s.errors import OutsideError
async def ask():
    async with connect("/nowhere", None): pass
try: asyncio.run(ask())
except OutsideError: print("loaded", [name for name in {UNUSED} if name in sys.modules])
"""
PEAKS = """
import json
from pathlib import Path
from tests.bench import once
charts = {path.parent.name: str(path.parent) for path in Path("charts").glob("*/Chart.yaml")}
peaks = {name: once(["helm", "template", name, chart]).mib for name, chart in charts.items()}
print(json.dumps({"": once(["helm", "version"]).mib, **peaks}))
"""
"""In a process of its own, for a child's peak counts what its parent held when it was made."""


def test_help_loads_no_library_but_that_of_commands():
    """
    The others take longer to load than all the rest of it.
    """
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True, cwd=ROOT)

    assert "loaded []" == done.stdout.splitlines()[-1]


def test_commands_that_ask_a_cluster_load_what_they_use():
    """
    Packages load much by themselves: a synchronous client, models of helm's answers.
    """
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)

    assert "loaded []" == done.stdout.splitlines()[-1]


@pytest.mark.helm
def test_no_chart_takes_much_more_memory_than_helm_itself():
    """
    Every chart is rendered with less than a third more than `helm version` takes.
    """
    done = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True, cwd=ROOT)
    peak_mib = json.loads(done.stdout)
    alone_mib = peak_mib.pop("")
    ratios = {chart: mib / alone_mib for chart, mib in peak_mib.items()}

    assert len(list(ROOT.glob("charts/*/Chart.yaml"))) == len(ratios)
    assert {} == {name: ratio for name, ratio in ratios.items() if ratio > 4 / 3}


@pytest.mark.helm
def test_big_cloud_is_followed_in_300_mib():
    """
    40 releases, 7 of them on each of 500 nodes: the budget, whatever the machine.
    """
    command = [sys.executable, "-m", "tests.bench_memory"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)

    assert int(done.stdout) <= 300
