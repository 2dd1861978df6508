"""What makes two clouds the same, and what does not."""

from __future__ import annotations

import asyncio

import pytest

from tests.cluster.digest import differences
from tests.cluster.kills import Golden
from tests.cluster.world import World

pytestmark = [pytest.mark.cluster, pytest.mark.helm, pytest.mark.faults]


async def test_two_untroubled_clouds_are_the_same_and_a_changed_one_is_not(made: World, golden: Golden) -> None:
    """
    Another namespace, other uids, times and passwords; then one label more, one claim and one pod less.
    """
    async with made.cloud() as cloud:
        assert 0 == (await cloud.install()).code
        same = await cloud.digest()
        api, space = made.api(), f"/api/v1/namespaces/{cloud.name}"
        label = {"metadata": {"labels": {"odd": "one"}}}
        patch = ("PATCH", f"{space}/services/keystone", label, "application/merge-patch+json")
        assert 200 == (await asyncio.to_thread(api.ask, *patch))[0]
        changed = await cloud.digest()

    assert [] == differences(golden.digest, same)
    assert ["Service CONTROL/keystone: .metadata.labels.odd: None is not 'one'"] == differences(same, changed)
