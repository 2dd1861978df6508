"""Processes that read several files of options: a later one overrules what a site says in an earlier one."""

from __future__ import annotations

import pytest

from kolla_k8s.model.catalog import Catalog

LAID_OVER = [
    ("neutron", "neutron.conf", "ml2_conf.ini"),
    ("neutron-dhcp", "neutron.conf", "dhcp_agent.ini"),
    ("neutron-l3", "neutron.conf", "l3_agent.ini"),
    ("neutron-ovs-agent", "neutron.conf", "openvswitch_agent.ini"),
    ("nova", "nova.conf", "nova-cell.conf"),
]


def options_of(catalog: Catalog, service: str, file: str) -> dict[tuple[str, str], object]:
    """Value of each option of a file, by section and name, in all of its variants."""
    about = catalog[service].spec.config[file]
    contents = [about.content, about.json_logs, *(variant.content for variant in about.variants.values())]
    return {
        (section, option): value
        for content in contents
        for section, options in content.items()
        for option, value in options.items()
    }


@pytest.mark.parametrize(("service", "first", "further"), LAID_OVER)
def test_later_file_repeats_nothing(shipped, service, first, further):
    """
    What it said again in the same words, such as debug, a site could not say otherwise in the file where it belongs.
    """
    before, after = (options_of(shipped, service, file) for file in (first, further))

    assert [] == [option for option, value in after.items() if before.get(option) == value]


def test_every_process_is_told_how_to_log(shipped):
    """
    By the one file of options that it reads first.
    """
    further = {(service, file) for service, _, file in LAID_OVER}
    files = {
        (name, file): about
        for name, service in shipped.services.items()
        for file, about in service.spec.config.items()
        if about.oslo
    }

    assert further == {place for place, about in files.items() if about.oslo.further}
    assert [] == [
        place for place, about in files.items() if ("debug" in about.content.get("DEFAULT", {})) is about.oslo.further
    ]
