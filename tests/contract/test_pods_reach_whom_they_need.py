"""Network policies of all charts together: who may talk to whom, judged as a cluster judges it."""

from __future__ import annotations

import subprocess
from functools import cache
from typing import Any

import pytest

from kolla_k8s.model.catalog import is_control
from kolla_k8s.yamlio import manifest
from sandbox.policy import matches
from tests.conftest import ROOT, catalog_of
from tests.contract.rendered import pod_of

pytestmark = pytest.mark.helm
SPACES = {name: {"kubernetes.io/metadata.name": name} for name in ("openstack", "openstack-node")}
API = "192.0.2.1"


@cache
def cloud() -> tuple[dict[str, Any], list[Any]]:
    """Pods by ``service/component`` and all policies, each with its namespace."""
    pods: dict[str, Any] = {}
    policies = []
    for name, service in catalog_of(ROOT / "service_defs").services.items():
        space = "openstack" if is_control(service) else "openstack-node"
        command = ["helm", "template", name, f"{ROOT}/charts/{name}", "--set", f"global.apiServer.cidrs={{{API}/32}}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        for item in manifest(done.stdout):
            if item["kind"] == "NetworkPolicy":
                policies.append((space, item["spec"]))
            pod = item if item["kind"] == "Pod" else pod_of(item)
            if pod and not pod["spec"].get("hostNetwork"):  # no policy holds for the others
                labels = pod["metadata"]["labels"]
                key = f"{labels['app.kubernetes.io/name']}/{labels['app.kubernetes.io/component']}"
                pods[key] = (space, labels)
    return pods, policies


def lets(direction, pod, other, port):
    """Whether policies let a pod talk, in one direction, to another pod or to an address."""
    space, labels = pod
    chosen = [
        spec
        for where, spec in cloud()[1]
        if where == space and direction in spec["policyTypes"] and matches(spec["podSelector"], labels)
    ]
    key = "from" if direction == "Ingress" else "to"
    rules = [rule for spec in chosen for rule in spec.get(direction.lower(), ())]
    return not chosen or any(
        any(one["port"] <= port <= one.get("endPort", one["port"]) for one in rule["ports"])
        and (key not in rule or any(is_meant(peer, space, other) for peer in rule[key]))
        for rule in rules
    )


def is_meant(peer, space, other):
    """Whether a rule's peer is this pod, or this address."""
    if isinstance(other, str) or "ipBlock" in peer:
        return peer.get("ipBlock") == {"cidr": f"{other}/32"}
    where, labels = other
    is_there = matches(peer["namespaceSelector"], SPACES[where]) if "namespaceSelector" in peer else where == space
    return is_there and matches(peer["podSelector"], labels)


def reaches(one, other, port):
    """Whether a pod may go out to another, and is let in there."""
    pods = cloud()[0]
    return lets("Egress", pods[one], pods[other], port) and lets("Ingress", pods[other], pods[one], port)


@pytest.mark.parametrize(
    ("one", "other", "port"),
    [
        ("mariadb/server", "mariadb/server", 4567),
        ("keystone/api", "mariadb/server", 3306),
        ("keystone/bootstrap", "mariadb/server", 3306),
        ("keystone/bootstrap", "keystone/api", 5000),
        ("keystone/api", "keystone/api", 5000),
        ("keystone/api", "memcached/server", 11211),
        ("keystone/test", "keystone/api", 5000),
        ("memcached/test", "memcached/server", 11211),
        ("rabbitmq/server", "rabbitmq/server", 4369),
        ("rabbitmq/server", "rabbitmq/server", 25672),
        ("nova/bootstrap", "rabbitmq/server", 15672),
        ("nova/conductor", "rabbitmq/server", 5672),
        ("nova/scheduler", "nova/api", 8774),
        ("nova/scheduler", "placement/api", 8780),
        ("nova/api", "neutron/api", 9696),
        ("neutron/api", "nova/api", 8774),
        ("neutron/rpc-server", "ovn/nb", 6641),
        ("ovn/nb", "ovn/nb", 6643),
        ("ovn/sb", "ovn/sb", 6644),
        ("ovn/northd", "ovn/nb", 6641),
        ("ovn/northd", "ovn/sb", 6642),
        ("heat/engine", "keystone/api", 5000),
        ("horizon/web", "nova/api", 8774),
        ("cinder/scheduler", "rabbitmq/server", 5672),
        ("glance/bootstrap", "keystone/api", 5000),
    ],
)
def test_pods_reach_whom_they_need(one, other, port):
    """
    Members each other, pods and bootstraps what the definition needs, `helm test` its service.
    """
    assert reaches(one, other, port)


@pytest.mark.parametrize(
    ("one", "other", "port"),
    [
        ("keystone/api", "mariadb/server", 4567),
        ("mariadb/test", "mariadb/server", 4567),
        ("nova/conductor", "rabbitmq/server", 25672),
        ("rabbitmq/test", "rabbitmq/server", 15692),
        ("memcached/server", "mariadb/server", 3306),
        ("memcached/server", "keystone/api", 5000),
        ("horizon/web", "mariadb/server", 3306),
        ("keystone/api", "nova/api", 8774),
        ("ovn/nb", "ovn/sb", 6644),
        ("ovn/northd", "ovn/nb", 6643),
        ("nova/api", "ovn/nb", 6641),
        ("nova/api", "keystone/fernet-rotate", 5000),
    ],
)
def test_pods_reach_nobody_else(one, other, port):
    """
    Ports of members are for members, and figures for whom the site names.
    """
    assert not reaches(one, other, port)


@pytest.mark.parametrize(
    ("service", "asks"),
    [("keystone", True), ("mariadb", True), ("nova", True), ("memcached", False), ("horizon", False)],
)
def test_only_services_that_ask_the_api_reach_it(service, asks):
    """
    For their bootstraps, rotations and agents; names are found by all.
    """
    mine = {name: pod for name, pod in cloud()[0].items() if name.startswith(f"{service}/")}

    assert {asks} == {lets("Egress", pod, API, 443) for pod in mine.values()}
    assert {True} == {lets("Egress", pod, "198.51.100.1", 53) for pod in mine.values()}
    assert {False} == {lets("Egress", pod, "198.51.100.1", 443) for pod in mine.values()}


def test_what_does_not_listen_lets_nobody_in():
    """
    Bootstraps, periodic tasks and `helm test` among them.
    """
    pods = cloud()[0]
    quiet = [name for name in pods if name.endswith(("/bootstrap", "/test", "/conductor", "/fernet-rotate"))]

    assert 20 < len(quiet)
    assert [] == [(name, other) for name in quiet for other in pods if lets("Ingress", pods[name], pods[other], 8774)]
