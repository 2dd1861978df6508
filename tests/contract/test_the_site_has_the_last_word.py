"""Defaults, variants, the form of logs, the site: who wins in a file, as the real helm renders it."""

from __future__ import annotations

import json
import subprocess

import pytest

from kolla_k8s.compile.render import render_chart
from kolla_k8s.yamlio import manifest
from tests.conftest import catalog_of
from tests.contract.rendered import contents, pod_files
from tests.unit.compile.defined import a_definition, write

pytestmark = pytest.mark.helm
FILES = {
    "a.conf": {
        "path": "/etc/a.conf",
        "format": "ini",
        "content": {"DEFAULT": {"pool": "files", "debug": True, "hosts": ["a", "b"]}, "old": {"x": 1}},
        "variants": {"rbd": {"when": {"backend": "rbd"}, "content": {"DEFAULT": {"pool": "images", "user": "me"}}}},
        "json-logs": {"DEFAULT": {"form": "json"}},
    },
    "b.sh": {"path": "/b.sh", "format": "raw", "content": "echo default"},
}
OPTIONS = {"backend": {"default": "file", "one-of": ["file", "rbd"], "help": "where"}}


@pytest.fixture(scope="module")
def chart(tmp_path_factory):
    """A chart with a variant and a raw file."""
    folder = tmp_path_factory.mktemp("chart")
    catalog = catalog_of(write(folder, a_definition("one", options=OPTIONS, config=FILES)))
    for path, text in render_chart(catalog, "one").files.items():
        (folder / "one" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "one" / path).write_text(text)
    return folder / "one"


def told(chart, **values):
    """What the pods of a chart are told of its files: file -> content."""
    command = ["helm", "template", "one", str(chart), "--values", "-"]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    (pod,) = pod_files(manifest(done.stdout)).values()
    return contents(pod)


RBD = {"backend": "rbd"}


def test_without_a_word_of_the_site_a_variant_lies_over_defaults(chart):
    """
    And only while its option is chosen.
    """
    usual, rbd = told(chart), told(chart, options=RBD)

    assert FILES["a.conf"]["content"] == usual["a.conf"]
    assert {"pool": "images", "user": "me", "debug": True, "hosts": ["a", "b"]} == rbd["a.conf"]["DEFAULT"]
    assert "echo default" == rbd["b.sh"]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"pool": "mine"}, {"pool": "mine"}),
        ({"pool": ""}, {"pool": ""}),
        ({"pool": None}, {"pool": None}),
        ({"user": None}, {"user": None}),
        ({"debug": False}, {"debug": False}),
        ({"debug": 0}, {"debug": 0}),
        ({"hosts": ["c"]}, {"hosts": ["c"]}),
        ({"hosts": []}, {"hosts": []}),
        ({"form": "text"}, {"form": "text"}),
        ({"new": 1}, {"new": 1}),
    ],
)
def test_site_wins_over_a_variant_and_null_takes_away(chart, said, wanted):
    """
    Whatever kind of value it is; a null goes to the pod, which leaves the option out.
    """
    shared = {"logs": {"format": "json"}}
    content = told(chart, options=RBD, config={"a.conf": {"DEFAULT": said}}, **{"global": shared})["a.conf"]

    rest = {"pool": "images", "user": "me", "debug": True, "hosts": ["a", "b"], "form": "json"}
    assert {**rest, **wanted} == content["DEFAULT"]
    assert {"x": 1} == content["old"]


def test_site_takes_a_section_or_a_whole_raw_file(chart):
    """
    A raw file has no keys to lay over.
    """
    found = told(chart, config={"a.conf": {"old": None}, "b.sh": "echo mine"})

    assert {"DEFAULT", "old"} == set(found["a.conf"])
    assert found["a.conf"]["old"] is None
    assert "echo mine" == found["b.sh"]
