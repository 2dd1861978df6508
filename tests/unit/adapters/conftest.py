"""What every test of the adapters may ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.adapters.scripted import Stage, staged


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A cluster that is played by a script."""
    async with staged() as opened:
        yield opened
