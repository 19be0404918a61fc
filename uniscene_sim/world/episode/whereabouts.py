"""Where the agents of a scenario can be in the course of it, from above: never too small, sometimes too large."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from uniscene_sim.scenario import Action, Scenario
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.episode.start import InitialState

__all__ = ["Whereabouts", "whereabouts_of"]

_BESIDE_M = 10.0  # from its path: lane changes, driving past others
_WALK_MPS = 1.4


@dataclass(frozen=True)
class Whereabouts:
    """Places (M, 2), m, from which a body is never farther than `slack_m`, its greatest speed, and whether it moves."""

    places: np.ndarray
    slack_m: float
    speed_mps: float
    modes: frozenset[int]  # MotionMode that it may have

    @property
    def moves(self) -> bool:
        return len(self.places) > 1 or self.slack_m > 0.0

    def distance(self, x: float, y: float) -> float:
        """Least distance from a place, m."""
        return max(float(np.hypot(*(self.places - (x, y)).T).min()) - self.slack_m, 0.0)

    def distance_to(self, other: Whereabouts) -> float:
        """Least distance from another body, m."""
        some = self.places[:: max(len(self.places) // 2000, 1)]
        skipped = float(np.hypot(*np.diff(some, axis=0).T).max()) if 1 < len(some) < len(self.places) else 0.0
        return max(min(other.distance(x, y) for x, y in some.tolist()) - self.slack_m - skipped, 0.0)


def whereabouts_of(
    name: str, row: int, scenario: Scenario, begin: InitialState, happens: Set[tuple[int, int]]
) -> Whereabouts:
    """Where an agent can be.

    Args:
        name: of the agent, or "ego".
        row: of its body.
        scenario: the scenario.
        begin: its first moment.
        happens: actions that may happen, as (event, action).
    """
    body = begin.state.bodies[row]
    start = np.array([[body["x"], body["y"]]])
    if row == 0:
        route = begin.route[:, :2]
        return Whereabouts(route, _BESIDE_M, scenario.ego.vehicle.max_speed_mps, frozenset([int(body["mode"])]))
    told: list[tuple[tuple[int, int], Action]] = [
        ((e, k), action)
        for e, event in enumerate(scenario.events)
        for k, action in enumerate(event.actions)
        if (e, k) in happens and action.agent == name
    ]
    mode, speed = int(body["mode"]), max(float(body["speed"]), float(body["desired"]))
    speed = max([speed, *(a.speed_mps for _, a in told if a.kind == "speed" and mode != MotionMode.STATIC)])
    places, slack, modes = [start], 0.0, {mode}
    if mode == MotionMode.TRAJECTORY:
        places.append(_track(begin, int(body["track"])))
    elif mode != MotionMode.STATIC and speed > 0.0:
        path = begin.state.paths[row, : begin.state.counts[row], :2]
        way = speed * scenario.duration_s
        on_path = way < len(path) - 1 or mode == MotionMode.WALK
        places.append(path[: int(way) + 2] if on_path else start)
        slack = _BESIDE_M if on_path else way
    for key, action in told:
        if action.kind == "follow_trajectory":
            places.append(_track(begin, begin.track_of[key]))
            modes.add(MotionMode.TRAJECTORY)
        elif action.kind == "cross" and action.to is not None:
            speed = max(speed, action.speed_mps or _WALK_MPS)
            slack = max(slack, float(np.hypot(*(start[0] - action.to))))
            modes.add(MotionMode.WALK)
        elif action.kind in ("lane_change", "cut_in"):
            slack += _BESIDE_M if slack else 0.0
    every = np.concatenate(places)
    if MotionMode.TRAJECTORY in modes:
        speed = max(speed, float(np.abs(begin.tracks.rows[:, 6]).max()))
    return Whereabouts(np.unique(every, axis=0) if len(every) < 10 else every, slack, speed, frozenset(modes))


def _track(begin: InitialState, track: int) -> np.ndarray:
    rows: np.ndarray = begin.tracks.rows[begin.tracks.first[track] : begin.tracks.first[track + 1], 1:3]
    return rows
