"""What a site says once of logs and figures, and every chart is told."""

from __future__ import annotations

import pytest

from kolla_k8s.errors import UserFilesError
from tests.unit.site.test_a_way_in import told


def test_logs_are_text_and_figures_for_nobody(shipped, tmp_path):
    """
    Unless the site says otherwise.
    """
    values = told(shipped, tmp_path, "region: here\n")["global"]

    assert {"format": "text"} == values["logs"]
    assert {"monitors": False, "from": {}} == values["metrics"]


def test_one_word_makes_json_of_all_logs(shipped, tmp_path):
    """
    As the preset does.
    """
    values = (told(shipped, tmp_path, text)["global"] for text in ("logs: {format: json}\n", "presets: [json-logs]\n"))

    assert [{"format": "json"}] * 2 == [each["logs"] for each in values]


def test_readers_of_figures_are_named_by_labels(shipped, tmp_path):
    """
    Those of their namespaces.
    """
    text = "metrics: {monitors: true, from: {kubernetes.io/metadata.name: monitoring}}\n"

    said = told(shipped, tmp_path, text)["global"]["metrics"]

    assert {"monitors": True, "from": {"kubernetes.io/metadata.name": "monitoring"}} == said


def test_certificate_without_https_is_refused(shipped, tmp_path):
    """
    Nobody would see it.
    """
    text = "expose: {mode: gateway, domain: a.b, gateway: {name: a, namespace: b}, tls: {issuer: a}, scheme: http}\n"

    with pytest.raises(UserFilesError, match="scheme http has no use for tls"):
        told(shipped, tmp_path, text)
