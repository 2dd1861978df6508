"""What goes wrong in real clusters: named with object, reason and next command, and mended by the same command."""

from __future__ import annotations

import contextlib
import json
import re

import pytest

from sandbox.control_plane import wait_until
from tests.e2e.conftest import SITE, SPACE, own_cloud

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@contextlib.contextmanager
def standing(api, path, thing):
    """An object that stands for the length of a block."""
    api.create(path, thing)
    try:
        yield
    finally:
        api.ask("DELETE", f"{path}/{thing['metadata']['name']}")


def told_soon(report):
    """Whether every failure of a run was told within 5 s of its first evidence, as the product promises."""
    steps = [step for step in json.loads(report)["steps"] if step["state"] == "failed"]
    return bool(steps) and all(0 <= step["failed"] - step["evidence"] <= 5 for step in steps)


def states_of(status):
    """What ``status`` says of each service."""
    return {row["service"]: row["state"] for row in json.loads(status.stdout)}


def refuses_pods(api):
    """Whether a pod in ``default`` would be refused: the API server reads a policy a while after it is made."""
    pod = {"metadata": {"name": "asked"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    return api.ask("POST", "/api/v1/namespaces/default/pods?dryRun=All", pod)[0] == 422


@pytest.fixture(scope="module", autouse=True)
def unschedulable(sandbox):
    """An install that asks for more than the node has; it takes two minutes, so it goes on beside the other tests."""
    amounts = "services.memcached.workloads.server.resources"
    options = own_cloud("full", "--set", f"{amounts}.requests.cpu=900", "--set", f"{amounts}.limits.cpu=900")
    with sandbox.begun("install", "memcached", *options) as running:
        yield running


def test_pod_that_no_node_takes_is_warned_of_and_then_given_up(sandbox, beside, unschedulable):
    """
    A warning first, as an autoscaler may be at work; then the scheduler's own words.
    """
    stdout, stderr = unschedulable.communicate()

    assert 1 == unschedulable.returncode, stderr
    assert "warning: Pod memcached-0: Unschedulable" in stdout
    assert "Insufficient cpu" in stderr
    assert "kubectl -n full describe pod memcached-0" in stderr
    mended = sandbox.tool("install", "memcached", *beside("full"))
    assert 0 == mended.returncode, mended.stderr


def test_wrong_image_is_named_and_mended_by_the_same_command(cloud):
    """
    The object, the reason and the next command; then the same command without the mistake ends green.
    """
    wrong = "services.memcached.images.memcached=registry.sandbox:5000/openstack.kolla/nothing:1"

    failed = cloud.tool("install", "--values", SITE, "--output", "json", "--set", wrong)

    assert 1 == failed.returncode
    assert told_soon(failed.stdout), failed.stdout
    assert "memcached: Pod memcached-0" in failed.stderr
    assert "nothing:1" in failed.stderr
    assert "kubectl -n openstack describe pod memcached-0" in failed.stderr
    assert "green" == cloud.install()["outcome"]


def test_quota_is_quoted_and_the_same_command_goes_on_without_it(cloud):
    """
    What refuses the pods is said in its own words; what it said before is no verdict once it is gone.
    """
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "tight"}, "spec": {"hard": {"pods": 1}}}
    command = ("install", "--values", SITE, "-o", "json", "--set", "services.keystone.workloads.api.replicas=2")
    with standing(cloud.api, f"{SPACE}/resourcequotas", quota):
        failed = cloud.tool(*command)

    again = cloud.tool(*command)

    assert 1 == failed.returncode
    assert told_soon(failed.stdout), failed.stdout
    assert "exceeded quota: tight" in failed.stderr
    assert "describe resourcequota" in failed.stderr
    assert 0 == again.returncode, again.stderr
    cloud.install()


def test_bootstrap_step_that_fails_shows_its_last_lines(cloud):
    """
    A schema step that cannot work: its container, its words, and green again when the cause is gone.
    """
    wrong = r"services.keystone.config.keystone\.conf.database.connection=mysql+pymysql://keystone@nowhere.invalid/x"
    retries = r"services.keystone.config.keystone\.conf.database.max_retries=1"

    failed = cloud.tool("install", "--values", SITE, "--output", "json", "--set", wrong, "--set", retries)
    status = cloud.tool("status", "--values", SITE, "--output", "json")
    why = cloud.tool("why", "keystone", "--values", SITE)

    assert 1 == failed.returncode
    assert told_soon(failed.stdout), failed.stdout
    assert "keystone-bootstrap-" in failed.stderr
    assert "schema-expand" in failed.stderr
    assert "nowhere.invalid" in failed.stderr
    assert re.search(r"kubectl -n openstack logs keystone-bootstrap-\S+ -c steps", failed.stderr), failed.stderr
    assert (1, "keystone: not up; see `kolla-k8s why keystone`\n") == (status.returncode, status.stderr)
    assert {"mariadb": "up", "keystone": "failed"}.items() <= states_of(status).items()
    first, *needs = why.stdout.splitlines()
    assert (1, "keystone: not up\n") == (why.returncode, why.stderr)
    assert re.match(r"keystone: failed: .*see `kubectl -n openstack logs keystone-bootstrap-", first), why.stdout
    assert ["  mariadb: up", "  memcached: up"] == sorted(needs)
    assert "green" == cloud.install()["outcome"]


def test_claim_without_a_class_is_named_and_made_anew_with_one(sandbox, beside):
    """
    Templates of claims cannot be changed in place; volumes that never came to be hold nothing.
    """
    failed = sandbox.tool("install", "mariadb", *beside("classless", "--set", "storage.class=nowhere"), "-o", "json")
    status = sandbox.tool("status", *beside("classless"), "-o", "json")
    why = sandbox.tool("why", "keystone", *(word for word in beside("classless") if word not in {"-o", "text"}))

    assert 1 == failed.returncode
    assert told_soon(failed.stdout), failed.stdout
    assert "PersistentVolumeClaim data-mariadb-0" in failed.stderr
    assert "nowhere" in failed.stderr
    assert "kubectl get storageclass" in failed.stderr
    assert (1, "not installed") == (status.returncode, states_of(status)["keystone"])
    assert (1, "keystone: not installed; run `kolla-k8s install keystone`\n") == (why.returncode, why.stdout)
    mended = sandbox.tool("install", "mariadb", *beside("classless"))
    assert 0 == mended.returncode, mended.stderr


def test_pod_that_admission_refuses_is_explained_in_its_words(sandbox, beside):
    """
    A policy of the cluster's owner: its message, and the object that could not make its pods.
    """
    rule = {"expression": "false", "message": "memcached is not for this cluster"}
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    about = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "no-caches"}}
    policy = {
        **about,
        "kind": "ValidatingAdmissionPolicy",
        "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [pods]}, "validations": [rule]},
    }
    spaces = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["refused", "default"]}
    where = {"namespaceSelector": {"matchExpressions": [spaces]}}
    binding = {
        **about,
        "kind": "ValidatingAdmissionPolicyBinding",
        "spec": {"policyName": "no-caches", "validationActions": ["Deny"], "matchResources": where},
    }
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
    with standing(sandbox.api, f"{path}ies", policy), standing(sandbox.api, f"{path}ybindings", binding):
        wait_until("the policy is in force", lambda: refuses_pods(sandbox.api))
        failed = sandbox.tool("install", "memcached", *beside("refused"), "-o", "json")

    assert 1 == failed.returncode
    assert told_soon(failed.stdout), failed.stdout
    assert "StatefulSet memcached: FailedCreate" in failed.stderr
    assert "memcached is not for this cluster" in failed.stderr
    assert "kubectl -n refused describe statefulset memcached" in failed.stderr
    mended = sandbox.tool("install", "memcached", *beside("refused"))
    assert 0 == mended.returncode, mended.stderr


def test_key_that_vanished_from_a_secret_is_named(cloud, tmp_path):
    """
    The Secret and the key; with the key back, the same command goes on.
    """
    cloud.tool("uninstall", "keystone", "mariadb", "--values", SITE, "-o", "text")
    path, merge = f"{SPACE}/secrets/keystone-secrets", "application/merge-patch+json"
    _, whole = cloud.api.ask("GET", path)
    with cloud.begun("install", "--values", SITE, "-o", "text", XDG_STATE_HOME=str(tmp_path)) as running:
        for line in running.stdout:
            if "mariadb: helm applies" in line:
                cloud.api.ask("PATCH", path, {"data": {"admin-password": None}}, merge)
        stderr = running.stderr.read()
    cloud.api.ask("PATCH", path, {"data": whole["data"]}, merge)

    assert 1 == running.returncode, stderr
    assert told_soon(next(tmp_path.rglob("report.json")).read_text()), stderr
    assert "non-existent secret key: admin-password" in stderr
    assert "kubectl -n openstack describe secret keystone-secrets" in stderr
    assert "green" == cloud.install()["outcome"]
