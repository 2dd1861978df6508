"""``gen-charts`` that dies in the middle of writing, and on disks that cannot do all: a real process, a real kernel."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli import under_seccomp

ROOT = Path(__file__).parents[2]
TOOL = str(Path(sys.executable).parent / "kolla-k8s")
pytestmark = pytest.mark.skipif(not under_seccomp.CALLS, reason="system calls of this machine are not known here")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def place(tmp_path):
    """Definitions that have changed since charts were made from them."""
    shutil.copytree(ROOT / "service_defs", tmp_path / "defs")
    (tmp_path / "out").mkdir()
    assert 0 == generate(tmp_path).returncode
    (tmp_path / "out/charts/notes.txt").write_text("mine")
    for path in (tmp_path / "defs").glob("*.yaml"):
        path.write_text(re.sub("revision: .*", "revision: 7000", path.read_text()))
    return tmp_path


def generate(place, *wrapper, **more):
    asked = ["gen-charts", "--definitions", str(place / "defs"), "--output", str(place / "out/charts")]
    command = [*wrapper, sys.executable, TOOL, *asked]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, **more)


def under(call, answer):
    return sys.executable, under_seccomp.__file__, call, answer


def tree(place):
    folder = place / "out/charts"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def beside(place):
    return sorted(path.name for path in (place / "out").iterdir())


@pytest.mark.parametrize("call", ["link", "renameat2"])
def test_run_killed_before_the_exchange_leaves_the_old_tree(place, call):
    """
    Killed among the files, or when every file is written: not a byte differs.
    """
    before = tree(place)

    killed = generate(place, *under(call, "kill"))

    assert -signal.SIGSYS == killed.returncode
    assert before == tree(place)
    assert 1 < len(beside(place))


def test_run_killed_after_the_exchange_leaves_the_new_tree(place):
    """
    Killed while it clears the old files away: every chart is the new one.
    """
    killed = generate(place, *under("unlinkat", "kill"))
    left = tree(place)

    assert -signal.SIGSYS == killed.returncode
    assert generate(place).stdout.endswith(" 0 files changed\n")
    assert left == tree(place)
    assert b"version: 2026.1.7000" in left["keystone/Chart.yaml"]


@pytest.mark.parametrize("call", ["link", "renameat2", "unlinkat"])
def test_next_run_finishes_what_a_killed_one_began(place, call):
    """
    With the new charts, what others had there, and nothing beside them.
    """
    generate(place, *under(call, "kill"))

    assert 0 == generate(place).returncode
    assert b"mine" == tree(place)["notes.txt"]
    assert b"version: 2026.1.7000" in tree(place)["keystone/Chart.yaml"]
    assert ["charts"] == beside(place)


def test_disk_that_cannot_exchange_folders_gets_the_charts_too(place):
    """
    Network file systems and old kernels know no exchange.
    """
    done = generate(place, *under("renameat2", "ENOSYS"))

    assert 0 == done.returncode, done.stderr
    assert b"mine" == tree(place)["notes.txt"]
    assert b"version: 2026.1.7000" in tree(place)["keystone/Chart.yaml"]
    assert ["charts"] == beside(place)


@pytest.mark.parametrize(
    ("wrapper", "fact"),
    [(under("renameat2", "EACCES"), "Permission denied"), (under("link", "ENOSPC"), "No space left on device")],
)
def test_refusing_disk_leaves_the_old_tree(place, wrapper, fact):
    """
    Exit 3 with the system's words, no byte changed and nothing left behind.
    """
    before = tree(place)

    done = generate(place, *wrapper)

    assert (3, f"{place}/out/charts: cannot be written: {fact}; see disk and rights\n") == (
        done.returncode,
        done.stderr,
    )
    assert before == tree(place)
    assert ["charts"] == beside(place)
