"""What goes on in a cloud that stands: who may speak to whom, and keys that rotate."""

from __future__ import annotations

import pytest

from sandbox.control_plane import wait_until
from tests.e2e.conftest import SPACE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
PORTS = {"mariadb": 3306, "rabbitmq": 5672, "memcached": 11211, "keystone": 5000}
REACH = """
import socket
for host, port in {ports!r}.items():
    try:
        socket.create_connection((host, port), timeout=2).close()
        print(host)
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    ("service", "container", "reaches"),
    [
        ("keystone", "api", {"mariadb", "memcached", "keystone"}),
        ("memcached", "server", {"memcached"}),
        ("rabbitmq", "server", {"rabbitmq"}),
    ],
)
def test_pod_reaches_what_its_service_needs_and_nothing_else(cloud, service, container, reaches):
    """
    Real connections under the charts' own policies, to its own members too; a denied one gets no answer.
    """
    labels = f"app.kubernetes.io/name={service},app.kubernetes.io/component={container}"

    done = cloud.python(labels, container, REACH.format(ports=PORTS))

    assert reaches == set(done.stdout.split()), done.stderr


def test_keys_rotate_and_tokens_go_on(cloud):
    """
    The CronJob's own pod promotes the staged key once the last change is old enough, and not sooner.
    """
    path = f"{SPACE}/secrets/keystone-fernet-keys"
    young = rotation(cloud.api, "young")
    before = cloud.api.ask("GET", path)[1]["data"]
    stamp = {"metadata": {"annotations": {"kolla-k8s.io/rotated": "2020-01-01T00:00:00Z"}}}
    cloud.api.ask("PATCH", path, stamp, "application/merge-patch+json")

    old = rotation(cloud.api, "old")

    after = cloud.api.ask("GET", path)[1]["data"]
    assert "left alone" in young
    assert "keys_after" in old
    assert before["0"] in after.values()
    assert before["0"] != after["0"]
    assert "green" == cloud.install()["outcome"]


def rotation(api, name):
    """Run the CronJob's Job now; gives its log."""
    base = "/apis/batch/v1/namespaces/openstack"
    template = api.ask("GET", f"{base}/cronjobs/keystone-fernet-rotate")[1]["spec"]["jobTemplate"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": f"rotate-{name}"}, "spec": template["spec"]}
    api.create(f"{base}/jobs", job)
    wait_until("the Job is done", lambda: api.ask("GET", f"{base}/jobs/rotate-{name}")[1]["status"].get("succeeded"))
    pods = api.items(f"{SPACE}/pods?labelSelector=job-name%3Drotate-{name}")
    said = str(api.ask("GET", f"{SPACE}/pods/{pods[0]['metadata']['name']}/log")[1])
    api.ask("DELETE", f"{base}/jobs/rotate-{name}?propagationPolicy=Background")
    return said
