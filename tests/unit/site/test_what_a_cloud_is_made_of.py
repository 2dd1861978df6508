"""Which services a site asks for, and which come unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.site.load import check_site, read_site
from kolla_k8s.site.problems import Charts
from tests.conftest import catalog_of
from tests.unit.compile.defined import a_definition, write

AGENTS = {"neutron-dhcp", "neutron-l3", "neutron-metadata-agent", "neutron-ovs-agent"}
OVN = {"neutron-metadata", "ovn", "ovn-controller"}
SITES = Path(__file__).parents[3] / "values" / "sites"
SITE_NAMES = ("all-in-one", "all-in-one-ovs")


def made_of(folder, text):
    """What a site's words make of three services: two needs one, three is an alternative."""
    one, two = a_definition("one"), a_definition("two", needs={"start": ["one"]})
    catalog = catalog_of(write(folder, one, two, a_definition("three", wanted=False)))
    site = folder / "site"
    site.write_text(f"apiVersion: kolla-k8s.io/v1\nkind: Site\n{text}\n")
    return check_site(read_site([site], [], folder), Charts({name: {} for name in catalog.services})).wants(catalog)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", {"one", "two"}),
        ("want: [three]", {"three"}),
        ("want: [two]", {"one", "two"}),
        ("services: {three: {enabled: true}}", {"one", "two", "three"}),
        ("want: [one]\nservices: {three: {enabled: true}}", {"one", "three"}),
        ("services: {one: {enabled: false}}", {"two"}),
        ("want: [three]\nservices: {three: {enabled: false}}", set()),
    ],
)
def test_alternative_comes_when_it_is_asked_for(tmp_path, text, names):
    """
    By want, or by enabled beside what comes unasked; what is disabled stays away, whoever needs it.
    """
    assert names == made_of(tmp_path, text)


def test_agents_of_open_vswitch_take_the_place_of_ovn():
    """
    One preset; all else is the same cloud.
    """
    usual, agents = (set(load_cloud(Source([SITES / f"{name}.yaml"], [])).wanted.values) for name in SITE_NAMES)

    assert OVN == usual - agents
    assert AGENTS == agents - usual


@pytest.mark.parametrize(
    ("name", "switch"), [("all-in-one", "ovn-controller"), ("all-in-one-ovs", "neutron-ovs-agent")]
)
def test_compute_node_comes_after_what_wires_its_guests(name, switch):
    """
    Alone it would be green, and every server would end in ERROR.
    """
    start = load_cloud(Source([SITES / f"{name}.yaml"], [])).catalog["nova-compute"].spec.needs.start

    assert {switch} == {"ovn-controller", "neutron-ovs-agent"} & set(start)
