"""The tool, helm or both are killed in the middle of an install; the same command then ends as if nothing had been."""

from __future__ import annotations

import pytest

from tests.cluster.kills import Golden, Victim, spread, try_points
from tests.cluster.proxy import Moment
from tests.cluster.world import World

pytestmark = [pytest.mark.cluster, pytest.mark.helm, pytest.mark.faults, pytest.mark.timeout(600)]
EACH = 5


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("victim", Victim)
async def test_same_command_mends_a_killed_install(made: World, golden: Golden, victim: Victim, moment: Moment) -> None:
    """
    Same objects as a never-killed install, the same volumes, and no helm left behind.
    """
    outcomes = await try_points(made, spread(golden, victim, moment, EACH), golden)

    assert {} == {f"{one.point} ({one.request})": one.problems for one in outcomes if one.problems}
