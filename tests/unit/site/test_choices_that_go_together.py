"""What one choice of a site asks of another, in its own files and in charts that plain helm installs."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from kolla_k8s.compile.values import values_schema
from kolla_k8s.errors import UserFilesError
from tests.conftest import catalog_of
from tests.unit.compile.defined import LISTENING, a_definition, write
from tests.unit.site.test_a_way_in import told

CHOOSING = a_definition(
    "one",
    options={
        "store": {"default": "file", "one-of": ["file", "ceph", "nfs"], "needs": {"nfs": {"share": "*"}}, "help": "?"},
        "copy": {"default": "off", "one-of": ["off", "on"], "needs": {"on": {"store": "ceph"}}, "help": "?"},
        "share": {"default": "", "help": "?"},
    },
    workloads={"api": {**LISTENING, "alone": {"store": "file"}}},
)


def refused(folder, options):
    with pytest.raises(UserFilesError) as caught:
        told(catalog_of(write(folder, CHOOSING)), folder, f"services: {{one: {{options: {options}}}}}\n", "one")
    return str(caught.value).partition("site.yaml:")[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{copy: 'on'}", "services.one.options: copy: on needs store: ceph; say it, or choose otherwise"),
        ("{copy: 'on', store: file}", "services.one.options.store: copy: on needs store: ceph; say it, or choose"),
        ("{store: nfs}", "services.one.options: store: nfs needs share; say it, or choose otherwise"),
        ("{store: nfs, share: ''}", "services.one.options.share: store: nfs needs share; say it, or choose otherwise"),
    ],
)
def test_choice_without_what_it_needs_is_refused(tmp_path, options, message):
    """
    Whether the site says the wrong thing, or leaves the default that is wrong.
    """
    assert message in refused(tmp_path, options)


@pytest.mark.parametrize("options", ["{copy: 'on', store: ceph}", "{store: nfs, share: a}", "{store: ceph}", "{}"])
def test_choices_that_go_together_are_taken(tmp_path, options):
    """
    And so is a site that says nothing.
    """
    catalog = catalog_of(write(tmp_path, CHOOSING))

    assert told(catalog, tmp_path, f"services: {{one: {{options: {options}}}}}\n", "one")


def test_default_can_need_another_option(tmp_path):
    """
    Then the other one must be said whenever this one is not.
    """
    options = dict(CHOOSING["spec"]["options"])
    options["store"] = {**options["store"], "default": "nfs"}
    one = a_definition("one", options=options)
    schema = values_schema(catalog_of(write(tmp_path, one)), catalog_of(tmp_path)["one"])

    assert not Draft202012Validator(schema).is_valid({"options": {}})
    assert Draft202012Validator(schema).is_valid({"options": {"store": "file"}})


def test_more_replicas_than_there_may_be_are_refused(tmp_path):
    """
    A second one would harm.
    """
    catalog, text = catalog_of(write(tmp_path, CHOOSING)), "services: {one: {workloads: {api: {replicas: 2}}}}\n"
    with pytest.raises(UserFilesError) as caught:
        told(catalog, tmp_path, text, "one")

    assert "services.one.workloads.api.replicas: 2 is not possible; at most 1" in str(caught.value)
