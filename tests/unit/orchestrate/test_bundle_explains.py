"""What is kept of a failure: enough to explain it, no secret, and not too much."""

from __future__ import annotations

import json

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.bundle import BUNDLE_BYTES, FILE_BYTES, KEPT, bundle_name, collect, prune_bundles
from kolla_k8s.orchestrate.report import Cause, Phase, Report, Row
from kolla_k8s.orchestrate.store import Store
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.objects import labels, pod, thing
from tests.unit.orchestrate.test_running_a_plan import a_plan, a_step
from tests.unit.orchestrate.virtual import run

SECRET = 'p"a\\ss'


def hidden(text):
    return text.replace(SECRET, "***")


@pytest.fixture
def report():
    rows = {name: Row(a_step(name)) for name in ("keystone", "mariadb")}
    rows["keystone"].cause = Cause("Pod api-1", "Error", f"denied for {SECRET}", "kubectl logs", "api", (SECRET,))
    rows["keystone"].phase = Phase.FAILED
    return Report(a_plan(*(row.step for row in rows.values())), rows, 0.0)


@pytest.fixture
def store():
    found = Store()
    spec = {"containers": [{"name": "api"}], "initContainers": [{"name": "prepare"}]}
    found.put(pod("api-1", spec=spec, meta={"labels": labels("keystone")}))
    subject = {"kind": "Pod", "name": "api-1", "uid": "pod-api-1"}
    about = {"type": "Warning", "reason": "BackOff", "message": f"with {SECRET}", "count": 3, "lastTimestamp": "t"}
    found.put(thing("Event", "e", involvedObject=subject, **about))
    return found


def files(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_failed_step_is_explained_without_secrets(tmp_path, report, store):
    """
    Report, events, logs of each life of each container, and objects without noise.
    """
    cluster = FakeCluster()
    cluster.set_logs("api-1", "api", f"last words {SECRET}\n")
    cluster.set_logs("api-1", "api", "earlier words\n", previous=True)

    run(collect(cluster, store, report, tmp_path / "bundle", hidden))

    found = files(tmp_path / "bundle")
    logs = {"keystone/api-1.api.log", "keystone/api-1.api.previous.log"}
    assert {"report.txt", "report.json", "keystone/events.txt", "keystone/pod-api-1.yaml", *logs} == set(found)
    assert "last words ***\n" == found["keystone/api-1.api.log"]
    assert "t Warning Pod api-1: BackOff: with *** (x3)\n" == found["keystone/events.txt"]
    assert "denied for ***" == json.loads(found["report.json"])["steps"][0]["cause"]["message"]
    assert [] == [name for name, text in found.items() if SECRET in text or json.dumps(SECRET)[1:-1] in text]
    assert {0o600} == {path.stat().st_mode & 0o777 for path in (tmp_path / "bundle").rglob("*.*") if path.is_file()}
    assert 0o700 == (tmp_path / "bundle").stat().st_mode & 0o777


def test_what_cannot_be_read_is_named(tmp_path, report, store):
    """
    And the rest is there.
    """
    cluster = FakeCluster()

    def refuse(request):
        if request.verb == "logs":
            raise OutsideError("api", f"forbidden {SECRET}")

    cluster.fail = refuse

    run(collect(cluster, store, report, tmp_path, hidden))

    left_out = files(tmp_path)["left-out.txt"].splitlines()
    assert 4 == len(left_out)
    assert all("forbidden ***" in line for line in left_out)


def test_bundle_has_a_limit(tmp_path, report):
    """
    Of a long log the end is kept; what does not fit any more is named.
    """
    cluster, store = FakeCluster(), Store()
    count = BUNDLE_BYTES // FILE_BYTES + 2
    for number in range(count):
        store.put(pod(f"api-{number}", meta={"labels": labels("keystone")}))
        cluster.set_logs(f"api-{number}", "api", "x" * FILE_BYTES + "end")

    run(collect(cluster, store, report, tmp_path, hidden))

    found = files(tmp_path)
    sizes = [len(text) for name, text in found.items() if name != "left-out.txt"]
    assert sum(sizes) <= BUNDLE_BYTES
    assert FILE_BYTES == max(sizes)
    assert found["keystone/api-0.api.log"].endswith("end")
    assert "the bundle is full" in found["left-out.txt"]


def test_full_bundle_keeps_the_logs_of_the_pod_at_fault(tmp_path, report):
    """
    They are written first, wherever it stands among the others.
    """
    cluster, store = FakeCluster(), Store()
    count = BUNDLE_BYTES // FILE_BYTES + 2
    report.rows["keystone"].cause = Cause(f"Pod api-{count}", "Error", "died")
    for number in range(1, count + 1):
        store.put(pod(f"api-{number}", meta={"labels": labels("keystone")}))
        cluster.set_logs(f"api-{number}", "api", "x" * FILE_BYTES)

    run(collect(cluster, store, report, tmp_path, hidden))

    assert f"keystone/api-{count}.api.log" in files(tmp_path)
    assert f"keystone/api-{count - 1}.api.log: the bundle is full" in files(tmp_path)["left-out.txt"].splitlines()


def test_newest_bundles_of_a_cloud_are_kept(tmp_path):
    """
    Those of other clouds, and what is no bundle, stay.
    """
    mine = [bundle_name("sky", 86_400.0 * day) for day in range(KEPT + 3)]
    others = ["19700101T000000Z", "sky-notes", *(bundle_name("sky-2", 86_400.0 * day) for day in range(KEPT))]
    for name in [*mine, *others]:
        (tmp_path / name / "keystone").mkdir(parents=True)

    assert mine[:3] == prune_bundles(tmp_path, "sky")
    assert sorted([*mine[3:], *others]) == sorted(path.name for path in tmp_path.iterdir())
    assert [] == prune_bundles(tmp_path, "sky")


def test_bundle_that_cannot_be_deleted_fails_nothing(tmp_path):
    """
    A link may lead anywhere: what it leads to stays.
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for day in range(KEPT + 1):
        (tmp_path / bundle_name("sky", 86_400.0 * day)).symlink_to(elsewhere)

    prune_bundles(tmp_path, "sky")

    assert elsewhere.is_dir()
