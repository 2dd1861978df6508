"""What a Galera member's agent asks the API and its peers, over real connections."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import galera_api
import pytest

from tests.unit.compile.galera_member import UUID
from tests.unit.compile.galera_pod import PATIENCE_S, member_root, program, running, until
from tests.unit.compile.pod import HERE, PROGRAMS, serving


@pytest.fixture
def root(tmp_path, authority):
    return member_root(tmp_path, authority)


class Api:
    """A member's objects as the API serves them; anything else is not found."""

    def __init__(self, replicas):
        prefix = "/api/v1/namespaces/openstack"
        self.objects = {
            "/apis/apps/v1/namespaces/openstack/statefulsets/mariadb": {
                "spec": {"replicas": replicas},
                "status": {},
            },
            f"{prefix}/configmaps/mariadb-members": {"metadata": {"resourceVersion": "1"}},
            "/apis/coordination.k8s.io/v1/namespaces/openstack/leases/mariadb-writer": {
                "metadata": {"resourceVersion": "1"}
            },
        }

    def __call__(self, request):
        if request.path not in self.objects:
            return 404, {"message": "not found"}
        if request.method == "PUT":
            self.objects[request.path] = request.body
        return 200, self.objects[request.path]


@pytest.fixture
def serve(authority, monkeypatch):
    """Serve a Kubernetes API over TLS and tell this process where."""

    @contextmanager
    def begin(answer):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority / "api.crt", authority / "api.key")
        with serving(answer, tls=context) as server:
            monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
            yield server

    return begin


@pytest.fixture
def kube(root, monkeypatch):
    """The agent's way to the API, with this pod's token."""
    monkeypatch.setattr(galera_api, "TOKEN", root / "run/kolla-k8s/token")
    return galera_api.Kube()


def test_agent_lets_the_only_member_start_and_leave(root, serve):
    """
    From its report to its end, with a server that never comes up.
    """
    claimed = {"life": "a", "uuid": UUID, "seqno": 7, "empty": False, "whole": True}
    (root / "run/galera/state.json").write_text(json.dumps({"life": "a", "report": claimed}))
    program(root, "mariadb", "exit 1")
    about = {"POD_NAME": "mariadb-0", "POD_NAMESPACE": "openstack", "POD_IP": HERE, "NODE_NAME": "n"}
    decision = root / "run/galera/decision.json"
    with serve(Api(1)), running(root, "agent", **about) as process:
        until(decision.exists)
        with urllib.request.urlopen(f"http://{HERE}:4569/", timeout=10) as answer:
            status = json.loads(answer.read())
        (root / "run/galera/leaving").touch()
        until((root / "run/galera/left").exists)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=PATIENCE_S)

    assert 0 == process.returncode, said
    assert "bootstrap" == json.loads(decision.read_text())["do"]
    assert HERE == status["address"]
    assert "every member has reported" in said


def test_peers_are_asked_again_and_again(root):
    """
    Each by a thread of its own; words that an older agent does not say are assumed.
    """
    script = f"""
import time, galera_agent
import galera_api
galera_api.PORT = int(__import__("sys").argv[1])
peers = galera_agent.Peers(lambda number: ["{HERE}", "127.0.0.1"][number])
peers.watch([0, 1])
peers.watch([0])
while not peers.fresh():
    time.sleep(0.01)
print(len(peers.threads), peers.fresh())
"""
    with serving(lambda _: (200, {"phase": "running", "synced": True}), host=HERE) as server:
        done = subprocess.run(
            [sys.executable, "-c", script, str(server.port)],
            env={**os.environ, "PYTHONPATH": str(PROGRAMS), "KOLLA_K8S_ROOT": str(root)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )

    assert done.stdout.startswith("2 {0: {")
    assert "'phase': 'running'" in done.stdout
    assert "'leaving': False" in done.stdout


def test_objects_are_read_written_and_made_with_the_pods_token(kube, serve):
    """
    In its namespace, over one connection.
    """
    with serve(lambda request: (201 if request.method == "POST" else 200, {"is": request.method})) as server:
        said = [
            kube.get("v1", "configmaps/a"),
            kube.put("apps/v1", "statefulsets/b", {"x": 1}),
            kube.post("discovery.k8s.io/v1", "endpointslices", {"y": 2}),
        ]
        kube.close()

    assert [{"is": "GET"}, {"is": "PUT"}, {"is": "POST"}] == said
    assert [
        "/api/v1/namespaces/openstack/configmaps/a",
        "/apis/apps/v1/namespaces/openstack/statefulsets/b",
        "/apis/discovery.k8s.io/v1/namespaces/openstack/endpointslices",
    ] == [request.path for request in server.asked]
    assert {"Bearer the-token"} == {request.headers["Authorization"] for request in server.asked}
    assert [None, {"x": 1}, {"y": 2}] == [request.body for request in server.asked]


def test_refusal_has_its_status_and_the_servers_words(kube, serve):
    """
    So that a lost race is told from trouble.
    """
    with serve(lambda _: (409, {"message": "modified"})), pytest.raises(galera_api.RefusedError) as refused:
        kube.put("v1", "configmaps/a", {})

    assert (409, "PUT configmaps/a: modified") == (refused.value.status, str(refused.value))


def test_api_that_closes_the_line_is_refused_and_asked_anew(kube, serve):
    """
    By a connection of its own; one that is closed twice stays closed.
    """
    answers = [(0, None), (200, {"is": "back"})]
    with serve(lambda _: answers.pop(0)):
        with pytest.raises(galera_api.RefusedError, match="the Kubernetes API does not answer") as refused:
            kube.get("v1", "configmaps/a")
        again = kube.get("v1", "configmaps/a")
    kube.close()
    kube.close()

    assert 0 == refused.value.status
    assert {"is": "back"} == again


@pytest.mark.parametrize(("answer", "said"), [((200, {"phase": "running"}), {"phase": "running"}), ((0, None), None)])
def test_peer_says_how_it_is_or_nothing(monkeypatch, answer, said):
    """
    Whatever goes wrong with it is silence.
    """
    with serving(lambda _: answer) as server:
        monkeypatch.setattr(galera_api, "PORT", server.port)
        assert said == galera_api.ask_peer("127.0.0.1")


def test_words_of_a_lease_and_of_a_socket():
    """
    Microseconds in UTC, and the family of an address.
    """
    assert 27 == len(galera_api.now())
    assert galera_api.now().endswith("Z")
    assert ("AF_INET6", "AF_INET") == (galera_api.family("fd00::1").name, galera_api.family("10.0.0.1").name)
