"""What charts make for clients outside, mode by mode, as the real helm renders it."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest

from kolla_k8s.yamlio import manifest
from tests.contract.rendered import pod_files

pytestmark = pytest.mark.helm
CHARTS = Path(__file__).parents[2] / "charts"
GATEWAY = {"mode": "gateway", "domain": "cloud.example.org", "gateway": {"name": "edge", "namespace": "infra"}}
BALANCER = {"mode": "loadBalancer", "domain": "cloud.example.org"}
NODE_PORT = {"mode": "nodePort", "domain": "cloud.example.org"}


@cache
def said(name, values):
    command = ["helm", "template", name, str(CHARTS / name), "--namespace", "openstack", "--values", "-"]
    return subprocess.run(command, input=values, capture_output=True, text=True, check=False)


def objects(name, shared, **more):
    done = said(name, json.dumps({"global": {"expose": shared}, **more}))
    assert 0 == done.returncode, done.stderr
    return {(item["kind"], item["metadata"]["name"]): item for item in manifest(done.stdout)}


def public(items):
    return {kind: item for (kind, name), item in items.items() if name.endswith("-public")}


def address(items, entry, pod="bootstrap"):
    return pod_files(items.values())[pod]["urls"][entry].get("public")


def test_nothing_leads_in_unless_the_site_says_so():
    """
    And no pod is told of a public address.
    """
    items = objects("keystone", {})

    assert {} == public(items)
    assert address(items, "keystone") is None


def test_gateway_carries_a_route_for_each_host_name():
    """
    Without a time limit; only pods of the Gateway's namespace are let in.
    """
    items = objects("keystone", GATEWAY)
    found = public(items)

    assert {"HTTPRoute", "NetworkPolicy"} == set(found)
    assert ["keystone.cloud.example.org"] == found["HTTPRoute"]["spec"]["hostnames"]
    (parent,) = found["HTTPRoute"]["spec"]["parentRefs"]
    assert ("Gateway", "edge", "infra") == (parent["kind"], parent["name"], parent["namespace"])
    (rule,) = found["HTTPRoute"]["spec"]["rules"]
    assert ([{"name": "keystone", "port": 5000}], "0s") == (rule["backendRefs"], rule["timeouts"]["request"])
    (ingress,) = found["NetworkPolicy"]["spec"]["ingress"]
    space = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "infra"}}}
    assert ([space], [{"port": 5000, "protocol": "TCP"}]) == (ingress["from"], ingress["ports"])
    assert "https://keystone.cloud.example.org" == address(items, "keystone")


@pytest.mark.parametrize(
    ("tls", "secret", "annotations"),
    [
        ({"secret": "wildcard"}, "wildcard", {}),
        ({"issuer": "ours"}, "keystone-public-tls", {"cert-manager.io/cluster-issuer": "ours"}),
    ],
)
def test_own_listeners_have_a_certificate_of_ours(tls, secret, annotations):
    """
    The route then hangs on the listeners, and they on the Gateway.
    """
    found = public(objects("keystone", {**GATEWAY, "tls": tls}))

    (listener,) = found["ListenerSet"]["spec"]["listeners"]
    assert [{"name": secret}] == listener["tls"]["certificateRefs"]
    assert (443, "HTTPS", "keystone.cloud.example.org") == tuple(listener[k] for k in ("port", "protocol", "hostname"))
    assert annotations == found["ListenerSet"]["metadata"]["annotations"]
    assert "edge" == found["ListenerSet"]["spec"]["parentRef"]["name"]
    assert {"kind": "ListenerSet", "name": "keystone-public"}.items() <= found["HTTPRoute"]["spec"]["parentRefs"][
        0
    ].items()


@pytest.mark.parametrize(
    ("expose", "kind", "node_port", "url"),
    [
        (BALANCER, "LoadBalancer", None, "http://keystone.cloud.example.org:5000"),
        (NODE_PORT, "NodePort", 32232, "http://keystone.cloud.example.org:32232"),
        ({**NODE_PORT, "scheme": "https", "port": 443}, "NodePort", 32232, "https://keystone.cloud.example.org"),
    ],
)
def test_second_service_lets_anybody_in(expose, kind, node_port, url):
    """
    Its port is the same in every render; what stands in front may change scheme and port.
    """
    items = objects("keystone", expose)
    found = public(items)

    assert {"Service", "NetworkPolicy"} == set(found)
    assert kind == found["Service"]["spec"]["type"]
    assert node_port == found["Service"]["spec"]["ports"][0].get("nodePort")
    assert items["Service", "keystone"]["spec"]["selector"] == found["Service"]["spec"]["selector"]
    anybody = [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]
    assert anybody == found["NetworkPolicy"]["spec"]["ingress"][0]["from"]
    assert url == address(items, "keystone")
    for item in found.values():
        kubernetes_validate.validate(item, "1.34", strict=True)


def test_class_and_annotations_reach_the_load_balancer():
    """
    As clouds and MetalLB want them.
    """
    found = public(objects("keystone", {**BALANCER, "class": "metallb", "annotations": {"a": "b"}}))

    assert "metallb" == found["Service"]["spec"]["loadBalancerClass"]
    assert {"a": "b"} == found["Service"]["metadata"]["annotations"]


def test_site_names_hosts_and_ports_and_closes_doors():
    """
    For one port at a time.
    """
    mine = objects("keystone", NODE_PORT, expose={"api": {"host": "auth.example.org", "nodePort": 30005}})
    closed = objects("keystone", NODE_PORT, expose={"api": {"enabled": False}})

    assert 30005 == public(mine)["Service"]["spec"]["ports"][0]["nodePort"]
    assert "http://auth.example.org:30005" == address(mine, "keystone")
    assert {} == public(closed)
    assert address(closed, "keystone") is None


def test_every_chart_comes_to_the_same_address():
    """
    Glance's pods know of Keystone's public address what Keystone's chart makes of it, path and all for Nova's own.
    """
    names = {"services": {"keystone": {"api": {"host": "auth.example.org"}}}}

    assert "https://auth.example.org" == address(objects("glance", {**GATEWAY, **names}), "keystone", "api")
    assert "https://keystone.cloud.example.org" == address(objects("glance", GATEWAY), "keystone", "api")
    shut = {"services": {"keystone": {"api": {"enabled": False}}}}
    assert address(objects("glance", {**GATEWAY, **shut}), "keystone", "api") is None
    assert "https://nova.cloud.example.org/v2.1" == address(objects("nova", GATEWAY), "nova")


def test_second_port_of_a_service_has_a_name_of_its_own():
    """
    The console's is not the API's.
    """
    routes = [i["spec"]["hostnames"] for (kind, _), i in objects("nova", GATEWAY).items() if kind == "HTTPRoute"]

    assert [["nova-novnc.cloud.example.org"], ["nova.cloud.example.org"]] == sorted(routes)


@pytest.mark.parametrize(
    ("expose", "url"),
    [
        ({}, None),
        (BALANCER, "http://nova-novnc.cloud.example.org:6080"),
        ({**GATEWAY, "services": {"nova": {"novnc": {"host": "screens.example.org"}}}}, "https://screens.example.org"),
    ],
)
def test_consoles_are_where_the_site_shows_them(expose, url):
    """
    Nova gives their address to users; in a cloud without a way in it is the one inside.
    """
    items = objects("nova-compute", expose)
    (pod,) = pod_files(items.values()).values()

    assert url == pod["urls"]["nova/novnc"].get("public")
    assert (
        "${url:nova/novnc|public}/vnc_lite.html" == (pod["files"]["nova.conf"]["content"]["vnc"]["novncproxy_base_url"])
    )


def test_new_public_address_makes_a_new_bootstrap():
    """
    The endpoint in the catalogue is corrected by the identity step, which runs again.
    """
    names = [{name for kind, name in objects("glance", expose) if kind == "Job"} for expose in ({}, GATEWAY, BALANCER)]

    assert 3 == len(set.union(*names))


def test_without_policies_no_door_has_one():
    """
    A policy that lets some in keeps others out.
    """
    done = said("keystone", json.dumps({"global": {"expose": GATEWAY, "networkPolicy": False}}))

    assert "kind: NetworkPolicy" not in done.stdout


@pytest.mark.parametrize(
    ("expose", "more", "message"),
    [
        ({"mode": "gatewey"}, {}, "value must be one of 'none', 'gateway', 'loadBalancer', 'nodePort'"),
        ({"mode": "gateway"}, {}, "global.expose.domain: the domain of public names is missing"),
        ({**GATEWAY, "gateway": {}}, {}, "global.expose.gateway: the Gateway's name is missing"),
        ({}, {"expose": {"api": {"hots": "a"}}}, "additional properties 'hots' not allowed"),
        ({}, {"expose": {"api": {"host": "a_b"}}}, "does not match pattern"),
    ],
)
def test_half_said_way_in_is_refused_by_the_chart(expose, more, message):
    """
    Plain helm users get an error, too.
    """
    done = said("keystone", json.dumps({"global": {"expose": expose}, **more}))

    assert 0 != done.returncode
    assert message in done.stderr
