"""Agents begin as far ahead of others as the scenario says, on their lane and beside it."""

import numpy as np
import pytest

from tests.world.three_lanes import scene
from uniscene_sim.scenario import AgentSpec, Spawn


@pytest.mark.parametrize("ahead_m", [0.0, 7.3, 18.55, 40.999, -12.4])
@pytest.mark.parametrize(("lanes_left", "opposite", "y"), [(0, False, -5.25), (1, False, -1.75), (-1, False, -8.75),
                                                           (0, True, 1.75)])  # fmt: skip
def test_a_distance_ahead_is_exact(ahead_m, lanes_left, opposite, y):
    spawn = Spawn(relative_to="ego", ahead_m=ahead_m, lanes_left=lanes_left, opposite=opposite)
    source = scene((AgentSpec("other", "car", spawn, 5.0, "constant"),))
    found = source.state.bodies[1]
    assert (found["x"], found["y"]) == pytest.approx((50.0 + ahead_m, y), abs=1e-6)
    assert np.cos(found["yaw"]) == pytest.approx(-1.0 if opposite else 1.0)
