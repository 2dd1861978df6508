"""Which pods a gate asks, with what, and what their answers mean."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from kolla_k8s import places
from kolla_k8s.cli.definitions import load_catalog
from kolla_k8s.model.plan import GateSpec
from kolla_k8s.model.service import GateKind
from kolla_k8s.orchestrate.gate import KINDS as KNOWN_KINDS
from kolla_k8s.orchestrate.gate import Gates
from kolla_k8s.orchestrate.kinds import POD, STATEFUL_SET
from kolla_k8s.ports import ExecResult
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import condition, labels, thing
from tests.unit.orchestrate.test_running_a_plan import a_step
from tests.unit.orchestrate.virtual import run

KINDS = {
    "mariadb": ("mariadb-write-read", "server"),
    "rabbitmq": ("rabbitmq-publish-consume", "server"),
    "memcached": ("memcached-set-get", "server"),
    "keystone": ("keystone-token", "api"),
    "libvirt": ("libvirt-answers", "libvirtd"),
    "nova-compute": ("compute-up", "compute"),
    "openvswitch": ("openvswitch-bridge", "db"),
    "ovn": ("ovn-leader", "nb"),
    "ovn-controller": ("ovn-chassis", "controller"),
    "glance": ("glance-image", "api"),
    "horizon": ("horizon-login", "web"),
    "nova": ("nova-cells", "api"),
}
ONE = [("mariadb", 1), ("keystone", 1), ("nova-compute", 1), ("ovn", 1)]
ALL = [("rabbitmq", 3), ("memcached", 2), ("libvirt", 2), ("openvswitch", 2), ("horizon", 2)]


class Asked:
    """A cluster of ready pods that answer as told, and what they were asked."""

    def __init__(self, service, count, answer=lambda _pod: ExecResult(0, "noise\nfine\n", ""), *, wanted=None):
        self.cluster, self.calls = FakeCluster(), []
        self.service, self.answer = service, answer
        kind, workload = KINDS[service]
        for number in range(count):
            since = {"running": {"startedAt": f"2026-01-01T00:00:0{number}Z"}}
            status = {
                "podIP": f"10.0.0.{number}",
                "conditions": [condition("Ready")],
                "containerStatuses": [{"name": "beside", "state": {}}, {"name": workload, "state": since}],
            }
            meta = {"labels": labels(service, workload)}
            pod = thing("Pod", f"{service}-{number}", meta=meta, status=status)
            self.cluster.put(POD, {**pod, "spec": {"nodeName": f"node-{number}"}})
        self.cluster.put(STATEFUL_SET, thing("StatefulSet", service, spec={"replicas": wanted or count}))
        self.cluster.on_exec = self._exec
        self.gate = GateSpec("gate", kind, workload, {"southbound": "nb", "workloads": ["scheduler", "conductor"]})

    def _exec(self, call):
        header = json.loads(call.stdin.partition("\n")[0])
        self.calls.append((call.pod, call.container, header[1]))
        return self.answer(call.pod)

    def check(self):
        gates = Gates(self.cluster, load_catalog(places.data("service_defs")))
        return run(gates.check(a_step(self.service), self.gate))


def red(pod):
    return lambda asked: ExecResult(1, "", "it is broken\n") if asked == pod else ExecResult(0, "fine\n", "")


@pytest.mark.parametrize(("service", "count"), [*ONE, *ALL])
def test_green_gate_has_asked_whom_it_must(service, count):
    """
    Every member, or one pod that speaks to all.
    """
    asked = Asked(service, count)

    assert asked.check().is_green
    assert {f"{service}-{number}" for number in range(count)} == {pod for pod, _, _ in asked.calls}


@pytest.mark.parametrize("service", ["rabbitmq", "memcached", "openvswitch", "ovn-controller", "libvirt", "horizon"])
def test_one_red_member_makes_the_gate_red(service):
    """
    With that member's own words.
    """
    asked = Asked(service, 3, red(f"{service}-1"))

    result = asked.check()

    assert not result.is_green
    assert f"{service}-1: it is broken" == result.evidence


@pytest.mark.parametrize("service", ["mariadb", "rabbitmq"])
def test_cluster_without_a_member_is_red(service):
    """
    Those that are ready prove nothing of the one that is not.
    """
    asked = Asked(service, 1, wanted=3)

    assert (False, "1 of 3 members are ready") == (asked.check().is_green, asked.check().evidence)
    assert [] == asked.calls


def test_members_of_a_set_that_nobody_finds_are_those_that_are_ready():
    """
    It goes just now.
    """
    asked = Asked("mariadb", 1)
    asked.cluster.remove(STATEFUL_SET, "mariadb", "openstack")

    assert asked.check().is_green


def test_message_is_published_last_and_once():
    """
    Every member is looked at first, and told how many there should be.
    """
    asked = Asked("rabbitmq", 3)
    asked.check()

    assert [("rabbitmq-2", False), ("rabbitmq-1", False), ("rabbitmq-0", True)] == [
        (pod, told["publishes"]) for pod, _, told in asked.calls
    ]
    assert {3} == {told["members"] for _, _, told in asked.calls}


def test_nothing_is_published_while_a_member_is_unwell():
    """
    Those after it are not even asked.
    """
    asked = Asked("rabbitmq", 3, red("rabbitmq-1"))
    asked.check()

    assert ["rabbitmq-2", "rabbitmq-1"] == [pod for pod, _, _ in asked.calls]


def test_each_question_has_a_nonce_of_its_own():
    """
    An answer of yesterday proves nothing.
    """
    asked = Asked("mariadb", 1)
    asked.check()
    asked.check()

    assert 2 == len({told["nonce"] for _, _, told in asked.calls})


def test_container_of_another_name_is_in_the_settings():
    """
    Where the one that can answer is not the workload's own.
    """
    asked = Asked("mariadb", 1)
    asked.gate = GateSpec("gate", *KINDS["mariadb"], {"container": "client"})
    asked.check()

    assert ["client"] == [container for _, container, _ in asked.calls]


def test_program_runs_in_a_real_python():
    """
    As it is sent: loader, header and text, without a file.
    """
    asked = Asked("mariadb", 1)

    def really(call):
        command = [sys.executable, *call.command[1:]]
        done = subprocess.run(command, input=call.stdin, check=False, capture_output=True, text=True, env={})
        return ExecResult(done.returncode, done.stdout, done.stderr)

    asked.cluster.on_exec = really

    assert "mariadb-0: FileNotFoundError: [Errno 2] No such file or directory: 'mariadb'" == asked.check().evidence


def test_row_is_to_be_read_at_every_member():
    """
    One pod asks all of them.
    """
    asked = Asked("mariadb", 3)
    asked.check()

    assert ["mariadb-0"] == [pod for pod, _, _ in asked.calls]
    assert "10.0.0.2" in json.dumps(asked.calls[0][2])


def test_keystone_token_is_to_be_accepted_by_every_pod():
    """
    Their addresses, and what the catalogue must hold.
    """
    asked = Asked("keystone", 2)
    asked.check()
    arguments = asked.calls[0][2]

    assert ["10.0.0.0", "10.0.0.1"] == arguments["addresses"]
    assert (5000, ["identity"]) == (arguments["port"], arguments["catalogue"])


def test_both_databases_of_ovn_are_to_be_asked():
    """
    From one pod of the northbound one.
    """
    asked = Asked("ovn", 3)
    asked.check()

    assert ["ovn-0"] == [pod for pod, _, _ in asked.calls]
    assert {"OVN_Northbound": 3, "OVN_Southbound": 3} == {
        name: len(found) for name, found in asked.calls[0][2]["members"].items()
    }


def test_compute_services_of_all_nodes_are_looked_for():
    """
    One pod asks the cloud for them by the names of the nodes; what they said before they were started does not count.
    """
    asked = Asked("nova-compute", 2)
    asked.check()

    started = {"node-0": "2026-01-01T00:00:00", "node-1": "2026-01-01T00:00:01"}
    assert [("nova-compute-0", started)] == [(pod, said["nodes"]) for pod, _, said in asked.calls]


def test_ready_pods_of_every_named_workload_are_looked_for_in_nova():
    """
    By the names that Nova knows them by; a workload without a ready pod is asked for all the same.
    """
    asked = Asked("nova", 1)
    for name, is_up in (("nova-scheduler-0", "True"), ("nova-scheduler-1", "False")):
        meta = {"labels": labels("nova", "scheduler")}
        asked.cluster.put(POD, thing("Pod", name, meta=meta, status={"conditions": [condition("Ready", is_up)]}))

    asked.check()

    assert [{"scheduler": ["nova-scheduler-0"], "conductor": []}] == [said["pods"] for _, _, said in asked.calls]


def test_image_is_to_be_read_from_every_pod():
    """
    One pod uploads it and asks all of them.
    """
    asked = Asked("glance", 2)
    asked.check()

    assert [("glance-0", ["10.0.0.0:9292", "10.0.0.1:9292"])] == [(pod, said["places"]) for pod, _, said in asked.calls]


def test_gate_without_a_ready_pod_is_red():
    """
    One that is going is not ready any more.
    """
    asked = Asked("memcached", 0)
    meta = {"labels": labels("memcached", "server"), "deletionTimestamp": "now", "finalizers": ["x"]}
    asked.cluster.put(POD, thing("Pod", "memcached-0", meta=meta, status={"conditions": [condition("Ready")]}))

    result = asked.check()

    assert (False, "no pod of server is ready") == (result.is_green, result.evidence)
    assert [] == asked.calls


def test_silent_pod_is_red_when_its_program_failed():
    """
    There is no answer to quote.
    """
    asked = Asked("memcached", 1, lambda _pod: ExecResult(137, "", ""))

    assert "memcached-0: no answer" == asked.check().evidence


def test_every_kind_of_gate_has_somebody_who_asks():
    """
    What a definition may say is what can be asked.
    """
    assert set(GateKind) == set(KNOWN_KINDS)


def test_command_of_a_definition_runs_in_each_pod():
    """
    In the container that the settings name; the last line is the evidence.
    """
    asked = Asked("memcached", 2)
    calls = []
    asked.cluster.on_exec = lambda call: (
        calls.append((call.pod, call.container, call.command)) or asked.answer(call.pod)
    )
    asked.gate = GateSpec("gate", "exec", "server", {"run": ["is-fine", "-v"], "container": "beside"})

    result = asked.check()

    assert (True, "memcached-1: fine") == (result.is_green, result.evidence)
    assert [(f"memcached-{number}", "beside", ("is-fine", "-v")) for number in range(2)] == calls


@pytest.mark.parametrize(("kind", "settings"), [("exec", {"run": ["a"]}), ("http", {"path": "/", "port": "memcached"})])
def test_pod_that_is_red_makes_a_declared_gate_red(kind, settings):
    """
    With its own words.
    """
    asked = Asked("memcached", 3, red("memcached-1"))
    if kind == "exec":
        asked.cluster.on_exec = lambda call: asked.answer(call.pod)
    asked.gate = GateSpec("gate", kind, "server", settings)

    assert (False, "memcached-1: it is broken") == ((found := asked.check()).is_green, found.evidence)


def test_path_is_asked_at_the_port_of_each_pod():
    """
    A name in the definition, a number in the pod; 200 unless another status is wanted.
    """
    asked = Asked("memcached", 2)
    asked.gate = GateSpec("gate", "http", "server", {"path": "/health", "port": "memcached"})
    asked.check()

    assert [("10.0.0.0", 11211, "/health", 200), ("10.0.0.1", 11211, "/health", 200)] == [
        (told["address"], told["port"], told["path"], told["status"]) for _, _, told in asked.calls
    ]
