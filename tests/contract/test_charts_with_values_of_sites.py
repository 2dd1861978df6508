"""The committed charts with the values of shipped sites, under the real helm and against Kubernetes' own schemas."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest

from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.yamlio import manifest
from tests.contract.charts import (
    CHARTS,
    NAMES,
    VERSIONS,
    are_rights_few,
    excused,
    loose_ends,
    objects,
    pods_of,
)

pytestmark = pytest.mark.helm
SITES = CHARTS.parent / "values/sites"
OF = {
    "all-in-one": ("all-in-one.yaml",),
    "ha": ("all-in-one.yaml", "presets: [all-in-one, ha]"),
    "ceph": ("ceph.yaml",),
    "ovs": ("all-in-one-ovs.yaml",),
}
HEAD = "apiVersion: kolla-k8s.io/v1\nkind: Site\n"


@dataclass(frozen=True, slots=True)
class Made:
    """What helm made of one chart with one site's values, and what its lint complains of."""

    name: str
    values: str
    lint: str
    text: str


@cache
def charts_of(site: str) -> tuple[Made, ...]:
    """Every chart of a site; a folder and two helms at once keep it quick."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as workers:
        files = [_file(Path(folder), said) for said in OF[site]]
        values = load_cloud(Source(files, [])).wanted.values
        return tuple(workers.map(lambda name: _made(name, json.dumps(values[name], sort_keys=True)), values))


def _file(folder: Path, said: str) -> Path:
    """A shipped site, or a file with what is said."""
    if said.endswith(".yaml"):
        return SITES / said
    path = folder / "more.yaml"
    path.write_text(f"{HEAD}{said}\n")
    return path


@cache
def _made(name: str, values: str) -> Made:
    lint = _helm(["lint", "--strict", str(CHARTS / name)], values)
    return Made(name, values, "" if lint.returncode == 0 else lint.stdout, _rendered(name, values))


def _rendered(name: str, values: str) -> str:
    return _helm(["template", name, str(CHARTS / name)], values).stdout


def _helm(command: Sequence[str], values: str) -> subprocess.CompletedProcess[str]:
    words = ["helm", *command, "--namespace", "openstack", "--values", "-"]
    return subprocess.run(words, input=values, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("site", OF)
def test_site_gives_every_chart_what_it_takes(site):
    """
    Helm's own lint has nothing to say, and each chart has objects.
    """
    made = charts_of(site)

    assert {} == {one.name: one.lint for one in made if one.lint}
    assert [] == [one.name for one in made if not one.text]


def test_two_renders_of_a_site_give_the_same_bytes():
    """
    A no-op upgrade changes nothing there either; of the site that changes most.
    """
    assert [] == [one.name for one in charts_of("ha") if one.text != _rendered(one.name, one.values)]


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_objects_that_only_sites_have_are_valid(version):
    """
    Strictly, in the oldest and the newest Kubernetes; what charts have by themselves is validated elsewhere.
    """
    usual = {json.dumps(item, sort_keys=True) for name in NAMES for item in objects(name)}
    of_sites = {json.dumps(item, sort_keys=True) for site in OF for item in _items(site)}

    assert of_sites - usual
    for item in sorted(of_sites - usual):
        kubernetes_validate.validate(json.loads(item), version, strict=True)


@pytest.mark.parametrize("site", OF)
def test_rights_of_a_site_are_few(site):
    """
    As those of the charts by themselves.
    """
    assert are_rights_few(_items(site))


@pytest.mark.parametrize("site", OF)
def test_every_container_of_a_site_is_restricted_and_limited(site, shipped):
    """
    No value of a site loosens it; on the node plane, all but those with a reason.
    """
    loose = {
        one.name: found
        for one in charts_of(site)
        for _, pod in pods_of(manifest(one.text))
        if (found := list(loose_ends(pod, set(excused(shipped[one.name])))))
    }

    assert {} == loose


def _items(site):
    return [item for one in charts_of(site) for item in manifest(one.text)]
