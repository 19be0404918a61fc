"""What everybody but the ego's driver decides, ten times a second, in one kernel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.maps.signals import SignalPrograms, signal_states_at, stop_lines_at
from uniscene_sim.world.traffic.driving import traffic_accelerations
from uniscene_sim.world.traffic.walking import busy_crossings, walking_pace

__all__ = ["TrafficRules", "decide"]


class TrafficRules(NamedTuple):
    """What decisions go by on a map."""

    programs: SignalPrograms  # of the lights
    crossing_stop_lines: np.ndarray  # bool (C, L), stop lines that hold the cars before each crossing
    first: np.ndarray  # see `world.traffic.right_of_way`
    meets: np.ndarray


@njit(cache=True, nogil=True)
def decide(time_us, bodies, paths, counts, rules):
    """Acceleration (N,) that each vehicle chooses, m/s2, pace (N,) of each walker, m/s, and its step aside (N,)."""
    lines = stop_lines_at(rules.programs, signal_states_at(rules.programs, time_us * 1e-6))
    # People may not step onto a crossing while its cars' light is green or yellow.
    may_walk = np.ones(len(rules.crossing_stop_lines), np.bool_)
    for c in range(len(may_walk)):
        for k in range(len(lines)):
            if rules.crossing_stop_lines[c, k] and lines[k] >= 2:
                may_walk[c] = False
    busy = busy_crossings(bodies, paths, counts, may_walk)
    chosen = traffic_accelerations(bodies, paths, counts, lines, busy, rules.first, rules.meets)
    pace, sideways = walking_pace(bodies, paths, counts, may_walk)
    for i in range(len(chosen)):
        chosen[i], pace[i] = fixed_in_kernel(chosen[i]), fixed_in_kernel(pace[i])
        sideways[i] = fixed_in_kernel(sideways[i])
    return chosen, pace, sideways
