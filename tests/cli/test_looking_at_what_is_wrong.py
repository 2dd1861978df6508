"""What ``status`` and ``why`` say of a cloud in which something is down or missing, and how they end."""

from __future__ import annotations

import asyncio
import json

import pytest

from kolla_k8s.adapters.clock import SystemClock
from kolla_k8s.model.plan import HelmRequest
from kolla_k8s.orchestrate.kinds import POD
from kolla_k8s.orchestrate.secrets import SECRETS
from tests.cli.test_command_line import SITE, run
from tests.fakes import FakeCluster, FakeHelm
from tests.served import served
from tests.unit.orchestrate.objects import crashing, deployment, ended, labels, pod, stateful_set, waits

SPACE = "openstack"
PASSWORD = "s3cret-of-root"
"""What the database dies of is in the last words of its container."""


class Looked:
    """A cloud of real commands: a FakeCluster that is served, and a helm that knows manifests."""

    def __init__(self, folder):
        self.folder, self.cluster, self.charts = folder, FakeCluster(), {}

    async def holds(self, name, *objects):
        """Install a service whose objects are as they are."""
        self.charts[name] = list(objects)
        await FakeHelm(self.cluster, SystemClock(), self.charts, takes_s=0.0).upgrade_install(
            HelmRequest(name, SPACE, name, {})
        )
        manifest = [{key: part for key, part in one.items() if key != "status"} for one in objects]
        (self.folder / f"{name}.manifest").write_text("\n---\n".join(map(json.dumps, manifest)))

    async def tool(self, *words):
        """Run a command on it."""
        helm, kubeconfig = self.folder / "helm", self.folder / "kubeconfig"
        helm.write_text(f'#!/bin/sh\ncat "{self.folder}/$3.manifest"\n')
        helm.chmod(0o755)
        options = ("--values", SITE, "--kubeconfig", str(kubeconfig), "--helm", str(helm))
        async with served(self.cluster, kubeconfig):
            return await asyncio.to_thread(run, *words, *options, NO_PROXY="127.0.0.1")


@pytest.fixture
def cloud(tmp_path):
    """A cloud that is not there yet."""
    return Looked(tmp_path)


@pytest.fixture
async def broken(cloud):
    """Its database dies again and again, Keystone waits for that, memcached is up and RabbitMQ was never installed."""
    database, keystone = stateful_set("mariadb", readyReplicas=0), deployment("keystone-api", availableReplicas=0)
    await cloud.holds("mariadb", database)
    await cloud.holds("memcached", deployment("memcached"))
    await cloud.holds("keystone", keystone)
    cloud.cluster.put(
        SECRETS, {"metadata": {"name": "mariadb-secrets"}, "stringData": {"root-password": PASSWORD}}, SPACE
    )
    dead = crashing(1, 4)
    dead["lastState"] = ended(1, message=f"access denied with {PASSWORD}")["state"]
    told = {**labels("mariadb", "server"), "controller-revision-hash": "r1"}
    cloud.cluster.put(POD, pod("mariadb-0", owner=database, labels=told, statuses=[dead]), SPACE)
    return cloud


DOWN = "StatefulSet mariadb > Pod mariadb-0 > api: CrashLoopBackOff: back-off"
CAUSE = (
    "mariadb: failed: Pod mariadb-0: CrashLoopBackOff: died 5 times, exit code 1: access denied with <redacted>; "
    "see `kubectl -n openstack logs mariadb-0 -c api --previous`"
)


async def test_status_of_a_cloud_that_is_not_up_is_exit_1(broken):
    """
    A line for each service, and the command that tells more of the first that is not up.
    """
    done = await broken.tool("status")

    assert [
        "keystone     deployed r1      coming up      Deployment keystone-api: 0 of 1 pods are available",
        f"mariadb      deployed r1      failed         {DOWN}",
        "memcached    deployed r1      up",
        "rabbitmq     -                not installed",
    ] == [line.rstrip() for line in done.stdout.splitlines()]
    said = "keystone, mariadb, rabbitmq: not up; see `kolla-k8s why keystone`\n"
    assert (1, said) == (done.returncode, done.stderr)


async def test_status_says_the_same_to_machines(broken):
    """
    JSON is whole though the exit code is 1.
    """
    done = await broken.tool("status", "--output", "json")

    told = {row["service"]: (row["release"], row["state"], row["waits_for"]) for row in json.loads(done.stdout)}
    assert 1 == done.returncode
    assert ("deployed r1", "failed", DOWN) == told["mariadb"]
    assert ("-", "not installed", "") == told["rabbitmq"]


async def test_status_of_named_services_is_about_them_alone(broken):
    """
    Exit 0 when they are up, whatever else is down.
    """
    done = await broken.tool("status", "memcached")

    assert (0, "") == (done.returncode, done.stderr)
    assert ["memcached", "deployed", "r1", "up"] == done.stdout.split()


async def test_why_goes_down_to_the_root_cause_and_names_the_next_command(broken):
    """
    Through what each service needs; a password in the last words of a container is not shown.
    """
    done = await broken.tool("why", "keystone")

    assert [
        "keystone: waiting: Deployment keystone-api: 0 of 1 pods are available",
        f"  {CAUSE}",
        "  memcached: up",
    ] == done.stdout.splitlines()
    assert (1, "keystone: not up\n") == (done.returncode, done.stderr)


async def test_what_a_run_would_still_be_patient_with_is_named_at_once(cloud):
    """
    Nobody waits here: a registry that cannot be reached is the cause.
    """
    cache = stateful_set("memcached", readyReplicas=0)
    await cloud.holds("memcached", cache)
    told = {**labels("memcached", "server"), "controller-revision-hash": "r1"}
    pulling = waits("ErrImagePull", "dial tcp: i/o timeout")
    spec = {"containers": [{"name": "api", "image": "registry/memcached:1"}]}
    cloud.cluster.put(POD, pod("memcached-0", owner=cache, labels=told, statuses=[pulling], spec=spec), SPACE)

    done = await cloud.tool("why", "memcached")

    cause = "ErrImagePull: image registry/memcached:1: dial tcp: i/o timeout"
    next_command = "see `kubectl -n openstack describe pod memcached-0`"
    assert f"memcached: failed: Pod memcached-0: {cause}; {next_command}\n" == done.stdout


async def test_why_of_what_is_up_is_exit_0(broken):
    """
    There is nothing to explain.
    """
    done = await broken.tool("why", "memcached")

    assert (0, "memcached: up\n", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("service", "way_out"),
    [("rabbitmq", "run `kolla-k8s install rabbitmq`"), ("horizon", "enable it in the site file")],
    ids=["part of the cloud", "not asked for"],
)
async def test_why_of_what_is_not_installed_says_how_it_would_be(broken, service, way_out):
    """
    Install refuses what the site does not ask for, so for that it is no way out.
    """
    done = await broken.tool("why", service)

    said = (f"{service}: not installed; {way_out}\n", f"{service}: not up\n")
    assert (1, *said) == (done.returncode, done.stdout, done.stderr)


async def test_why_names_a_need_that_is_not_installed(cloud):
    """
    Below what waits for it.
    """
    await cloud.holds("keystone", deployment("keystone-api", availableReplicas=0))

    done = await cloud.tool("why", "keystone")

    assert [
        "  mariadb: not installed; run `kolla-k8s install mariadb`",
        "  memcached: not installed; run `kolla-k8s install memcached`",
    ] == done.stdout.splitlines()[1:]
