"""What several files of the orchestrator's tests ask for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes import FakeClock, FakeCluster
from tests.unit.orchestrate.gate_programs import LOGIN


@pytest.fixture
def clock() -> FakeClock:
    """A clock in virtual time."""
    return FakeClock()


@pytest.fixture
def cluster() -> FakeCluster:
    """A cluster in memory, with nothing in it."""
    return FakeCluster()


@pytest.fixture
async def no_task_is_left() -> AsyncIterator[None]:
    """Every heartbeat ends with its block."""
    yield
    beats = [task for task in asyncio.all_tasks() if "_beat" in str(task.get_coro())]
    assert [] == [task for task in beats if not task.done()]


@pytest.fixture
def login(tmp_path: Path) -> str:
    """The file with the gate's own user."""
    path = tmp_path / "gate.json"
    path.write_text(json.dumps(LOGIN))
    return str(path)
