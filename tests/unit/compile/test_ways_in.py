"""What a definition's ``expose`` becomes, beyond what shipped services have."""

from __future__ import annotations

import pytest

from kolla_k8s.compile.podfile import addresses
from kolla_k8s.errors import UserFilesError
from tests.conftest import catalog_of
from tests.unit.compile.defined import DEPLOYMENT, LISTENING, a_definition, files_of, write

DOOR = {"workload": "api", "port": "api"}


def test_gateway_has_nothing_for_other_protocols(tmp_path):
    """
    TCP and UDP have a Service and a policy in the modes that have those.
    """
    files = files_of(tmp_path, "one", a_definition("one", expose={"dns": {**DOOR, "protocol": "udp"}}))

    assert {"dns-public-service.yaml", "dns-public-networkpolicy.yaml"} == {
        path.removeprefix("templates/") for path in files if "-public-" in path
    }
    assert '"transport" "UDP"' in files["templates/dns-public-service.yaml"]
    assert (
        'has .Values.global.expose.mode (list "loadBalancer" "nodePort")'
        in (files["templates/dns-public-networkpolicy.yaml"])
    )


def test_pods_on_the_network_of_the_node_have_no_policy(tmp_path):
    """
    None would select them.
    """
    host = {"network": True, "reason": "answers on the node's address"}
    exposed = a_definition("one", plane="node", workloads={"api": {**LISTENING, "host": host}}, expose={"api": DOOR})

    assert "templates/api-public-networkpolicy.yaml" not in files_of(tmp_path, "one", exposed)


def test_door_of_a_workload_that_may_be_absent_is_absent_with_it(tmp_path):
    """
    ``when`` of the workload counts for what leads to it.
    """
    options = {"console": {"default": "novnc", "one-of": ["novnc", "none"], "help": "?"}}
    workloads = {"api": {**LISTENING, "when": {"console": "novnc"}}}
    files = files_of(tmp_path, "one", a_definition("one", options=options, workloads=workloads, expose={"api": DOOR}))

    assert '(eq (toString (index .Values.options "console")) "novnc")' in files["templates/api-public-service.yaml"]


def test_exposed_port_that_is_no_catalogue_entry_has_an_address(tmp_path):
    """
    A console's: ``${url:one/console|public}``.
    """
    workloads = {"api": LISTENING, "proxy": {**DEPLOYMENT, "ports": {"vnc": 6080}}}
    door = {"workload": "proxy", "port": "vnc", "protocol": "websocket", "public": False}
    catalog = catalog_of(write(tmp_path, a_definition("one", workloads=workloads, expose={"console": door})))

    found = addresses(catalog, {"one/console"})["one/console"]

    assert ("one-proxy", 6080, "") == (found["service"], found["port"], found["path"])
    assert {"label": "one-console", "nodePort": 30544, "isHttp": True, "isPublic": False}.items() <= found[
        "expose"
    ].items()


def test_catalogue_entry_behind_no_door_has_only_its_inner_address(tmp_path):
    """
    What is not exposed is not public.
    """
    identity = {"services": {"one": {"type": "one", "port": "api"}}}

    catalog = catalog_of(write(tmp_path, a_definition("one", identity=identity, bootstrap={"image": "a"})))

    assert "expose" not in addresses(catalog, {"one"})["one"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"expose": {"a": {**DOOR, "port": "apy"}}}, 'no port is called "apy"; did you mean "api"?'),
        (
            {"expose": {"a": DOOR, "b": DOOR}},
            "one.yaml:20:5: spec.expose.a: port 32464 of the nodes is also that of one/b; say another node-port",
        ),
        ({"expose": {"a": {**DOOR, "node-port": 80}}}, "input should be greater than or equal to 30000, not 80"),
        (
            {
                "options": {"cells": {"default": {}, "help": "?"}},
                "workloads": {"api": {**LISTENING, "for-each": "cells"}},
                "expose": {"a": DOOR},
            },
            "there is one of it for each key of an option, and one name outside; expose another workload",
        ),
    ],
)
def test_door_that_leads_nowhere_is_refused(tmp_path, spec, message):
    """
    Each with its place, what is so, and a way out.
    """
    with pytest.raises(UserFilesError) as refused:
        catalog_of(write(tmp_path, a_definition("one", **spec)))

    assert message in str(refused.value)


def test_two_of_one_port_are_told_apart_by_the_definition(tmp_path):
    """
    With a port of the nodes of its own.
    """
    doors = {"a": DOOR, "b": {**DOOR, "node-port": 30001}}
    found = addresses(catalog_of(write(tmp_path, a_definition("one", expose=doors))), {"one/a", "one/b"})

    assert [32464, 30001] == [found[f"one/{name}"]["expose"]["nodePort"] for name in ("a", "b")]
