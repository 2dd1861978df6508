"""What a site says of systems outside its cluster goes to the charts of those who talk to them."""

from __future__ import annotations

import pytest

from kolla_k8s.errors import UserFilesError
from tests.unit.site.test_a_way_in import told

CEPH = "external: {ceph: {cidrs: [192.0.2.0/24]}}\n"


@pytest.mark.parametrize("service", ["glance", "cinder"])
def test_address_goes_to_every_service_that_talks_to_it(shipped, tmp_path, service):
    """
    Said once, for all policies.
    """
    assert {"ceph": {"cidrs": ["192.0.2.0/24"]}} == told(shipped, tmp_path, CEPH, service)["external"]


def test_others_hear_nothing_of_it(shipped, tmp_path):
    """
    Their charts have no such key.
    """
    assert "external" not in told(shipped, tmp_path, CEPH, "keystone")


def test_service_may_say_otherwise(shipped, tmp_path):
    """
    As one whose data lie in another Ceph.
    """
    text = CEPH + "services: {glance: {external: {ceph: {cidrs: [198.51.100.7/32]}}}}\n"

    assert {"ceph": {"cidrs": ["198.51.100.7/32"]}} == told(shipped, tmp_path, text)["external"]


def test_system_that_nobody_talks_to_is_a_mistake(shipped, tmp_path):
    """
    A slip would leave policies open.
    """
    with pytest.raises(UserFilesError) as caught:
        told(shipped, tmp_path, "external: {cepf: {}}\n")

    assert 'no service talks to a system called "cepf"; did you mean "ceph"?' in str(caught.value)


def test_external_that_is_no_map_is_said_by_the_model(shipped, tmp_path):
    """
    Nothing looks into it before.
    """
    with pytest.raises(UserFilesError) as caught:
        told(shipped, tmp_path, "external: [ceph]\n")

    assert "external" in str(caught.value)


def test_preset_ceph_moves_all_data_there(shipped, tmp_path):
    """
    Every service that has data is told, and each option is one that its chart knows.
    """
    names = ("cinder", "glance", "libvirt", "nova-compute")

    options = {name: told(shipped, tmp_path, "presets: [ceph]\n", name)["options"] for name in names}

    assert {
        "cinder": {"backend": "rbd", "backup": "rbd"},
        "glance": {"backend": "rbd"},
        "libvirt": {"backend": "rbd"},
        "nova-compute": {"backend": "rbd"},
    } == options
