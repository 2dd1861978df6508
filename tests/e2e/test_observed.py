"""What collectors of logs and figures find in a cloud."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import SPACE, Sandbox
from tests.e2e.members import client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MONITORS = "/apis/monitoring.coreos.com/v1/namespaces/openstack/podmonitors"
PODS = f"{SPACE}/pods?labelSelector=app.kubernetes.io%2Fname%3D"
READ = """
import time, urllib.request
for _ in range(3):  # the first may come before the rules that let it out
    try:
        print(urllib.request.urlopen("http://ADDRESS:15692/metrics", timeout=5).read().decode(), flush=True)
        break
    except OSError as error:
        print(error, flush=True)
print("that was all", flush=True)
time.sleep(3600)
"""


@pytest.fixture
def pod_monitors(cloud) -> Iterator[None]:
    """The kind that Prometheus' operator brings."""
    kind = {"kind": "PodMonitor", "plural": "podmonitors", "singular": "podmonitor"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "names": kind,
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    name = {"name": "podmonitors.monitoring.coreos.com"}
    made = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": name, "spec": spec}
    cloud.api.create(CRDS, made)
    until(lambda: cloud.api.ask("GET", MONITORS)[0] == 200)
    yield
    cloud.api.ask("DELETE", f"{CRDS}/{name['name']}")


@pytest.fixture
def spaces(cloud) -> Iterator[list[str]]:
    """Two namespaces beside the cloud's."""
    names = ["monitoring", "elsewhere"]
    for name in names:
        cloud.api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield names
    for name in names:
        cloud.api.ask("DELETE", f"/api/v1/namespaces/{name}")


def until(look) -> str:
    """The first thing that is seen."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if found := look():
                return str(found)
        time.sleep(0.2)
    pytest.fail("not within 60 s")


def read(cloud: Sandbox, space: str, address: str) -> str:
    """What a pod there is told at RabbitMQ's port of figures."""
    pod = client("reader", ("memcached", 42457), READ.replace("ADDRESS", address), needs="nothing", env={})
    until(lambda: cloud.api.ask("GET", f"/api/v1/namespaces/{space}/serviceaccounts/default")[0] == 200)
    cloud.api.create(f"/api/v1/namespaces/{space}/pods", pod)

    def said() -> str:
        text = str(cloud.api.ask("GET", f"/api/v1/namespaces/{space}/pods/reader/log")[1])
        return text if "that was all" in text else ""

    return until(said)


def test_logs_are_records_of_json_where_the_site_wants_them(cloud):
    """
    Each line of the service, and of the server in front of it once that has read its file.
    """
    cloud.install("--set", "logs.format=json", "keystone")
    pods = [pod["metadata"] for pod in cloud.api.items(f"{PODS}keystone%2Capp.kubernetes.io%2Fcomponent%3Dapi")]
    names = [pod["name"] for pod in pods if "deletionTimestamp" not in pod]
    logs = [cloud.api.ask("GET", f"{SPACE}/pods/{name}/log?container=api")[1] for name in names]
    cloud.install("keystone")

    assert {dict} == {type(json.loads(line)) for log in logs for line in since_the_first_record(log)}


def since_the_first_record(log: str) -> list[str]:
    lines = log.splitlines()
    return lines[next(number for number, line in enumerate(lines) if line.startswith("{")) :]


@pytest.mark.usefixtures("pod_monitors")
def test_figures_are_read_from_the_namespaces_that_the_site_names(cloud, spaces):
    """
    One beside them gets no answer; Prometheus' operator is told where they are.
    """
    words = ("metrics.monitors=true", r"metrics.from.kubernetes\.io/metadata\.name=monitoring")
    cloud.install(*(word for one in words for word in ("--set", one)), "rabbitmq")
    address = cloud.api.items(f"{PODS}rabbitmq%2Capp.kubernetes.io%2Fcomponent%3Dserver")[0]["status"]["podIP"]

    seen = [read(cloud, space, address) for space in spaces]
    monitors = [one["metadata"]["name"] for one in cloud.api.items(MONITORS)]
    cloud.install("rabbitmq")

    assert "rabbitmq_identity_info" in seen[0]
    assert "timed out" in seen[1]
    assert ["rabbitmq-metrics"] == monitors
