"""Triggers and actions of a scenario's events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, get_args

import numpy as np

from uniscene_sim.compute.compiled import device
from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import Action, Trigger, TriggerKind
from uniscene_sim.world.lane_change import adjacent_lane, begin_lane_change
from uniscene_sim.world.paths import PATH_POINTS, annotate_path
from uniscene_sim.world.state import WorldState, with_path
from uniscene_sim.world.traffic import MotionMode

__all__ = ["TRIGGER_KINDS", "Triggers", "apply_action", "time_to_collision", "trigger_holds"]

TRIGGER_KINDS = get_args(TriggerKind)
_TIME, _DISTANCE, _TIME_GAP, _REACH = (TRIGGER_KINDS.index(kind) for kind in ("time", "distance", "time_gap", "reach"))


class Triggers(NamedTuple):
    """The triggers (E,) of a scenario's events; `agent` and `other` are rows of bodies."""

    kind: np.ndarray  # int64, index into `KINDS`
    value: np.ndarray
    agent: np.ndarray
    other: np.ndarray
    x: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, triggers: Sequence[Trigger], rows: dict[str, int]) -> Triggers:
        whole = [[TRIGGER_KINDS.index(t.kind), rows[t.agent], rows[t.other]] for t in triggers]
        kind, agent, other = np.array(whole, dtype=np.int64).reshape(-1, 3).T.copy()
        value, x, y = np.array([[t.value, t.x, t.y] for t in triggers], dtype=float).reshape(-1, 3).T.copy()
        return cls(kind, value, agent, other, x, y)


@device
def trigger_holds(triggers, e, time_us, bodies):
    """Whether the condition of trigger `e` is met now."""
    kind, value = triggers.kind[e], triggers.value[e]
    if kind == _TIME:
        return time_us >= value * 1e6
    a, b = bodies[triggers.agent[e]], bodies[triggers.other[e]]
    if kind == _REACH:
        return np.hypot(a.x - triggers.x[e], a.y - triggers.y[e]) <= value
    gap = np.hypot(a.x - b.x, a.y - b.y)
    if kind == _DISTANCE:
        return gap <= value
    if kind == _TIME_GAP:
        return max(gap - 0.5 * (a.length + b.length), 0.0) / max(a.speed, 0.1) <= value
    return time_to_collision(a, b) <= value


@device
def time_to_collision(a, b):
    """Seconds until two bodies' circumscribed distance closes at their present velocities; inf where it does not."""
    dx, dy = b.x - a.x, b.y - a.y
    gap = np.hypot(dx, dy)
    vx = b.speed * np.cos(b.yaw) - a.speed * np.cos(a.yaw)
    vy = b.speed * np.sin(b.yaw) - a.speed * np.sin(a.yaw)
    closing = -(dx * vx + dy * vy) / max(gap, 1e-6)
    clear = gap - 0.5 * (a.length + b.length)
    return max(clear, 0.0) / closing if closing > 0.1 else np.inf


def apply_action(action: Action, state: WorldState, rows: dict[str, int], vector_map: StaticMap) -> WorldState:
    """The state once an action has begun."""
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
