"""The committed charts under the real helm and against Kubernetes' own schemas."""

from __future__ import annotations

import hashlib
import re
import subprocess

import kubernetes_validate
import pytest

from kolla_k8s.yamlio import manifest
from tests.contract.charts import (
    CHARTS,
    NAMES,
    VERSIONS,
    are_rights_few,
    excused,
    loose_ends,
    objects,
    pods,
    rendered,
)

pytestmark = pytest.mark.helm


@pytest.mark.parametrize("name", NAMES)
def test_lint_is_clean(name):
    """
    Helm's own lint, with warnings as errors.
    """
    done = subprocess.run(["helm", "lint", "--strict", str(CHARTS / name)], capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_two_renders_give_the_same_bytes(name):
    """
    A no-op upgrade changes nothing.
    """
    command = ["helm", "template", name, str(CHARTS / name), "--namespace", "openstack"]
    again = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert rendered(name) == again


@pytest.mark.parametrize("name", NAMES)
def test_programs_are_named_by_their_content(name):
    """
    A ConfigMap cannot be changed: one of the old name with another program in it would be refused.
    """
    files = sorted((CHARTS / name / "files").glob("*"))
    programs = {path.name: path.read_text() for path in files if path.suffix != ".json"}
    digest = hashlib.sha256("".join(programs.values()).encode()).hexdigest()
    found = {item["metadata"]["name"]: item["data"] for item in objects(name) if item.get("immutable")}

    assert programs == found.get(f"{name}-programs-{digest[:10]}", {})


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(version):
    """
    Strictly, against the schemas of each Kubernetes from 1.32 to 1.37.
    """
    for name in NAMES:
        for item in objects(name):
            kubernetes_validate.validate(item, version, strict=True)


NUMBERED = """
global:
  namespaces: {control: "2026", node: "1e3"}
  storage: {class: "42"}
  expose: {mode: gateway, domain: sky.example, gateway: {name: "7", namespace: "8", listener: "9"}}
"""


def numbers_in(item, path=""):
    """Where an object has a number, or something else that is no text, for a name."""
    names = ("name", "namespace", "storageClassName", "sectionName", "app.kubernetes.io/instance")
    for key, value in item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ():
        here = f"{path}/{key}"
        if (key in names or str(key).endswith(".name")) and not isinstance(value, dict | list | str):
            yield here
        yield from numbers_in(value, here)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_digits_stay_texts(name, tmp_path):
    """
    Kubernetes takes them for namespaces, classes and releases, and no number where a text belongs.
    """
    (tmp_path / "values.yaml").write_text(NUMBERED)
    options = ["--namespace", "2026", "--values", str(tmp_path / "values.yaml")]
    command = ["helm", "template", "12", str(CHARTS / name), *options]
    items = manifest(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert [] == [f"{item['kind']}{where}" for item in items for where in numbers_in(item)]


def test_rights_are_few():
    """
    Of all charts together.
    """
    assert are_rights_few([item for name in NAMES for item in objects(name)])


def mounted(pod):
    """Secret and key (none: all of it) of all that a pod mounts."""
    for volume in pod.get("volumes", ()):
        if "secret" in volume:
            yield volume["secret"]["secretName"], None
        for source in volume.get("projected", {}).get("sources", ()):
            for entry in source.get("secret", {}).get("items", ()):
                yield source["secret"]["name"], entry["key"]


@pytest.mark.parametrize("name", NAMES)
def test_readme_names_every_secret_that_pods_mount(name):
    """
    With its keys, those of other services included: whoever has no orchestrator must know.
    """
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", (CHARTS / name / "README.md").read_text(), re.MULTILINE)

    assert [] == [
        (secret, key)
        for _, pod in pods(name)
        for secret, key in mounted(pod)
        if not any(secret == row and (key is None or f"`{key}`" in keys or "`0, 1, ...`" in keys) for row, keys in rows)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_container_is_restricted_and_limited(name, shipped):
    """
    As the namespace enforces, and with requests and limits besides; on the node plane, all but those with a reason.
    """
    free = set(excused(shipped[name]))

    assert [] == [end for _, pod in pods(name) for end in loose_ends(pod, free)]


def test_pods_of_the_control_plane_never_run_as_root(shipped):
    """
    Kubelet refuses them, whatever the image says.
    """
    planes = {name: shipped[name].spec.plane for name in NAMES}

    assert all(
        pod["securityContext"]["runAsNonRoot"] for name in NAMES if "control" == planes[name] for _, pod in pods(name)
    )
    assert {"control", "node"} == set(planes.values())


@pytest.mark.parametrize("name", NAMES)
def test_long_running_containers_have_startup_and_readiness_probes(name):
    """
    Kubelet knows when to send traffic, and is patient at the start.
    """
    for kind, pod in pods(name):
        if kind in {"Deployment", "StatefulSet"}:
            assert all("readinessProbe" in container for container in pod["containers"])
            assert all("startupProbe" in container for container in pod["containers"])


def test_members_of_a_database_keep_apart_unless_told_otherwise():
    """
    A node that is lost costs one member, not the majority.
    """
    stateful = {"kind": "StatefulSet"}
    apart, together = (
        next(item for item in objects("mariadb", *options) if stateful.items() <= item.items())["spec"]["template"]
        for options in ((), ("--set", "workloads.server.spread=ScheduleAnyway"))
    )

    (term,) = apart["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"].items() <= apart["metadata"]["labels"].items()
    assert {} == together["spec"]["affinity"]


def test_only_the_agent_of_a_member_has_a_token():
    """
    The server, which others reach, could not use it for good.
    """
    pod = next(spec for kind, spec in pods("mariadb") if kind == "StatefulSet")
    holders = [c["name"] for c in [*pod["initContainers"], *pod["containers"]] if "token" in str(c["volumeMounts"])]

    assert ["agent"] == holders


def test_misspelt_value_is_refused_by_the_chart_itself():
    """
    Plain helm users get an error, too.
    """
    command = ["helm", "template", "x", str(CHARTS / "keystone"), "--set", "workloads.api.replicaz=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 0 != done.returncode
    assert "replicaz" in done.stderr


@pytest.mark.parametrize("said", ["options.backup=rbd", "options.backend=rbd,workloads.volume.replicas=2"])
def test_choice_that_would_break_volumes_is_refused_by_the_chart_itself(said):
    """
    Backups of nothing, and a second server of volumes that would have some of its own.
    """
    command = ["helm", "template", "cinder", str(CHARTS / "cinder"), "--set", said]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 0 != done.returncode
    assert said.rpartition(",")[2].split(".")[0] in done.stderr


def test_addresses_that_others_keep_outlive_an_uninstall():
    """
    Who wrote one down at its start is not cut off when the databases come again; no other Service stays behind.
    """
    services = [item["metadata"] for name in NAMES for item in objects(name) if item["kind"] == "Service"]
    kept = {about["name"] for about in services if "helm.sh/resource-policy" in about.get("annotations", {})}

    assert {"ovn-0", "ovn-sb"} == kept
