"""What charts ask of the Gateway API, judged by an API server that has its kinds."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.yamlio import dump
from sandbox.api import Api
from sandbox.build import module
from sandbox.control_plane import control_plane, wait_until
from tests.conftest import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.helm, pytest.mark.timeout(300)]
GATEWAY_API = "sigs.k8s.io/gateway-api@v1.5.1"
GROUP = "/apis/gateway.networking.k8s.io/v1"
PATHS = {kind: f"{GROUP}/namespaces/default/{kind.lower()}s" for kind in ("HTTPRoute", "ListenerSet")}
STRICTLY = "?dryRun=All&fieldValidation=Strict"
SITE = [
    "expose.mode=gateway",
    "expose.domain=cloud.example",
    "expose.gateway.name=edge",
    "expose.gateway.namespace=edge",
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API server that knows routes and listeners."""
    with control_plane(tmp_path_factory.mktemp("gateway")) as plane:
        made = Api(plane.state / "pki", "system", "127.0.0.1", int(plane.url.rpartition(":")[2]))
        for kind, path in PATHS.items():
            file = module(GATEWAY_API) / f"config/crd/standard/gateway.networking.k8s.io_{kind.lower()}s.yaml"
            made.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml.safe_load(file.read_text()))
            wait_until(f"{kind} is served", lambda path=path: made.ask("GET", path)[0] == 200)
        yield made


def answers(api: Api, folder: Path, *sets: str) -> Counter[tuple[str, int]]:
    """How often each kind was asked to be made, and was answered so, for all services of a site."""
    (folder / "site.yaml").write_text("apiVersion: kolla-k8s.io/v1\nkind: Site\npresets: [all-in-one]\n")
    cloud = load_cloud(Source([folder / "site.yaml"], [*SITE, *sets]))
    found = Counter[tuple[str, int]]()
    for name, values in cloud.wanted.values.items():
        (folder / f"{name}.yaml").write_text(dump(values))
        command = ["helm", "template", name, str(ROOT / "charts" / name), "--values", str(folder / f"{name}.yaml")]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for item in yaml.safe_load_all(text):
            if item and item["kind"] in PATHS:
                found[item["kind"], api.ask("POST", PATHS[item["kind"]] + STRICTLY, item)[0]] += 1
    return found


def test_routes_of_every_exposed_service_are_taken(api: Api, tmp_path: Path) -> None:
    """
    Strictly: a field that its kind does not have would be refused.
    """
    assert {("HTTPRoute", 201): 10} == answers(api, tmp_path)


@pytest.mark.parametrize("certificate", ["expose.tls.secret=edge", "expose.tls.issuer=ca"])
def test_listeners_with_certificates_are_taken(api: Api, tmp_path: Path, certificate: str) -> None:
    """
    One for each route.
    """
    assert {("HTTPRoute", 201): 10, ("ListenerSet", 201): 10} == answers(api, tmp_path, certificate)


def test_field_that_does_not_exist_is_refused(api: Api) -> None:
    """
    So being taken proves something.
    """
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "a"}}

    assert 400 == api.ask("POST", PATHS["HTTPRoute"] + STRICTLY, {**route, "spec": {"hostname": "a"}})[0]
