"""What presets say of volumes, and what clouds come of it."""

from __future__ import annotations

import pytest

from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.errors import UserFilesError
from tests.conftest import ROOT

PRESETS = sorted(path.stem for path in (ROOT / "values/presets").glob("*.yaml"))
SHARES = "services.cinder-volume.options.nfs-shares=192.0.2.5:/volumes"


def cloud(folder, *presets, sets=()):
    site = folder / "site.yaml"
    site.write_text(f"apiVersion: kolla-k8s.io/v1\nkind: Site\npresets: [{', '.join(presets)}]\n")
    return load_cloud(Source([site], list(sets)))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_fits_the_charts(tmp_path, preset):
    """
    Alone, and over all in one.
    """
    for presets in ([preset], ["all-in-one", preset]):
        assert cloud(tmp_path, *presets, sets=[SHARES]).wanted.values


@pytest.mark.parametrize(
    ("presets", "sets", "more"),
    [
        (["ceph"], [], set()),
        (["nfs"], [SHARES], {"cinder-volume"}),
        (["lvm"], [], {"cinder-volume", "iscsid"}),
        (["lvm"], ["services.iscsid.enabled=false"], {"cinder-volume"}),
        (["ceph", "lvm"], [], {"cinder-volume", "iscsid"}),
    ],
)
def test_services_on_nodes_come_with_the_backend_that_needs_them(tmp_path, presets, sets, more):
    """
    And all else of the cloud is the same.
    """
    found, usual = set(cloud(tmp_path, *presets, sets=sets).wanted.values), set(cloud(tmp_path).wanted.values)

    assert more == found - usual
    assert usual <= found


@pytest.mark.parametrize(
    ("preset", "gates"),
    [("nfs", {"nfs"}), ("lvm", {"lvm"})],
)
def test_a_volume_is_made_whatever_the_backend(tmp_path, preset, gates):
    """
    By the same gate as one in Ceph.
    """
    found = cloud(tmp_path, preset, sets=[SHARES]).catalog["cinder-volume"].spec.gates

    assert gates == set(found)
    assert {"cinder-volume"} == {gate.kind for gate in found.values()}


def test_nfs_without_a_share_is_refused(tmp_path):
    """
    Before anything is applied.
    """
    with pytest.raises(UserFilesError) as caught:
        cloud(tmp_path, "nfs")

    assert "services.cinder-volume.options: backend: nfs needs nfs-shares; say it" in str(caught.value)


def test_password_of_the_database_goes_to_the_nodes(tmp_path):
    """
    It is cinder's, and lies in the other namespace.
    """
    found = cloud(tmp_path, "lvm").catalog["cinder-volume"].spec.config["database.cnf"].content

    assert {"cinder": {"password": "${secret:cinder/database-password}"}} == found
