"""How a kubeconfig is found and used, and what is said of one that cannot be."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kolla_k8s.adapters.kube import connect
from kolla_k8s.errors import OutsideError
from kolla_k8s.ports import Resource
from tests.fakes import FakeClock
from tests.unit.adapters.scripted import staged

PODS = Resource("", "v1", "pods", "Pod")


def kubeconfig(folder: Path, server: str, user: dict[str, Any] | None = None, **cluster: Any) -> str:
    """Write a kubeconfig with the contexts ``here`` (current) and ``there``."""
    contexts = [{"name": name, "context": {"cluster": name, "user": "u"}} for name in ("here", "there")]
    servers = {"here": server, "there": f"{server}/there"}
    config = {
        "clusters": [{"name": name, "cluster": {"server": url, **cluster}} for name, url in servers.items()],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
        "contexts": contexts,
        "current-context": "here",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return str(path)


async def open_and_close(path: str, context: str | None = None) -> str:
    async with connect(path, context, clock=FakeClock()) as cluster:
        return cluster.url


@pytest.mark.parametrize(("context", "suffix"), [(None, ""), ("there", "/there")])
async def test_context_chooses_the_cluster(tmp_path: Path, context: str | None, suffix: str) -> None:
    """
    The context of the option, else the current one.
    """
    async with staged() as stage:
        url = await open_and_close(kubeconfig(tmp_path, stage.access.url), context)

        assert f"{stage.access.url}{suffix}" == url
        assert "Bearer t" == stage.script.seen[0].headers["Authorization"]


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (None, "is not there"),
        ("", "cannot be used: is no kubeconfig"),
        ("[1, 2]", "cannot be used: is no kubeconfig"),
        ("a: [1", "cannot be used: is no kubeconfig"),
        ("{}", "cannot be used: "),
        ('{"current-context": "x", "contexts": []}', "cannot be used: "),
    ],
)
async def test_file_that_is_no_kubeconfig_is_told(tmp_path: Path, content: str | None, fact: str) -> None:
    """
    The error names the file, and shows nothing of what is in it.
    """
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)

    with pytest.raises(OutsideError, match=f"^{path}: {fact}.*; name a kubeconfig with --kubeconfig or KUBECONFIG"):
        await open_and_close(str(path))


async def test_own_kubeconfig_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With the path where it is looked for.
    """
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(OutsideError, match=f"^{tmp_path}/.kube/config: is not there; name a kubeconfig with"):
        async with connect(None, None, clock=FakeClock()):
            pytest.fail("there is no kubeconfig")


async def test_proxy_that_is_no_address_is_told(tmp_path: Path) -> None:
    """
    A port without quotes is a number.
    """
    with pytest.raises(OutsideError, match="kubeconfig: its proxy-url 3128 is no address; put it in quotes"):
        await open_and_close(kubeconfig(tmp_path, "https://x", **{"proxy-url": 3128}))


async def test_unknown_context_is_told(tmp_path: Path) -> None:
    """
    A misspelt context is not the current one.
    """
    with pytest.raises(OutsideError, match=r"cannot be used: .*nowhere"):
        await open_and_close(kubeconfig(tmp_path, "https://x"), "nowhere")


async def test_certificate_must_be_checked(tmp_path: Path) -> None:
    """
    A kubeconfig that turns the check off is refused.
    """
    path = kubeconfig(tmp_path, "https://127.0.0.1:9", **{"insecure-skip-tls-verify": True})

    with pytest.raises(OutsideError, match="kubeconfig: turns off the check of the server's certificate"):
        await open_and_close(path)


async def test_broken_certificate_is_told(tmp_path: Path) -> None:
    """
    What the kubeconfig names must be usable.
    """
    path = kubeconfig(tmp_path, "https://127.0.0.1:9", **{"certificate-authority-data": "bm90IGEgY2VydA=="})

    with pytest.raises(OutsideError, match="kubeconfig: names a certificate that cannot be used"):
        await open_and_close(path)


async def test_absent_server_is_told_soon(tmp_path: Path) -> None:
    """
    At the start nobody waits five minutes for a wrong address.
    """
    clock = FakeClock()
    with pytest.raises(OutsideError, match=r"http://127\.0\.0\.1:9: cannot be reached: "):
        async with connect(kubeconfig(tmp_path, "http://127.0.0.1:9"), None, clock=clock):
            pytest.fail("there is no server")

    assert clock.monotonic() < 10


async def test_refused_credentials_are_told_at_the_start(tmp_path: Path) -> None:
    """
    Nothing is begun with credentials that do not work.
    """

    async def refuse(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "Unauthorized"}, status=401)

    async with staged(refuse) as stage:
        with pytest.raises(OutsideError, match="does not accept the credentials of the kubeconfig"):
            await open_and_close(kubeconfig(tmp_path, stage.access.url))


async def test_token_is_read_again_when_it_has_expired(tmp_path: Path) -> None:
    """
    A 401 in mid-run reads the kubeconfig again, once for all who ask meanwhile: a rotated file is then used.
    """
    told: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        told.append(request.headers["Authorization"].removeprefix("Bearer "))
        is_good = len(told) == 1 or told[-1] == "new"
        return web.json_response({"metadata": {}, "items": []}, status=200 if is_good else 401)

    async with staged(handle) as stage:
        path = kubeconfig(tmp_path, stage.access.url, {"token": "old"})
        async with connect(path, None, clock=FakeClock()) as cluster:
            kubeconfig(tmp_path, stage.access.url, {"token": "new"})
            found = await asyncio.gather(*(cluster.list(PODS, "s") for _ in range(2)))

    assert [[], []] == found
    assert (["old"] * 2, ["new", "new", "old", "old", "old"]) == (told[:2], sorted(told))
    assert "new" == told[-1]
