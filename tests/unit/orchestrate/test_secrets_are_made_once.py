"""Secrets are made once: the cluster is the truth, and nothing that is there is changed."""

from __future__ import annotations

import base64

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.model.catalog import Catalog
from kolla_k8s.model.service import SecretKind
from kolla_k8s.orchestrate.secrets import (
    NAMESPACES,
    OWNER,
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

SPACES = {"control": "openstack", "node": "openstack-node"}
PASSWORDS = SecretSpec("a-secrets", "openstack", {"one": SecretKind.PASSWORD, "two": SecretKind.PASSWORD})
KEYS = SecretSpec("a-keys", "openstack", dict.fromkeys(("0", "1"), SecretKind.FERNET_KEYS), "cluster")


def of_kind(kind):
    return f"a {kind}"


def ensured(cluster, *specs, given=None):
    return run(ensure_secrets(cluster, specs, of_kind, given))


def values(cluster, *specs):
    return run(read_secrets(cluster, specs))


def a_secret(spec, **data):
    encoded = {key.lstrip("_"): base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"metadata": {"name": spec.name}, "data": encoded}


class Rival(FakeCluster):
    """Before each first write of ours, somebody else writes the same object."""

    def __init__(self, resource, body):
        super().__init__(namespaces=("default", "openstack"))
        self._theirs = [(resource, body)]

    def _be_faster(self):
        for resource, body in self._theirs:
            self.put(resource, body, "openstack")
        self._theirs = []

    async def create(self, resource, body, namespace=""):
        self._be_faster()
        return await super().create(resource, body, namespace)

    async def replace(self, resource, body, namespace=""):
        self._be_faster()
        return await super().replace(resource, body, namespace)


def test_missing_secret_is_created_with_all_its_keys():
    """
    And says whose it is and who made it.
    """
    cluster = FakeCluster()

    done = ensured(cluster, PASSWORDS, KEYS)

    assert {"a-secrets": "created", "a-keys": "created"} == done
    assert {"one": "a password", "two": "a password"} == values(cluster, PASSWORDS)["a-secrets"]
    about = cluster.peek(SECRETS, "a-keys", "openstack")["metadata"]
    assert {OWNER: "cluster"} == about["annotations"]
    assert "kolla-k8s" == about["labels"]["app.kubernetes.io/managed-by"]


def test_secret_that_is_there_is_kept():
    """
    A second run writes nothing.
    """
    cluster = FakeCluster()
    ensured(cluster, PASSWORDS, KEYS)
    before = len(cluster.requests)

    done = ensured(cluster, PASSWORDS, KEYS)

    assert {"a-secrets": "kept", "a-keys": "kept"} == done
    assert {"get"} == {request.verb for request in cluster.requests[before:]}


def test_missing_key_is_added_and_the_others_stay():
    """
    A service that wants a further password keeps those it has, and what an operator put beside them.
    """
    cluster = FakeCluster()
    cluster.put(SECRETS, a_secret(PASSWORDS, one="mine", extra="too"), "openstack")

    done = ensured(cluster, PASSWORDS)

    assert {"a-secrets": "completed"} == done
    assert {"one": "mine", "two": "a password", "extra": "too"} == values(cluster, PASSWORDS)["a-secrets"]


def test_rotated_keys_are_no_missing_keys():
    """
    A repository of keys names them by age: that 0 and 1 are gone is its life.
    """
    cluster = FakeCluster()
    cluster.put(SECRETS, a_secret(KEYS, _7="older", _8="old"), "openstack")

    assert {"a-keys": "kept"} == ensured(cluster, KEYS)
    assert {"7": "older", "8": "old"} == values(cluster, KEYS)["a-keys"]


@pytest.mark.parametrize("spec", [PASSWORDS, KEYS])
def test_empty_secret_is_filled(spec):
    """
    As kubectl makes one.
    """
    cluster = FakeCluster()
    cluster.put(SECRETS, {"metadata": {"name": spec.name}}, "openstack")

    assert {spec.name: "completed"} == ensured(cluster, spec)
    assert set(spec.keys) == set(values(cluster, spec)[spec.name])


def test_given_values_are_used_where_something_is_missing_only():
    """
    An export brings a cloud's passwords back; it never changes one.
    """
    cluster = FakeCluster()
    cluster.put(SECRETS, a_secret(PASSWORDS, one="mine"), "openstack")

    ensured(cluster, PASSWORDS, given={"a-secrets/one": "theirs", "a-secrets/two": "given"})

    assert {"one": "mine", "two": "given"} == values(cluster, PASSWORDS)["a-secrets"]


def test_secret_made_by_a_faster_run_is_taken_as_it_is():
    """
    Two runs, one truth.
    """
    cluster = Rival(SECRETS, a_secret(PASSWORDS, one="theirs", two="theirs"))

    assert {"a-secrets": "kept"} == ensured(cluster, PASSWORDS)
    assert {"one": "theirs", "two": "theirs"} == values(cluster, PASSWORDS)["a-secrets"]


def test_secret_completed_by_a_faster_run_is_taken_as_it_is():
    """
    What was read is old by then; it is read again.
    """
    cluster = Rival(SECRETS, a_secret(PASSWORDS, one="theirs", two="theirs"))
    cluster.put(SECRETS, a_secret(PASSWORDS, one="theirs"), "openstack")

    assert {"a-secrets": "kept"} == ensured(cluster, PASSWORDS)
    assert {"one": "theirs", "two": "theirs"} == values(cluster, PASSWORDS)["a-secrets"]


def test_secrets_that_are_not_there_are_not_read():
    """
    An empty one has no values.
    """
    cluster = FakeCluster()
    cluster.put(SECRETS, {"metadata": {"name": "a-keys"}}, "openstack")

    assert {"a-keys": {}} == values(cluster, PASSWORDS, KEYS)


def test_missing_namespaces_are_made_as_strict_as_their_pods_allow():
    """
    One that is there is left as it is.
    """
    cluster = FakeCluster(namespaces=("default", "openstack"))

    made = run(ensure_namespaces(cluster, SPACES))

    assert ["openstack-node"] == made
    labels = cluster.peek(NAMESPACES, "openstack-node")["metadata"]["labels"]
    assert "privileged" == labels["pod-security.kubernetes.io/enforce"]
    assert "restricted" == labels["pod-security.kubernetes.io/warn"]
    assert "labels" not in cluster.peek(NAMESPACES, "openstack")["metadata"]


def test_namespace_made_by_a_faster_run_is_no_trouble():
    """
    Namespaces come before the hold on a cloud, so two runs may want them at once.
    """
    cluster = Rival(NAMESPACES, {"metadata": {"name": "openstack-node"}})

    assert [] == run(ensure_namespaces(cluster, SPACES))


@pytest.mark.parametrize("kind", [SecretKind.PASSWORD, SecretKind.ERLANG_COOKIE])
def test_passwords_are_long_and_need_no_quoting(kind):
    """
    They stand in URLs, SQL and files of every syntax.
    """
    made = generate(kind)

    assert 40 == len(made)
    assert made.isalnum()
    assert made != generate(kind)


def test_keys_are_what_their_readers_take():
    """
    32 bytes for Fernet.
    """
    assert 32 == len(base64.urlsafe_b64decode(generate(SecretKind.FERNET_KEYS)))


@pytest.mark.parametrize("kind", [SecretKind.GIVEN, SecretKind.KEYRING])
def test_nothing_is_made_up_for_what_another_system_knows(kind):
    """
    Whoever asks for it is wrong.
    """
    with pytest.raises(ValueError, match=f"nobody can make up a {kind}"):
        generate(kind)


def test_every_secret_of_enabled_services_is_expected(shipped):
    """
    Passwords are keys of one Secret for each service, repositories have a Secret each.
    """
    specs = {spec.name: spec for spec in secret_specs(shipped, ["rabbitmq", "keystone"], SPACES)}

    assert ["keystone-credential-keys", "keystone-fernet-keys", "keystone-secrets", "rabbitmq-secrets"] == list(specs)
    assert {"admin-password", "database-password", "gate-password"} == set(specs["keystone-secrets"].keys)
    assert {"0", "1"} == set(specs["keystone-fernet-keys"].keys)
    assert ("site", "cluster") == (specs["keystone-secrets"].owner, specs["keystone-fernet-keys"].owner)


def test_secrets_lie_where_their_pods_are(wide):
    """
    A pod reads those of its own namespace only.
    """
    specs = secret_specs(wide, wide.services, SPACES)

    spaces = {spec.name: spec.namespace for spec in specs}
    assert "openstack" == spaces["nova-secrets"]


def test_passwords_beside_a_secret_of_the_cluster_stay_the_sites(shipped):
    """
    An export that left them out would lose them.
    """
    service = shipped["rabbitmq"]
    secrets = dict(service.spec.secrets)
    secrets["erlang-cookie"] = secrets["erlang-cookie"].model_copy(update={"owner": "cluster"})
    mixed = service.model_copy(update={"spec": service.spec.model_copy(update={"secrets": secrets})})

    specs = secret_specs(Catalog("2026.1", {"rabbitmq": mixed}), ["rabbitmq"], SPACES)

    assert [("rabbitmq-secrets", "site")] == [(spec.name, spec.owner) for spec in specs]


def test_word_that_a_system_outside_knows_is_asked_of_the_operator():
    """
    Given in a file it is kept as any other; nobody makes one up.
    """
    spec = SecretSpec("one-secrets", "openstack", {"key": SecretKind.GIVEN})
    cluster = FakeCluster(namespaces=("default", "openstack"))

    with pytest.raises(OutsideError, match="openstack/one-secrets: key cannot be generated; say it in a file"):
        ensured(cluster, spec)
    assert {"one-secrets": "created"} == ensured(cluster, spec, given={"one-secrets/key": "word"})


def test_secret_of_whole_files_is_the_operators():
    """
    What is there is kept whatever it holds; what is not there is asked for in the definition's words.
    """
    spec = SecretSpec("one-ceph", "openstack", {}, about="the file ceph.conf")
    cluster = FakeCluster(namespaces=("default", "openstack"))

    with pytest.raises(OutsideError, match=r"openstack/one-ceph: is not there; create it: the file ceph\.conf"):
        ensured(cluster, spec)
    cluster.put(SECRETS, {"metadata": {"name": "one-ceph"}, "data": {"ceph.conf": "Cg=="}}, "openstack")
    assert {"one-ceph": "kept"} == ensured(cluster, spec)
