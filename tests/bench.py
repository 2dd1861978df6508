"""``make bench``: each budget's figure beside a reference measured in the same run, as one Markdown table.

The reference of a command is a bare Python process (for ours) or a bare helm (for helm's); medians of five runs, the
most memory of any of them. What ``install`` costs when nothing is to do is measured where KUBECONFIG names a cluster on
which the site (SITE, else the sandbox's) is installed. What only a run shows (how soon a step starts, how soon a
failure is seen) stands in the reports of the end-to-end tests.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

RUNS = 5
ROOT = Path(__file__).parents[1]
CACHED = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # an installed package has its bytecode
TOOL = str(Path(sys.executable).parent / "kolla-k8s")
SITE = os.environ.get("SITE") or str(ROOT / "values/sites/sandbox.yaml")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command takes: seconds of the clock, MiB at its peak."""

    seconds: float
    mib: float


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, its budget in words, and what it is compared with."""

    what: str
    cost: Cost
    budget: str
    reference: str
    compared: Cost


def once(command: Sequence[str]) -> Cost:
    """Run a command that must succeed."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=CACHED) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return Cost(time.perf_counter() - began, usage.ru_maxrss / 1024)


def cost(command: Sequence[str]) -> Cost:
    """Median time and most memory of several runs, after one that is not counted."""
    return _cost([command] * (RUNS + 1))


def _cost(commands: Sequence[Sequence[str]]) -> Cost:
    found = [once(command) for command in commands][1:]
    return Cost(statistics.median(one.seconds for one in found), max(one.mib for one in found))


def ours() -> Iterator[Row]:
    """The command line and the compiler."""
    python, typer = cost([sys.executable, "-c", "pass"]), cost([sys.executable, "-c", "import typer"])
    yield Row("kolla-k8s --help", cost([TOOL, "--help"]), "0.15 s", "import typer", typer)
    yield Row("gen-charts, nothing changed", cost([TOOL, "gen-charts"]), "0.2 s", "python -c pass", python)
    with tempfile.TemporaryDirectory() as folder:
        # Nothing is deleted between: ext4 searches long for a file's place where many have just gone.
        fresh = _cost([[TOOL, "gen-charts", "--output", f"{folder}/{run}"] for run in range(RUNS + 1)])
    yield Row("gen-charts, everything new", fresh, "0.5 s", "python -c pass", python)
    big = once([sys.executable, "-m", "tests.bench_memory"])
    yield Row("following 40 releases on 500 nodes", big, "300 MiB", "python -c pass", python)


def of_helm() -> Iterator[Row]:
    """Rendering: Keystone, the slowest chart and the one that takes most memory."""
    helm = cost(["helm", "version"])
    names = sorted(path.parent.name for path in (ROOT / "charts").glob("*/Chart.yaml"))
    found = {name: cost(["helm", "template", name, str(ROOT / "charts" / name)]) for name in names}
    slowest = max(names, key=lambda name: found[name].seconds)
    largest = max(names, key=lambda name: found[name].mib)
    for what, name in (("", "keystone"), (", the slowest", slowest), (", the largest", largest)):
        yield Row(f"helm template {name}{what}", found[name], "0.05 s, 52 MiB", "helm version", helm)


def of_a_cloud() -> Iterator[Row]:
    """An ``install`` that finds nothing to do; nothing when no such cloud is there."""
    if not os.environ.get("KUBECONFIG"):
        print("install with nothing to do: left out, KUBECONFIG names no cluster\n")
        return
    plan = subprocess.run([TOOL, "plan", "--values", SITE, "-o", "json"], capture_output=True, text=True, check=False)
    actions = {step["action"] for step in json.loads(plan.stdout)["steps"]} if plan.returncode == 0 else {"none"}
    if not actions <= {"unchanged", "check"}:
        print(f"install with nothing to do: left out, the cloud of {SITE} is not installed as it says\n")
        return
    install = [TOOL, "install", "--values", SITE]
    least = min((once(install) for _ in range(2)), key=lambda one: one.seconds)
    yield Row("install, nothing to do", least, "15 s", "kolla-k8s plan", once([TOOL, "plan", "--values", SITE]))


def main() -> None:
    """Print the table, once everything is measured."""
    rows = [*ours(), *of_helm(), *of_a_cloud()]
    print("| what | s | MiB | budget | reference | ratio of s, MiB |\n|---|---|---|---|---|---|")
    for row in rows:
        reference = f"{row.reference} {row.compared.seconds:.3f} s, {row.compared.mib:.0f} MiB"
        ratios = f"{row.cost.seconds / row.compared.seconds:.1f}, {row.cost.mib / row.compared.mib:.1f}"
        print(f"| {row.what} | {row.cost.seconds:.3f} | {row.cost.mib:.0f} | {row.budget} | {reference} | {ratios} |")


if __name__ == "__main__":
    main()
