"""Release records are read by their labels and mended under their version."""

from __future__ import annotations

import base64
import gzip
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolla_k8s.adapters.releases import SECRETS, failed, releases, unlock
from kolla_k8s.errors import ConflictError, OutsideError
from kolla_k8s.ports import Release
from tests.fakes import FakeCluster, Request

WORDS = json.dumps({"name": "a", "info": {"status": "pending-install", "notes": "kept"}, "chart": {"kept": True}})
LAYERS = {
    "json": lambda text: base64.b64encode(gzip.compress(text, mtime=0)),
    "gzip": base64.b64encode,
    "base64": bytes,
}
TEXTS = {"json": WORDS.encode(), "gzip": gzip.compress(WORDS.encode(), mtime=0)}
TEXTS["base64"] = base64.b64encode(TEXTS["gzip"])


def put(cluster: FakeCluster, name: str, version: str, status: str, **labels: str) -> None:
    payload = {"name": name, "info": {"status": status, "notes": "kept"}, "chart": {"kept": True}}
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(payload).encode()))).decode()
    told = {"owner": "helm", "name": name, "version": version, "status": status, **labels}
    metadata = {"name": f"sh.helm.release.v1.{name}.v{version}", "labels": told}
    cluster.put(SECRETS, {"metadata": metadata, "data": {"release": packed}}, "openstack")


async def test_newest_record_counts() -> None:
    """
    Revisions are numbers: the tenth is newer than the ninth. One request tells all releases.
    """
    cluster = FakeCluster()
    for version, status in (("9", "superseded"), ("10", "failed"), ("1", "superseded")):
        put(cluster, "keystone", version, status, **{"kolla-k8s.io/digest": f"d{version}"})
    put(cluster, "other", "1", "deployed")
    found = await releases(cluster, "openstack")

    assert Release("keystone", "openstack", "failed", 10, "d10") == found["keystone"]
    assert Release("other", "openstack", "deployed", 1) == found["other"]
    assert [Request("list", "secrets", "openstack", "")] == cluster.requests


async def test_secret_that_only_looks_like_a_record_is_overlooked() -> None:
    """
    Labels can be set on anything.
    """
    cluster = FakeCluster()
    labels = {"owner": "helm", "name": "x", "version": "one"}
    cluster.put(SECRETS, {"metadata": {"name": "sh.helm.release.v1.x.vone", "labels": labels}}, "openstack")
    cluster.put(SECRETS, {"metadata": {"name": "mine", "labels": {"owner": "helm"}}}, "openstack")

    assert {} == await releases(cluster, "openstack")


async def test_unlocked_record_keeps_all_but_its_status() -> None:
    """
    Chart, values and notes of the record stay: the next upgrade starts from them.
    """
    cluster = FakeCluster()
    put(cluster, "keystone", "3", "pending-upgrade", **{"kolla-k8s.io/digest": "d"})
    await unlock(cluster, Release("keystone", "openstack", "pending-upgrade", 3))
    record: Any = cluster.peek(SECRETS, "sh.helm.release.v1.keystone.v3", "openstack")
    payload = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(record["data"]["release"]))))

    assert ("failed", "d") == (
        record["metadata"]["labels"]["status"],
        record["metadata"]["labels"]["kolla-k8s.io/digest"],
    )
    assert ("failed", "kept", {"kept": True}) == (payload["info"]["status"], payload["info"]["notes"], payload["chart"])


async def test_helm_that_is_alive_after_all_wins() -> None:
    """
    When the record moves between look and write, nothing is overwritten.
    """
    cluster = FakeCluster()
    put(cluster, "keystone", "3", "pending-upgrade")

    def finish(request: Request) -> None:
        if request.verb == "update":
            put(cluster, "keystone", "3", "deployed")

    cluster.fail = finish
    with pytest.raises(ConflictError):
        await unlock(cluster, Release("keystone", "openstack", "pending-upgrade", 3))

    assert "deployed" == (await releases(cluster, "openstack"))["keystone"].status


@given(st.sampled_from(sorted(LAYERS)), st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_record_with_one_wrong_byte_is_mended_or_told(layer: str, place: int, change: int) -> None:
    """
    Wherever the byte is, in the text, its packing or its spelling: no error is raised but our own.
    """
    text = bytearray(TEXTS[layer])
    text[place % len(text)] ^= change
    record = {"metadata": {"name": "r"}, "data": {"release": base64.b64encode(LAYERS[layer](bytes(text))).decode()}}
    with suppress(OutsideError):
        record = failed(record)

        assert "failed" == record["metadata"]["labels"]["status"]


@pytest.mark.parametrize("data", [None, {}, {"release": None}, {"release": "bm90IGJhc2U2NA=="}])
def test_record_without_a_release_is_told(data: Any) -> None:
    """
    An install unlocks every release first: a broken one must not end it without a word of what to do.
    """
    with pytest.raises(OutsideError, match=r"r: the release record cannot be read: .*; delete Secret r and run"):
        failed({"metadata": {"name": "r"}, "data": data})
