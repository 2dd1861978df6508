"""What the orchestrator relies on when it speaks to a cluster, on the fake and on a real API server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kolla_k8s.errors import AlreadyExistsError, ConflictError, OutsideError
from kolla_k8s.ports import Cluster, Command, KubeObject, Resource, WatchEvent

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", is_namespaced=False
)
PATIENCE_S = 60.0


def config_map(name: str = "one", *, data: dict[str, str] | None = None, **metadata: Any) -> KubeObject:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    return {**body, "data": data} if data else body


def deployment(replicas: int = 1, **more: Any) -> KubeObject:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "registry.invalid/web:1"}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec, **more}


async def test_what_is_not_there_is_none(cluster: Cluster, space: str) -> None:
    """
    Absent is an answer, not an error, for whoever asks and for whoever deletes.
    """
    await cluster.delete(CONFIG_MAPS, "absent", space)

    assert await cluster.get(CONFIG_MAPS, "absent", space) is None


async def test_unserved_kind_lists_nothing(cluster: Cluster, space: str) -> None:
    """
    A kind whose CRD is not installed has no objects.
    """
    assert [] == await cluster.list(Resource("no.such.group", "v1", "things", "Thing"), space)


async def test_created_object_has_what_servers_give(cluster: Cluster, space: str) -> None:
    """
    What comes back has identity, version and place, and is what a get then gives.
    """
    made = await cluster.create(CONFIG_MAPS, config_map(data={"a": "1"}), space)

    assert made["metadata"]["uid"]
    assert made["metadata"]["resourceVersion"]
    assert space == made["metadata"]["namespace"]
    assert made == await cluster.get(CONFIG_MAPS, "one", space)


async def test_taken_name_is_refused(cluster: Cluster, space: str) -> None:
    """
    A second create of one name is an AlreadyExistsError, and changes nothing.
    """
    made = await cluster.create(CONFIG_MAPS, config_map(data={"a": "1"}), space)
    with pytest.raises(AlreadyExistsError, match="one"):
        await cluster.create(CONFIG_MAPS, config_map(data={"a": "2"}), space)

    assert made == await cluster.get(CONFIG_MAPS, "one", space)


async def test_create_needs_its_namespace(cluster: Cluster) -> None:
    """
    Nothing can be made in a namespace that is not there.
    """
    with pytest.raises(OutsideError, match='namespaces "nowhere" not found'):
        await cluster.create(CONFIG_MAPS, config_map(), "nowhere")


async def test_replace_asks_for_the_version(cluster: Cluster, space: str) -> None:
    """
    Who has read an older state may not overwrite a newer one.
    """
    old = await cluster.create(CONFIG_MAPS, config_map(data={"a": "1"}), space)
    new = await cluster.replace(CONFIG_MAPS, {**old, "data": {"a": "2"}}, space)
    with pytest.raises(ConflictError):
        await cluster.replace(CONFIG_MAPS, {**old, "data": {"a": "3"}}, space)

    assert old["metadata"]["resourceVersion"] != new["metadata"]["resourceVersion"]
    assert old["metadata"]["uid"] == new["metadata"]["uid"]
    assert new == await cluster.get(CONFIG_MAPS, "one", space)


async def test_replacing_with_the_same_changes_no_version(cluster: Cluster, space: str) -> None:
    """
    A write that changes nothing is no change: nobody is woken by it.
    """
    made = await cluster.create(CONFIG_MAPS, config_map(data={"a": "1"}), space)

    assert made == await cluster.replace(CONFIG_MAPS, made, space)


@pytest.mark.parametrize("verb", ["replace", "patch"])
async def test_changing_what_is_not_there_is_an_error(cluster: Cluster, space: str, verb: str) -> None:
    """
    Only delete is content with absence.
    """
    gone = await cluster.create(CONFIG_MAPS, config_map(), space)
    await cluster.delete(CONFIG_MAPS, "one", space)
    change = {
        "replace": lambda: cluster.replace(CONFIG_MAPS, {**gone, "data": {"a": "1"}}, space),
        "patch": lambda: cluster.patch(CONFIG_MAPS, "one", {"data": {}}, space),
    }

    with pytest.raises(OutsideError, match="not found"):
        await change[verb]()


async def test_patch_merges_and_null_deletes(cluster: Cluster, space: str) -> None:
    """
    A patch is a JSON merge patch: maps deep, null deletes.
    """
    await cluster.create(CONFIG_MAPS, config_map(data={"a": "1", "b": "2"}), space)
    patched = await cluster.patch(CONFIG_MAPS, "one", {"data": {"b": None, "c": "3"}}, space)

    assert {"a": "1", "c": "3"} == patched["data"]


async def test_generation_counts_changes_of_the_spec(cluster: Cluster, space: str) -> None:
    """
    A label is no new generation; a replica is.
    """
    made = await cluster.create(DEPLOYMENTS, deployment(), space)
    labelled = await cluster.patch(DEPLOYMENTS, "web", {"metadata": {"labels": {"a": "b"}}}, space)
    scaled = await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 2}}, space)
    generations = [item["metadata"]["generation"] for item in (made, labelled, scaled)]

    assert [1, 1, 2] == generations


async def test_status_is_not_ours_to_set(cluster: Cluster, space: str) -> None:
    """
    A status that comes with an object is left out: only controllers say how it is.
    """
    made = await cluster.create(DEPLOYMENTS, deployment(status={"readyReplicas": 7}), space)
    await cluster.patch(DEPLOYMENTS, "web", {"status": {"readyReplicas": 7}}, space)
    there = await cluster.get(DEPLOYMENTS, "web", space)

    assert there is not None
    assert "readyReplicas" not in made.get("status", {})
    assert "readyReplicas" not in there.get("status", {})


async def test_strings_of_a_secret_become_data(cluster: Cluster, space: str) -> None:
    """
    What is given as text is kept encoded.
    """
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "päss"}}
    made = await cluster.create(SECRETS, body, space)

    assert {"key": "cMOkc3M="} == made["data"]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("", ["a", "b", "c"]),
        ("app=web", ["a", "b"]),
        ("app==web,tier=front", ["a"]),
        ("tier!=front", ["b", "c"]),
        ("app in (web, db)", ["a", "b", "c"]),
        ("tier notin (front,back)", ["c"]),
        ("tier", ["a", "b"]),
        ("!tier", ["c"]),
        ("app=none", []),
    ],
)
async def test_selector_chooses(cluster: Cluster, space: str, selector: str, names: list[str]) -> None:
    """
    A selector means what Kubernetes means by it.
    """
    everything = {"a": {"app": "web", "tier": "front"}, "b": {"app": "web", "tier": "back"}, "c": {"app": "db"}}
    for name, labels in everything.items():
        await cluster.create(CONFIG_MAPS, config_map(name, labels={**labels, "mine": "yes"}), space)
    found = await cluster.list(CONFIG_MAPS, space, labels=f"mine=yes,{selector}".rstrip(","))

    assert names == sorted(item["metadata"]["name"] for item in found)


@pytest.mark.parametrize("metadata_only", [True, False])
async def test_listed_objects_know_their_kind(cluster: Cluster, space: str, *, metadata_only: bool) -> None:
    """
    Items of a list say what they are, though the API leaves it out; metadata alone is metadata alone.
    """
    await cluster.create(CONFIG_MAPS, config_map(data={"a": "1"}, labels={"mine": "yes"}), space)
    (found,) = await cluster.list(CONFIG_MAPS, space, labels="mine=yes", metadata_only=metadata_only)

    assert ("v1", "ConfigMap", "one") == (found["apiVersion"], found["kind"], found["metadata"]["name"])
    assert metadata_only is ("data" not in found)


async def test_delete_asks_for_the_uid(cluster: Cluster, space: str) -> None:
    """
    Only the object that was meant is deleted, not its successor of the same name.
    """
    made = await cluster.create(CONFIG_MAPS, config_map(), space)
    with pytest.raises(ConflictError):
        await cluster.delete(CONFIG_MAPS, "one", space, uid="another")
    survived = await cluster.get(CONFIG_MAPS, "one", space)
    await cluster.delete(CONFIG_MAPS, "one", space, uid=made["metadata"]["uid"])

    assert made == survived
    assert await cluster.get(CONFIG_MAPS, "one", space) is None


async def test_delete_asks_for_the_version(cluster: Cluster, space: str) -> None:
    """
    What has changed since it was looked at stays.
    """
    made = await cluster.create(CONFIG_MAPS, config_map(), space)
    old = made["metadata"]["resourceVersion"]
    new = (await cluster.patch(CONFIG_MAPS, "one", {"data": {"b": "2"}}, space))["metadata"]["resourceVersion"]
    with pytest.raises(ConflictError):
        await cluster.delete(CONFIG_MAPS, "one", space, version=old)
    survived = await cluster.get(CONFIG_MAPS, "one", space)
    await cluster.delete(CONFIG_MAPS, "one", space, version=new)

    assert survived is not None
    assert await cluster.get(CONFIG_MAPS, "one", space) is None


async def test_finalizer_holds_a_deleted_object(cluster: Cluster, space: str) -> None:
    """
    What has a finalizer only says that it goes, until the finalizer is taken off.
    """
    await cluster.create(CONFIG_MAPS, config_map(finalizers=["example.org/hold"]), space)
    await cluster.delete(CONFIG_MAPS, "one", space)
    going = await cluster.get(CONFIG_MAPS, "one", space)
    await cluster.patch(CONFIG_MAPS, "one", {"metadata": {"finalizers": None}}, space)

    assert going is not None
    assert "deletionTimestamp" in going["metadata"]
    assert await cluster.get(CONFIG_MAPS, "one", space) is None


async def test_review_is_answered_and_not_kept(cluster: Cluster, space: str) -> None:
    """
    A question to the API is a create without a name.
    """
    attributes = {"verb": "create", "resource": "pods", "namespace": space}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await cluster.create(REVIEWS, body)

    assert answer["status"]["allowed"] is True


def words(event: WatchEvent) -> tuple[str, str]:
    return event.type, event.object["metadata"]["name"] if event.object else ""


async def seen(
    cluster: Cluster, space: str, *, count: int, labels: str = "", go: asyncio.Event
) -> list[tuple[str, str]]:
    """The first events of a watch of this test's ConfigMaps; sets ``go`` when the first list is in."""
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in cluster.watch(CONFIG_MAPS, space, labels=labels):
            if event.object is None or event.object["metadata"]["name"] != "kube-root-ca.crt":
                found.append(words(event))
            if event.type == "SYNCED":
                go.set()
            if len(found) == count:
                break
    return found


async def test_watch_lists_and_then_follows(cluster: Cluster, space: str) -> None:
    """
    First what is there, then SYNCED, then each change in its order.
    """
    go = asyncio.Event()
    await cluster.create(CONFIG_MAPS, config_map("old"), space)
    watching = asyncio.create_task(seen(cluster, space, count=5, go=go))
    await go.wait()
    await cluster.create(CONFIG_MAPS, config_map("new"), space)
    await cluster.patch(CONFIG_MAPS, "new", {"data": {"a": "1"}}, space)
    await cluster.delete(CONFIG_MAPS, "old", space)

    expected = [("ADDED", "old"), ("SYNCED", ""), ("ADDED", "new"), ("MODIFIED", "new"), ("DELETED", "old")]
    assert expected == await watching


async def test_object_that_leaves_the_selector_is_deleted_for_its_watcher(cluster: Cluster, space: str) -> None:
    """
    A watcher with a selector sees objects come and go as their labels do.
    """
    go = asyncio.Event()
    watching = asyncio.create_task(seen(cluster, space, count=4, labels="app=web", go=go))
    await go.wait()
    await cluster.create(CONFIG_MAPS, config_map("one"), space)
    for label in ("web", "db", "web"):
        await cluster.patch(CONFIG_MAPS, "one", {"metadata": {"labels": {"app": label}}}, space)

    assert [("SYNCED", ""), ("ADDED", "one"), ("DELETED", "one"), ("ADDED", "one")] == await watching


async def test_what_an_object_owned_goes_with_it(cluster: Cluster, space: str) -> None:
    """
    The garbage collector removes what has lost its owner.
    """
    go = asyncio.Event()
    owner = await cluster.create(CONFIG_MAPS, config_map("owner"), space)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    await cluster.create(CONFIG_MAPS, config_map("owned", ownerReferences=[reference], labels={"app": "x"}), space)
    watching = asyncio.create_task(seen(cluster, space, count=3, labels="app=x", go=go))
    await go.wait()
    await cluster.delete(CONFIG_MAPS, "owner", space)

    assert [("ADDED", "owned"), ("SYNCED", ""), ("DELETED", "owned")] == await watching


async def test_exec_and_logs_say_that_the_pod_is_not_there(cluster: Cluster, space: str) -> None:
    """
    A gate in a pod that has just gone is red, with a reason; it ends no run.
    """
    done = await cluster.exec(space, "gone", "main", Command(["true"]))

    assert -1 == done.exit_code
    assert "not" in done.stderr
    assert not await cluster.logs(space, "gone", "main")


async def test_server_says_who_and_what_it_is(cluster: Cluster) -> None:
    """
    Reports name the server, its version and the user.
    """
    server = await cluster.server()

    assert server["url"].startswith("https://")
    assert server["user"]
    assert 1 == int(server["version"].split(".")[0])


async def test_discovery_names_what_is_served(cluster: Cluster) -> None:
    """
    A preflight can tell whether every kind of a chart is known.
    """
    assert {"v1/Pod", "apps/v1/Deployment"} <= await cluster.discover()
