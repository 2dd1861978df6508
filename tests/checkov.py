"""``make checkov``: what Checkov says of every chart, rendered as for a real site.

A chart's share is passed / (passed + failed + skipped), without CKV_K8S_21, which asks for a namespace that helm gives.
Ends with 1 when mariadb, rabbitmq, memcached and keystone together are below 96 %, when a check fails that
docs/security.md does not explain, or when a skip has no reason.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.model.catalog import is_control
from kolla_k8s.site.values import chart_values
from kolla_k8s.yamlio import dump

ROOT = Path(__file__).parents[1]
SITE = ROOT / "values/sites/all-in-one.yaml"
REASONS = ROOT / "docs/security.md"
JUDGED = ("mariadb", "rabbitmq", "memcached", "keystone")
LEAST_PERCENT = 96.0
LEFT_OUT = "CKV_K8S_21"


def main(checkov: str) -> int:
    """Print what was found; give the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        render(Path(folder))
        command = [checkov, "-d", folder, "--framework", "kubernetes", "--skip-download", "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"checkov: exit {done.returncode}: {done.stderr}")
    results = json.loads(done.stdout)["results"]
    counts = count(results)
    for name, one in sorted(counts.items()):
        print(f"{name:24} {said(one)}")
    together = sum((counts[name] for name in JUDGED), Counter())
    print(f"{'all charts':24} {said(sum(counts.values(), Counter()))}")
    print(f"{', '.join(JUDGED)}: {said(together)}, wanted {LEAST_PERCENT} %\n")
    problems = list(unexplained(results, REASONS.read_text()))
    print("\n".join([*failures(results), *problems]))
    return int(percent(together) < LEAST_PERCENT or bool(problems))


def render(folder: Path) -> None:
    """Write a file of objects for each chart, with the values that the site gives it."""
    cloud = load_cloud(Source([SITE], []))
    for name, service in cloud.catalog.services.items():
        space = cloud.wanted.namespaces["control" if is_control(service) else "node"]
        command = ["helm", "template", name, str(ROOT / "charts" / name), "--namespace", space, "--values", "-"]
        values = dump(chart_values(cloud.site, cloud.catalog, name))
        done = subprocess.run(command, input=values, capture_output=True, text=True, check=True)
        (folder / f"{name}.yaml").write_text(done.stdout)


def checks(results: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Chart, ``passed``, ``failed`` or ``skipped``, and the check; CKV_K8S_21 left out."""
    for outcome in ("passed", "failed", "skipped"):
        for check in results[f"{outcome}_checks"]:
            if check["check_id"] != LEFT_OUT:
                yield Path(check["file_path"]).stem, outcome, check


def count(results: Mapping[str, Any]) -> dict[str, Counter[str]]:
    """How many checks of each chart passed, failed and were skipped."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for chart, outcome, _check in checks(results):
        counts[chart][outcome] += 1
    return counts


def percent(counts: Counter[str]) -> float:
    """Share of the checks that passed; a skip is no pass."""
    return 100 * counts["passed"] / counts.total()


def said(counts: Counter[str]) -> str:
    """One line of figures."""
    return f"{counts['passed']} of {counts.total()} passed, {counts['skipped']} skipped: {percent(counts):.2f} %"


def failures(results: Mapping[str, Any]) -> Iterator[str]:
    """Each check that failed or was skipped, with its objects."""
    objects: dict[str, list[str]] = defaultdict(list)
    for _chart, outcome, check in checks(results):
        if outcome != "passed":
            kind, _space, name = check["resource"].split(".", 2)
            objects[f"{check['check_id']} {check['check_name']}"].append(f"{kind}/{name.split('.')[0]}")
    for check, found in sorted(objects.items()):
        yield f"{check}: {len(found)}: {', '.join(sorted(found))}"


def unexplained(results: Mapping[str, Any], reasons: str) -> Iterator[str]:
    """What failed without a reason in the document, or was skipped without one in the chart."""
    found = list(checks(results))
    for check_id in sorted({check["check_id"] for _chart, outcome, check in found if outcome == "failed"}):
        if f"`{check_id}`" not in reasons:
            yield f"docs/security.md: says nothing of {check_id}; mend the charts, or write why it is so"
    for chart, outcome, check in found:
        if outcome == "skipped" and not check["check_result"].get("suppress_comment"):
            yield f"{chart}: {check['resource']} skips {check['check_id']} without a reason; write one"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
