"""Broken definitions and sites: the whole screen and the exit code. ``make golden`` accepts what is printed now."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "problems"
ROOT = Path(__file__).parents[2]
TOOL = str(Path(sys.executable).parent / "kolla-k8s")
CASES = sorted(path for folder in ("definitions", "sites") for path in (HERE / folder).glob("*.yaml"))


def test_there_are_thirty_of_them():
    """
    The list does not shrink unseen.
    """
    assert len(CASES) >= 30


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_message_has_place_fact_and_way_out(case, tmp_path):
    """
    Exit 2, no traceback, and exactly the lines that were accepted.
    """
    done = run(case, tmp_path)
    said = done.stderr.replace(f"{tmp_path}/", "").replace(f"{case.parent}/", "")
    expected = case.with_suffix(".txt")
    if os.environ.get("GOLDEN") == "write":
        expected.write_text(said, encoding="utf-8")

    assert 2 == done.returncode, done.stderr
    assert expected.read_text(encoding="utf-8") == said
    assert "Traceback" not in said
    for line in said.splitlines():
        assert ":" in line
        assert ";" in line


def run(case: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Compile, or render values, with the broken file in its place."""
    if case.parent.name == "sites":
        command = [TOOL, "values", "render", "keystone", "--values", str(case)]
        return subprocess.run(command, capture_output=True, text=True, check=False)
    definitions = folder / "definitions"
    shutil.copytree(ROOT / "service_defs", definitions)
    first = case.read_text(encoding="utf-8", errors="replace").splitlines()[0]
    target = first.removeprefix("# file: ") if first.startswith("# file: ") else "memcached.yaml"
    shutil.copy(case, definitions / target)
    command = [TOOL, "gen-charts", "--definitions", str(definitions), "--output", str(folder / "charts")]
    return subprocess.run(command, capture_output=True, text=True, check=False)
