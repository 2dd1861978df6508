"""``make bench``: each budget's figure beside a reference measured in the same run.

The reference of a command is a bare Python process (for ours) or a bare helm (for helm's); medians of five runs.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

RUNS = 5
CACHED = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # an installed package has its bytecode
TOOL = str(Path(sys.executable).parent / "kolla-k8s")


def median_s(command: Sequence[str], makes: Path | None = None) -> float:
    """Median of the wall-clock seconds of a command, after one run that is not counted; what it makes goes first."""
    times = []
    for _ in range(RUNS + 1):
        if makes is not None:
            shutil.rmtree(makes, ignore_errors=True)
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=CACHED)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def main() -> None:
    """Print a Markdown table."""
    python = median_s([sys.executable, "-c", "pass"])
    typer = median_s([sys.executable, "-c", "import typer"])
    helm = median_s(["helm", "version"])
    with tempfile.TemporaryDirectory() as folder:
        charts = Path(folder, "charts")
        fresh = median_s([TOOL, "gen-charts", "--output", str(charts)], makes=charts)
    rows = [
        ("kolla-k8s --help", median_s([TOOL, "--help"]), "import typer", typer, 0.15),
        ("gen-charts, nothing changed", median_s([TOOL, "gen-charts"]), "python -c pass", python, 0.2),
        ("gen-charts, everything new", fresh, "python -c pass", python, 0.5),
        *(
            (
                f"helm template {name}",
                median_s(["helm", "template", name, f"charts/{name}"]),
                "helm version",
                helm,
                0.05,
            )
            for name in ("memcached", "keystone")
        ),
    ]
    print("| what | median s | budget s | reference | ratio |\n|---|---|---|---|---|")
    for what, seconds, reference, reference_s, budget in rows:
        print(f"| {what} | {seconds:.3f} | {budget} | {reference} {reference_s:.3f} | {seconds / reference_s:.1f} |")


if __name__ == "__main__":
    main()
