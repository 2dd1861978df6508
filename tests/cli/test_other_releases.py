"""Charts of another OpenStack release than the default one, and sites that are of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kolla_k8s.cli.cloud import Source, load_cloud, with_charts
from kolla_k8s.cli.definitions import load_catalog
from kolla_k8s.errors import OutsideError, UserFilesError
from kolla_k8s.model.catalog import RELEASES
from kolla_k8s.yamlio import load

ROOT = Path(__file__).parents[2]
TOOL = str(Path(sys.executable).parent / "kolla-k8s")
NEXT = "2026.2"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What ``gen-charts`` says and makes for the next release."""
    folder = tmp_path_factory.mktemp("next")
    return folder / "charts", generate("--release", NEXT, "--output", str(folder / "charts"), cache=folder)


@pytest.fixture
def site(tmp_path):
    """A site of the next release."""
    file = tmp_path / "site.yaml"
    file.write_text(f'apiVersion: kolla-k8s.io/v1\nkind: Site\nrelease: "{NEXT}"\n')
    return file


def generate(*options, cache):
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    return subprocess.run([TOOL, "gen-charts", *options], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("release", RELEASES)
def test_shipped_definitions_fit_together_in_every_release(release):
    """
    Patches are looked at before somebody asks for their release.
    """
    assert release == load_catalog(ROOT / "service_defs", release).release


def test_charts_of_another_release_are_whole(made):
    """
    All of them, with images of that release, and one line on what could not be checked.
    """
    charts, done = made

    assert 0 == done.returncode, done.stderr
    assert f"options of {NEXT} were not checked: {ROOT}/service_defs/options has no list of them\n" == done.stderr
    assert {path.stem for path in (ROOT / "service_defs").glob("*.yaml")} == {path.name for path in charts.iterdir()}
    for chart in charts.iterdir():
        assert NEXT == load(chart / "Chart.yaml").data["appVersion"]
        assert f"{NEXT}-debian-trixie" == load(chart / "values.yaml").data["global"]["images"]["tag"]


def test_unknown_release_is_refused(tmp_path):
    """
    By gen-charts, with the nearest.
    """
    done = generate("--release", "2026.11", "--output", str(tmp_path / "charts"), cache=tmp_path)

    assert (2, '--release: no release is called "2026.11"; did you mean "2026.1"?\n') == (done.returncode, done.stderr)


def test_charts_of_another_release_than_the_sites_are_refused(site):
    """
    At the line that names the release, with the two steps that mend it.
    """
    with pytest.raises(UserFilesError) as refused:
        with_charts(load_cloud(Source([site], [])))

    assert str(refused.value).startswith(f'{site}:3:1: release: the site is of release "{NEXT}", and ')
    assert str(refused.value).endswith(
        f' of "2026.1"; run `kolla-k8s gen-charts --release {NEXT} --output DIR` and name DIR with --charts'
    )


def test_charts_of_the_sites_release_are_taken(site, made):
    """
    From a folder; in a registry the version says the release.
    """
    for charts in (str(made[0]), "oci://registry.example.org/charts"):
        with_charts(load_cloud(Source([site], [], charts=charts)))


def test_what_installs_nothing_needs_no_charts(tmp_path):
    """
    A cloud is looked at and smoked where only its definitions are.
    """
    cloud = load_cloud(Source([ROOT / "values/sites/minimal.yaml"], [], charts=str(tmp_path)))

    with pytest.raises(OutsideError, match="holds no chart"):
        with_charts(cloud)
