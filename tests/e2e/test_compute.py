"""A whole cloud on a sandbox of its own: it boots a server, and the server outlives the pods that started it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kolla_k8s.cli.cloud import Source, load_cloud
from sandbox.cluster import edge, power_cut
from sandbox.layout import EDGE_PORT, Layout
from sandbox.processes import Processes
from tests.e2e.browser import Dashboard
from tests.e2e.conftest import ROOT, SPACE, Sandbox, installed_again, own_sandbox, small_guest, steps_of
from tests.e2e.members import client, key_of
from tests.e2e.outside import outside, reaches
from tests.e2e.sampler import Sampler
from tests.e2e.secrecy import MARKER, SPACES, large_records, leaks, nasty_passwords
from tests.e2e.visitor import Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.compute, pytest.mark.timeout(1800)]
FILES = [ROOT / "values/sites" / name for name in ("all-in-one.yaml", "edge.yaml")]
SITE = [word for file in FILES for word in ("--values", str(file))]
SERVICES = sorted(load_cloud(Source(FILES, [])).wanted.values)
TWO = [
    option
    for workload in ("api", "metadata", "novncproxy", "scheduler", "conductor", "super-conductor")
    for option in ("--set", f"services.nova.workloads.{workload}.replicas=2")
]
COMPUTE_NODE = "sandbox"
STEPS = ("image", "flavor", "network", "subnet", "port", "server", "console", "ping", "floating")
CHANGED = ("--set", r"services.nova.config.nova\.conf.DEFAULT.max_local_block_devices=4")
POLL = """
import http.client, json, os, time
def ask(host, port, method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()
user = {"name": "admin", "domain": {"id": "default"}, "password": os.environ["PASSWORD"]}
scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
body = json.dumps({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}})
kind = {"Content-Type": "application/json"}
token = ask("keystone", 5000, "POST", "/v3/auth/tokens", body, kind)[1]["X-Subject-Token"]
while True:
    try:
        status, _, text = ask("nova", 8774, "GET", "/v2.1/servers", None, {"X-Auth-Token": token})
        print("good" if status == 200 else f"bad {status} {text[:200]}", flush=True)
    except (OSError, http.client.HTTPException) as error:
        print(f"bad {error!r}", flush=True)
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, dict[str, Any]]]:
    """A sandbox with the cloud, and the report of its install; nothing is left of it afterwards.

    Every password holds what some format takes for its own, and no process shows one meanwhile.
    """
    with own_sandbox("compute", ["control", "compute"]) as cloud:
        made = json.loads((cloud.at.state / "host-folders.json").read_text())
        passwords = nasty_passwords(FILES, tmp_path_factory.mktemp("secrets") / "passwords.yaml")
        done = cloud.tool("secrets", "init", *SITE, "--from", str(passwords))
        assert 0 == done.returncode, done.stderr
        with Sampler([MARKER], []) as sampler:
            report = install(cloud)
        assert set() == sampler.found
        yield cloud, report
    assert [] == [path for path in made if Path(path).exists()]
    assert set() == guests(cloud.at)


def install(cloud: Sandbox, *more: str) -> dict[str, Any]:
    """Install, expect success, and give the report."""
    done = cloud.tool("install", *SITE, "--output", "json", *more)
    assert 0 == done.returncode, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def kept(compute) -> Iterator[dict[str, Any]]:
    """A server that stays for the test: the report of its making."""
    report = compute[0].smoke(*SITE, "--keep")
    yield report
    compute[0].smoke(*SITE, "--clean", report["name"])


@pytest.fixture
def visitor(compute) -> Visitor:
    """A client outside, once the edge leads in."""
    at = compute[0].at
    if "edge" not in Processes(at.state).alive():
        edge(at, EDGE_PORT)
    return Visitor(at.pki / "ca.crt")


def pods(cloud: Sandbox) -> dict[str, str]:
    """Every pod that is to stay: uid -> name."""
    found = [pod for space in SPACES for pod in cloud.api.items(f"{space}/pods")]
    owners = {"ReplicaSet", "StatefulSet", "DaemonSet"}
    lasting = (
        pod["metadata"]
        for pod in found
        if owners & {owner["kind"] for owner in pod["metadata"].get("ownerReferences", ())}
    )
    return {about["uid"]: about["name"] for about in lasting}


def guests(at: Layout) -> set[int]:
    """Processes of guests on a sandbox's node; none when it is down."""
    named = subprocess.run(["ip", "netns", "pids", at.netns], capture_output=True, text=True, check=False)
    found = set()
    for pid in named.stdout.split():
        with contextlib.suppress(OSError):
            if Path("/proc", pid, "comm").read_text().startswith("qemu-system"):
                found.add(int(pid))
    return found


def test_every_service_starts_after_what_it_needs(compute):
    """
    All are green, and none began before the gates of its needs were.
    """
    steps = steps_of(compute[1])

    early = [
        f"{name} before {need}"
        for name, step in steps.items()
        for need in step["needs"]
        if step["started"] < steps[need]["gate_green"]
    ]
    assert {"green"} == {step["state"] for step in steps.values()}
    assert [] == early
    assert len(steps) > 15


def test_server_boots_and_goes_without_a_trace(compute):
    """
    Its console shows the address and the metadata, it answers ping, and no process is left of it. Who gave it the
    metadata says so.
    """
    report = compute[0].smoke(*SITE)

    assert [*STEPS, "clean"] == [step["step"] for step in report["steps"] if step["is_green"]]
    assert all(step["took_s"] > 0 for step in report["steps"])
    assert "GET /" in compute[0].syslog("neutron-metadata")
    assert "green" == report["outcome"]
    assert set() == guests(compute[0].at)


def test_smoke_that_is_ended_half_way_leaves_no_trace(compute):
    """
    TERM ends the step that is at work; what was made is deleted before the command ends.
    """
    cloud = compute[0]
    with cloud.begun("smoke", *SITE, *small_guest(), "--output", "text") as running:
        name = running.stderr.readline().split()[0]
        assert any("port:" in line for line in running.stdout)
        running.send_signal(signal.SIGTERM)
        told, stderr = running.stdout.read(), running.stderr.read()
    again = cloud.tool("smoke", *SITE, "--clean", name, "--output", "json")

    assert 143 == running.returncode, stderr
    assert "clean: nothing is left" in told
    assert f"{name} was stopped\n" in stderr
    assert "nothing is left" == json.loads(again.stdout)["steps"][0]["said"], again.stderr
    assert set() == guests(cloud.at)


def test_no_secret_stands_outside_its_secret(compute):
    """
    Of either plane; release records stay small.
    """
    cloud = compute[0]
    said = cloud.tool("install", *SITE, "--output", "json")

    assert [] == leaks(cloud, said.stdout, said.stderr)
    assert [] == large_records(cloud.api)


def test_second_install_changes_nothing(compute):
    """
    Every release is what is wanted.
    """
    assert {"unchanged"} == {step["action"] for step in install(compute[0])["steps"]}


def test_guest_outlives_the_pods_that_started_it(compute, kept):
    """
    Both pods are made anew; the guest is the same process.
    """
    cloud = compute[0]
    before = guests(cloud.at)
    for name in ("libvirt", "nova-compute"):
        cloud.api.ask("DELETE", f"{SPACES[1]}/pods?labelSelector=app.kubernetes.io%2Fname%3D{name}")

    install(cloud, "libvirt", "nova-compute")

    assert before == guests(cloud.at)
    assert 1 == len(before)
    assert kept["made"]["address"]


def test_node_gets_configuration_of_its_own(compute, tmp_path):
    """
    Only the pod of the service that has something of its own there is made anew, and it reads that.
    """
    cloud = compute[0]
    before = pods(cloud)
    own = tmp_path / "own.yaml"
    over = {"nova.conf": {"DEFAULT": {"reserved_host_memory_mb": 321}}}
    nodes = {"mine": {"match": {"names": [COMPUTE_NODE]}, "services": {"nova-compute": {"config": over}}}}
    own.write_text(json.dumps({"apiVersion": "kolla-k8s.io/v1", "kind": "Site", "nodes": nodes}))

    install(cloud, "--values", str(own))
    now = pods(cloud)
    read = "print(open('/etc/nova/nova.conf').read())"
    seen = cloud.python("app.kubernetes.io/name=nova-compute", "compute", read, SPACES[1].rpartition("/")[2]).stdout
    install(cloud)

    assert ["nova-compute-compute"] == sorted(name.rpartition("-")[0] for uid, name in now.items() if uid not in before)
    assert "reserved_host_memory_mb = 321" in seen
    assert now != pods(cloud)


def test_pods_that_install_leaves_are_rolled_on_request(compute, kept):
    """
    Install says which node waits; roll makes the pod anew, the guest runs on, and nothing is left to roll.
    """
    cloud = compute[0]
    before, guest = pods(cloud), guests(cloud.at)
    changed = ("--set", "services.libvirt.workloads.libvirtd.resources.requests.memory=130Mi")

    install(cloud, *changed)
    left = pods(cloud)
    rolled = [cloud.tool("roll", "libvirt", *SITE, *changed, "--output", "text") for _ in range(2)]
    now = pods(cloud)
    install(cloud)
    back = cloud.tool("roll", "libvirt", *SITE)

    assert before == left
    assert [0, 0, 0] == [done.returncode for done in (*rolled, back)], rolled[0].stderr
    assert "each costs: guests run on" in rolled[0].stdout
    assert "every node runs what is installed" in rolled[1].stdout
    assert ["libvirt-libvirtd"] == sorted(name.rpartition("-")[0] for uid, name in now.items() if uid not in left)
    assert guest == guests(cloud.at)
    assert kept["made"]["address"]


def test_guest_is_reached_again_after_its_switch_was_rolled(compute, kept):
    """
    The userspace switch takes the guest's device down as it ends; the next one raises it.
    """
    cloud = compute[0]
    before, guest, made = pods(cloud), guests(cloud.at), kept["made"]
    changed = ("--set", "services.openvswitch.workloads.db.resources.requests.memory=66Mi")

    install(cloud, *changed)
    rolled = cloud.tool("roll", "openvswitch", *SITE, *changed, "--output", "text")
    now = pods(cloud)
    reached = reaches(cloud, "neutron-metadata", made["address"], f"ovnmeta-{made['network']}")
    install(cloud)
    back = cloud.tool("roll", "openvswitch", *SITE)

    assert [0, 0] == [done.returncode for done in (rolled, back)], rolled.stderr + back.stderr
    assert ["openvswitch-db"] == sorted(name.rpartition("-")[0] for uid, name in now.items() if uid not in before)
    assert guest == guests(cloud.at)
    assert reached


def running(cloud: Sandbox) -> set[str]:
    """Identities of all containers that are said to run."""
    found = [pod["status"] for space in SPACES for pod in cloud.api.items(f"{space}/pods")]
    said = [status for one in found for status in one.get("containerStatuses", ())]
    return {status["containerID"] for status in said if "running" in status["state"]}


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_installed_again_alone(compute, name):
    """
    One apply; what it needs is only checked, and nothing else is touched.
    """
    cloud = compute[0]
    before = {uid for uid, pod in pods(cloud).items() if not pod.startswith(f"{name}-")}

    planned, step = installed_again(cloud, SITE, name)

    assert {name: "install"} == planned
    assert "green" == step["state"]
    assert before <= set(pods(cloud))
    if name == "ovn":  # agents and Neutron wrote down where its databases are
        assert "green" == cloud.smoke(*SITE)["outcome"]


def test_server_is_reached_from_outside_by_its_floating_ip(compute):
    """
    A provider network is an option and a roll away; the node itself stands outside.
    """
    cloud = compute[0]
    with outside(cloud, SITE, "ovn-controller"):
        made = cloud.smoke(*SITE, "--keep")
        reached = reaches(cloud, "neutron-metadata", made["made"]["floating"])
        cloud.smoke(*SITE, "--clean", made["name"])

    assert made["made"]["floating"].startswith("172.24.4.")
    assert reached


def test_databases_of_ovn_grow_to_three_and_shrink_again(compute):
    """
    One cluster each, and servers still get their networks from it.
    """
    cloud = compute[0]
    three = [word for name in ("nb", "sb") for word in ("--set", f"services.ovn.workloads.{name}.replicas=3")]

    grown = steps_of(install(cloud, *three))["ovn"]
    while_three = cloud.smoke(*SITE)["outcome"]
    shrunk = steps_of(install(cloud))["ovn"]

    assert ["change", "change"] == [step["action"] for step in (grown, shrunk)]
    assert "of 3 and 3 members" in " ".join(grown["gates"].values())
    assert "green" == while_three == cloud.smoke(*SITE)["outcome"]


def test_changed_option_restarts_what_the_plan_names_and_no_client_notices(compute):
    """
    With two of each, a client that lists servers ten times a second sees no error.
    """
    cloud = compute[0]
    install(cloud, *TWO, "nova")
    password = {"PASSWORD": key_of("keystone-secrets", "admin-password")}
    pod = client("poller", ("nova-api", 42436), POLL, needs="nova", env=password)
    pod["metadata"]["labels"]["needs.kolla-k8s.io/keystone"] = "true"
    cloud.api.create(f"{SPACE}/pods", pod)
    heard(cloud, 50)
    before = pods(cloud)

    planned = json.loads(cloud.tool("plan", *SITE, *TWO, *CHANGED, "--output", "json", "nova").stdout)["steps"]
    install(cloud, *TWO, *CHANGED, "nova")
    said = heard(cloud, 50)
    cloud.api.ask("DELETE", f"{SPACE}/pods/poller")

    named = {workload.split()[1] for step in planned for workload in step["restarts"]}
    gone = {name for uid, name in before.items() if uid not in pods(cloud)}
    assert {"nova-api", "nova-conductor", "nova-metadata", "nova-novncproxy", "nova-scheduler"} <= named
    assert named == {workload for workload in named if any(name.startswith(f"{workload}-") for name in gone)}
    assert [] == [name for name in gone if not any(name.startswith(f"{workload}-") for workload in named)]
    assert [] == [line for line in said if line != "good"]
    install(cloud, "nova")


def heard(cloud: Sandbox, more: int) -> list[str]:
    """All that the poller said, once it has said so much more than now."""
    path, count = f"{SPACE}/pods/poller/log?container=poller", None
    deadline = time.monotonic() + 120
    while True:
        status, text = cloud.api.ask("GET", path)
        lines = str(text).splitlines() if status == 200 else []
        count = len(lines) if count is None else count
        if len(lines) >= count + more:
            return lines
        assert time.monotonic() < deadline, lines[-5:]
        time.sleep(0.5)


def test_node_that_lost_its_power_runs_the_cloud_again(compute):
    """
    Every container, kubelet and containerd killed: without the tool all is green again, and a server boots.

    Nova takes a host for dead until its pod has reported, some seconds after it is ready.
    """
    cloud = compute[0]
    before = running(cloud)
    power_cut(cloud.at)
    deadline = time.monotonic() + 600
    while (looked := cloud.tool("status", *SITE)).returncode or before & running(cloud):
        assert time.monotonic() < deadline, looked.stdout
        time.sleep(2)

    while (walked := cloud.tool("smoke", *SITE, *small_guest())).returncode:
        assert "No valid host" in walked.stdout + walked.stderr
        assert time.monotonic() < deadline, walked.stdout


def test_console_of_a_server_is_seen_from_outside(compute, kept, visitor):
    """
    By the address that Nova gives: a page, and behind it a websocket on which QEMU speaks.
    """
    asked = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    path, of = f"/servers/{kept['made']['server']}/remote-consoles", {"OpenStack-API-Version": "compute 2.6"}
    said = compute[0].as_admin(f"print(json.dumps(one.want('compute', 'POST', {path!r}, {asked!r}, {of!r})))")
    url = json.loads(said)["remote_console"]["url"]

    assert url.startswith(f"https://nova-novnc.cloud.sandbox:{EDGE_PORT}/vnc_lite.html?")
    assert 200 == visitor.ask("GET", url)[0]
    assert visitor.first_words(url).startswith(b"RFB 003")


def test_catalogue_leads_clients_outside_to_every_service(compute, visitor):
    """
    Each public address answers by HTTPS; one that the site changes is another in the catalogue.
    """
    cloud, password = compute[0], compute[0].admin_password()
    keystone = f"https://keystone.cloud.sandbox:{EDGE_PORT}"
    token, found = visitor.log_in(keystone, password)
    answers = {kind: visitor.ask("GET", url, headers={"X-Auth-Token": token})[0] for kind, url in found.items()}

    install(cloud, "--set", "services.glance.expose.api.host=pictures.cloud.sandbox", "glance")
    moved = visitor.log_in(keystone, password)[1]
    install(cloud, "glance")
    back = visitor.log_in(keystone, password)[1]

    assert len(answers) > 5
    assert {} == {kind: status for kind, status in answers.items() if status >= 500}
    assert set() == {url for url in found.values() if not url.startswith("https://") or ".cloud.sandbox:" not in url}
    assert f"https://pictures.cloud.sandbox:{EDGE_PORT}" == moved.pop("image")
    assert found == {**moved, "image": found["image"]} == back


def test_admin_sees_the_server_in_a_browser(compute, kept, visitor, tmp_path):  # noqa: ARG001 - the edge leads in
    """
    Through the edge's HTTPS name: log in, list the servers, look at one.
    """
    cloud = compute[0]

    with Dashboard(f"https://horizon.cloud.sandbox:{EDGE_PORT}", cloud.at.pki / "edge.crt") as dashboard:
        dashboard.log_in("admin", cloud.admin_password())
        text = dashboard.text_of("/project/instances/", kept["name"])
        dashboard.photograph(Path(os.environ.get("SCREENSHOTS", tmp_path)) / "horizon.png")

    assert kept["made"]["address"] in text
    assert "Active" in text
