"""Lane changes: how one begins, and when ambient traffic begins one.

MOBIL (Kesting, Treiber, Helbing 2007, "General lane-changing model MOBIL for car-following models"): change when the
gain in one's own acceleration beats a threshold and the new follower need not brake harder than is safe.
"""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.rounding import fixed
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode, project_to_path
from uniscene_sim.world.path_columns import JUNCTION, LANE, LIMIT, YAW, X, Y
from uniscene_sim.world.paths import LanePlace, random_path_ahead
from uniscene_sim.world.state import WorldState, with_path
from uniscene_sim.world.traffic.idm import STANDSTILL_GAP_M, idm

__all__ = ["adjacent_lane", "begin_lane_change", "change_lanes"]

_GAIN_MPS2 = 0.4
_SAFE_MPS2 = 2.0
_DURATION_S = 4.0
_HORIZON_M = 70.0
_PERIOD_US = 1_000_000
_LANE_ENDS_M = 260.0


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


def begin_lane_change(row: np.ndarray, path: np.ndarray, time_s: float, duration_s: float) -> None:
    """Put a body onto a path beside it, with an offset that fades over the duration.

    Args:
        row: () BODY_DTYPE, changed.
        path: (R, 10), annotated path.
        time_s: now, s.
        duration_s: of the lane change.
    """
    near = int(np.hypot(path[:, X] - row["x"], path[:, Y] - row["y"]).argmin())
    c, s = np.cos(path[near, YAW]), np.sin(path[near, YAW])
    dx, dy = row["x"] - path[near, X], row["y"] - path[near, Y]
    row["offset"] = row["offset_from"] = fixed(-s * dx + c * dy)
    row["offset_start"], row["offset_time"], row["s"] = time_s, duration_s, fixed(near + c * dx + s * dy)


def change_lanes(state: WorldState, vector_map: StaticMap, seed: int) -> WorldState:
    """Ambient vehicles that gain by it begin a lane change; each considers one once a second.

    Args:
        state: now.
        vector_map: the map.
        seed: of the branches that are taken afterwards.
    """
    now, bodies = state.time_us * 1e-6, state.bodies
    turn = bodies["id"] % 10 == state.time_us % _PERIOD_US // 100_000
    for i in np.flatnonzero(turn & bodies["ambient"] & (bodies["mode"] == MotionMode.TRAFFIC)).tolist():
        row = bodies[i]
        if now < row["offset_start"] + row["offset_time"] or row["aside"] > 0:
            continue
        at, n, chosen = int(row["s"]), int(state.counts[i]), float(row["chosen"])
        # Where its lane ends soon it must change, whether or not it gains.
        must = n - at < _LANE_ENDS_M and not vector_map.lanes[int(state.paths[i, n - 1, LANE])].successors
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
            if len(path) < 60 or path[:50, JUNCTION].any() or not _is_worthwhile(state, i, path, chosen, must):
                continue
            row = row.copy()
            begin_lane_change(row, path, now, _DURATION_S)
            row["plans"] += 1
            state = with_path(state, i, row, path)
            break
    return state


def _is_worthwhile(state: WorldState, i: int, path: np.ndarray, present: float, must: bool) -> bool:
    """Whether a body gains on a path beside it, or must take it, and it and its new follower stay safe."""
    hardest = (2.0 if must else 1.0) * _SAFE_MPS2
    row = state.bodies[i]
    own = float(project_to_path(path, len(path), row["x"], row["y"], 0, 8)[0])
    limit = min(float(row["desired"]), float(path[:40, LIMIT].min()))
    gain = idm(row["speed"], limit, np.inf, 0.0)
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
        if gap < STANDSTILL_GAP_M + 1.0:
            return False
        if s > own:
            gain = min(gain, idm(row["speed"], limit, gap, other["speed"]))
        elif idm(other["speed"], max(other["speed"], 1.0), gap, row["speed"]) < -hardest:
            return False
    return bool(gain > -hardest) if must else bool(gain - present > _GAIN_MPS2)
