"""One cluster for all tests of faults, and what an install leaves that nobody troubled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.cluster.kills import Golden, golden_install
from tests.cluster.world import World, world


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster whose pods come up without a kubelet."""
    with world(tmp_path_factory.mktemp("world")) as running:
        yield running


@pytest.fixture(scope="session")
def golden(made: World) -> Golden:
    """The install to compare with."""
    return asyncio.run(golden_install(made))
