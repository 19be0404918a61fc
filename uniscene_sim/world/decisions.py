"""What everybody but the ego's driver decides, ten times a second, in one kernel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from uniscene_sim.maps.signals import Programs, lines_at, states_at
from uniscene_sim.world.traffic import accelerations, busy_crossings, walking_pace

__all__ = ["Rules", "decide"]


class Rules(NamedTuple):
    """What decisions go by on a map."""

    programs: Programs  # of the lights
    holds: np.ndarray  # bool (C, L), stop lines that hold the cars before each crossing
    first: np.ndarray  # see `world.conflicts`
    meets: np.ndarray


@njit(cache=True, nogil=True)
def decide(time_us, bodies, paths, counts, rules):
    """Acceleration (N,) that each vehicle chooses, m/s2, pace (N,) of each walker, m/s, and its step aside (N,)."""
    lines = lines_at(rules.programs, states_at(rules.programs, time_us * 1e-6))
    # People may not step onto a crossing while its cars' light is green or yellow.
    may_walk = np.ones(len(rules.holds), np.bool_)
    for c in range(len(may_walk)):
        for k in range(len(lines)):
            if rules.holds[c, k] and lines[k] >= 2:
                may_walk[c] = False
    busy = busy_crossings(bodies, paths, counts, may_walk)
    chosen = accelerations(bodies, paths, counts, lines, busy, rules.first, rules.meets)
    pace, sideways = walking_pace(bodies, paths, counts, may_walk)
    return chosen, pace, sideways
