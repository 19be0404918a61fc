"""Actions of a scenario's events: what begins when a trigger fires."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import Action
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.paths import PATH_POINTS, annotate_path
from uniscene_sim.world.state import WorldState, with_path
from uniscene_sim.world.traffic.lane_change import adjacent_lane, begin_lane_change

__all__ = ["apply_action"]


def apply_action(action: Action, state: WorldState, rows: dict[str, int], vector_map: StaticMap) -> WorldState:
    """The state once an action has begun.

    Args:
        action: of an event.
        state: before.
        rows: row of bodies by name of an agent.
        vector_map: the map.
    """
    i = rows[action.agent]
    bodies = state.bodies.copy()
    row = bodies[i]
    path: np.ndarray | None = None
    if action.kind == "speed":
        row["desired"], row["brake"], row["started"] = max(action.speed_mps, 0.01), 0.0, True
    elif action.kind in ("brake", "stop"):
        row["brake"] = action.decel_mps2
        row["desired"] = 0.0 if row["mode"] == MotionMode.WALK else row["desired"]
    elif action.kind in ("lane_change", "cut_in"):
        lane = vector_map.nearest_lane(row["x"], row["y"], row["z"], float(wrap_angle(row["yaw"])))[0]
        place = adjacent_lane(vector_map, lane, row["x"], row["y"], action.direction == "left")
        if place is not None:
            route = vector_map.route(*place, None, PATH_POINTS - 1.0)
            path = annotate_path(vector_map, route.path, route.lanes)
            begin_lane_change(row, path, state.time_us * 1e-6, action.duration_s)
    elif action.kind == "cross":
        assert action.to is not None
        end = np.array(action.to)
        start = np.array([row["x"], row["y"]])
        steps = max(int(np.hypot(*(end - start))), 1) + 1
        path = annotate_path(vector_map, _on_ground(np.linspace(start, end, steps), row["z"], vector_map), ())
        row["s"], row["offset"], row["started"] = 0.0, 0.0, True
        row["desired"] = action.speed_mps or 1.4
    elif action.kind == "follow_trajectory":
        t, x, y = np.array(action.trajectory).T
        at = np.arange(0.0, t[-1], 0.1)[: PATH_POINTS - 1]
        # Rows each 0.1 s from now; `s` of such a body counts tenths of a second from the start of the scenario.
        lead = np.repeat([[row["x"], row["y"]]], round(state.time_us / 1e5), axis=0)
        way = np.concatenate([lead, np.stack([np.interp(at, t, x), np.interp(at, t, y)], axis=1)])[:PATH_POINTS]
        path = annotate_path(vector_map, _on_ground(way, row["z"], vector_map), ())
        row["mode"], row["started"], row["offset"] = MotionMode.TRAJECTORY, True, 0.0
    bodies[i] = row
    if path is None:
        return replace(state, bodies=bodies)
    return with_path(state, i, row, path)


def _on_ground(way: np.ndarray, z: float, vector_map: StaticMap) -> np.ndarray:
    return np.column_stack([way, vector_map.surface_height(way[:, 0], way[:, 1], np.full(len(way), z))])
