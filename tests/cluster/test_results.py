"""What the fault bench keeps is not run again, and is told in the documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.results import known, note, read, summary, table

PAGES = Path(__file__).parents[2] / "docs/reliability"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which cases are kept."""
    file = tmp_path / "results.jsonl"
    monkeypatch.setenv("FAULT_RESULTS", str(file))
    return file


def test_good_case_is_known_and_a_bad_one_is_run_again(kept: Path) -> None:
    """
    Also when an interrupt has cut a line.
    """
    note("faults", {"what": "slow", "seed": 1}, code=0)
    note("faults", {"what": "slow", "seed": 2}, ["claim a was made anew"], code=0)
    kept.write_text(kept.read_text() + '\n{"kind": "fau')
    note("faults", {"what": "slow", "seed": 3}, code=0)

    assert known("faults", what="slow", seed=1)
    assert known("faults", what="slow", seed=3)
    assert known("faults", what="slow", seed=2) is None
    assert known("race", number=1) is None


def test_nothing_is_kept_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A sample in CI runs each case.
    """
    monkeypatch.delenv("FAULT_RESULTS", raising=False)
    note("stopped", {}, code=4)

    assert known("stopped") is None


def test_last_record_of_each_case_is_told(kept: Path) -> None:
    """
    What was bad and is good by now counts as good; what is counted is the cases, not the tries.
    """
    note("faults", {"what": "slow", "seed": 1}, ["left behind"], code=3)
    note("faults", {"what": "slow", "seed": 1}, code=3)
    note("faults", {"what": "slow", "seed": 2}, code=0)
    note("outage", {"call": 2, "away_s": 5}, code=0)
    note("race", {"number": 0}, codes=[0, 4, 4], wrote=["operator-1"], told_in_leases=0.1)
    note("stopped", {}, code=4, writes_afterwards=0, taken_over_after_s=41.0, longest_refusal_s=2.0)
    kills = {"cli-before-1": {"problems": []}, "cli-before-2": {"problems": ["left behind"]}}
    rows = table(summary(read(kept), kills)).splitlines()[-5:]

    assert [
        "| an install killed at each mutating request | 2 |  | 1 |",
        "| slow | 2 | 1 | 2 |",
        "| the API gone for 5 s | 1 | 1 | 1 |",
        "| 3 operators at once: one writer, the others exit 4 | 1 | 1 |  |",
        "| the holder stopped for 60 s, taken over after 41.0 s | 1 | 1 |  |",
    ] == rows


def test_page_is_that_of_the_numbers() -> None:
    """
    Nobody edits one of the two.
    """
    results = json.loads((PAGES / "results.json").read_text())

    assert table(results) == (PAGES / "results.md").read_text()
