"""What a real API server and a real helm say when they refuse, and what we make of it."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from kolla_k8s.adapters.helm import HelmProgram, Runner
from kolla_k8s.adapters.kube import connect
from kolla_k8s.adapters.words import UnreachableError
from kolla_k8s.errors import ConflictError, OutsideError, RefusedError
from kolla_k8s.model.plan import HelmRequest
from kolla_k8s.ports import Cluster, Command, Resource
from sandbox.control_plane import ControlPlane
from tests.contract.conftest import NAMESPACES, Greeter

pytestmark = [pytest.mark.cluster, pytest.mark.helm]

PODS = Resource("", "v1", "pods", "Pod")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: c, image: "registry.invalid/x:1", securityContext: {privileged: true}}]}
"""


@pytest.fixture
def which() -> str:
    """Only the real things refuse with words of their own."""
    return "real"


@pytest.fixture
async def restricted(cluster: Cluster) -> str:
    """A namespace that enforces Pod Security ``restricted`` from its first moment."""
    about = {"name": f"test-{secrets.token_hex(4)}", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    await cluster.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": about})
    return about["name"]


def chart(folder: Path, template: str) -> Path:
    """A chart of one template."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: one\nversion: 1.0.0\n")
    (folder / "templates" / "all.yaml").write_text(template)
    return folder


async def test_pod_security_refuses_us(cluster: Cluster, restricted: str) -> None:
    """
    Admission's no is final: repeating it changes nothing.
    """
    container: dict[str, Any] = {"name": "c", "image": "x", "securityContext": {"privileged": True}}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}

    with pytest.raises(RefusedError, match="violates PodSecurity"):
        await cluster.create(PODS, body, restricted)


async def test_pod_security_refuses_helm(real_helm: HelmProgram, restricted: str, tmp_path: Path) -> None:
    """
    The same no by way of helm is the same error.
    """
    request = HelmRequest("one", restricted, chart(tmp_path / "one", POD), {})

    with pytest.raises(RefusedError, match=r"^one: .*violates PodSecurity"):
        await real_helm.upgrade_install(request)


async def test_quota_refuses_helm(real_helm: HelmProgram, cluster: Cluster, greeter: Greeter) -> None:
    """
    A full namespace is the operator's to mend.
    """
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}}
    await cluster.create(QUOTAS, body, greeter.namespace)
    request = HelmRequest("one", greeter.namespace, chart(greeter.folder.parent / "one", POD), {})

    with pytest.raises(RefusedError, match=r"exceeded quota|status unknown for quota"):
        await real_helm.upgrade_install(request)


async def test_invalid_object_is_refused(cluster: Cluster, space: str) -> None:
    """
    Validation's no names the field.
    """
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Upper_Case"}}

    with pytest.raises(RefusedError, match=r"metadata\.name: Invalid value"):
        await cluster.create(CONFIG_MAPS, body, space)


async def test_invalid_object_of_a_chart_is_refused(real_helm: HelmProgram, space: str, tmp_path: Path) -> None:
    """
    Likewise through helm.
    """
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Upper_Case}\n"
    request = HelmRequest("one", space, chart(tmp_path / "one", template), {})

    with pytest.raises(RefusedError, match="Upper_Case"):
        await real_helm.upgrade_install(request)


async def test_values_that_break_the_schema_are_refused(real_helm: HelmProgram, space: str, tmp_path: Path) -> None:
    """
    A chart's own schema is heard before the cluster.
    """
    folder = chart(tmp_path / "one", "")
    (folder / "values.schema.json").write_text(json.dumps({"properties": {"a": {"type": "integer"}}}))

    with pytest.raises(RefusedError, match=r"a.*integer|integer.*a"):
        await real_helm.upgrade_install(HelmRequest("one", space, folder, {"a": "x"}))


async def test_field_that_another_owns_is_a_conflict(
    real_helm: HelmProgram, cluster: Cluster, greeter: Greeter
) -> None:
    """
    Helm applies on the server's side: a change made past it is not overwritten silently.
    """
    await real_helm.upgrade_install(greeter.request())
    await cluster.patch(CONFIG_MAPS, "hello-words", {"data": {"greeting": "by hand"}}, greeter.namespace)

    with pytest.raises(ConflictError, match="conflict"):
        await real_helm.upgrade_install(greeter.request(greeting="by helm"))


@pytest.mark.parametrize("revision", [1, 2])
async def test_broken_newest_record_is_explained(
    real_helm: HelmProgram, cluster: Cluster, greeter: Greeter, revision: int
) -> None:
    """
    Helm overlooks a record that it cannot read, and then says what nobody understands: it becomes a way out.
    """
    for _ in range(revision):
        await real_helm.upgrade_install(greeter.request())
    secrets, name = Resource("", "v1", "secrets", "Secret"), f"sh.helm.release.v1.hello.v{revision}"
    broken = base64.b64encode(b"bm8gcmVjb3Jk").decode()
    await cluster.patch(secrets, name, {"data": {"release": broken}}, greeter.namespace)

    with pytest.raises(OutsideError, match=r"hello: .*a release record is broken: delete its newest Secret"):
        await real_helm.upgrade_install(greeter.request())


@pytest.fixture
async def nobody(cluster: Cluster, space: str, plane: ControlPlane, tmp_path: Path) -> Path:
    """A kubeconfig of an account without any right."""
    await cluster.create(ACCOUNTS, {"metadata": {"name": "nobody"}}, space)
    tokens = Resource("", "v1", "serviceaccounts/nobody/token", "TokenRequest")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = (await cluster.create(tokens, request, space))["status"]["token"]
    config = json.loads(plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = tmp_path / "nobody"
    path.write_text(json.dumps(config))
    return path


async def test_missing_right_names_verb_resource_and_user(nobody: Path, space: str) -> None:
    """
    Whoever has to grant the right reads what to grant.
    """
    async with connect(str(nobody), None) as cluster:
        with pytest.raises(OutsideError, match=f'"system:serviceaccount:{space}:nobody" cannot list resource "pods"'):
            await cluster.list(PODS, space)


async def test_missing_right_of_helm_is_no_refusal(
    nobody: Path, greeter: Greeter, helm_program: Path, tmp_path: Path
) -> None:
    """
    A right can be granted: it is not admission that said no.
    """
    helm = HelmProgram(Runner(str(helm_program), str(nobody), None, tmp_path / "home"))
    with pytest.raises(OutsideError, match='cannot list resource "secrets"') as raised:
        await helm.upgrade_install(greeter.request())

    assert not isinstance(raised.value, RefusedError)


async def test_exec_without_the_right_is_an_error(nobody: Path, space: str) -> None:
    """
    A gate that may not look is not red: the run cannot go on.
    """
    async with connect(str(nobody), None) as cluster:
        with pytest.raises(OutsideError, match="does not allow exec"):
            await cluster.exec(space, "p", "c", Command(["true"]))


async def test_server_names_the_user(nobody: Path, space: str) -> None:
    """
    The user is the server's word, not the kubeconfig's.
    """
    async with connect(str(nobody), None) as cluster:
        assert f"system:serviceaccount:{space}:nobody" == (await cluster.server())["user"]


async def test_helm_without_a_server_says_so(
    plane: ControlPlane, greeter: Greeter, helm_program: Path, tmp_path: Path
) -> None:
    """
    A server that is not there is something to wait for.
    """
    config = json.loads(plane.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "nowhere").write_text(json.dumps(config))
    helm = HelmProgram(Runner(str(helm_program), str(tmp_path / "nowhere"), None, tmp_path / "home"))

    with pytest.raises(UnreachableError, match="unreachable"):
        await helm.upgrade_install(greeter.request())


async def test_server_with_another_authority_is_not_trusted(plane: ControlPlane, tmp_path: Path) -> None:
    """
    A wrong authority is told at once, not taken for an outage.
    """
    config = json.loads(plane.kubeconfig.read_text())
    del config["clusters"][0]["cluster"]["certificate-authority"]
    (tmp_path / "untrusting").write_text(json.dumps(config))

    with pytest.raises(OutsideError, match=r"has a certificate that is not trusted: .*name its authority"):
        async with connect(str(tmp_path / "untrusting"), None):
            pytest.fail("it was trusted")


async def test_looking_is_no_mutation(cluster: Cluster, space: str, plane: ControlPlane) -> None:
    """
    Gates and logs leave no create in the audit log, so that a no-op run can be proved to be one.
    """
    await cluster.exec(space, "marker-pod", "c", Command(["true"]))
    await cluster.logs(space, "marker-pod", "c")
    lines = plane.audit_log.read_text().splitlines()
    verbs = {json.loads(line)["verb"] for line in lines if space in line and "marker-pod" in line}

    assert {"get"} == verbs
