"""What the proxy promises to those who make trouble with it, shown on a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from kolla_k8s.adapters.kube import KubeCluster, connect
from kolla_k8s.errors import ConflictError, OutsideError
from kolla_k8s.ports import Command, Resource
from tests.cluster.proxy import Asked, Fault, Moment, Proxy, Rule
from tests.cluster.world import World

pytestmark = [pytest.mark.cluster, pytest.mark.faults]
MAPS = Resource("", "v1", "configmaps", "ConfigMap")


@pytest.fixture
async def proxy(made: World, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with made.proxy(tmp_path / "kubeconfig", who="ann") as running:
        yield running


@pytest.fixture
async def cluster(proxy: Proxy) -> AsyncIterator[KubeCluster]:
    async with connect(str(proxy.kubeconfig), None, outage_s=20) as opened:
        yield opened


def a_map() -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m-{secrets.token_hex(4)}"}}


async def ask(proxy: Proxy, path: str, **headers: str) -> tuple[int, str]:
    """One plain request through the proxy."""
    url, who = f"{proxy.url}{path}", {"Authorization": "Bearer ann", **headers}
    async with aiohttp.ClientSession() as session, session.get(url, headers=who, ssl=False) as answer:
        return answer.status, await answer.text()


async def test_mutations_are_counted_and_told_before_and_after_their_answers(
    proxy: Proxy, cluster: KubeCluster
) -> None:
    """
    Reads and reviews are not counted.
    """
    told: list[tuple[Moment, int]] = []

    async def hook(moment: Moment, asked: Asked) -> None:
        told.append((moment, asked.number))

    proxy.hook = hook
    await cluster.server()
    made = a_map()
    await cluster.create(MAPS, made, "default")
    await cluster.get(MAPS, made["metadata"]["name"], "default")
    await cluster.delete(MAPS, made["metadata"]["name"], "default")

    assert ["create", "delete"] == [asked.verb for asked in proxy.mutations]
    assert [(m, n) for n in (1, 2) for m in Moment] == told


async def test_server_sees_who_asks_through_the_proxy(cluster: KubeCluster) -> None:
    """
    The name in the kubeconfig is the user's.
    """
    assert "ann" == (await cluster.server())["user"]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_answer_that_passes_is_outlived(proxy: Proxy, cluster: KubeCluster, status: int) -> None:
    """
    Two refusals of a create, and it is made all the same.
    """
    rule = Rule(Fault.STATUS, frozenset({"create"}), last=2, statuses=(status,), seconds=1)
    proxy.rules.append(rule)

    made = await cluster.create(MAPS, a_map(), "default")

    assert made["metadata"]["uid"]
    assert 2 == proxy.hits[Fault.STATUS]


@pytest.mark.parametrize(("status", "error"), [(401, OutsideError), (403, OutsideError), (409, ConflictError)])
async def test_answer_that_stays_is_an_error(
    proxy: Proxy, cluster: KubeCluster, status: int, error: type[Exception]
) -> None:
    """
    Credentials, rights and conflicts are no matter of time.
    """
    proxy.rules.append(Rule(Fault.STATUS, frozenset({"create"}), frozenset({"configmaps"}), statuses=(status,)))

    with pytest.raises(error):
        await cluster.create(MAPS, a_map(), "default")


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.DROP, Fault.DELAY])
async def test_create_on_a_broken_line_is_done_once(proxy: Proxy, cluster: KubeCluster, fault: Fault) -> None:
    """
    Whether the server was reached or not, there is one object and no error.
    """
    proxy.rules.append(Rule(fault, frozenset({"create"}), last=1, seconds=0.1))
    wanted = a_map()

    made = await cluster.create(MAPS, wanted, "default")

    assert wanted["metadata"]["name"] == made["metadata"]["name"]
    assert 1 == proxy.hits[fault]
    assert (1 if fault is not Fault.RESET else 2) == len(proxy.mutations)


async def test_black_hole_takes_requests_and_gives_nothing(proxy: Proxy) -> None:
    """
    Only the client's own patience ends it.
    """
    proxy.rules.append(Rule(Fault.BLACK_HOLE, frozenset({"list"})))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await ask(proxy, "/api/v1/namespaces")
    assert 200 == (await ask(proxy, "/version"))[0]


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.EXPIRE])
async def test_watch_that_ends_early_misses_nothing(proxy: Proxy, cluster: KubeCluster, fault: Fault) -> None:
    """
    Five changes over watches that live a tenth of a second.
    """
    proxy.rules.append(Rule(fault, seconds=0.1))
    wanted = [a_map() for _ in range(5)]
    names = {str(one["metadata"]["name"]) for one in wanted}

    async with asyncio.timeout(30):
        async for event in cluster.watch(MAPS, "default"):
            if wanted and (event.object is None or event.object["metadata"]["name"] in str(names)):
                await cluster.create(MAPS, wanted.pop(), "default")
            if event.object is not None:
                names.discard(event.object["metadata"]["name"])
            if not names:
                break

    assert set() == names
    assert proxy.hits[fault] > 0


async def test_closed_proxy_refuses_and_comes_back_at_the_same_address(proxy: Proxy) -> None:
    """
    Its kubeconfig stays valid over an outage.
    """
    before = proxy.url
    await proxy.close()
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(proxy, "/version")
    await proxy.open()

    assert 200 == (await ask(proxy, "/version"))[0]
    assert before == proxy.url


async def test_same_seed_hits_the_same_requests(made: World, tmp_path: Path) -> None:
    """
    And another seed hits others.
    """

    async def statuses(seed: int) -> list[int]:
        async with made.proxy(tmp_path / f"kubeconfig-{seed}", seed=seed) as proxy:
            proxy.rules.append(Rule(Fault.STATUS, share=0.5, statuses=(500, 503)))
            return [(await ask(proxy, "/api/v1/namespaces/default"))[0] for _ in range(20)]

    assert await statuses(1) == await statuses(1) != await statuses(2)


async def test_exec_reaches_the_server_and_its_refusal_comes_back(cluster: KubeCluster) -> None:
    """
    A websocket is passed on: the server itself says that there is no such pod.
    """
    done = await cluster.exec("default", "nothing", "nothing", Command(["true"]))

    assert (-1, "the pod is not there") == (done.exit_code, done.stderr)


async def test_upgrade_to_anything_else_is_refused_plainly(proxy: Proxy) -> None:
    """
    SPDY is not passed on, and the answer says so.
    """
    path = "/api/v1/namespaces/default/pods/nothing/exec?command=true"
    status, said = await ask(proxy, path, Connection="Upgrade", Upgrade="SPDY/3.1")

    assert 501 == status
    assert "passes on websockets" in said


async def test_proxy_that_ends_ends_whoever_has_not_greeted_it_yet(made: World, tmp_path: Path) -> None:
    """
    A client that was killed while it connected would else be found open by the next test.
    """
    async with made.proxy(tmp_path / "kubeconfig") as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
        await ask(proxy, "/version")  # whoever came before has been taken by then

    async with asyncio.timeout(10):
        said = await reader.read()
    writer.close()

    assert b"" == said


@pytest.mark.parametrize("turns", range(5))
async def test_proxy_that_ends_forgets_nobody_who_comes_at_that_moment(made: World, tmp_path: Path, turns: int) -> None:
    """
    Wherever the loop is with the new connection: one that is forgotten stays open until it is found as garbage.
    """
    with socket.socket() as line:
        async with made.proxy(tmp_path / "kubeconfig") as proxy:
            line.connect(("127.0.0.1", int(proxy.url.rpartition(":")[2])))
            for _ in range(turns):
                await asyncio.sleep(0)
        line.settimeout(10)
        said = b""
        with contextlib.suppress(ConnectionResetError):
            said = line.recv(1)

    assert b"" == said
