"""A watch never misses a change and never shows a ghost, whatever the line does."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from kolla_k8s.adapters.watching import difference
from kolla_k8s.errors import OutsideError
from kolla_k8s.ports import Resource
from tests.unit.adapters.scripted import Stage, hangs_up, refuses, says, streams

PODS = Resource("", "v1", "pods", "Pod")
GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}


def pod(name: str, version: int, uid: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid or name, "resourceVersion": str(version)}}


def listed(version: int, *pods: dict[str, Any]) -> Any:
    return says({"metadata": {"resourceVersion": str(version)}, "items": list(pods)})


def event(kind: str, thing: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": thing}


async def first(stage: Stage, count: int) -> list[str]:
    """The first events, as words."""
    found: list[str] = []
    async with asyncio.timeout(20):
        async for one in stage.cluster.watch(PODS, "s", labels="a=b"):
            about = one.object["metadata"] if one.object else {"name": "", "resourceVersion": ""}
            found.append(f"{one.type} {about['name']} {about['resourceVersion']}".strip())
            if len(found) == count:
                break
    return found


def watched_from(stage: Stage) -> list[str]:
    """From which versions watches were asked for."""
    return [seen.query["resourceVersion"] for seen in stage.script.seen if "watch" in seen.query]


async def test_watch_asks_with_a_deadline_and_bookmarks(stage: Stage) -> None:
    """
    The server ends each watch within a minute, so a dead line is noticed soon after.
    """
    stage.script.replies = [listed(5), streams(event("ADDED", pod("p", 6)))]
    await first(stage, 2)
    query = stage.script.seen[1].query

    assert int(query.pop("timeoutSeconds")) <= 60
    expected = {"watch": "true", "resourceVersion": "5", "allowWatchBookmarks": "true", "labelSelector": "a=b"}
    assert expected == query


async def test_ended_watch_goes_on_where_it_was(stage: Stage) -> None:
    """
    A watch that the server closes is taken up from the last version seen; a bookmark moves that version on.
    """
    stage.script.replies = [
        listed(5, pod("p", 4)),
        streams(event("MODIFIED", pod("p", 6)), event("BOOKMARK", pod("", 9))),
        streams(event("DELETED", pod("p", 10))),
    ]

    assert ["ADDED p 4", "SYNCED", "MODIFIED p 6", "DELETED p 10"] == await first(stage, 4)
    assert ["5", "9"] == watched_from(stage)


@pytest.mark.parametrize(
    "end",
    [
        [streams(GONE)],
        [refuses(410, "too old", "Expired")],
        [streams(b'{"type": "MODIFIED", "object": {"meta', cut=True)],
        [streams(b"not json\n")],
        [hangs_up, hangs_up],
        [refuses(500, "no")],
        [streams()],
    ],
    ids=["410 in the stream", "410", "cut in a line", "nonsense", "hung up", "500", "nothing"],
)
async def test_gap_is_closed_by_a_new_list(stage: Stage, end: list[Any]) -> None:
    """
    After a gap the list is compared: what vanished is DELETED, what came is ADDED, what is as before says nothing.
    """
    before = [pod("stays", 1), pod("changes", 2), pod("goes", 3), pod("again", 4, uid="old")]
    after = [pod("stays", 1), pod("changes", 12), pod("comes", 11), pod("again", 13, uid="new")]
    stage.script.replies = [listed(5, *before), *end, listed(20, *after), streams(event("DELETED", pod("stays", 21)))]
    events = await first(stage, 11)

    assert ["DELETED goes 3", "DELETED again 4", "MODIFIED changes 12", "ADDED comes 11", "ADDED again 13"] == events[
        5:10
    ]
    assert "DELETED stays 21" == events[10]


async def test_what_the_watch_told_is_known_after_a_gap(stage: Stage) -> None:
    """
    The comparison is with the last state told, not with the first list.
    """
    stage.script.replies = [
        listed(5, pod("a", 1)),
        streams(event("ADDED", pod("b", 6)), event("DELETED", pod("a", 7)), GONE),
        refuses(410, "too old"),
        listed(9, pod("b", 6)),
        streams(event("MODIFIED", pod("b", 10))),
    ]

    expected = ["ADDED a 1", "SYNCED", "ADDED b 6", "DELETED a 7", "MODIFIED b 10"]
    assert expected == await first(stage, 5)


async def test_what_is_followed_is_lean(stage: Stage) -> None:
    """
    Who wrote which field, and what a pod's containers are made with, would be most of the memory of a run.
    """
    about = {"name": "p", "uid": "p", "managedFields": [{"manager": "kubelet"}]}
    whole = {"nodeName": "n", "containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": "1"}]}]}
    listing = says(
        {
            "metadata": {"resourceVersion": "5"},
            "items": [{"metadata": {**about, "resourceVersion": "4"}, "spec": whole}],
        }
    )
    changed = {"kind": "Pod", "metadata": {**about, "resourceVersion": "6"}, "spec": whole}
    stage.script.replies = [listing, streams(event("MODIFIED", changed))]
    async with asyncio.timeout(20), aclosing(stage.cluster.watch(PODS, "s")) as events:
        there, _, then = [await anext(events) for _ in range(3)]

    lean = {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}
    assert [lean, lean] == [one.object["spec"] for one in (there, then) if one.object]
    assert [set(about) - {"managedFields"} | {"resourceVersion"}] * 2 == [
        set(one.object["metadata"]) for one in (there, then) if one.object
    ]


async def test_outage_of_the_list_is_waited_out(stage: Stage) -> None:
    """
    When the API is away for a while, the watch comes back by itself.
    """
    stage.script.replies = [listed(5), hangs_up, refuses(503, "down"), hangs_up, listed(7, pod("p", 6)), hangs_up]

    assert ["SYNCED", "ADDED p 6"] == await first(stage, 2)


async def test_forbidden_watch_is_an_error(stage: Stage) -> None:
    """
    A missing right does not come by waiting.
    """
    words = 'pods is forbidden: User "u" cannot watch resource "pods"'
    stage.script.replies = [listed(5), refuses(403, words, "Forbidden")]

    with pytest.raises(OutsideError, match='User "u" cannot watch'):
        await first(stage, 2)


async def test_unserved_kind_is_not_asked_for_in_a_loop(stage: Stage) -> None:
    """
    A kind that is not there yet is looked for at growing intervals, until its CRD comes.
    """
    stage.script.replies = [*[refuses(404, "not found")] * 8, listed(3, pod("p", 2)), hangs_up]
    events = await first(stage, 2)

    assert ["SYNCED", "ADDED p 2"] == events
    assert stage.clock.monotonic() > 20


def test_nothing_differs_from_itself() -> None:
    """
    The same list again is no news.
    """
    things = [pod("a", 1), pod("b", 2)]

    assert [] == difference({thing["metadata"]["uid"]: thing for thing in things}, things)
