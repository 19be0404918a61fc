"""Driving in a lane of the route's road at a speed, as a trajectory that physics tracks: the driver below meta-actions.

Lanes are counted from the route's: 1 is the lane to its left. Where such a lane ends, or a junction begins, the ego
comes back to the route in time. A lane change is critically damped in the way driven: it begins and ends along the
road, and a plan made anew on the way goes on as the one before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.maps.once_per_map import once_per_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.world.bodies import project_to_path
from uniscene_sim.world.motion import point_on_path
from uniscene_sim.world.path_columns import LANE, LANE_S, YAW, X, Y
from uniscene_sim.world.tracks import TRACK_COLUMNS

__all__ = ["ACCEL_MPS2", "BRAKE_MPS2", "LaneSides", "lane_trajectory", "lanes_kept"]

#: How a speed is changed.
ACCEL_MPS2, BRAKE_MPS2 = 2.0, 3.0
_CHANGE_S, _CHANGE_M = 0.7, 4.0  # time and way constant of a lane change, whichever is longer
_AHEAD = 6.0  # of these, in which a lane change is over
_STEP_S = 0.25
_MOST_SLOPE = 0.6


class LaneSides(NamedTuple):
    """The lanes beside each lane; lane i owns rows offset[i] to offset[i + 1] of `width`."""

    left: np.ndarray  # (L,) int64, driving lane of the same direction, -1 for none
    right: np.ndarray  # (L,) int64
    width: np.ndarray  # (P,) m, evenly along each lane
    offset: np.ndarray  # (L + 1,) int64
    length: np.ndarray  # (L,) m

    @staticmethod
    @once_per_map
    def of(static_map: StaticMap) -> LaneSides:
        lanes = static_map.lanes

        def driving(index: int) -> int:
            return index if index >= 0 and lanes[index].kind == "driving" else -1

        return LaneSides(
            np.array([driving(lane.left) for lane in lanes], dtype=np.int64),
            np.array([driving(lane.right) for lane in lanes], dtype=np.int64),
            np.concatenate([np.zeros(0), *(lane.width for lane in lanes)]),
            np.cumsum([0, *(len(lane.width) for lane in lanes)]),
            np.array([lane.length for lane in lanes], dtype=float),
        )


@device
def _width_at(sides, lane, share):
    first, last = sides.offset[lane], sides.offset[lane + 1] - 1
    return sides.width[first + round(share * (last - first))]


@device
def _left_of_route(path, q, lanes_left, sides):
    """Distance, m, from point `q` of a path to the middle of a lane beside it; NaN where there is none."""
    lane = int(path[q, LANE])
    if lanes_left == 0:
        return 0.0
    if lane < 0:
        return np.nan
    share = min(max(path[q, LANE_S] / max(sides.length[lane], 1e-6), 0.0), 1.0)
    way, aside = (1.0 if lanes_left > 0 else -1.0), 0.5 * _width_at(sides, lane, share)
    for k in range(abs(lanes_left)):
        lane = sides.left[lane] if lanes_left > 0 else sides.right[lane]
        if lane < 0:
            return np.nan
        aside += (0.5 if k == abs(lanes_left) - 1 else 1.0) * _width_at(sides, lane, share)
    return way * aside


@device
def _change_m(speed):
    return max(_CHANGE_S * speed, _CHANGE_M)


@njit(cache=True, nogil=True)
def lanes_kept(path, n, s, speed, lanes_left, sides):
    """How many lanes to the left of its route the ego can be: `lanes_left`, or fewer where such a lane ends within the
    way of a lane change.

    Args:
        path: (R, 10), see `world.path_columns`.
        n: points of it that count.
        s: of the ego, m.
        speed: m/s.
        lanes_left: that are wanted; negative to the right.
        sides: LaneSides.
    """
    at = min(max(int(s), 0), n - 1)
    end = min(at + int(_AHEAD * _change_m(speed)) + 1, n)
    kept = lanes_left
    for q in range(at, end):
        while kept != 0 and np.isnan(_left_of_route(path, q, kept, sides)):
            kept -= 1 if kept > 0 else -1
    return kept


@njit(cache=True, nogil=True)
def lane_trajectory(pose, speed, path, n, s, lanes_left, wanted, seconds, sides):
    """Where base_link shall be, (T, 3) t (s from now), x, y (m), to drive in a lane beside its route at a speed.

    Args:
        pose: x, y, yaw of base_link, m and rad.
        speed: now, m/s.
        path, n: the route, see `lanes_kept`.
        s: about where on it base_link is, m.
        lanes_left: the lane, see `lanes_kept`.
        wanted: speed, m/s.
        seconds: that the trajectory lasts.
        sides: LaneSides.
    """
    x, y, yaw = pose
    s, left = project_to_path(path, n, x, y, max(int(s) - 12, 0), int(s) + 12)
    point = np.empty(TRACK_COLUMNS)
    at = min(max(int(s), 0), n - 1)
    target = _left_of_route(path, at, lanes_left, sides)
    target = left if np.isnan(target) else target
    change, error = _change_m(speed), left - target
    slope = min(max(np.tan(min(max(_wrapped(yaw - path[at, YAW]), -1.0), 1.0)), -_MOST_SLOPE), _MOST_SLOPE)
    count = int(np.ceil(seconds / _STEP_S)) + 1
    out = np.empty((count, 3))
    way, pace = 0.0, speed
    for k in range(count):
        q = min(max(int(s + way), 0), n - 1)
        there = _left_of_route(path, q, lanes_left, sides)
        target = target if np.isnan(there) else there
        aside = target + (error + (slope + error / change) * way) * np.exp(-way / change)
        point_on_path(path, n, s + way, point)
        out[k, 0] = k * _STEP_S
        out[k, 1] = fixed_in_kernel(point[X] - aside * np.sin(point[YAW]))
        out[k, 2] = fixed_in_kernel(point[Y] + aside * np.cos(point[YAW]))
        after = min(max(wanted, pace - BRAKE_MPS2 * _STEP_S), pace + ACCEL_MPS2 * _STEP_S)
        way += 0.5 * (pace + after) * _STEP_S
        pace = after
    return out


@device
def _wrapped(angle):
    return (angle + np.pi) % (2.0 * np.pi) - np.pi
