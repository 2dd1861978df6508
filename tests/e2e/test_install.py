"""The main job on a real cluster with real images."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from tests.e2e.conftest import ROOT, SITE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SPACE = "/api/v1/namespaces/openstack"


def steps_of(report):
    return {step["name"]: step for step in report["steps"]}


def secret_values(api):
    found = set()
    for secret in api.items(f"{SPACE}/secrets"):
        if secret["type"] == "Opaque":
            found |= {base64.b64decode(value).decode() for value in secret["data"].values()}
    return {value for value in found if len(value) > 8}


def test_empty_cluster_becomes_a_cloud_in_order(first_install):
    """
    Every gate is green, and no step started before its needs' gates were.
    """
    steps = steps_of(first_install)

    assert "green" == first_install["outcome"]
    assert {"mariadb", "memcached", "rabbitmq", "keystone"} == set(steps)
    for need in steps["keystone"]["needs"]:
        assert steps["keystone"]["started"] >= steps[need]["gate_green"]
    for step in steps.values():
        assert step["started"] - step["needs_ready"] < 1.0
        assert step["needs_ready"] <= step["started"] <= step["objects_ready"] <= step["gate_green"]


def test_second_install_writes_nothing_but_the_lease(cloud):
    """
    A converged cloud is looked at, not touched.
    """
    cloud.install()
    before = len(cloud.writes())
    restarts = restarts_of(cloud.api)

    report = cloud.install()

    written = {kind for _, kind, _ in cloud.writes()[before:]}
    assert {"leases"} == written
    assert restarts == restarts_of(cloud.api)
    assert {"unchanged"} == {step["action"] for step in report["steps"]}


def restarts_of(api):
    return {
        (pod["metadata"]["uid"], status["name"]): status["restartCount"]
        for pod in api.items(f"{SPACE}/pods")
        for status in pod["status"].get("containerStatuses", ())
    }


def test_gates_speak_to_each_replica(cloud):
    """
    Two Keystone and three memcached: a token of one is accepted by the other, each cache is asked.
    """
    report = cloud.install("--values", str(ROOT / "values/sites/replicas.yaml"))
    steps = steps_of(report)

    assert "validated at 2 pods" in steps["keystone"]["gates"]["token"]
    assert "3 replicas" in steps["memcached"]["gates"]["set-get"]
    cloud.install()


def test_wrong_image_is_named_and_mended_by_the_same_command(cloud):
    """
    The object, the reason and the next command; then the same command without the mistake ends green.
    """
    wrong = "services.memcached.images.memcached=registry.sandbox:5000/openstack.kolla/nothing:1"

    failed = cloud.tool("install", "--values", SITE, "--output", "text", "--set", wrong)

    assert 1 == failed.returncode
    assert "memcached: Pod memcached-0" in failed.stderr
    assert "nothing:1" in failed.stderr
    assert "kubectl -n openstack describe pod memcached-0" in failed.stderr
    assert "green" == cloud.install()["outcome"]


def test_quota_is_quoted(cloud):
    """
    What refuses the pods is said in its own words.
    """
    quota = {"metadata": {"name": "tight"}, "spec": {"hard": {"pods": "1"}}}
    cloud.api.create(f"{SPACE}/resourcequotas", {"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    try:
        failed = cloud.tool(
            "install", "--values", SITE, "-o", "text", "--set", "services.keystone.workloads.api.replicas=2"
        )
    finally:
        cloud.api.ask("DELETE", f"{SPACE}/resourcequotas/tight")

    assert 1 == failed.returncode
    assert "exceeded quota: tight" in failed.stderr
    assert "green" == cloud.install()["outcome"]


def test_bootstrap_step_that_fails_shows_its_last_lines(cloud):
    """
    A schema step that cannot work: its container, its words, and green again when the cause is gone.
    """
    wrong = r"services.keystone.config.keystone\.conf.database.connection=mysql+pymysql://keystone@nowhere.invalid/x"
    retries = r"services.keystone.config.keystone\.conf.database.max_retries=1"

    failed = cloud.tool("install", "--values", SITE, "--output", "text", "--set", wrong, "--set", retries)

    assert 1 == failed.returncode
    assert "keystone-bootstrap-" in failed.stderr
    assert "schema-expand" in failed.stderr
    assert "nowhere.invalid" in failed.stderr
    assert "green" == cloud.install()["outcome"]


def test_no_secret_stands_outside_its_secret(cloud):
    """
    Not in ConfigMaps, events, release records, pods, what the tool prints.
    """
    said = cloud.tool("install", "--values", SITE, "--output", "json")
    texts = {"stdout": said.stdout, "stderr": said.stderr}
    for kind in ("configmaps", "events", "pods"):
        texts[kind] = json.dumps(cloud.api.items(f"{SPACE}/{kind}"))
    for secret in cloud.api.items(f"{SPACE}/secrets"):
        if secret["type"] == "helm.sh/release.v1":
            record = base64.b64decode(base64.b64decode(secret["data"]["release"]))
            texts[secret["metadata"]["name"]] = gzip.decompress(record).decode()
    texts["audit"] = cloud.at.audit_log.read_text()

    values = secret_values(cloud.api)

    assert len(values) >= 10
    assert [] == [name for name, text in texts.items() for value in values if value in text]


def test_release_records_are_small(cloud):
    """
    Far from the limit of 1 MiB.
    """
    sizes = {
        secret["metadata"]["name"]: len(secret["data"]["release"]) * 3 // 4
        for secret in cloud.api.items(f"{SPACE}/secrets")
        if secret["type"] == "helm.sh/release.v1"
    }

    assert [] == [name for name, size in sizes.items() if size >= 100 * 1024]


def test_uninstall_keeps_data_and_install_brings_it_back(cloud):
    """
    Volumes and Secrets stay, and the same passwords and rows are there afterwards.
    """
    before = secret_values(cloud.api)
    claims = {claim["metadata"]["uid"] for claim in cloud.api.items(f"{SPACE}/persistentvolumeclaims")}

    removed = cloud.tool("uninstall", "--values", SITE, "--output", "text")

    assert 0 == removed.returncode, removed.stderr
    assert [] == cloud.api.items("/apis/apps/v1/namespaces/openstack/statefulsets")
    assert before == secret_values(cloud.api)
    assert claims == {claim["metadata"]["uid"] for claim in cloud.api.items(f"{SPACE}/persistentvolumeclaims")}
    assert "green" == cloud.install()["outcome"]


def test_status_and_why_agree_with_the_cluster(cloud):
    """
    Everything is up, and why has nothing to explain.
    """
    status = cloud.tool("status", "--values", SITE, "--output", "json")
    why = cloud.tool("why", "keystone", "--values", SITE)

    assert {"up"} == {row["state"] for row in json.loads(status.stdout)}
    assert (0, "keystone: up\n") == (why.returncode, why.stdout)


def test_plan_of_a_converged_cloud_changes_nothing(cloud):
    """
    And a changed option changes exactly its service.
    """
    option = r"services.keystone.config.keystone\.conf.token.expiration=3600"
    quiet = cloud.tool("plan", "--values", SITE, "--output", "json")
    change = cloud.tool("plan", "--values", SITE, "--output", "json", "--set", option)

    assert {"unchanged"} == {step["action"] for step in json.loads(quiet.stdout)["steps"]}
    actions = {step["name"]: step["action"] for step in json.loads(change.stdout)["steps"]}
    assert ["keystone"] == [name for name, action in actions.items() if action == "change"]


def test_check_finds_the_cluster_fit(cloud):
    """
    Versions, rights, storage, capacity and DNS.
    """
    checked = cloud.tool("check", "--values", SITE, "--output", "json")
    levels = {finding["subject"]: finding["level"] for finding in json.loads(checked.stdout)}

    assert 0 == checked.returncode, checked.stderr
    assert "problem" not in levels.values()
    assert {"ok"} == {levels[subject] for subject in ("Kubernetes", "kinds", "rights", "storage", "cpu", "DNS")}
