"""What makes two clouds the same, and what does not."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.api import Api
from sandbox.control_plane import wait_until
from tests.cluster.digest import differences
from tests.cluster.kills import Golden
from tests.cluster.world import World

pytestmark = [pytest.mark.cluster, pytest.mark.helm, pytest.mark.faults]


async def test_two_untroubled_clouds_are_the_same_and_a_changed_one_is_not(made: World, golden: Golden) -> None:
    """
    Another namespace, other uids, times and passwords, and a rotation that came due; then one label more.
    """
    async with made.cloud() as cloud:
        assert 0 == (await cloud.install()).code
        same = await cloud.digest()
        api, space = made.api(), f"/api/v1/namespaces/{cloud.name}"
        await asyncio.to_thread(come_due, api, cloud.name)
        later = await cloud.digest()
        label = {"metadata": {"labels": {"odd": "one"}}}
        patch = ("PATCH", f"{space}/services/keystone", label, "application/merge-patch+json")
        assert 200 == (await asyncio.to_thread(api.ask, *patch))[0]
        changed = await cloud.digest()

    assert [] == differences(golden.digest, same)
    assert [] == differences(same, later)
    assert ["Service CONTROL/keystone: .metadata.labels.odd: None is not 'one'"] == differences(same, changed)


def come_due(api: Api, space: str) -> None:
    """Make the Job that the CronJob makes when its hour has come, and wait for its pod."""
    base = f"/apis/batch/v1/namespaces/{space}"
    task = api.ask("GET", f"{base}/cronjobs/keystone-fernet-rotate")[1]
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "controller": True}
    owner |= {key: task["metadata"][key] for key in ("name", "uid")}
    about = {"name": "keystone-fernet-rotate-29932037", "ownerReferences": [owner]}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": about, "spec": task["spec"]["jobTemplate"]["spec"]}
    api.create(f"{base}/jobs", job)
    pods = f"/api/v1/namespaces/{space}/pods?labelSelector=job-name%3D{about['name']}"
    wait_until("the Job has a pod", lambda: bool(api.items(pods)))
