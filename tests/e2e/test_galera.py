"""Three MariaDB members with real images: they lose servers, pods and their majority, and come back by themselves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Sandbox

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SPACE = "/api/v1/namespaces/openstack"
REPLICAS = "services.mariadb.workloads.server.replicas={}"
IMAGE = "registry.sandbox:5000/openstack.kolla/mariadb-server:2026.1-debian-trixie"
WRITER = """
import subprocess, time
client = ["mariadb", "--no-defaults", "-hmariadb", "-ugate", "--connect-timeout=1", "-N", "-B", "gate", "-e"]
number, last = 0, time.monotonic()
ready = "CREATE TABLE IF NOT EXISTS written (n INT PRIMARY KEY); DELETE FROM written; "
while True:
    sql = f"{ready}REPLACE INTO written VALUES ({number}); SELECT COUNT(*) FROM written"
    done = subprocess.run([*client, sql], capture_output=True, text=True)
    if done.returncode == 0:
        ready, number = "", number + 1
        print(number - int(done.stdout), round(time.monotonic() - last, 2), flush=True)
        last = time.monotonic()
    time.sleep(0.1)
"""


def writer() -> dict[str, Any]:
    """A pod that never stops writing; each line is how many confirmed rows are lost, and the seconds since the last."""
    password = {"secretKeyRef": {"name": "mariadb-secrets", "key": "gate-password"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "writer", "labels": {"needs.kolla-k8s.io/mariadb": "true"}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 42434,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "writer",
                    "image": IMAGE,
                    "command": ["python3", "-c", WRITER],
                    "env": [{"name": "MYSQL_PWD", "valueFrom": password}],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


class Galera:
    """The members of MariaDB, and the pod that writes."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.api = sandbox, sandbox.api

    def scale(self, count: int) -> str:
        """Install so many members; gives the gate's evidence."""
        report = self.sandbox.install("mariadb", "--set", REPLICAS.format(count))
        return report["steps"][0]["gates"]["write-read"]

    def until(self, what: str, is_so: Callable[[], object], timeout_s: float = 150) -> None:
        """Wait for something to be so."""
        deadline = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s\n{self.said()}"
            time.sleep(0.5)

    def said(self) -> str:
        """What the agents said last."""
        path = f"{SPACE}/pods/mariadb-{{}}/log?container=agent&tailLines=9"
        return "\n".join(f"mariadb-{n}:\n{self.api.ask('GET', path.format(n))[1]}" for n in range(3))

    def written(self) -> list[tuple[int, float]]:
        """Of every confirmed write: how many rows confirmed before are lost, and how long it took clients to write."""
        lines = str(self.api.ask("GET", f"{SPACE}/pods/writer/log")[1]).splitlines()
        return [(int(lost), float(gap)) for lost, gap in (line.split() for line in lines if line[:1].isdigit())]

    def members(self) -> list[dict[str, Any]]:
        """The members' pods."""
        return self.api.items(f"{SPACE}/pods?labelSelector=app.kubernetes.io%2Fcomponent%3Dserver%2C" + LABEL)

    def containers(self, *names: str) -> set[str]:
        """Identities of all containers that run in these pods, or in all."""
        pods = [pod for pod in self.members() if not names or pod["metadata"]["name"] in names]
        return {str(s.get("containerID")) for pod in pods for s in pod["status"].get("containerStatuses", ())}

    def comes_back(self, gone: set[str]) -> float:
        """Wait until three members are ready without these containers, and clients write; gives the longest gap."""
        before = len(self.written())
        self.until("members", lambda: self._are_ready() and not gone & self.containers())
        self.until("clients", lambda: len(self.written()) > before + 1)
        lost, gaps = zip(*self.written()[max(0, before - 1) :], strict=True)
        assert {0} == set(lost)
        return max(gaps)

    def _are_ready(self) -> bool:
        pods = self.members()
        ready = [c["status"] for pod in pods for c in pod["status"].get("conditions", ()) if c["type"] == "Ready"]
        return ["True"] * 3 == ready and not any("deletionTimestamp" in pod["metadata"] for pod in pods)

    def kill(self, *names: str) -> set[str]:
        """SIGKILL every container of these members at once."""
        gone = self.containers(*names)
        ids = {container.rpartition("/")[2] for container in gone}
        for process in first_processes(ids):
            os.kill(process, signal.SIGKILL)
        return gone

    def delete(self, *names: str) -> set[str]:
        """Delete these pods at once."""
        gone = self.containers(*names)
        for name in names:
            self.api.ask("DELETE", f"{SPACE}/pods/{name}")
        return gone


LABEL = "app.kubernetes.io%2Fname%3Dmariadb"
ALL = ("mariadb-0", "mariadb-1", "mariadb-2")


def first_processes(containers: set[str]) -> list[int]:
    """The process of each container with which it ends."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = any(container in (folder / "cgroup").read_text() for container in containers)
            if is_ours and (folder / "status").read_text().partition("NSpid:")[2].splitlines()[0].endswith("\t1"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def galera(sandbox, first_install):  # noqa: ARG001 - the rest of the cloud stands before
    """Three members and a writer; one member again afterwards."""
    cluster = Galera(sandbox)
    cluster.scale(3)
    sandbox.api.create(f"{SPACE}/pods", writer())
    cluster.until("the first row", cluster.written)
    yield cluster
    sandbox.api.ask("DELETE", f"{SPACE}/pods/writer")
    sandbox.install()


def test_gate_asks_every_member(galera):
    """
    One identity, one view, one size, and the row at each.
    """
    assert "from each of 3 members of one cluster" in galera.scale(3)


def test_all_pods_deleted_at_once_come_back(galera):
    """
    They leave one by one, and the cluster need not even stop.
    """
    galera.comes_back(galera.delete(*ALL))


def test_every_container_killed_comes_back(galera):
    """
    The member with the newest data starts the cluster, and no confirmed row is lost.
    """
    galera.comes_back(galera.kill(*ALL))


def test_two_of_three_killed_come_back(galera):
    """
    The one that is left has no majority: it stops, and all three agree anew.
    """
    galera.comes_back(galera.kill("mariadb-0", "mariadb-2"))


def test_clients_write_again_soon_after_the_writer_is_deleted(galera):
    """
    Its Lease passes on before its server stops.
    """
    _, lease = galera.api.ask("GET", "/apis/coordination.k8s.io/v1/namespaces/openstack/leases/mariadb-writer")

    gap_s = galera.comes_back(galera.delete(lease["spec"]["holderIdentity"]))

    assert gap_s < 10


def test_members_come_and_go_with_their_data(galera):
    """
    One member goes on with every row, and three are one cluster again.
    """
    galera.scale(1)
    alone = galera.written()[-1]
    evidence = galera.scale(3)

    assert 0 == alone[0]
    assert 0 == galera.written()[-1][0]
    assert "3 members" in evidence
