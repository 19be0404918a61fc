"""Lane changes: how one begins, and when ambient traffic begins one.

MOBIL (Kesting, Treiber, Helbing 2007, "General lane-changing model MOBIL for car-following models"): change when the
gain in one's own acceleration beats a threshold and the new follower need not brake harder than is safe.
"""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.rounding import fixed
from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode, project_to_path
from uniscene_sim.world.path_columns import JUNCTION, LANE, LANE_S, LIMIT, YAW, X, Y
from uniscene_sim.world.paths import LanePlace, random_path_ahead
from uniscene_sim.world.state import WorldState, with_path
from uniscene_sim.world.tracks import AXLE_SHARE
from uniscene_sim.world.traffic.idm import idm

__all__ = ["adjacent_lane", "begin_lane_change", "change_lanes", "is_closed", "turning_radius_m"]

_GAIN_MPS2 = 0.4
_SAFE_MPS2 = 2.0
_DURATION_S = 4.0
_HORIZON_M = 70.0
_PERIOD_US = 1_000_000
_LANE_ENDS_M = 260.0
_CLOSED_M = 150  # how far ahead a closed lane is seen
_MOST_LATERAL_MPS2 = 5.0
_MOST_SLOPE = 0.6


def adjacent_lane(vector_map: StaticMap, lane: int, x: float, y: float, left: bool) -> LanePlace | None:
    """Driving lane beside a place and the arc length on it a little behind the place, m; None where there is none.

    Args:
        vector_map: the map.
        lane: index of the lane at the place.
        x, y: the place, m.
        left: whether the lane to the left is meant.
    """
    target = vector_map.lanes[lane].left if left else vector_map.lanes[lane].right
    if target < 0 or vector_map.lanes[target].kind != "driving":
        return None
    centre = vector_map.lanes[target].centre
    near = int(np.hypot(centre[:, 0] - x, centre[:, 1] - y).argmin())
    return LanePlace(target, float(vector_map.lanes[target].s[max(near - 2, 0)]))


def begin_lane_change(row: np.ndarray, path: np.ndarray, duration_s: float) -> None:
    """Put a body onto a path beside it, with an offset that fades with the way that it drives.

    Args:
        row: () BODY_DTYPE, changed.
        path: (R, 10), annotated path.
        duration_s: of the lane change; it takes longer where wheels need more way.
    """
    near = int(np.hypot(path[:, X] - row["x"], path[:, Y] - row["y"]).argmin())
    c, s = np.cos(path[near, YAW]), np.sin(path[near, YAW])
    dx, dy = row["x"] - path[near, X], row["y"] - path[near, Y]
    aside, turn = float(-s * dx + c * dy), float(wrap_angle(row["yaw"] - path[near, YAW]))
    row["s"] = fixed(near + c * dx + s * dy)
    walks = row["cls"] == AgentClass.PEDESTRIAN  # turns on the spot
    slope = 0.0 if walks else np.clip(np.tan(np.clip(turn, -1.0, 1.0)), -_MOST_SLOPE, _MOST_SLOPE)
    reach = 0.0 if walks else AXLE_SHARE * row["length"]  # it begins at the front axle
    at_front = np.array([aside, slope, aside + slope * reach, row["s"] + reach])
    row["offset"], row["offset_slope"], row["offset_from"], row["offset_begin"] = fixed(at_front)
    row["offset_length"] = fixed(np.array(_lane_change_m(row, duration_s, float(reach))))


def _lane_change_m(row: np.ndarray, duration_s: float, reach_m: float) -> float:
    """Length of a lane change, m, for axles `reach_m` from the middle: as long as the duration at the present speed,
    and no sharper than a vehicle turns or its tyres hold, speeding up included."""
    speed, desired = float(row["speed"]), float(row["desired"])
    pace = 0.5 * (speed + max(desired, speed - 3.0 * duration_s)) if desired < speed and row["brake"] == 0 else speed
    if row["cls"] == AgentClass.PEDESTRIAN:
        return max(pace, desired, 0.1) * duration_s
    # The sharpest bends of the quintic of length d are 5.77 aside / d^2 and 3.9 slope / d.
    bend, radius = 5.77 * abs(float(row["offset_from"])), turning_radius_m(float(row["length"]))
    straightens = 3.9 * abs(float(row["offset_slope"])) * max(radius, speed**2 / _MOST_LATERAL_MPS2)
    grip = bend / _MOST_LATERAL_MPS2
    holds = np.sqrt(grip) * speed
    if desired > speed:
        gain = float(row["accel_mps2"]) if row["mode"] == MotionMode.TRAFFIC else 3.0
        holds = min(np.sqrt(grip) * desired, grip * gain + np.sqrt((grip * gain) ** 2 + grip * speed**2))
    return float(max(pace * duration_s - 2.0 * reach_m, holds, np.sqrt(bend * radius) + straightens, 1.0))


def turning_radius_m(length_m: float) -> float:
    """Least radius that a vehicle drives, m: front wheels turn by 34 degrees, and its axles are 0.6 of its length
    apart."""
    return 0.9 * length_m


def change_lanes(state: WorldState, vector_map: StaticMap, seed: int) -> WorldState:
    """Ambient vehicles that gain by it begin a lane change; each considers one once a second.

    Args:
        state: now.
        vector_map: the map.
        seed: of the branches that are taken afterwards.
    """
    bodies = state.bodies
    turn = bodies["id"] % 10 == state.time_us % _PERIOD_US // 100_000
    for i in np.flatnonzero(turn & bodies["ambient"] & (bodies["mode"] == MotionMode.TRAFFIC)).tolist():
        row = bodies[i]
        if row["offset_length"] > 0 or row["aside"] > 0:
            continue
        at, n, chosen = int(row["s"]), int(state.counts[i]), float(row["chosen"])
        # Where its lane ends soon, or is closed, it must change, whether or not it gains.
        must = n - at < _LANE_ENDS_M and not vector_map.lanes[int(state.paths[i, n - 1, LANE])].successors
        must = must or is_closed(vector_map, state.paths[i, at : min(at + _CLOSED_M, n)])
        if not must and (row["speed"] < 4.0 or row["cls"] == AgentClass.BICYCLE or chosen > 0.3):
            continue
        ahead = state.paths[i, at : min(at + 60, n)]
        if (len(ahead) < 50 and not must) or ahead[:, JUNCTION].any():
            continue
        lane = vector_map.lanes[int(ahead[0, LANE])]
        for left in (True, False):
            if not lane.may_change(left, lane.s_near(row["x"], row["y"])):
                continue
            place = adjacent_lane(vector_map, lane.index, row["x"], row["y"], left)
            if place is None:
                continue
            path = random_path_ahead(vector_map, *place, (seed, 2, int(row["id"]), int(row["plans"])))
            if is_closed(vector_map, path[:_CLOSED_M]):
                continue
            if len(path) < 60 or path[:50, JUNCTION].any() or not _is_worthwhile(state, i, path, chosen, must):
                continue
            row = row.copy()
            begin_lane_change(row, path, _DURATION_S)
            row["plans"] += 1
            state = with_path(state, i, row, path)
            break
    return state


def is_closed(vector_map: StaticMap, path: np.ndarray) -> bool:
    """Whether a path (R, 10) leads over a stretch of lane that is closed."""
    lane, s = path[:, LANE], path[:, LANE_S]
    return any(((lane == c.lane) & (s >= c.begin_m) & (s <= c.end_m)).any() for c in vector_map.closings)


def _is_worthwhile(state: WorldState, i: int, path: np.ndarray, present: float, must: bool) -> bool:
    """Whether a body gains on a path beside it, or must take it, and it and its new follower stay safe."""
    hardest = (2.0 if must else 1.0) * _SAFE_MPS2
    row = state.bodies[i]
    own = float(project_to_path(path, len(path), row["x"], row["y"], 0, 8)[0])
    limit = float(row["speed_factor"]) * min(float(row["desired"]), float(path[:40, LIMIT].min()))
    gain = idm(row, limit, np.inf, 0.0)
    for j, other in enumerate(state.bodies):
        if (
            j == i
            or np.hypot(other["x"] - row["x"], other["y"] - row["y"]) > _HORIZON_M
            or abs(other["z"] - row["z"]) > 3.0
        ):
            continue
        s, side = project_to_path(path, len(path), other["x"], other["y"], 0, len(path) - 1)
        if s < 1.0:  # behind where the path begins: along its first direction
            c, n = np.cos(path[0, YAW]), np.sin(path[0, YAW])
            s = c * (other["x"] - path[0, X]) + n * (other["y"] - path[0, Y])
            side = -n * (other["x"] - path[0, X]) + c * (other["y"] - path[0, Y])
        # A vehicle that is changing to this lane counts as being there.
        target = side - other["offset"] if abs(other["offset"]) > 0.3 else side
        if min(abs(side), abs(target)) > 0.5 * (row["width"] + other["width"]) + 0.6:
            continue
        gap = abs(s - own) - 0.5 * (row["length"] + other["length"])
        if gap < float(row["gap_m"]) + 1.0:
            return False
        if s > own:
            gain = min(gain, idm(row, limit, gap, other["speed"]))
        elif idm(other, max(other["speed"], 1.0), gap, row["speed"]) < -hardest:
            return False
    return bool(gain > -hardest) if must else bool(gain - present > _GAIN_MPS2)
