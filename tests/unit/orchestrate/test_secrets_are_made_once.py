"""Secrets are generated once, kept for ever, and never overwritten."""

from __future__ import annotations

import base64
import uuid

import pytest

from kolla_k8s import places
from kolla_k8s.cli.definitions import load_catalog
from kolla_k8s.errors import OutsideError
from kolla_k8s.model.service import SecretKind
from kolla_k8s.orchestrate.secrets import (
    NAMESPACES,
    SECRETS,
    SecretSpec,
    ensure_namespaces,
    ensure_secrets,
    generate,
    read_secrets,
    secret_specs,
)
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.virtual import run

PASSWORDS = SecretSpec("db", "openstack", {"a": SecretKind.PASSWORD, "b": SecretKind.PASSWORD})
KEYS = SecretSpec("keys", "openstack", {"0": SecretKind.FERNET_KEYS, "1": SecretKind.FERNET_KEYS}, "cluster")


def values(cluster, spec):
    return run(read_secrets(cluster, [spec])).get(spec.name)


def test_second_time_changes_nothing():
    """
    A rerun reads.
    """
    cluster = FakeCluster()
    first = run(ensure_secrets(cluster, [PASSWORDS, KEYS]))
    before = values(cluster, PASSWORDS), values(cluster, KEYS)

    second = run(ensure_secrets(cluster, [PASSWORDS, KEYS]))

    assert {"db": "created", "keys": "created"} == first
    assert {"db": "kept", "keys": "kept"} == second
    assert before == (values(cluster, PASSWORDS), values(cluster, KEYS))
    assert "cluster" == cluster.peek(SECRETS, "keys", "openstack")["metadata"]["annotations"]["kolla-k8s.io/owner"]


def test_missing_key_is_added_and_the_others_stay():
    """
    A new version of a service wants one more.
    """
    cluster = FakeCluster()
    run(ensure_secrets(cluster, [SecretSpec("db", "openstack", {"a": SecretKind.PASSWORD})]))
    before = values(cluster, PASSWORDS)["a"]

    done = run(ensure_secrets(cluster, [PASSWORDS]))

    assert {"db": "completed"} == done
    assert before == values(cluster, PASSWORDS)["a"]
    assert 40 == len(values(cluster, PASSWORDS)["b"])


def test_rotated_key_repository_is_never_completed():
    """
    Its keys have other numbers by now.
    """
    cluster = FakeCluster()
    cluster.put(SECRETS, {"metadata": {"name": "keys"}, "data": {"7": base64.b64encode(b"k").decode()}}, "openstack")

    assert {"keys": "kept"} == run(ensure_secrets(cluster, [KEYS]))
    assert {"7": "k"} == values(cluster, KEYS)


def test_given_values_are_used_and_the_rest_generated():
    """
    As an export holds them.
    """
    cluster = FakeCluster()

    run(ensure_secrets(cluster, [PASSWORDS], given={"db/a": "@:/%$ x"}))

    assert "@:/%$ x" == values(cluster, PASSWORDS)["a"]


def test_race_with_another_tool_is_lost_politely():
    """
    Who came first is kept.
    """
    cluster = FakeCluster()

    def come_first(request):
        if request.verb == "create" and cluster.peek(SECRETS, "db", "openstack") is None:
            data = {key: base64.b64encode(b"theirs").decode() for key in "ab"}
            cluster.put(SECRETS, {"metadata": {"name": "db"}, "data": data}, "openstack")

    cluster.fail = come_first

    assert {"db": "kept"} == run(ensure_secrets(cluster, [PASSWORDS]))
    assert {"a": "theirs", "b": "theirs"} == values(cluster, PASSWORDS)


def test_namespaces_enforce_pod_security():
    """
    Those that are there are left as they are.
    """
    cluster = FakeCluster(namespaces=["openstack"])

    made = run(ensure_namespaces(cluster, {"control": "openstack", "node": "openstack-node"}))

    labels = cluster.peek(NAMESPACES, "openstack-node")["metadata"]["labels"]
    assert ["openstack-node"] == made
    assert ("privileged", "restricted") == tuple(
        labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "warn")
    )


def test_every_kind_has_its_form():
    """
    Letters and digits, a key of 32 bytes, a uuid; what nobody can generate is refused.
    """
    assert generate(SecretKind.PASSWORD).isalnum()
    assert 32 == len(base64.urlsafe_b64decode(generate(SecretKind.FERNET_KEYS)))
    assert uuid.UUID(generate(SecretKind.UUID))
    with pytest.raises(OutsideError, match="create the Secret yourself"):
        generate(SecretKind.CERTIFICATE)


def test_secrets_of_the_shipped_services_are_known():
    """
    Passwords of a service stand together; key repositories are the cluster's own.
    """
    catalog = load_catalog(places.data("service_defs"))
    specs = {spec.name: spec for spec in secret_specs(catalog, catalog.services, {"control": "a", "node": "b"})}

    assert {"admin-password", "database-password"} <= set(specs["keystone-secrets"].keys)
    assert ("cluster", ["0", "1"]) == (specs["keystone-fernet-keys"].owner, sorted(specs["keystone-fernet-keys"].keys))
    assert {"a"} == {spec.namespace for spec in specs.values()}
