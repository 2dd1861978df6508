"""Where in the API an object of a kind lives."""

from __future__ import annotations

import pytest

from kolla_k8s.orchestrate.kinds import resource_of


@pytest.mark.parametrize(
    ("api", "kind", "plural"),
    [
        ("v1", "Pod", "pods"),
        ("v1", "Endpoints", "endpoints"),
        ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
        ("networking.k8s.io/v1", "IngressClass", "ingressclasses"),
        ("gateway.networking.k8s.io/v1", "Gateway", "gateways"),
        ("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", "network-attachment-definitions"),
    ],
)
def test_plural_of_a_kind_is_the_one_that_the_api_serves(api, kind, plural):
    """
    Regular ones by the rules of English, odd ones by name.
    """
    assert plural == resource_of({"apiVersion": api, "kind": kind}).plural


@pytest.mark.parametrize(
    ("api", "kind", "is_namespaced"),
    [
        ("v1", "Namespace", False),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", False),
        ("rbac.authorization.k8s.io/v1", "Role", True),
        ("example.org/v1", "Namespace", True),
    ],
)
def test_kinds_of_no_namespace_are_known_with_their_group(api, kind, is_namespaced):
    """
    Another group's kind of the same name is another kind.
    """
    assert is_namespaced is resource_of({"apiVersion": api, "kind": kind}).is_namespaced


def test_group_and_version_are_taken_apart():
    """
    Core kinds have no group.
    """
    found = [resource_of({"apiVersion": api, "kind": "Job"}) for api in ("batch/v1", "v1")]

    assert [("batch", "v1"), ("", "v1")] == [(one.group, one.version) for one in found]
