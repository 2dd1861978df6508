"""What a site's options leave of secrets, gates and files, and what charts hold of what only some sites have."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from kolla_k8s.compile.values import defaults, values_schema
from kolla_k8s.model.choices import choose
from kolla_k8s.model.known_options import Known
from tests.conftest import catalog_of
from tests.unit.compile.defined import LISTENING, a_definition, files_of, write

GATE = {"kind": "openstack-request", "workload": "api"}
CEPH = {"store": "ceph"}
STORING = a_definition(
    "one",
    options={"store": {"default": "file", "one-of": ["file", "ceph", "s3"], "help": "where"}},
    secrets={
        "own": {"kind": "password"},
        "key": {"kind": "given", "when": {"store": "s3"}},
        "ceph": {"kind": "keyring", "when": CEPH, "help": "the file ceph.conf"},
    },
    config={
        "a.conf": {
            "path": "/a.conf",
            "format": "ini",
            "content": {"a": {"own": "${secret:own}"}},
            "variants": {"s3": {"when": {"store": "s3"}, "content": {"a": {"key": "${secret:key}"}}}},
        }
    },
    workloads={"api": {**LISTENING, "volumes": {"ceph": {"path": "/etc/ceph", "secret": "ceph"}}}},
    external={
        "ceph": {"when": CEPH, "ports": {"mon": 3300, "osd": [6800, 7568]}, "help": "disks"},
        "mail": {"help": "letters"},
    },
    gates={"always": GATE, "ceph": {**GATE, "when": CEPH}},
)


@pytest.mark.parametrize(
    ("said", "secrets", "gates", "variants"),
    [
        ({}, ["own"], ["always"], []),
        ({"two": CEPH}, ["own"], ["always"], []),
        ({"one": {"store": "s3"}}, ["own", "key"], ["always"], ["s3"]),
        ({"one": CEPH}, ["own", "ceph"], ["always", "ceph"], []),
    ],
)
def test_what_the_site_did_not_choose_is_not_asked_for(tmp_path, said, secrets, gates, variants):
    """
    An option that nobody speaks of has its default.
    """
    catalog = catalog_of(write(tmp_path, STORING, a_definition("two")))

    spec = choose(catalog, said)["one"].spec

    assert (secrets, gates, variants) == (list(spec.secrets), list(spec.gates), list(spec.config["a.conf"].variants))


@pytest.mark.parametrize(("said", "needs"), [({}, ["two", "three"]), ({"one": {"two": False}}, ["three"])])
def test_need_of_another_choice_is_none(tmp_path, said, needs):
    """
    So a service is not brought up for one that does not need it in this site.
    """
    option = {"default": True, "one-of": [True, False], "help": "whether"}
    choosy = a_definition(
        "one", options={"two": option}, needs={"start": ["two", "three"], "when": {"two": {"two": True}}}
    )
    catalog = catalog_of(write(tmp_path, choosy, a_definition("two"), a_definition("three")))

    assert needs == choose(catalog, said)["one"].spec.needs.start


def test_service_without_options_is_left_as_it_is(tmp_path):
    """
    And so is all else of the catalogue.
    """
    catalog = catalog_of(write(tmp_path, STORING, a_definition("two")))

    chosen = choose(catalog, {"one": CEPH})

    assert catalog["two"] is chosen["two"]
    assert {} == chosen.known_options("one") == dict[str, Known]()


def test_pods_start_without_what_only_some_sites_have(tmp_path):
    """
    As a folder and as a word of a file; what every site has must be there.
    """
    pods = files_of(tmp_path, "one", STORING)["templates/api-deployment.yaml"]

    assert "secret: {secretName: one-ceph, defaultMode: 288, optional: true}" in pods
    assert "path: one/key}\n              optional: true" in pods
    assert "path: one/own}\n" in pods
    assert 2 == pods.count("optional: true")


def test_readme_says_when_a_secret_is_wanted(tmp_path):
    """
    And what the operator puts into one that is not generated.
    """
    readme = files_of(tmp_path, "one", STORING)["README.md"]

    assert "| `one-ceph` | the file ceph.conf (with store: ceph) |" in readme
    assert "| `one-secrets` | `own`, `key` (with store: s3) |" in readme


def test_network_is_open_to_what_is_outside_where_it_is_used(tmp_path):
    """
    For all pods of the service, to the addresses that the site says, and to these ports alone where they are named.
    """
    files = files_of(tmp_path, "one", STORING)
    ceph, mail = files["templates/to-ceph-networkpolicy.yaml"], files["templates/to-mail-networkpolicy.yaml"]

    assert ceph.startswith(
        '{{- if and (.Values.global.networkPolicy) (and (eq (toString (index .Values.options "store")) "ceph")) }}'
    )
    assert 'include "one.outside" (index .Values.external "ceph").cidrs' in ceph
    assert "- {port: 3300, protocol: TCP}\n    - {port: 6800, protocol: TCP, endPort: 7568}\n" in ceph
    assert mail.startswith("{{- if .Values.global.networkPolicy }}")
    assert "ports:" not in mail
    assert "component" not in ceph.partition("podSelector:")[2]


def test_site_says_where_what_is_outside_answers(tmp_path):
    """
    Anywhere when it says nothing; addresses are checked.
    """
    catalog = catalog_of(write(tmp_path, STORING))

    assert {"ceph": {"cidrs": []}, "mail": {"cidrs": []}} == defaults(catalog, catalog["one"])["external"]
    assert ["ceph", "mail"] == list(values_schema(catalog, catalog["one"])["properties"]["external"]["properties"])


def test_variants_of_two_files_may_be_called_alike(tmp_path):
    """
    Each is a site's to change.
    """
    files = {
        name: {
            "path": f"/{name}",
            "format": "ini",
            "variants": {"s3": {"when": {"store": "s3"}, "content": {"a": {"is": name}}}},
        }
        for name in ("a.conf", "b.conf")
    }
    one = {**STORING, "spec": {**STORING["spec"], "config": files}}
    catalog = catalog_of(write(tmp_path, one))

    said = defaults(catalog, catalog["one"])["variants"]
    known = values_schema(catalog, catalog["one"])["properties"]["variants"]["properties"]

    assert {"a.conf": "a.conf", "b.conf": "b.conf"} == {n: file["s3"]["content"]["a"]["is"] for n, file in said.items()}
    assert {"a.conf": ["s3"], "b.conf": ["s3"]} == {n: list(schema["properties"]) for n, schema in known.items()}


def test_second_replica_is_refused_where_replicas_share_nothing(tmp_path):
    """
    By the chart's own schema, so that plain helm refuses it, too; whether the option is said or left at its default.
    """
    choices = {"backend": {"default": "file", "one-of": ["file", "rbd"], "help": "where data is"}}
    workloads = {"api": {**LISTENING, "alone": {"backend": "file"}}, "web": {**LISTENING, "alone": {"backend": "rbd"}}}
    catalog = catalog_of(write(tmp_path, a_definition("one", options=choices, workloads=workloads)))
    schema = Draft202012Validator(values_schema(catalog, catalog["one"]))

    def refused(workload, **options):
        values = {"workloads": {workload: {"replicas": 2}}, "options": options}
        return [list(error.absolute_path) for error in schema.iter_errors(values)]

    assert [["workloads", "api", "replicas"]] == refused("api") == refused("api", backend="file")
    assert [] == refused("api", backend="rbd") == refused("web") == refused("web", backend="file")
    assert [["workloads", "web", "replicas"]] == refused("web", backend="rbd")
