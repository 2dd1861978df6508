"""Charts of definitions that are not among the committed ones, under the real helm."""

from __future__ import annotations

import subprocess

import kubernetes_validate
import pytest

from kolla_k8s.compile.render import render_chart
from kolla_k8s.yamlio import manifest
from tests.conftest import catalog_of
from tests.contract.charts import pods_of
from tests.unit.compile.defined import DEPLOYMENT, LISTENING, a_definition, write

pytestmark = pytest.mark.helm


def compiled(catalog, name, folder, *options):
    """Objects of a chart that is not among the committed ones."""
    for path, text in render_chart(catalog, name).files.items():
        target = folder / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    command = ["helm", "template", name, str(folder / name), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return manifest(done.stdout)


def test_charts_of_later_issues_render(wide, tmp_path):
    """
    Nova, its compute node, OVN and Octavia give templates that helm accepts.
    """
    for name in ("nova", "nova-compute", "ovn", "octavia"):
        for item in compiled(wide, name, tmp_path):
            kubernetes_validate.validate(item, "1.34", strict=True)


def test_switched_off_workload_is_gone_and_each_cell_has_its_own(tmp_path):
    """
    ``when`` and ``for-each`` follow the site's options.
    """
    options = {
        "console": {"default": "vnc", "one-of": ["vnc", "none"], "help": "how people see screens"},
        "cells": {"default": {"cell1": {}}, "help": "what hosts are sorted into"},
    }
    workloads = {"proxy": {**LISTENING, "when": {"console": "vnc"}}, "conductor": {**DEPLOYMENT, "for-each": "cells"}}
    catalog = catalog_of(write(tmp_path, a_definition("cells", options=options, workloads=workloads)))
    said = ["--set", "options.console=none", "--set-json", 'options.cells={"cell1": {}, "cell2": {}}']
    items = compiled(catalog, "cells", tmp_path, *said)
    names = {item["metadata"]["name"] for item in items if item["kind"] == "Deployment"}

    assert {"cells-conductor-cell1", "cells-conductor-cell2"} == names


def test_periodic_command_runs_with_the_files_of_its_service(tmp_path):
    """
    Written by an init step, which waits for the bootstrap as those of workloads do and alone holds token and secrets.
    """
    listed = a_definition(
        "one",
        bootstrap={"image": "memcached", "steps": {"fill": {"run": ["fill"]}}},
        config={"a.conf": {"path": "/etc/a.conf", "format": "raw", "content": "${secret:own}"}},
        secrets={"own": {"kind": "password"}},
        periodic={"clean": {"schedule": "0 * * * *", "image": "memcached", "run": ["clean"]}},
    )
    items = compiled(catalog_of(write(tmp_path, listed)), "one", tmp_path)
    pods = dict(pods_of(items))
    (prepare,), (task,) = pods["CronJob"]["initContainers"], pods["CronJob"]["containers"]
    told, other = (
        {e["name"]: e.get("value") for e in p["env"]} for p in (prepare, *pods["Deployment"]["initContainers"])
    )

    assert ["/etc/a.conf"] == [mount["mountPath"] for mount in task["volumeMounts"] if "subPath" in mount]
    assert told["BOOTSTRAP_DIGEST"] == other["BOOTSTRAP_DIGEST"]
    assert "one" == pods["CronJob"]["serviceAccountName"]
    assert {"token", "secrets-prepare"} <= {mount["name"] for mount in prepare["volumeMounts"]}
    assert {"tmp", "rendered"} == {mount["name"] for mount in task["volumeMounts"]}
