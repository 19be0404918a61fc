"""Actions of a scenario's events: what begins when a trigger fires. What cannot happen is told once and left out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from uniscene_sim.errors import InputWarning
from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import Action, Scenario
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.path_columns import LANE
from uniscene_sim.world.paths import PATH_POINTS, annotate_path
from uniscene_sim.world.state import WorldState, added_row, with_path
from uniscene_sim.world.tracks import TRACK_COLUMNS, Tracks, pose_on_track
from uniscene_sim.world.traffic.lane_change import adjacent_lane, begin_lane_change

__all__ = ["CHANGES_LANE", "CROSS_M", "BeginActions", "ImpossibleActionError"]

#: Kinds of action that move a body to another lane.
CHANGES_LANE = ("lane_change", "cut_in")
#: Farthest place to cross to: a path has a point each metre.
CROSS_M = PATH_POINTS - 1.0
_AWAY_M = 2.0  # most distance of a body from the first row of a trajectory that it is to follow
_ASLANT_RAD = 0.8  # most angle between its heading and the way that it is to take
_CROSS_MPS = 1.4


class ImpossibleActionError(Exception):
    """An action that cannot happen, and why."""


class BeginActions:
    """Begins the actions of a scenario's events.

    Args:
        scenario: whose events count.
        static_map: its map.
        rows: row of bodies by name of an agent.
        tracks: of its trajectories.
        track_of: the track of each action `follow_trajectory`, by (event, action).
    """

    def __init__(
        self,
        scenario: Scenario,
        static_map: StaticMap,
        rows: Mapping[str, int],
        tracks: Tracks,
        track_of: Mapping[tuple[int, int], int],
    ):
        self._scenario, self._map, self._rows = scenario, static_map, rows
        self._tracks, self._track_of = tracks, track_of

    def __call__(self, event: int, state: WorldState) -> tuple[WorldState, list[str]]:
        """The state once the actions of an event have begun, and their names for layouts, "action:brake:17" with the
        agent's id; warns of those that cannot happen. A body that a control drives has none."""
        begun = []
        actions = list(enumerate(self._scenario.events[event].actions))
        # A body that is also told to move can change lanes.
        for k, action in sorted(actions, key=lambda pair: pair[1].kind in CHANGES_LANE):
            if state.bodies[self._rows.get(action.agent, 0)]["driven"]:
                continue
            try:
                state = self._begun(action, state, self._track_of.get((event, k), -1))
                begun.append(f"action:{action.kind}:{state.bodies[self._row(action.agent, state)]['id'] or 'ego'}")
            except ImpossibleActionError as why:
                warnings.warn(
                    f"scenario {self._scenario.name}: events[{event}].actions[{k}]: {action.kind} of {action.agent!r} "
                    f"at {state.time_us * 1e-6:.2f} s is left out: {why}",
                    InputWarning,
                    stacklevel=2,
                )
        return state, begun

    def _row(self, name: str, state: WorldState) -> int:
        if name in state.added:
            return added_row(state, name)
        if name not in self._rows:
            raise ImpossibleActionError(f"there is nobody of that name, expected one of {', '.join(self._rows)}")
        return self._rows[name]

    def _begun(self, action: Action, state: WorldState, track: int) -> WorldState:
        i = self._row(action.agent, state)
        row = state.bodies[i].copy()
        if row["mode"] == MotionMode.ABSENT:
            raise ImpossibleActionError("it has been removed")
        if action.kind == "follow_trajectory" and track < 0:
            raise ImpossibleActionError("trajectories are those of agents that the scenario begins with")
        path: np.ndarray | None = None
        check_mode(action.kind, i, int(row["mode"]), bool(self._scenario.ego.trajectory))
        if action.kind == "speed":
            row["desired"], row["brake"], row["started"] = action.speed_mps, 0.0, True
        elif action.kind in ("brake", "stop"):
            row["brake"] = action.decel_mps2
            row["desired"] = 0.0 if row["mode"] == MotionMode.WALK else row["desired"]
        elif action.kind in CHANGES_LANE:
            path = self._change_lane(action, row, state.paths[i, : state.counts[i]])
        elif action.kind == "cross":
            path = self._cross(action, row)
        else:
            self._follow(row, track, state.time_us * 1e-6)
        if path is not None:
            return with_path(state, i, row, path)
        bodies = state.bodies.copy()
        bodies[i] = row
        return replace(state, bodies=bodies)

    def _change_lane(self, action: Action, row: np.ndarray, path: np.ndarray) -> np.ndarray:
        """The path on the lane beside."""
        lane = int(path[min(max(int(row["s"]), 0), len(path) - 1), LANE])
        if lane < 0:
            raise ImpossibleActionError("it is on no lane")
        if row["speed"] == 0.0 and (row["desired"] == 0.0 or row["brake"] > 0.0):
            raise ImpossibleActionError("it stands, and wheels do not move sideways")
        place = adjacent_lane(self._map, lane, float(row["x"]), float(row["y"]), action.direction == "left")
        if place is None:
            raise ImpossibleActionError(f"there is no driving lane to the {action.direction} of its own")
        route = self._map.route(*place, None, PATH_POINTS - 1.0)
        beside = annotate_path(self._map, route.path, route.lanes)
        begin_lane_change(row, beside, action.duration_s)
        left, needed = len(beside) - 1.0 - float(row["s"]), float(row["offset_length"])
        if left < needed and len(beside) < PATH_POINTS:  # a full path is made longer as it goes on
            raise ImpossibleActionError(
                f"the lane to the {action.direction} ends {max(left, 0.0):.0f} m ahead, and it needs {needed:.0f} m"
            )
        return beside

    def _cross(self, action: Action, row: np.ndarray) -> np.ndarray:
        """The straight path to the place that is crossed to."""
        assert action.to is not None
        end, start = np.array(action.to), np.array([row["x"], row["y"]])
        away = float(np.hypot(*(end - start)))
        if away < 0.1:
            raise ImpossibleActionError("it is there already")
        if away > CROSS_M:
            raise ImpossibleActionError(f"the place is {away:.0f} m away, expected at most {CROSS_M:g} m")
        walks = row["cls"] == AgentClass.PEDESTRIAN
        # Wheels need points each metre, as a lane change counts them.
        at = np.arange(0.0, max(away, 1.0) + 0.5)[:, None] / away
        way = np.linspace(start, end, max(int(away), 1) + 1) if walks else start + at * (end - start)
        height = self._map.surface_height(way[:, 0], way[:, 1], np.full(len(way), row["z"]))
        path = annotate_path(self._map, np.column_stack([way, height]), ())
        row["s"] = row["offset"] = row["offset_length"] = 0.0
        row["desired"], row["brake"], row["started"] = action.speed_mps or _CROSS_MPS, 0.0, True
        row["mode"] = MotionMode.WALK  # whoever it is: at the place it stands
        if not walks:
            turn = np.arctan2(*(end - start)[::-1]) - row["yaw"]
            if abs(wrap_angle(turn)) > _ASLANT_RAD:
                raise ImpossibleActionError("the place is not ahead of it, and it does not turn on the spot")
            row["pace"] = row["desired"]
            begin_lane_change(row, path, 1.0)
        return path

    def _follow(self, row: np.ndarray, track: int, time_s: float) -> None:
        """Put a body onto a track that begins now."""
        begin = np.empty(TRACK_COLUMNS)
        pose_on_track(self._tracks, track, 0.0, begin)
        _, x, y, _, yaw = begin[:5].tolist()
        away = float(np.hypot(row["x"] - x, row["y"] - y))
        if away > _AWAY_M:
            raise ImpossibleActionError(
                f"it begins at {self._scenario.told(x, y)}, {away:.1f} m from where it is; "
                f"expected at most {_AWAY_M:g} m"
            )
        turn, backwards = float(wrap_angle(row["yaw"] - yaw)), False
        moves = self._tracks.rows[self._tracks.first[track + 1] - 1, -1] > 0.0
        if moves and row["cls"] != AgentClass.PEDESTRIAN:
            backwards = abs(turn) > np.pi - _ASLANT_RAD
            turn = float(wrap_angle(turn + np.pi)) if backwards else turn
            if abs(turn) > _ASLANT_RAD:
                raise ImpossibleActionError("its trajectory leads sideways, and it does not turn on the spot")
        elif moves:
            turn = 0.0
        row["mode"], row["started"], row["offset"], row["offset_length"] = MotionMode.TRAJECTORY, True, 0.0, 0.0
        row["track"], row["track_begin"], row["backwards"], row["s"] = track, time_s, backwards, 0.0
        row["shift_x"], row["shift_y"], row["shift_yaw"] = row["x"] - x, row["y"] - y, turn


def check_mode(kind: str, i: int, mode: int, ego_replayed: bool) -> None:
    """Check that what moves a body leaves room for an action.

    Args:
        kind: of the action.
        i: row of the body, 0 for the ego.
        mode: MotionMode of the body.
        ego_replayed: whether the ego has a trajectory.

    Raises:
        ImpossibleActionError: it does not.
    """
    if i == 0:
        if kind not in ("speed", "brake", "stop"):
            raise ImpossibleActionError("the ego keeps to its route; expected another goal or via of the ego")
        if ego_replayed:
            raise ImpossibleActionError("the ego follows its trajectory")
    elif mode == MotionMode.TRAJECTORY and kind not in ("cross", "follow_trajectory"):
        raise ImpossibleActionError("its trajectory says when it is where")
    elif mode == MotionMode.STATIC and kind != "follow_trajectory":
        raise ImpossibleActionError("it is parked")
    elif mode == MotionMode.WALK and kind in CHANGES_LANE:
        raise ImpossibleActionError("it walks and is on no lane")
