"""How a step of smoke looks into pods, and what it says when it found nothing."""

from __future__ import annotations

import asyncio
import json

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.kinds import POD
from kolla_k8s.orchestrate.smoke import LOOK_S, Smoke
from kolla_k8s.ports import ExecResult
from tests.fake_cluster import FakeCluster
from tests.fakes import FakeClock
from tests.unit.orchestrate.objects import condition, labels, thing
from tests.unit.orchestrate.virtual import VirtualClock, run

MADE = {"network": "n1", "address": "192.0.2.9", "host": "node-2"}
PONG = ExecResult(0, "3 packets transmitted, 3 received\n", "")
NO_NAMESPACE = ExecResult(1, "", 'Cannot open network namespace "qdhcp-n1"')


def ping(service, answers):
    """Ping with an agent's pod on each node that answers; gives what was found and the calls."""
    cluster, calls = FakeCluster(), []
    for node in answers:
        about = {"namespace": "openstack-node", "labels": labels(service, "agent")}
        pod = thing("Pod", f"{service}-{node}", meta=about, status={"conditions": [condition("Ready")]})
        cluster.put(POD, {**pod, "spec": {"nodeName": node, "containers": [{"name": "agent"}]}})

    def answer(call):
        calls.append((call.pod, call.command[3]))
        return answers[call.pod.removeprefix(f"{service}-")]

    cluster.on_exec = answer
    spaces = {"control": "openstack", "node": "openstack-node"}
    smoke = Smoke(cluster, FakeClock(), "smoke", {}, {}, spaces, made=dict(MADE))
    return run(smoke._ping()), calls


@pytest.mark.parametrize(("service", "prefix"), [("neutron-metadata", "ovnmeta-"), ("neutron-dhcp", "qdhcp-")])
def test_agent_on_the_host_of_the_guest_is_asked_first(service, prefix):
    """
    OVN's namespace of a network is nowhere else.
    """
    found, calls = ping(service, {"node-1": NO_NAMESPACE, "node-2": PONG})

    assert (True, "3 packets transmitted, 3 received") == found
    assert [(f"{service}-node-2", f"{prefix}n1")] == calls


def test_agent_elsewhere_may_serve_the_network():
    """
    DHCP agents are few, and guests on every node.
    """
    found, calls = ping("neutron-dhcp", {"node-2": NO_NAMESPACE, "node-1": PONG})

    assert found[0]
    assert ["neutron-dhcp-node-2", "neutron-dhcp-node-1"] == [pod for pod, _ in calls]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"node-1": NO_NAMESPACE}, 'Cannot open network namespace "qdhcp-n1"'),
        ({"node-1": ExecResult(1, "", "")}, "no answer"),
        ({"node-1": ExecResult(1, "3 packets transmitted, 0 received", "")}, "3 packets transmitted, 0 received"),
        ({}, "no pod of neutron-metadata or neutron-dhcp is ready"),
    ],
)
def test_what_was_heard_is_said(answers, said):
    """
    Packets that nobody answers end the search: the network is there.
    """
    found, _ = ping("neutron-dhcp", answers)

    assert (False, said) == found


def test_step_says_how_long_it_waited_in_all():
    """
    One look is short, and made again until there is no more patience.
    """

    class Slow(FakeCluster):
        """Looks for as long as it was told to."""

        async def exec(self, *_, **__):
            await asyncio.sleep(LOOK_S)
            return ExecResult(1, "", f"server ACTIVE: not within {LOOK_S} s; it is BUILD")

    cluster = Slow()
    about = {"namespace": "openstack", "labels": labels("nova", "api")}
    pod = thing("Pod", "nova-api-1", meta=about, status={"conditions": [condition("Ready")]})
    cluster.put(POD, {**pod, "spec": {"containers": [{"name": "api"}]}})
    smoke = Smoke(cluster, VirtualClock(), "smoke", {}, {}, {"control": "openstack"}, patience_s=90)

    assert (False, "server ACTIVE: not within 100 s; it is BUILD") == run(smoke._step("server"))


def a_smoke(answer, pods=1):
    """A smoke over a cloud whose program answers by its step, and the steps that it was asked for."""
    cluster, asked = FakeCluster(), []
    about = {"namespace": "openstack", "labels": labels("nova", "api")}
    pod = thing("Pod", "nova-api-1", meta=about, status={"conditions": [condition("Ready")]})
    if pods:
        cluster.put(POD, {**pod, "spec": {"containers": [{"name": "api"}]}})

    def says(call):
        step = json.loads(call.stdin.partition("\n")[0])[1]["step"]
        asked.append(step)
        return answer(step)

    cluster.on_exec = says
    return Smoke(cluster, VirtualClock(), "smoke", {}, {}, {"control": "openstack", "node": "openstack-node"}), asked


def fine(step):
    return ExecResult(0, json.dumps({"said": step, "made": {}}), "")


def walk(smoke, **options):
    told = []
    passed = run(smoke.run(told.append, **options))
    assert passed == told
    return {one.step: (one.is_green, one.said) for one in passed}


def test_red_step_ends_the_path_and_all_is_cleaned():
    """
    In a kept run nothing is.
    """
    smoke, asked = a_smoke(lambda step: ExecResult(-1, "", "the line broke") if step == "flavor" else fine(step))

    found, kept = walk(smoke), walk(smoke, keep=True)

    assert {"image": (True, "image"), "flavor": (False, "the line broke"), "clean": (True, "clean")} == found
    assert ["image", "flavor"] == list(kept)
    assert ["image", "flavor", "clean", "image", "flavor"] == asked


def test_api_that_is_away_is_a_red_step_and_cleaning_is_tried():
    """
    It may be back by then.
    """
    away = ["network"]

    def answer(step):
        if step in away:
            raise OutsideError("the Kubernetes API", "does not answer")
        return fine(step)

    found = walk(a_smoke(answer)[0])

    assert (False, "the Kubernetes API: does not answer") == found["network"]
    assert (True, "clean") == found["clean"]


def test_cloud_without_a_pod_to_ask_is_red_to_its_end():
    """
    Cleaning says so, too.
    """
    found = walk(a_smoke(fine, pods=0)[0])

    assert ["image", "clean"] == list(found)
    assert "is ready; see `kolla-k8s status`" in found["clean"][1]


@pytest.mark.parametrize(("keep", "cleaned"), [(False, ["clean", "clean"]), (True, [])])
def test_run_that_is_stopped_lets_the_program_at_work_end_and_is_cleaned(keep, cleaned):
    """
    What it makes would else come after the cleaning, which may itself take more than one look; a kept run is left.
    """

    def answer(step):
        if step == "server":
            smoke.stop.set()
        is_waiting = step == "server" or asked.count("clean") == 1
        return ExecResult(1, "", f"gone: not within {LOOK_S} s") if is_waiting else fine(step)

    smoke, asked = a_smoke(answer)
    found = walk(smoke, keep=keep)

    assert ["image", "flavor", "network", "subnet", "port", "server", *cleaned] == asked
    assert [True] * len(cleaned[:1]) == [found[step][0] for step in cleaned[:1]]


def test_run_that_is_cancelled_ends_its_cleaning_too():
    """
    Whoever asks twice is in a hurry.
    """
    smoke, asked = a_smoke(fine)

    class Hanging(FakeCluster):
        """Hangs from the making of the network on."""

        async def exec(self, *arguments, **options):
            done = await FakeCluster.exec(self, *arguments, **options)
            if asked[-1] in {"network", "clean"}:
                await asyncio.sleep(3600)
            return done

    smoke.cluster.__class__ = Hanging

    async def cancelled():
        task = asyncio.create_task(smoke.run(lambda _: None))
        for _ in range(2):
            await asyncio.sleep(1)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancelled())

    assert ["image", "flavor", "network", "clean"] == asked
