"""What the fault bench found: kept while it runs, so that it can be interrupted, and told when it has ended.

A record is a line of JSON with its kind, the key of its case (which does not change from commit to commit), the facts,
and its problems; a case that is recorded without problems is not run again. ``python -m tests.cluster.results``
writes what was kept as ``results.json`` and ``results.md`` of the documents.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HEAD = """# What the full runs found

Written by `make faults-report` from what `make faults-full` kept; not to be edited. The numbers behind each line are in
[results.json](results.json), and what each line means in [the list](index.md).

| what | how often | ended well by itself | ended well by the same command |
|---|---|---|---|
"""

Record = dict[str, Any]


def known(kind: str, **key: Any) -> Record | None:
    """What is recorded without problems of this case; None when it has to be run."""
    file = os.environ.get("FAULT_RESULTS")
    if not file or not Path(file).exists():
        return None
    of_case = [one for one in read(Path(file)) if (one["kind"], one["key"]) == (kind, key)]
    return next((one for one in reversed(of_case) if not one["problems"]), None)


def note(kind: str, key: Mapping[str, Any], problems: Sequence[str] = (), **facts: Any) -> Record:
    """Append what a case found to the file of results, where one is named."""
    record = {"kind": kind, "key": dict(key), "problems": list(problems), **facts}
    if file := os.environ.get("FAULT_RESULTS"):
        with Path(file).open("a", encoding="utf-8") as out:
            out.write("\n" + json.dumps(record))  # first the end of a line that an interrupt may have cut
    return record


def read(file: Path) -> list[Record]:
    """Every record; a line that an interrupt has cut is left out."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def summary(records: Iterable[Record], kills: Mapping[str, Record]) -> dict[str, Any]:
    """Results of all kinds that there are records of; of each case its last record counts."""
    newest = {(one["kind"], json.dumps(one["key"], sort_keys=True)): one for one in records}
    by_kind: dict[str, list[Record]] = defaultdict(list)
    for _, one in sorted(newest.items()):
        by_kind[one["kind"]].append(one)
    found = {
        "kills": _killed(kills),
        "races": _races(by_kind["race"]),
        "faults": _faults(by_kind["faults"]),
        "outages": [{**one["key"], "code": one["code"], "problems": one["problems"]} for one in by_kind["outage"]],
        "holder stopped": [_facts(one) for one in by_kind["stopped"]],
    }
    return {name: part for name, part in found.items() if part}


def _killed(kills: Mapping[str, Record]) -> dict[str, Any]:
    if not kills:
        return {}
    return {
        "points": len(kills),
        "not converged": sorted(point for point, outcome in kills.items() if outcome["problems"]),
        "by victim and moment": dict(sorted(Counter(point.rpartition("-")[0] for point in kills).items())),
    }


def _races(races: Sequence[Record]) -> dict[str, Any]:
    if not races:
        return {}
    return {
        "races": len(races),
        "operators": max(len(one["codes"]) for one in races),
        "one writer": sum(len(one["wrote"]) == 1 for one in races),
        "others exit 4": sum(one["codes"] == [0] + [4] * (len(one["codes"]) - 1) for one in races),
        "longest until they were told, in leases": max(one["told_in_leases"] for one in races),
    }


def _faults(installs: Sequence[Record]) -> list[dict[str, Any]]:
    by_what: dict[str, list[Record]] = defaultdict(list)
    for one in installs:
        by_what[one["key"]["what"]].append(one)
    return [
        {
            "what": what,
            "installs": len(all_of),
            "green by themselves": sum(one["code"] == 0 for one in all_of),
            "converged": sum(not one["problems"] for one in all_of),
        }
        for what, all_of in by_what.items()
    ]


def _facts(record: Record) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in {"kind", "key"}}


def table(results: Mapping[str, Any]) -> str:
    """The page of a summary."""
    lines: list[tuple[Any, ...]] = []
    if kills := results.get("kills"):
        good = kills["points"] - len(kills["not converged"])
        lines.append(("an install killed at each mutating request", kills["points"], "", good))
    columns = "what", "installs", "green by themselves", "converged"
    lines += [tuple(one[column] for column in columns) for one in results.get("faults", ())]
    for away_s in sorted({one["away_s"] for one in results.get("outages", ())}):
        of_length = [one for one in results["outages"] if one["away_s"] == away_s]
        green, good = sum(one["code"] == 0 for one in of_length), sum(not one["problems"] for one in of_length)
        lines.append((f"the API gone for {away_s} s", len(of_length), green, good))
    if races := results.get("races"):
        what = f"{races['operators']} operators at once: one writer, the others exit 4"
        lines.append((what, races["races"], min(races["one writer"], races["others exit 4"]), ""))
    for one in results.get("holder stopped", ()):
        what = f"the holder stopped for 60 s, taken over after {one['taken_over_after_s']} s"
        lines.append((what, 1, int(one["writes_afterwards"] == 0), ""))
    return HEAD + "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def main() -> None:
    """Write what the bench kept into the documents; what it did not run this time stays as it was."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("kept", type=Path, help="folder with kills.json and results.jsonl")
    parser.add_argument("documents", type=Path, help="folder of results.json and results.md")
    options = parser.parse_args()
    kills, lines = options.kept / "kills.json", options.kept / "results.jsonl"
    page = options.documents / "results.json"
    found = summary(read(lines) if lines.exists() else [], json.loads(kills.read_text()) if kills.exists() else {})
    results = {**(json.loads(page.read_text()) if page.exists() else {}), **found}
    page.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (options.documents / "results.md").write_text(table(results), encoding="utf-8")


if __name__ == "__main__":
    main()
