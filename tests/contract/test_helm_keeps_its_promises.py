"""What the orchestrator relies on when it speaks to helm, on the fake and on helm 4 with a real API server."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from kolla_k8s.adapters.releases import UNFINISHED, releases, unlock
from kolla_k8s.adapters.words import HelmError, PendingError
from kolla_k8s.errors import ConflictError, OutsideError
from kolla_k8s.model.plan import HelmRequest
from kolla_k8s.ports import Cluster, Helm, Release, Resource
from tests.contract.conftest import Greeter

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")


def names(objects: list[dict[str, Any]]) -> list[str]:
    return sorted(item["metadata"]["name"] for item in objects)


async def there(cluster: Cluster, space: str) -> list[str]:
    return [name for name in names(await cluster.list(CONFIG_MAPS, space)) if name != "kube-root-ca.crt"]


async def greeting(cluster: Cluster, space: str) -> str:
    words = await cluster.get(CONFIG_MAPS, "hello-words", space)
    return str((words or {})["data"]["greeting"])


async def leave_unfinished(cluster: Cluster, space: str, revision: int, status: str) -> None:
    """Make a record as a helm leaves it that was killed."""
    record = await cluster.get(SECRETS, f"sh.helm.release.v1.hello.v{revision}", space)
    assert record is not None
    payload = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(record["data"]["release"]))))
    payload["info"]["status"] = status
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(payload).encode()))).decode()
    change = {"metadata": {"labels": {"status": status}}, "data": {"release": packed}}
    await cluster.patch(SECRETS, record["metadata"]["name"], change, space)


async def test_version_is_one_that_is_new_enough(helm: Helm) -> None:
    """
    The helm of the sandbox is 4.3.1, and says so.
    """
    assert "4.3.1" == await helm.version()


async def test_install_brings_the_objects_and_gives_them(helm: Helm, cluster: Cluster, greeter: Greeter) -> None:
    """
    What comes back is the manifest without hooks; it is in the cluster, and the record tells our digest.
    """
    objects = await helm.upgrade_install(greeter.request(greeting='a "b": {{ x }} $'))

    assert ["hello-kept", "hello-more", "hello-words"] == names(objects)
    assert ["hello-kept", "hello-more", "hello-words"] == await there(cluster, greeter.namespace)
    assert 'a "b": {{ x }} $' == await greeting(cluster, greeter.namespace)
    expected = Release("hello", greeter.namespace, "deployed", 1, "d" * 32)
    assert {"hello": expected} == await releases(cluster, greeter.namespace)


async def test_upgrade_changes_keeps_and_removes(helm: Helm, cluster: Cluster, greeter: Greeter) -> None:
    """
    What the new manifest lacks goes, but what is to be kept stays; a list in the values replaces the chart's.
    """
    await helm.upgrade_install(greeter.request())
    objects = await helm.upgrade_install(greeter.request(greeting="bye", short=True, list=[3]))
    words = await cluster.get(CONFIG_MAPS, "hello-words", greeter.namespace)

    assert words is not None
    assert {"greeting": "bye", "list": "[3]"} == words["data"]
    assert ["hello-words"] == names(objects)
    assert ["hello-kept", "hello-words"] == await there(cluster, greeter.namespace)
    assert 2 == (await releases(cluster, greeter.namespace))["hello"].revision


async def test_manifest_is_that_of_the_newest_revision(helm: Helm, greeter: Greeter) -> None:
    """
    An unchanged release can be judged without a new upgrade.
    """
    await helm.upgrade_install(greeter.request())
    newest = await helm.upgrade_install(greeter.request(short=True))

    assert newest == await helm.manifest("hello", greeter.namespace)


async def test_manifest_of_no_release_is_an_error(helm: Helm, greeter: Greeter) -> None:
    """
    Nothing is known of a release that is not there.
    """
    with pytest.raises(HelmError, match="not found"):
        await helm.manifest("hello", greeter.namespace)


async def test_template_installs_nothing(helm: Helm, cluster: Cluster, greeter: Greeter) -> None:
    """
    Rendering gives every object, hooks too, and leaves no trace.
    """
    objects = await helm.template(greeter.request())

    assert ["hello-hook", "hello-kept", "hello-more", "hello-words"] == names(objects)
    assert not await there(cluster, greeter.namespace)
    assert not await releases(cluster, greeter.namespace)


async def test_uninstall_leaves_what_is_to_be_kept(helm: Helm, cluster: Cluster, greeter: Greeter) -> None:
    """
    A removed release has no record; removing it again is fine.
    """
    await helm.upgrade_install(greeter.request())
    await helm.uninstall("hello", greeter.namespace)
    await helm.uninstall("hello", greeter.namespace)

    assert ["hello-kept"] == await there(cluster, greeter.namespace)
    assert not await releases(cluster, greeter.namespace)


@pytest.mark.parametrize("status", sorted(UNFINISHED))
async def test_unfinished_release_is_unlocked_and_upgraded(
    helm: Helm, cluster: Cluster, greeter: Greeter, status: str
) -> None:
    """
    What a killed helm left is set to failed and upgraded: the objects are the same ones, nothing was uninstalled.
    """
    await helm.upgrade_install(greeter.request())
    before = await cluster.get(CONFIG_MAPS, "hello-words", greeter.namespace)
    await leave_unfinished(cluster, greeter.namespace, 1, status)
    stuck = (await releases(cluster, greeter.namespace))["hello"]
    is_unlocked = await unlock(cluster, stuck)
    between = (await releases(cluster, greeter.namespace))["hello"]
    await helm.upgrade_install(greeter.request(greeting="again"))
    after = await cluster.get(CONFIG_MAPS, "hello-words", greeter.namespace)

    assert before is not None
    assert after is not None
    assert (status, True, "failed") == (stuck.status, is_unlocked, between.status)
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert "again" == after["data"]["greeting"]
    expected = Release("hello", greeter.namespace, "deployed", 2, "d" * 32)
    assert expected == (await releases(cluster, greeter.namespace))["hello"]


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade", "pending-rollback"])
async def test_pending_release_is_not_upgraded(helm: Helm, cluster: Cluster, greeter: Greeter, status: str) -> None:
    """
    Without the unlock, helm refuses: another one may be at work.
    """
    await helm.upgrade_install(greeter.request())
    await leave_unfinished(cluster, greeter.namespace, 1, status)

    with pytest.raises(PendingError, match="in progress"):
        await helm.upgrade_install(greeter.request())


async def test_finished_release_is_not_unlocked(helm: Helm, cluster: Cluster, greeter: Greeter) -> None:
    """
    There is nothing to mend in a record that says deployed.
    """
    await helm.upgrade_install(greeter.request())

    assert not await unlock(cluster, (await releases(cluster, greeter.namespace))["hello"])


async def test_unlock_yields_to_a_helm_that_lives(helm: Helm, cluster: Cluster, greeter: Greeter) -> None:
    """
    A record that is gone or finished meanwhile is left alone.
    """
    await helm.upgrade_install(greeter.request())
    stuck = Release("hello", greeter.namespace, "pending-install", 7)

    assert not await unlock(cluster, stuck)
    assert "deployed" == (await releases(cluster, greeter.namespace))["hello"].status


async def test_broken_record_names_the_secret(helm: Helm, cluster: Cluster, greeter: Greeter) -> None:
    """
    A record that cannot be read is not guessed at.
    """
    await helm.upgrade_install(greeter.request())
    name = "sh.helm.release.v1.hello.v1"
    broken = {"metadata": {"labels": {"status": "pending-upgrade"}}, "data": {"release": "bm8gcmVjb3Jk"}}
    await cluster.patch(SECRETS, name, broken, greeter.namespace)
    stuck = (await releases(cluster, greeter.namespace))["hello"]

    with pytest.raises(OutsideError, match=rf"{name}: the release record cannot be read.*delete Secret"):
        await unlock(cluster, stuck)


async def test_object_of_others_is_not_taken(helm: Helm, cluster: Cluster, greeter: Greeter) -> None:
    """
    What helm did not make is a conflict, and stays as it was.
    """
    foreign = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "hello-words"},
        "data": {"greeting": "mine"},
    }
    await cluster.create(CONFIG_MAPS, foreign, greeter.namespace)
    with pytest.raises(ConflictError, match="cannot be imported"):
        await helm.upgrade_install(greeter.request())

    assert "mine" == await greeting(cluster, greeter.namespace)


async def test_object_of_a_lost_release_is_adopted(helm: Helm, cluster: Cluster, greeter: Greeter) -> None:
    """
    When the records are gone and the objects are there, an install takes them back.
    """
    await helm.upgrade_install(greeter.request())
    before = await cluster.get(CONFIG_MAPS, "hello-words", greeter.namespace)
    await cluster.delete(SECRETS, "sh.helm.release.v1.hello.v1", greeter.namespace)
    await helm.upgrade_install(greeter.request(greeting="back"))
    after = await cluster.get(CONFIG_MAPS, "hello-words", greeter.namespace)

    assert before is not None
    assert after is not None
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert "back" == after["data"]["greeting"]


async def test_what_an_uninstall_kept_is_the_same_after_an_install(
    helm: Helm, cluster: Cluster, greeter: Greeter
) -> None:
    """
    The release that comes again takes it back: an address that others wrote down stays true.
    """
    await helm.upgrade_install(greeter.request())
    before = await cluster.get(CONFIG_MAPS, "hello-kept", greeter.namespace)
    await helm.uninstall("hello", greeter.namespace)
    await helm.upgrade_install(greeter.request(greeting="again"))
    after = await cluster.get(CONFIG_MAPS, "hello-kept", greeter.namespace)

    assert before is not None
    assert after is not None
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert "again" == await greeting(cluster, greeter.namespace)


async def test_chart_that_is_not_there_is_an_error(helm: Helm, greeter: Greeter, tmp_path: Path) -> None:
    """
    The error names the chart.
    """
    request = HelmRequest("hello", greeter.namespace, tmp_path / "nothing", {})

    with pytest.raises(HelmError, match="nothing"):
        await helm.upgrade_install(request)


async def test_history_is_bounded(helm: Helm, cluster: Cluster, greeter: Greeter) -> None:
    """
    Ten records are kept of a release, the newest ones.
    """
    for number in range(12):
        await helm.upgrade_install(greeter.request(greeting=str(number), short=True))
    kept = await cluster.list(SECRETS, greeter.namespace, labels="owner=helm", metadata_only=True)

    assert list(range(3, 13)) == sorted(int(item["metadata"]["labels"]["version"]) for item in kept)
