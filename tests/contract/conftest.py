"""Each port twice: the little program in memory, and the real thing (helm 4.3.1, a real API server)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate.utils
import pytest

from kolla_k8s.adapters.clock import SystemClock
from kolla_k8s.adapters.helm import HelmProgram, Runner
from kolla_k8s.adapters.kube import connect
from kolla_k8s.model.plan import HelmRequest
from kolla_k8s.ports import Cluster, Helm, KubeObject, Resource
from sandbox.build import program
from sandbox.control_plane import ControlPlane, control_plane
from tests.fakes import FakeCluster, FakeHelm

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", is_namespaced=False)
BOTH = ["fake", pytest.param("real", marks=[pytest.mark.cluster, pytest.mark.helm])]


@pytest.fixture(autouse=True, scope="session")
def schemas_are_read_once() -> Iterator[None]:
    """The library reads Kubernetes' schemas anew for each object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
        yield


TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-words}
data: {greeting: {{ .Values.greeting | quote }}, list: {{ .Values.list | toJson | quote }}}
{{- if not .Values.short }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-more}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-kept, annotations: {helm.sh/resource-policy: keep}}
{{- end }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-hook, annotations: {helm.sh/hook: test}}
"""


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real control plane, without a node."""
    with control_plane(tmp_path_factory.mktemp("plane")) as running:
        yield running


@pytest.fixture
async def real_cluster(plane: ControlPlane) -> AsyncIterator[Cluster]:
    """The Cluster port over a real API server."""
    async with connect(str(plane.kubeconfig), None) as opened:
        yield opened


@pytest.fixture(scope="session")
def helm_program() -> Path:
    """The real helm."""
    return program("helm")


@pytest.fixture
def real_helm(plane: ControlPlane, helm_program: Path, tmp_path: Path) -> HelmProgram:
    """The Helm port over the real helm and a real API server."""
    return HelmProgram(Runner(str(helm_program), str(plane.kubeconfig), None, tmp_path / "home"))


@pytest.fixture(params=BOTH)
def which(request: pytest.FixtureRequest) -> str:
    """Whether this is the run on the fakes or on the real things."""
    return str(request.param)


@pytest.fixture
def cluster(which: str, request: pytest.FixtureRequest) -> Cluster:
    """A cluster."""
    found: Cluster = FakeCluster() if which == "fake" else request.getfixturevalue("real_cluster")
    return found


@pytest.fixture
async def space(cluster: Cluster) -> str:
    """A namespace of this test's own."""
    name = f"test-{secrets.token_hex(4)}"
    await cluster.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@dataclass(frozen=True, slots=True)
class Greeter:
    """A chart with two ConfigMaps, one more that is kept, and a test hook; ``short`` leaves one and the hook."""

    folder: Path
    namespace: str

    def request(self, release: str = "hello", **values: Any) -> HelmRequest:
        """A request to install it."""
        given = {"greeting": "hi", "list": [1], "short": False, **values}
        return HelmRequest(release, self.namespace, self.folder, given, digest="d" * 32, labels={"team": "blue"})

    @staticmethod
    def objects(request: HelmRequest) -> list[KubeObject]:
        """What the chart renders to, for the helm that cannot render."""
        values = request.values
        words = {"greeting": values["greeting"], "list": str(values["list"]).replace(" ", "")}
        found = [_config_map(f"{request.release}-words", data=words)]
        if not values["short"]:
            found.append(_config_map(f"{request.release}-more"))
            found.append(_config_map(f"{request.release}-kept", annotations={"helm.sh/resource-policy": "keep"}))
        return [*found, _config_map(f"{request.release}-hook", annotations={"helm.sh/hook": "test"})]


def _config_map(name: str, *, data: dict[str, str] | None = None, **metadata: Any) -> KubeObject:
    rest = {"data": data} if data else {}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, **rest}


@pytest.fixture
def greeter(tmp_path: Path, space: str) -> Greeter:
    """The chart, in this test's namespace."""
    folder = tmp_path / "greeter"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: greeter\nversion: 1.0.0\n")
    (folder / "values.yaml").write_text("greeting: default\nlist: [8, 9]\nshort: false\n")
    (folder / "templates" / "all.yaml").write_text(TEMPLATE)
    return Greeter(folder, space)


@pytest.fixture
def helm(which: str, cluster: Any, greeter: Greeter, request: pytest.FixtureRequest) -> Helm:
    """A helm that knows the greeter."""
    if which == "fake":
        return FakeHelm(cluster, SystemClock(), {str(greeter.folder): greeter.objects}, takes_s=0.0)
    found: Helm = request.getfixturevalue("real_helm")
    return found
