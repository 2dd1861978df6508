"""What a site says of its way in, and what charts are told of it."""

from __future__ import annotations

from kolla_k8s.compile.values import values_schema
from kolla_k8s.site.load import check_site, read_site
from kolla_k8s.site.problems import Charts
from kolla_k8s.site.values import chart_values
from tests.conftest import ROOT

HEAD = "apiVersion: kolla-k8s.io/v1\nkind: Site\n"


def loaded(catalog, folder, text):
    file = folder / "site.yaml"
    file.write_text(HEAD + text)
    schemas = {name: values_schema(catalog, catalog[name]) for name in catalog.services}
    return check_site(read_site([file], [], ROOT / "values/presets"), Charts(schemas))


def told(catalog, folder, text, service="glance"):
    return chart_values(loaded(catalog, folder, text), catalog, service)


def test_charts_of_a_site_without_one_are_told_of_none(shipped, tmp_path):
    """
    Whatever else it says of ports.
    """
    values = told(shipped, tmp_path, "services: {keystone: {expose: {api: {host: auth.example.org}}}}\n")

    assert {"mode": "none"} == values["global"]["expose"]


def test_every_chart_is_told_what_single_ports_are_called(shipped, tmp_path):
    """
    They name each other's public addresses.
    """
    text = (
        "expose: {mode: gateway, domain: cloud.example.org, gateway: {name: edge, namespace: infra},"
        " tls: {issuer: us}}\n"
        "services: {keystone: {expose: {api: {host: auth.example.org}}}, nova: {enabled: false}}\n"
    )

    assert {
        "mode": "gateway",
        "domain": "cloud.example.org",
        "gateway": {"name": "edge", "namespace": "infra"},
        "tls": {"issuer": "us"},
        "services": {"keystone": {"api": {"host": "auth.example.org"}}},
    } == told(shipped, tmp_path, text)["global"]["expose"]
