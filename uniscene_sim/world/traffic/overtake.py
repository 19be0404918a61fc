"""Driving past bodies that block the lane: cyclists, parked cars, barriers and cones.

The path itself is bent aside and back, so that others, who react to paths, react to the manoeuvre as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.rounding import fixed
from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode, project_to_path
from uniscene_sim.world.path_columns import CROSSING, JUNCTION, LANE, LIMIT, YAW, X, Y, Z
from uniscene_sim.world.state import WorldState
from uniscene_sim.world.traffic.idm import idm
from uniscene_sim.world.traffic.lane_change import turning_radius_m

__all__ = ["overtake"]

_PERIOD_US = 200_000
_HORIZON_M = 100.0
_CHAIN_M = 30.0  # obstacles this near to each other are passed in one go
_NEAREST_M = 9.0  # to the first obstacle, still enough to bend aside
_BEND_M = 24.0  # least length of the bends out and back
_MOST_ASIDE_M = 4.6
_CLEAR_M = {AgentClass.BICYCLE: 1.2, AgentClass.PEDESTRIAN: 1.2, AgentClass.TRAFFIC_CONE: 0.4, AgentClass.BARRIER: 0.4}
_CLEAR_CAR_M = 0.7
_LATERAL_MPS2 = 2.2
_BENT_M = 0.02  # a path this far from the route is bent
_RIDES_MPS = 2.0  # a slower cyclist is waiting


def overtake(state: WorldState, vector_map: StaticMap, route: np.ndarray) -> WorldState:
    """The state with paths bent around slow or standing bodies where the way past is free; each vehicle checks
    five times a second. The ego checks again before it moves out, and stays on its route (R, 10) if the way is not."""
    if state.time_us % _PERIOD_US:
        return state
    bodies = state.bodies
    stands = bodies["mode"] == MotionMode.STATIC
    rides = (
        (bodies["cls"] == AgentClass.BICYCLE) & (bodies["mode"] <= MotionMode.CONSTANT) & (bodies["speed"] > _RIDES_MPS)
    )
    if not (stands | rides).any():
        return state
    drives = (bodies["mode"] == MotionMode.TRAFFIC) & (bodies["cls"] != AgentClass.BICYCLE) & ~bodies["driven"]
    past = drives & (bodies["aside"] > 0) & (bodies["s"] > bodies["aside"])
    if past.any():
        bodies = bodies.copy()
        bodies["aside"][past] = 0.0
        state = replace(state, bodies=bodies)
    changes = bodies["offset_length"] > 0
    movers, slow = np.flatnonzero(drives & ~changes), np.flatnonzero(stands | rides)
    x, y = bodies["x"], bodies["y"]
    near = np.hypot(x[movers, None] - x[slow], y[movers, None] - y[slow]) < _HORIZON_M
    state = _checked_again(state, route, {int(j) for j in slow})
    # Ambient traffic passes cyclists by changing lanes, the ego keeps to its route.
    near &= stands[slow] | ~bodies["ambient"][movers, None]
    for k in np.flatnonzero(near.any(axis=1)):
        state = _overtake_one(state, vector_map, int(movers[k]), slow[near[k]])
    return state


def _checked_again(state: WorldState, route: np.ndarray, obstacles: set[int]) -> WorldState:
    """The state with the ego's path as its route is, if it has not moved out yet and the way past is no longer free."""
    me, n = state.bodies[0], int(state.counts[0])
    if me["aside"] <= 0 or me["mode"] != MotionMode.TRAFFIC:
        return state
    straight = route[state.route_at : state.route_at + n]
    bent = np.hypot(*(state.paths[0, : len(straight), : Y + 1] - straight[:, : Y + 1]).T) > _BENT_M
    begin = float(np.argmax(bent))
    if not bent.any() or len(straight) < n or me["s"] + 0.5 * me["length"] > begin:
        return state
    here, pace = int(max(me["s"], 0)), max(0.7 * _wanted_mps(me, straight[0]), 3.0)
    if _gap_is_free(state, 0, straight, here, begin, float(me["aside"]), pace, obstacles):
        return state
    bodies, paths = state.bodies.copy(), state.paths.copy()
    bodies[0]["aside"], paths[0, :n] = 0.0, straight
    return replace(state, bodies=bodies, paths=paths)


def _wanted_mps(me: np.ndarray, at: np.ndarray) -> float:
    """Speed of a body on a free road at a point (10,) of its path."""
    return float(me["speed_factor"]) * min(float(me["desired"]), float(at[LIMIT]))


class _Obstacle(NamedTuple):
    """A body that blocks a path."""

    rear: float  # along the path, m
    front: float
    left: float  # offset of its left side with clearance, m
    speed: float  # m/s


def _overtake_one(state: WorldState, vector_map: StaticMap, i: int, near: np.ndarray) -> WorldState:
    me, path, n = state.bodies[i], state.paths[i], int(state.counts[i])
    here = int(min(max(me["s"], 0), n - 1))
    front = me["s"] + 0.5 * me["length"]
    blocking: list[_Obstacle] = []
    for j in near:
        other = state.bodies[j]
        if j == i or abs(other["z"] - me["z"]) > 3.0:
            continue
        s, left = project_to_path(path, n, other["x"], other["y"], here, min(here + int(_HORIZON_M), n - 1))
        turn = abs(float(np.cos(other["yaw"] - path[min(int(s), n - 1), YAW])))
        across = float(np.sqrt(max(1.0 - turn * turn, 0.0)))
        half_long = 0.5 * (other["length"] * turn + other["width"] * across)
        half_wide = 0.5 * (other["length"] * across + other["width"] * turn)
        if s - half_long < front or other["speed"] > 0.6 * _wanted_mps(me, path[here]):
            continue
        if abs(left) - half_wide > 0.5 * me["width"] + 0.3:
            continue
        clear = _CLEAR_M.get(AgentClass(int(other["cls"])), _CLEAR_CAR_M)
        edge = float(left + half_wide) + clear
        blocking.append(_Obstacle(float(s - half_long), float(s + half_long), edge, float(other["speed"])))
    if not blocking:
        return state
    blocking.sort()
    first, last, aside, speed = blocking[0]
    for obstacle in blocking[1:]:
        if obstacle.rear - last > _CHAIN_M:
            break
        last, aside, speed = max(last, obstacle.front), max(aside, obstacle.left), max(speed, obstacle.speed)
    aside += 0.5 * float(me["width"])
    if first - front < _NEAREST_M or aside <= 0.1 or aside > _MOST_ASIDE_M:
        return state
    if vector_map.left_hand_traffic:
        return state
    wanted = _wanted_mps(me, path[here])
    pace = max(0.7 * wanted, 3.0)
    bend = max(_BEND_M, wanted * float(np.sqrt(6.0 * aside / _LATERAL_MPS2)))  # which can be driven without braking
    if speed > 0:
        # A moving body is passed later, where there is an adjacent lane for long enough.
        lane = vector_map.lanes[int(path[here, LANE])] if path[here, LANE] >= 0 else None
        beside = lane is not None and (lane.left >= 0 or lane.may_overtake(lane.s_near(me["x"], me["y"])))
        if not beside or pace < speed + 1.5:
            return state
        last = front + 1.4 * (last + 8.0 - front) * pace / (pace - speed)
    begin = max(first - 2.0 - bend, float(me["s"]))
    into = max(first - 2.0 - begin, 6.0)
    if into < np.sqrt(6.0 * aside * turning_radius_m(float(me["length"]))):
        return state  # sharper than it turns
    out = last + 2.0 + 0.5 * float(me["length"])
    end = out + bend
    if end + 5 >= n or end - front > 250.0:
        return state
    span = path[here : int(end) + 1]
    if span[:, JUNCTION].any() or (speed > 0 and span[:, CROSSING].any()):
        return state
    k = np.arange(n, dtype=float)
    share = _smooth((k - begin) / into) * (1.0 - _smooth((k - out) / bend))
    bent = _shifted_path(path[:n], aside * share)
    if not _on_road(vector_map, bent, here, int(end), float(me["width"]), share) or not _gap_is_free(
        state, i, path[:n], here, begin, end, pace, {int(j) for j in near}
    ):
        return state
    bodies, paths = state.bodies.copy(), state.paths.copy()
    bodies[i]["aside"] = max(end, float(me["aside"]))
    paths[i, :n] = bent
    return replace(state, bodies=bodies, paths=paths)


def _smooth(q: np.ndarray) -> np.ndarray:
    q = np.clip(q, 0.0, 1.0)
    smooth: np.ndarray = q * q * (3.0 - 2.0 * q)
    return smooth


def _shifted_path(path: np.ndarray, aside: np.ndarray) -> np.ndarray:
    """A path moved to its left by `aside` (R,) m, slower where it bends."""
    out = path.copy()
    out[:, X] -= aside * np.sin(path[:, YAW])
    out[:, Y] += aside * np.cos(path[:, YAW])
    slope = np.gradient(aside)
    out[:, YAW] = path[:, YAW] + np.arctan2(slope, 1.0)
    out[:, : YAW + 1] = fixed(out[:, : YAW + 1])
    bend = np.abs(np.gradient(out[:, YAW]))
    out[:, LIMIT] = np.minimum(path[:, LIMIT], np.sqrt(_LATERAL_MPS2 / np.maximum(bend, 1e-4)))
    return out


def _on_road(vector_map: StaticMap, bent: np.ndarray, low: int, high: int, width: float, share: np.ndarray) -> bool:
    """Whether a vehicle on the bent part of a path has road under both sides."""
    part = bent[low : high + 1][share[low : high + 1] > 0.02]
    side = 0.5 * width + 0.1
    for sign in (-1.0, 1.0):
        x, y = part[:, X] - sign * side * np.sin(part[:, YAW]), part[:, Y] + sign * side * np.cos(part[:, YAW])
        if not vector_map.surface.drivable(x, y, part[:, Z]).all():
            return False
    return True


def _gap_is_free(
    state: WorldState,
    i: int,
    path: np.ndarray,
    here: int,
    begin: float,
    end: float,
    pace: float,
    obstacles: set[int],
) -> bool:
    """Whether the room beside the lane stays free while it is used, from `begin` to `end` on the path."""
    me = state.bodies[i]
    moves_out_s = max(begin - float(me["s"]), 0.0) / max(float(me["speed"]), 3.0)
    takes_s = (end - me["s"]) / max(0.5 * (pace + float(me["speed"])), 2.0)
    for j, other in enumerate(state.bodies):
        if j == i or j in obstacles or other["mode"] in (MotionMode.ABSENT, MotionMode.STATIC):
            continue
        dx, dy = other["x"] - me["x"], other["y"] - me["y"]
        if abs(other["z"] - me["z"]) > 3.0 or np.hypot(dx, dy) > 250.0:
            continue
        s, _ = project_to_path(path, len(path), other["x"], other["y"], max(here - 80, 0), len(path) - 1)
        if s <= 1.0 and here < 80:
            c, n = np.cos(path[0, YAW]), np.sin(path[0, YAW])
            s = c * (other["x"] - path[0, X]) + n * (other["y"] - path[0, Y])
        at = int(min(max(s, 0), len(path) - 1))
        left = -np.sin(path[at, YAW]) * (other["x"] - path[at, X]) + np.cos(path[at, YAW]) * (other["y"] - path[at, Y])
        if abs(left) < 0.5 * (me["width"] + other["width"]):
            if me["s"] < s < end + 0.5 * (me["length"] + other["length"]) + 4.0:
                return False  # no room to come back to
            continue
        if left < 0 or left > 8.0:
            continue  # on the other side, or beyond the lane beside
        turn = float(wrap_angle(other["yaw"] - path[at, YAW]))
        if abs(turn) > 2.0:  # oncoming: must not arrive before we are back
            if s > me["s"] and s - 1.3 * other["speed"] * takes_s < end + 8.0:
                return False
            if s <= me["s"] and s > me["s"] - me["length"]:
                return False
        elif s < me["s"]:
            gap = me["s"] - s - 0.5 * (me["length"] + other["length"])
            gap -= max(float(other["speed"] - me["speed"]), 0.0) * moves_out_s  # once we move out
            if gap < 4.0 or idm(other, max(other["speed"], 1.0), gap, max(me["speed"], 3.0)) < -2.0:
                return False
        elif s < end and (s - me["s"] < 12.0 or other["speed"] < 0.5 * pace):
            return False
    return True
