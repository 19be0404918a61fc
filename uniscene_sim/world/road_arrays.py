"""Lanes, stop lines and crossings as flat arrays, and what paths take from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.geometry import point_in_polygon
from uniscene_sim.maps.once_per_map import once_per_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.world.path_columns import CROSSING, JUNCTION, LANE, LANE_S, LIMIT, PATH_COLUMNS, STOP, YAW, X, Y, Z

__all__ = [
    "COMFORTABLE_LATERAL_MPS2",
    "RoadArrays",
    "annotate_columns",
    "lanes_along_path",
    "path_along_lanes",
    "resample_by_metre",
]

COMFORTABLE_LATERAL_MPS2 = 2.2
_OPEN_MPS = 60.0  # limit where there is no lane
_LINE_M = 2.5
_LEVEL_M = 3.0


class RoadArrays(NamedTuple):
    """Lane i owns rows offset[i] to offset[i + 1] of `points`; crossing c rows corner_offset[c] to [c + 1] of
    `corners`."""

    points: np.ndarray  # (P, 4) x, y, z, arc length, m
    offset: np.ndarray  # (L + 1,) int64
    limits: np.ndarray  # (Q, 2) speed limit (m/s) from an arc length (m) on
    limit_offset: np.ndarray  # (L + 1,) int64, rows of each lane in `limits`
    junction: np.ndarray  # (L,) int64 number of its junction, -1 outside
    line_lane: np.ndarray  # (S,) int64
    line_centre: np.ndarray  # (S, 3)
    corners: np.ndarray  # (K, 3)
    corner_offset: np.ndarray  # (C + 1,) int64

    @staticmethod
    @once_per_map
    def of(static_map: StaticMap) -> RoadArrays:
        lanes, lines, areas = static_map.lanes, static_map.stop_lines, [c.polygon for c in static_map.crossings]
        rows = [np.column_stack([lane.centre, lane.s]) for lane in lanes]
        limits = [[(lane.speed_limit_mps, 0.0), *((c.mps, c.s_m) for c in lane.speed_changes)] for lane in lanes]
        numbers = {name: k - 1 for k, name in enumerate(sorted({"", *(lane.junction for lane in lanes)}))}
        return RoadArrays(
            np.concatenate([np.zeros((0, 4)), *rows]),
            np.cumsum([0, *map(len, rows)]),
            np.array([row for of_lane in limits for row in of_lane]).reshape(-1, 2),
            np.cumsum([0, *map(len, limits)]),
            np.array([numbers[lane.junction] for lane in lanes], dtype=np.int64),
            np.array([line.lane for line in lines], dtype=np.int64),
            np.array([line.ends.mean(axis=0) for line in lines]).reshape(-1, 3),
            np.concatenate([np.zeros((0, 3)), *areas]),
            np.cumsum([0, *map(len, areas)]),
        )


@njit(cache=True, nogil=True)
def annotate_columns(road, path, lanes, lane_s):
    """A path with all its columns (R, 10), see `world.path_columns`.

    Args:
        road: RoadArrays.
        path: (R, 3) float64, m.
        lanes: (R,) int64, lane of each point, -1 for none.
        lane_s: (R,) float64, arc length on that lane, m.
    """
    n = len(path)
    out = np.zeros((n, PATH_COLUMNS))
    out[:, : Z + 1], out[:, LANE], out[:, LANE_S] = path, lanes, lane_s
    for k in range(n):
        a, b = max(k - 1, 0), min(k + 1, n - 1)
        yaw = np.arctan2(path[b, Y] - path[a, Y], path[b, X] - path[a, X])
        if k > 0:  # without jumps of a whole turn
            yaw += 2.0 * np.pi * np.round((out[k - 1, YAW] - yaw) / (2.0 * np.pi))
        out[k, YAW] = yaw
    for k in range(n):
        for q in range(YAW + 1):
            out[k, q] = fixed_in_kernel(out[k, q])
    smooth = np.empty(n)
    for k in range(n):
        total = 0.0
        for q in range(-2, 3):
            total += out[min(max(k + q, 0), n - 1), YAW]
        smooth[k] = 0.2 * total
    for k in range(n):
        a, b = max(k - 1, 0), min(k + 1, n - 1)
        bend = abs(smooth[b] - smooth[a]) / (b - a)
        limit = _OPEN_MPS
        if lanes[k] >= 0:
            out[k, JUNCTION] = road.junction[lanes[k]] + 1
            for row in range(road.limit_offset[lanes[k]], road.limit_offset[lanes[k] + 1]):
                if road.limits[row, 1] <= lane_s[k]:
                    limit = road.limits[row, 0]
        out[k, LIMIT] = min(limit, np.sqrt(COMFORTABLE_LATERAL_MPS2 / max(bend, 1e-4)))
    for line in range(len(road.line_lane)):
        lane, centre = road.line_lane[line], road.line_centre[line]
        before, here = np.inf, np.inf
        for k in range(n + 1):  # a path that passes the line more than once stops each time
            after = np.inf
            if k < n and lanes[k] == lane and abs(path[k, Z] - centre[2]) <= _LEVEL_M:
                after = np.hypot(path[k, X] - centre[0], path[k, Y] - centre[1])
            if here < _LINE_M and here <= before and here < after:
                out[k - 1, STOP] = line + 1
            before, here = here, after
    _mark_crossings(road, path, out)
    return out


@njit(cache=True, nogil=True)
def _mark_crossings(road, path, out):
    """Mark which points of a path lie on a crossing."""
    low_x, high_x, low_y, high_y = path[:, X].min(), path[:, X].max(), path[:, Y].min(), path[:, Y].max()
    for crossing in range(len(road.corner_offset) - 1):
        area = road.corners[road.corner_offset[crossing] : road.corner_offset[crossing + 1]]
        x0, x1, y0, y1 = area[:, 0].min(), area[:, 0].max(), area[:, 1].min(), area[:, 1].max()
        if x1 < low_x or x0 > high_x or y1 < low_y or y0 > high_y:
            continue
        height = area[:, 2].mean()
        for k in range(len(path)):
            x, y = path[k, X], path[k, Y]
            if x0 <= x <= x1 and y0 <= y <= y1 and abs(path[k, Z] - height) < _LEVEL_M:
                if point_in_polygon(x, y, area):
                    out[k, CROSSING] = crossing + 1


@njit(cache=True, nogil=True)
def path_along_lanes(road, route, s, length):
    """Path (R, 3), a point each metre, with the lane (R,) of each point and the arc length (R,) on it, m.

    Args:
        road: RoadArrays.
        route: (L,) int64, lanes that follow each other.
        s: arc length on the first lane at which the path begins, m.
        length: most points of the path.
    """
    total = 0
    for lane in route:
        total += road.offset[lane + 1] - road.offset[lane]
    points, at, owner = np.empty((total, 3)), np.empty(total), np.empty(total, np.int64)
    begins = np.zeros(len(route) + 1)
    n, gone = 0, 0.0
    for k in range(len(route)):
        first, last = road.offset[route[k]], road.offset[route[k] + 1]
        begins[k + 1] = begins[k] + road.points[last - 1, 3]
        for row in range(first, last):
            x, y = road.points[row, 0], road.points[row, 1]
            if n > 0:
                step = np.hypot(x - points[n - 1, 0], y - points[n - 1, 1])
                if step <= 1e-3:
                    continue
                gone += step
            points[n] = road.points[row, :3]
            at[n], owner[n] = gone, k
            n += 1
    end = min(gone, s + length - 1.0)
    count = int(np.ceil(end - s))
    want = s + np.arange(max(count, 0))
    if count < 2:  # less than that is left of the road
        want = np.linspace(max(gone - 2.0, 0.0), gone, 3)
    path, on = _interpolate_points(points[:n], at[:n], want)
    lanes, lane_s = np.empty(len(want), np.int64), np.empty(len(want))
    for k in range(len(want)):
        turn = owner[on[k]]
        lanes[k], lane_s[k] = route[turn], max(want[k] - begins[turn], 0.0)
    return path, lanes, lane_s


@njit(cache=True, nogil=True)
def _interpolate_points(points, at, want):
    """Places (R, 3) at arc lengths `want` (R,), which rise, of a line of points (N, 3) at `at` (N,), and the last point
    (R,) up to each."""
    out, on = np.empty((len(want), 3)), np.empty(len(want), np.int64)
    k = 0
    for i in range(len(want)):
        while k < len(at) - 1 and at[k + 1] <= want[i]:
            k += 1
        on[i] = k
        b = min(k + 1, len(at) - 1)
        f = min((want[i] - at[k]) / (at[b] - at[k]), 1.0) if at[b] > at[k] else 0.0
        for axis in range(3):
            out[i, axis] = points[k, axis] + f * (points[b, axis] - points[k, axis])
    return out, on


@njit(cache=True, nogil=True)
def resample_by_metre(points, length, aside):
    """A point each metre (R, 3) of a line of points (N, 3), `length` long at most, moved to its left by `aside` m."""
    kept, at = np.empty_like(points), np.empty(len(points))
    n = 0
    for k in range(len(points)):
        step = np.hypot(points[k, 0] - points[k - 1, 0], points[k, 1] - points[k - 1, 1]) if k > 0 else np.inf
        if step > 1e-3:
            kept[n], at[n] = points[k], at[n - 1] + step if n > 0 else 0.0
            n += 1
    end = at[n - 1]
    want = np.arange(int(np.ceil(min(end, length)))).astype(np.float64)
    if len(want) < 2:
        want = np.linspace(0.0, end, 2)
    middle, _ = _interpolate_points(kept[:n], at[:n], want)
    path = middle.copy()
    for k in range(len(path)):
        a, b = max(k - 1, 0), min(k + 1, len(path) - 1)
        dx, dy = middle[b, 0] - middle[a, 0], middle[b, 1] - middle[a, 1]
        reach = max(np.hypot(dx, dy), 1e-9)
        path[k, 0] -= aside * dy / reach
        path[k, 1] += aside * dx / reach
    return path


@njit(cache=True, nogil=True)
def lanes_along_path(road, path, route):
    """Lane (R,) and arc length on it (R,) of each point of a path (R, 3) along lanes `route`, in their order."""
    owner, arc = np.zeros(len(path), np.int64), np.zeros(len(path))
    here = 0
    for k in range(len(path)):
        best, found = np.inf, here
        for step in range(here, min(here + 4, len(route))):
            nearest, at = np.inf, 0
            for row in range(road.offset[route[step]], road.offset[route[step] + 1]):
                gap = (road.points[row, 0] - path[k, 0]) ** 2 + (road.points[row, 1] - path[k, 1]) ** 2
                if gap < nearest:
                    nearest, at = gap, row
            if np.sqrt(nearest) < best - 1e-6:
                best, found, owner[k], arc[k] = np.sqrt(nearest), step, route[step], road.points[at, 3]
        here = found
    return owner, arc
