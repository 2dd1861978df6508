"""The sandbox's Ceph, without a sandbox: it gives what charts expect, and no more."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from kolla_k8s.model.choices import choose
from kolla_k8s.orchestrate.secrets import secret_specs
from sandbox.ceph import NAMESPACES, SECRETS_OF, USERS, caps, ceph, client_configuration, configuration
from sandbox.layout import layout

RBD = {
    "cinder": {"backend": "rbd", "backup": "rbd"},
    **{name: {"backend": "rbd"} for name in ("glance", "libvirt", "nova-compute")},
}


def test_every_keyring_that_charts_expect_is_made(shipped):
    """
    In the namespace of its plane, under its name.
    """
    specs = secret_specs(choose(shipped, RBD), shipped.services, NAMESPACES)

    keyrings = {(spec.name, spec.namespace) for spec in specs if not spec.keys}

    assert keyrings == {(name, NAMESPACES[plane]) for name, (plane, _) in SECRETS_OF.items()}


@pytest.mark.parametrize(
    ("name", "option"), [("glance", "rbd_store"), ("cinder", "rbd"), ("nova-compute", "images_rbd")]
)
def test_users_own_the_pools_that_services_are_told(shipped, name, option):
    """
    Definitions and Ceph speak of the same.
    """
    variants = (file.variants.get("rbd") for file in shipped[name].spec.config.values())
    parts = [part for variant in variants if variant for part in variant.content.values()]
    said = {key: value for part in parts for key, value in part.items()}
    user = said.get("rbd_user") or said["rbd_store_user"]

    assert USERS[user][0] == said[f"{option}_pool"]


@pytest.mark.parametrize(
    ("user", "osd"),
    [
        ("cinder-backup", "profile rbd pool=backups"),
        ("cinder", "profile rbd pool=volumes, profile rbd-read-only pool=images"),
    ],
)
def test_user_may_write_one_pool(user, osd):
    """
    And read images where it copies from them.
    """
    assert osd == caps(user)["osd"]
    assert "profile rbd" == caps(user)["mon"]


def test_libvirt_and_those_who_ask_it_know_a_key_by_one_name(shipped):
    """
    A guest's disk is opened with the key that libvirt has under this name.
    """
    known = dict(line.split() for line in shipped["libvirt"].spec.config["ceph-users"].content.splitlines())
    nova = shipped["nova-compute"].spec.config["nova.conf"].variants["rbd"].content["libvirt"]
    cinder = shipped["cinder"].spec.config["cinder.conf"].variants["rbd"].content["rbd"]

    assert {nova["rbd_user"]: nova["rbd_secret_uuid"], cinder["rbd_user"]: cinder["rbd_secret_uuid"]} == known


def test_daemons_keep_everything_in_their_folder():
    """
    So that down leaves nothing of them; clients are told of the monitor alone.
    """
    whole = configparser.ConfigParser()
    whole.read_string(configuration("f", Path("/state/ceph")))
    client = configparser.ConfigParser()
    client.read_string(client_configuration("f"))

    places = [whole["global"][key] for key in ("mon_data", "mgr_data", "osd_data", "run_dir", "crash_dir")]
    assert [] == [place for place in places if not place.startswith("/state/ceph/")]
    assert {"fsid", "mon_host"} == set(client["global"])


def test_without_a_sandbox_there_is_no_ceph(tmp_path, monkeypatch):
    """
    It says how to bring one up.
    """
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    with pytest.raises(SystemExit, match=r"python -m sandbox up --name none"):
        ceph(layout("none"))
