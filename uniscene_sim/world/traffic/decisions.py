"""What all bodies decide ten times a second, but for the control of the ego, in one kernel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.maps.signals import SignalPrograms, StopLineState, signal_states_at, stop_line_states_at
from uniscene_sim.world.traffic.conflict_table import ConflictTable
from uniscene_sim.world.traffic.pedestrian_rules import busy_crossings, walking_pace
from uniscene_sim.world.traffic.vehicle_rules import traffic_accelerations

__all__ = ["Decisions", "TrafficRules", "decide"]

_YELLOW, _GREEN = StopLineState.YELLOW, StopLineState.GREEN


class TrafficRules(NamedTuple):
    """The rules of a map."""

    programs: SignalPrograms
    crossing_stop_lines: np.ndarray  # bool (C, L), stop lines that hold the cars before each crossing
    conflicts: ConflictTable


class Decisions(NamedTuple):
    """What each body has decided; columns of BODY_DTYPE of the same names keep it until the next decision."""

    chosen: np.ndarray  # (N,) float64, acceleration of vehicles, m/s2
    pace: np.ndarray  # (N,) float64, speed of walkers, m/s
    sideways: np.ndarray  # (N,) float64, how walkers step aside, -1 to the right, 1 to the left


@njit(cache=True, nogil=True)
def decide(time_us, bodies, paths, counts, rules):
    """`Decisions` of all bodies.

    Args:
        time_us: now, us.
        bodies: (N,) BODY_DTYPE.
        paths: (N, P, 10), see `world.path_columns`.
        counts: (N,) int64 points in each path.
        rules: TrafficRules.
    """
    line_states = stop_line_states_at(rules.programs, signal_states_at(rules.programs, time_us * 1e-6))
    # People may not step onto a crossing while its cars' light is green or yellow.
    may_walk = np.ones(len(rules.crossing_stop_lines), np.bool_)
    for c in range(len(may_walk)):
        for k in range(len(line_states)):
            if rules.crossing_stop_lines[c, k] and (line_states[k] == _YELLOW or line_states[k] == _GREEN):
                may_walk[c] = False
    busy = busy_crossings(bodies, paths, counts, may_walk)
    chosen = traffic_accelerations(bodies, paths, counts, line_states, busy, rules.conflicts)
    pace, sideways = walking_pace(bodies, paths, counts, may_walk)
    for i in range(len(chosen)):
        chosen[i], pace[i] = fixed_in_kernel(chosen[i]), fixed_in_kernel(pace[i])
        sideways[i] = fixed_in_kernel(sideways[i])
    return Decisions(chosen, pace, sideways)
