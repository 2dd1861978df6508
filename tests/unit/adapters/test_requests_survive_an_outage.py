"""What is repeated, what is looked up instead, and when we give up."""

from __future__ import annotations

from typing import Any

import pytest

from kolla_k8s.errors import AlreadyExistsError, ConflictError, OutsideError, RefusedError
from kolla_k8s.ports import Resource
from tests.unit.adapters.scripted import Stage, hangs_up, refuses, says, writes

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
MINE: dict[str, Any] = {
    "metadata": {"name": "one", "namespace": "s", "resourceVersion": "2", "uid": "u"},
    "data": {"a": "1"},
}
OLD = {**MINE, "metadata": {"name": "one", "namespace": "s", "resourceVersion": "1", "uid": "u"}}
WANTED = {"metadata": {"name": "one"}, "data": {"a": "1"}}


def page(names: list[str], more: str) -> Any:
    """A part of a list, and where the next one begins."""
    items = [{"metadata": {"name": name}} for name in names]
    return says({"metadata": {"resourceVersion": "5", "continue": more}, "items": items})


def methods(stage: Stage) -> list[str]:
    return [seen.method for seen in stage.script.seen]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_get_is_repeated_while_the_server_is_troubled(stage: Stage, status: int) -> None:
    """
    A passing trouble of the server is not seen by whoever asks.
    """
    stage.script.replies = [refuses(status, "etcdserver: leader changed"), hangs_up, says(MINE)]

    assert MINE == await stage.cluster.get(CONFIG_MAPS, "one", "s")
    assert ["GET"] * 3 == methods(stage)


async def test_outage_ends_after_its_budget(stage: Stage) -> None:
    """
    After the budget the error names the URL and the last cause; the pauses have grown meanwhile.
    """
    stage.script.replies = [refuses(503, "no etcd")] * 100
    with pytest.raises(OutsideError, match=rf"{stage.access.url}: cannot be reached: answered 503: no etcd; check it"):
        await stage.cluster.get(CONFIG_MAPS, "one", "s")

    assert 30 < stage.clock.monotonic() <= 75
    assert 8 <= len(stage.script.seen) <= 20


async def test_server_says_when_to_come_back(stage: Stage) -> None:
    """
    Retry-After is obeyed: never earlier.
    """
    stage.script.replies = [refuses(429, "slow down", Retry_After="17"), says(MINE)]
    await stage.cluster.get(CONFIG_MAPS, "one", "s")

    assert 17 <= stage.clock.monotonic() < 18


async def test_server_that_asks_for_too_long_a_pause_is_told_at_once(stage: Stage) -> None:
    """
    A day is beyond every budget: whoever asks learns it now.
    """
    stage.script.replies = [refuses(429, "slow down", Retry_After="86400"), says(MINE)]
    with pytest.raises(OutsideError, match="answered 429: slow down; it asks for a pause of 86400 s"):
        await stage.cluster.get(CONFIG_MAPS, "one", "s")

    assert 0 == stage.clock.monotonic()


async def test_full_etcd_is_no_outage(stage: Stage) -> None:
    """
    What does not pass by itself is said at once.
    """
    stage.script.replies = [refuses(500, "etcdserver: mvcc: database space exceeded")]

    with pytest.raises(OutsideError, match="etcd is full: compact"):
        await stage.cluster.replace(CONFIG_MAPS, OLD, "s")


async def test_object_that_is_too_large_is_no_outage(stage: Stage) -> None:
    """
    It will not be smaller in five minutes.
    """
    stage.script.replies = [refuses(500, "etcdserver: request is too large")]

    with pytest.raises(OutsideError, match="update configmaps: etcdserver: request is too large"):
        await stage.cluster.replace(CONFIG_MAPS, OLD, "s")


async def test_credentials_are_renewed_once(stage: Stage) -> None:
    """
    A token that expired in mid-run is read again, and the request sent with the new one.
    """
    stage.script.replies = [refuses(401, "Unauthorized"), says(MINE)]
    await stage.cluster.get(CONFIG_MAPS, "one", "s")

    assert 1 == stage.access.renewals
    assert ["Bearer first", "Bearer second"] == [seen.headers["Authorization"] for seen in stage.script.seen]


async def test_refused_credentials_are_said(stage: Stage) -> None:
    """
    Two noes are enough.
    """
    stage.script.replies = [refuses(401, "Unauthorized")] * 2

    with pytest.raises(OutsideError, match="does not accept the credentials"):
        await stage.cluster.get(CONFIG_MAPS, "one", "s")
    assert 1 == stage.access.renewals


@pytest.mark.parametrize("lost", [hangs_up, refuses(500, "timeout"), refuses(504, "gateway")])
async def test_lost_create_that_was_done_is_found(stage: Stage, lost: Any) -> None:
    """
    When the answer to a create is lost, the name is looked up; what is there as asked for is ours.
    """
    stage.script.replies = [lost, says(MINE)]

    assert MINE == await stage.cluster.create(CONFIG_MAPS, WANTED, "s")
    assert ["POST", "GET"] == methods(stage)


async def test_lost_create_that_was_not_done_is_sent_again(stage: Stage) -> None:
    """
    When the name is free, the create did not arrive.
    """
    stage.script.replies = [hangs_up, refuses(404, "not found"), says(MINE, 201)]

    assert MINE == await stage.cluster.create(CONFIG_MAPS, WANTED, "s")
    assert ["POST", "GET", "POST"] == methods(stage)


async def test_lost_create_that_came_late_is_ours(stage: Stage) -> None:
    """
    The name was free when it was looked up; then the first request arrived after all, and the second found it.
    """
    late = [hangs_up, refuses(404, "not found"), refuses(409, "exists", "AlreadyExists"), says(MINE)]
    stage.script.replies = late

    assert MINE == await stage.cluster.create(CONFIG_MAPS, WANTED, "s")
    assert ["POST", "GET", "POST", "GET"] == methods(stage)


@pytest.mark.parametrize("there", [says({**MINE, "data": {"a": "other"}}), refuses(404, "not found")])
async def test_repeated_create_that_met_another_is_refused(stage: Stage, there: Any) -> None:
    """
    What is there is not what was asked for, or has gone again.
    """
    taken = refuses(409, "exists", "AlreadyExists")
    stage.script.replies = [hangs_up, refuses(404, "not found"), taken, there]

    with pytest.raises(AlreadyExistsError):
        await stage.cluster.create(CONFIG_MAPS, WANTED, "s")


async def test_create_that_was_sent_once_is_not_mistaken_for_anothers(stage: Stage) -> None:
    """
    Nothing of ours was lost: the name is taken, even by its like.
    """
    stage.script.replies = [refuses(409, "exists", "AlreadyExists"), says(MINE)]

    with pytest.raises(AlreadyExistsError):
        await stage.cluster.create(CONFIG_MAPS, WANTED, "s")


async def test_lost_create_finds_what_another_made(stage: Stage) -> None:
    """
    What is there but not as asked for is someone else's.
    """
    stage.script.replies = [hangs_up, says({**MINE, "data": {"a": "other"}})]

    with pytest.raises(AlreadyExistsError, match='"one" exists, made by someone else'):
        await stage.cluster.create(CONFIG_MAPS, WANTED, "s")


async def test_throttled_create_was_not_done(stage: Stage) -> None:
    """
    A 429 is a clear no: nothing has to be looked up.
    """
    stage.script.replies = [refuses(429, "slow down"), says(MINE, 201)]
    await stage.cluster.create(CONFIG_MAPS, WANTED, "s")

    assert ["POST", "POST"] == methods(stage)


async def test_lost_review_is_asked_again(stage: Stage) -> None:
    """
    A question has no name and leaves nothing behind.
    """
    stage.script.replies = [hangs_up, says({"status": {"allowed": True}}, 201)]
    answer = await stage.cluster.create(CONFIG_MAPS, {"spec": {}})

    assert answer["status"]["allowed"] is True


async def test_lost_update_does_not_conflict_with_itself(stage: Stage) -> None:
    """
    A repeated update meets the version that its lost first try has made: that is success, whoever repeated it.
    """
    stage.script.replies = [hangs_up, refuses(409, "modified", "Conflict"), says(MINE)]

    assert MINE == await stage.cluster.replace(CONFIG_MAPS, OLD, "s")
    assert ["PUT", "PUT", "GET"] == methods(stage)


@pytest.mark.parametrize(
    "there",
    [
        {**MINE, "data": {"a": "2"}},
        {**MINE, "data": {"a": "1", "b": "what we wanted to remove"}},
        {**MINE, "data": {}},
        {**MINE, "metadata": {**MINE["metadata"], "labels": {"new": "label"}}},
    ],
)
async def test_update_that_met_another_is_a_conflict(stage: Stage, there: dict[str, Any]) -> None:
    """
    When what is there is not exactly what we wrote, someone was faster.
    """
    stage.script.replies = [refuses(409, "modified", "Conflict"), says(there)]

    with pytest.raises(ConflictError):
        await stage.cluster.replace(CONFIG_MAPS, OLD, "s")


async def test_update_of_what_has_gone_is_a_conflict(stage: Stage) -> None:
    """
    An object deleted meanwhile is nobody's success.
    """
    stage.script.replies = [refuses(409, "uid mismatch", "Conflict"), refuses(404, "not found")]

    with pytest.raises(ConflictError):
        await stage.cluster.replace(CONFIG_MAPS, OLD, "s")


async def test_patch_is_a_merge_patch(stage: Stage) -> None:
    """
    The content type says which kind of patch it is.
    """
    stage.script.replies = [says(MINE)]
    await stage.cluster.patch(CONFIG_MAPS, "one", {"data": None}, "s")
    (seen,) = stage.script.seen

    assert ("application/merge-patch+json", {"data": None}) == (seen.headers["Content-Type"], seen.body)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (refuses(403, 'pods "p" is forbidden: violates PodSecurity'), RefusedError, "violates PodSecurity"),
        (refuses(403, 'pods is forbidden: User "u" cannot create resource'), OutsideError, "does not allow it"),
        (refuses(422, "spec.x: Invalid value"), RefusedError, "Invalid value"),
        (refuses(409, "exists", "AlreadyExists"), AlreadyExistsError, "exists"),
        (writes(b"<html>a proxy's page</html>", 418), OutsideError, "a proxy's page"),
        (writes(b"", 418), OutsideError, "status 418"),
    ],
)
async def test_refusal_is_the_error_it_means(stage: Stage, reply: Any, kind: type[Exception], words: str) -> None:
    """
    Each no has its class, and keeps the server's own words.
    """
    stage.script.replies = [reply]
    with pytest.raises(kind, match=words) as raised:
        await stage.cluster.create(CONFIG_MAPS, WANTED, "s")

    assert kind is raised.type


async def test_log_with_broken_text_is_read(stage: Stage) -> None:
    """
    A container may print anything.
    """
    stage.script.replies = [writes(b"good\n\xff\xfebad\n")]

    assert "good\n\ufffd\ufffdbad\n" == await stage.cluster.logs("s", "p", "c", previous=True, lines=2)
    expected = {"container": "c", "tailLines": "2", "limitBytes": "262144", "previous": "true"}
    assert expected == stage.script.seen[0].query


async def test_log_of_a_dead_node_is_empty_soon(stage: Stage) -> None:
    """
    A bundle does not wait five minutes for a log.
    """
    stage.script.replies = [refuses(500, "dial tcp: no route to host")] * 50

    assert not await stage.cluster.logs("s", "p", "c")
    assert stage.clock.monotonic() < 10


async def test_discovery_leaves_out_a_dead_group(stage: Stage) -> None:
    """
    An aggregated API that is down hides only its own kinds.
    """
    groups = {"groups": [{"versions": [{"groupVersion": "metrics.k8s.io/v1"}]}]}
    dead = refuses(503, "no endpoints")
    by_path = {
        "/apis": says(groups),
        "/api/v1": says({"resources": [{"kind": "Pod"}]}),
        "/apis/metrics.k8s.io/v1": dead,
    }

    async def reply(request: Any) -> Any:
        return await by_path[request.path](request)

    stage.script.replies = [reply] * 100

    assert {"v1/Pod"} == await stage.cluster.discover()


async def test_server_without_reviews_has_no_user(stage: Stage) -> None:
    """
    What the server does not tell is left open.
    """
    stage.script.replies = [says({"gitVersion": "v1.34.4"}), refuses(404, "not found")]

    assert {"url": stage.access.url, "version": "1.34.4", "user": ""} == await stage.cluster.server()


async def test_long_list_comes_page_by_page(stage: Stage) -> None:
    """
    No answer grows with the cloud; each page is asked for with what the one before it said.
    """
    pages = [(["a", "b"], "after b"), (["c"], "after c"), (["d"], "")]
    stage.script.replies = [page(names, more) for names, more in pages]
    found = await stage.cluster.list(CONFIG_MAPS, "s", labels="x=y")

    assert ["a", "b", "c", "d"] == [one["metadata"]["name"] for one in found]
    assert ["", "after b", "after c"] == [seen.query.get("continue", "") for seen in stage.script.seen]
    assert [("500", "x=y")] * 3 == [(seen.query["limit"], seen.query["labelSelector"]) for seen in stage.script.seen]


async def test_list_whose_next_page_has_expired_is_read_again_whole(stage: Stage) -> None:
    """
    A page that is asked for too late is gone with its moment; all at once does not expire.
    """
    stage.script.replies = [page(["a"], "after a"), refuses(410, "too old", "Expired"), page(["a", "b"], "")]
    found = await stage.cluster.list(CONFIG_MAPS, "s")

    assert ["a", "b"] == [one["metadata"]["name"] for one in found]
    assert {} == stage.script.seen[2].query


async def test_empty_list_may_come_as_null(stage: Stage) -> None:
    """
    Go spells an empty list in two ways.
    """
    stage.script.replies = [says({"metadata": {"resourceVersion": "1"}, "items": None})]

    assert [] == await stage.cluster.list(CONFIG_MAPS, "s")
