"""Logs as JSON where the site wants them, and figures of what has some."""

from __future__ import annotations

import json

import pytest

from kolla_k8s.errors import UserFilesError
from tests.conftest import catalog_of
from tests.unit.compile.defined import DEPLOYMENT, LISTENING, a_definition, files_of, write

PORTS = {"ports": {"api": 8000, "figures": 9000}, "metrics": {"port": "figures", "path": "/figures"}}
MEASURED = {**LISTENING, **PORTS}


def a_file(**more):
    return {"path": "/a.conf", "format": "ini", **more}


def json_logs(folder, **spec):
    files = files_of(folder, "one", a_definition("one", **spec))
    return {name: file.get("json_logs") for name, file in json.loads(files["files/api.json"])["files"].items()}


def test_oslo_writes_json_where_the_site_wants_it(tmp_path):
    """
    A definition may say more of it; other files are as ever.
    """
    config = {
        "a.conf": a_file(oslo={}),
        "b.conf": a_file(oslo={}, **{"json-logs": {"DEFAULT": {"use_json": False}, "log": {"a": 1}}}),
        "c.conf": a_file(),
    }

    assert {
        "a.conf": {"DEFAULT": {"use_json": True}},
        "b.conf": {"DEFAULT": {"use_json": False}, "log": {"a": 1}},
        "c.conf": None,
    } == json_logs(tmp_path, config=config)


def test_uwsgi_lets_records_of_oslo_through_and_makes_json_of_the_rest(tmp_path):
    """
    By its master, whose buffer holds a long record whole.
    """
    api = {"kind": "Deployment", "image": "a", "wsgi": {"module": "a.b:application"}, "ports": {"api": 80}}

    said = json_logs(tmp_path, workloads={"api": api})["api-uwsgi.ini"]["uwsgi"]

    assert [r"oslo ^\{", "own ^[^{]"] == said["log-route"]
    assert {"log-encoder", "log-master-bufsize", "log-route", "logger"} == set(said)


def test_chart_without_a_choice_of_logs_asks_for_none(tmp_path):
    """
    Its templates stay as short as they were.
    """
    plain = files_of(tmp_path, "one", a_definition("one", config={"c.conf": a_file()}))
    oslo = files_of(tmp_path, "one", a_definition("one", config={"a.conf": a_file(oslo={})}))

    assert "json_logs" not in plain["templates/_helpers.tpl"]
    assert '(eq $root.Values.global.logs.format "json")' in oslo["templates/_helpers.tpl"]


def test_raw_file_has_no_keys_to_say_otherwise(tmp_path):
    """
    It is text, which nothing can be laid over.
    """
    raw = a_definition("one", config={"a": {"path": "/a", "format": "raw", "content": "", "json-logs": {"a": "b"}}})

    with pytest.raises(UserFilesError, match="a raw file has no keys that json-logs could say otherwise"):
        catalog_of(write(tmp_path, raw))


def test_figures_are_for_the_namespaces_that_the_site_names(tmp_path):
    """
    Clients have no business at their port.
    """
    two = a_definition("two", needs={"run": ["one"]})
    files = files_of(tmp_path, "one", a_definition("one", workloads={"api": MEASURED}), two)
    readers = files["templates/api-metrics-networkpolicy.yaml"]

    assert readers.startswith("{{- if and (.Values.global.networkPolicy) (.Values.global.metrics.from) }}")
    assert "matchLabels: {{ toJson .Values.global.metrics.from }}" in readers
    assert "port: 9000" in readers
    assert 1 == files["templates/api-networkpolicy.yaml"].count("port: 9000")
    assert "port: 9000" not in files_of(tmp_path, "two", two)["templates/networkpolicy.yaml"]


def test_pods_say_where_their_figures_are(tmp_path):
    """
    By annotations, beside others; to Prometheus' operator where the site has it.
    """
    attached = {**MEASURED, "attachments": {"a": {"network": "net", "interface": "eth1"}}}
    files = files_of(tmp_path, "one", a_definition("one", workloads={"api": attached}))
    pods, monitor = files["templates/api-deployment.yaml"], files["templates/api-podmonitor.yaml"]

    for said in ('scrape" `true`', 'port" `9000`', 'path" `/figures`'):
        assert f'"prometheus.io/{said}' in pods
    assert "k8s.v1.cni.cncf.io/networks" in pods
    assert monitor.startswith("{{- if .Values.global.metrics.monitors }}")
    assert "podMetricsEndpoints:\n  - {port: figures, path: /figures}\n" in monitor


def test_figures_alone_make_no_client(tmp_path):
    """
    Nor is there a policy for pods that are on the node's network.
    """
    alone = {**DEPLOYMENT, "ports": {"figures": 9000}, "metrics": {"port": "figures"}}
    host = {**alone, "kind": "DaemonSet", "host": {"reason": "is the node's own", "network": True}}
    workloads = {"api": alone, "host": host}

    files = files_of(tmp_path, "one", a_definition("one", plane="node", workloads=workloads))

    assert "one.clients" not in files["templates/api-networkpolicy.yaml"]
    assert "templates/host-podmonitor.yaml" in files
    assert "templates/host-metrics-networkpolicy.yaml" not in files


def test_port_of_figures_is_one_of_the_workload(tmp_path):
    """
    With the name that was meant.
    """
    wrong = {**MEASURED, "metrics": {"port": "figuers"}}

    with pytest.raises(UserFilesError, match='no port is called "figuers"; did you mean "figures"'):
        catalog_of(write(tmp_path, a_definition("one", workloads={"api": wrong})))


def test_nothing_is_made_for_what_has_no_figures(tmp_path):
    """
    No annotation, no object.
    """
    files = files_of(tmp_path, "one", a_definition("one"))

    assert not [name for name in files if "metrics" in name or "podmonitor" in name]
    assert "prometheus.io" not in files["templates/api-deployment.yaml"]
