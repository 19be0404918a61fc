"""Paths that bodies follow: a point each metre, with what the road says there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.geometry import point_in_polygon, wrap_angle
from uniscene_sim.world.map import StaticMap

__all__ = ["PATH_COLUMNS", "PATH_POINTS", "along", "annotate", "plan_ahead", "unit_hash"]

PATH_POINTS = 400
#: Columns of an annotated path: x, y, z, yaw, speed limit (curves included), stop line + 1, junction + 1, lane (-1: on
#: none), arc length on that lane, pedestrian crossing + 1.
X, Y, Z, YAW, LIMIT, STOP, JUNCTION, LANE, LANE_S, CROSSING = range(10)
PATH_COLUMNS = 10
_COMFORTABLE_LATERAL_MPS2 = 2.2


def unit_hash(*keys: int) -> float:
    """Hash of whole numbers to [0, 1); noise keyed by what it is for, never drawn from a shared stream."""
    h = 0x9E3779B97F4A7C15
    for key in keys:
        h = ((h ^ (key & 0xFFFFFFFFFFFFFFFF)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        h ^= h >> 29
    h = (h * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return ((h ^ (h >> 32)) >> 11) / 2**53


def along(vector_map: StaticMap, lane: int, s: float, ds: float) -> tuple[int, float]:
    """Lane and arc length `ds` ahead of (or behind) a place, straight on where lanes part."""
    s += ds
    lanes = vector_map.lanes
    while s < 0 and lanes[lane].predecessors:
        lane = min(lanes[lane].predecessors, key=lambda p: abs(_turn(vector_map, p)))
        s += lanes[lane].length
    while s > lanes[lane].length and lanes[lane].successors:
        s -= lanes[lane].length
        lane = min(lanes[lane].successors, key=lambda n: abs(_turn(vector_map, n)))
    return lane, min(max(s, 0.0), lanes[lane].length)


def _turn(vector_map: StaticMap, lane: int) -> float:
    heading = vector_map.lanes[lane].heading
    return float(wrap_angle(heading[-1] - heading[0]))


def plan_ahead(
    vector_map: StaticMap, lane: int, s: float, key: tuple[int, ...], length_m: float = PATH_POINTS
) -> np.ndarray:
    """Annotated path (R, 10) of a length that takes one way at random at each fork, the same for the same key; shorter
    where the road ends. A lane that leads nowhere is not entered where another one is open."""
    lanes = vector_map.lanes
    way, length = [lane], lanes[lane].length - s
    while length < length_m and lanes[way[-1]].successors:
        options = lanes[way[-1]].successors
        options = tuple(b for b in options if lanes[b].successors) or options
        way.append(options[int(unit_hash(*key, way[-1], len(way)) * len(options))])
        length += lanes[way[-1]].length
    points = np.concatenate([lanes[i].centre for i in way])
    owner = np.concatenate([np.full(len(lanes[i].centre), k) for k, i in enumerate(way)])
    step = np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1)
    keep = np.concatenate([[True], step > 1e-3])
    points, owner = points[keep], owner[keep]
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1))])
    want = np.arange(s, min(at[-1], s + length_m - 1), 1.0)
    if len(want) < 2:
        want = np.linspace(max(at[-1] - 2.0, 0.0), at[-1], 3)
    path = np.stack([np.interp(want, at, points[:, k]) for k in range(3)], axis=1)
    turn = owner[np.clip(np.searchsorted(at, want, side="right") - 1, 0, len(owner) - 1)]
    begins = np.concatenate([[0.0], np.cumsum([lanes[i].length for i in way])])
    return _described(vector_map, path, np.array(way)[turn], np.maximum(want - begins[turn], 0.0))


def annotate(vector_map: StaticMap, path: np.ndarray, lanes: Sequence[int] | None = None) -> np.ndarray:
    """A path (R, 3) with its columns filled (R, 10). Lanes are looked up among `lanes`, in their order, or among all
    where that is None; a path with no lanes (`()`) is one for walkers and trajectories."""
    if lanes is None:
        yaw = _yaw(path)
        found = [vector_map.nearest_lane(x, y, z, a)[:2] for (x, y, z), a in zip(path, yaw, strict=True)]
        return _described(vector_map, path, np.array([f[0] for f in found]), np.array([f[1] for f in found]))
    if not lanes:
        return _described(vector_map, path, np.full(len(path), -1), np.zeros(len(path)))
    owner, arc = _in_order(vector_map, path, lanes)
    return _described(vector_map, path, owner, arc)


def _in_order(vector_map: StaticMap, path: np.ndarray, lanes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Lane (R,) and arc length on it (R,) of each point of a path along `lanes`, which are never gone back on."""
    owner, arc = np.zeros(len(path), dtype=np.int64), np.zeros(len(path))
    here = 0
    for k, point in enumerate(path):
        best = np.inf
        for step in range(here, min(here + 4, len(lanes))):
            lane = vector_map.lanes[lanes[step]]
            gap = np.hypot(lane.centre[:, 0] - point[0], lane.centre[:, 1] - point[1])
            near = int(gap.argmin())
            if gap[near] < best - 1e-6:
                best, found, owner[k], arc[k] = gap[near], step, lane.index, lane.s[near]
        here = found
    return owner, arc


def _yaw(path: np.ndarray) -> np.ndarray:
    direction = np.gradient(path[:, :2], axis=0)
    return np.unwrap(np.arctan2(direction[:, 1], direction[:, 0]))


def _described(vector_map: StaticMap, path: np.ndarray, lanes: np.ndarray, lane_s: np.ndarray) -> np.ndarray:
    out = np.zeros((len(path), PATH_COLUMNS))
    out[:, :3], out[:, YAW], out[:, LANE], out[:, LANE_S] = path, _yaw(path), lanes, lane_s
    out[:, LIMIT] = 60.0
    members = sorted({int(i) for i in lanes if i >= 0})
    if members:
        on = lanes >= 0
        all_lanes = vector_map.lanes
        out[on, LIMIT] = [all_lanes[i].speed_limit_mps for i in lanes[on]]
        out[on, JUNCTION] = [all_lanes[i].junction + 1 for i in lanes[on]]
    curvature = np.abs(np.gradient(np.convolve(np.pad(out[:, YAW], 2, mode="edge"), np.full(5, 0.2), "valid")))
    out[:, LIMIT] = np.minimum(out[:, LIMIT], np.sqrt(_COMFORTABLE_LATERAL_MPS2 / np.maximum(curvature, 1e-4)))
    for index, line in enumerate(vector_map.stop_lines):
        if line.lane in members:
            centre = line.ends.mean(axis=0)
            gap = np.hypot(out[:, X] - centre[0], out[:, Y] - centre[1])
            gap[(np.abs(out[:, Z] - centre[2]) > 3.0) | (lanes != line.lane)] = np.inf
            # A way that comes by more than once stops each time.
            for at in np.flatnonzero((gap < 2.5) & (gap <= np.minimum(_before(gap), _after(gap)))):
                out[at, STOP] = index + 1
    low, high = path[:, :2].min(axis=0), path[:, :2].max(axis=0)
    for index, crossing in enumerate(vector_map.crossings):
        area = crossing.polygon
        if (area[:, :2].max(axis=0) < low).any() or (area[:, :2].min(axis=0) > high).any():
            continue
        centre = area.mean(axis=0)
        near = (np.hypot(path[:, 0] - centre[0], path[:, 1] - centre[1]) < 30.0) & (np.abs(path[:, 2] - centre[2]) < 3)
        for at in np.flatnonzero(near):
            if point_in_polygon(path[at, 0], path[at, 1], area):
                out[at, CROSSING] = index + 1
    return out


def _before(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[np.inf], values[:-1]])


def _after(values: np.ndarray) -> np.ndarray:
    # Strictly less than what comes after, so that of two equals one is taken.
    return np.concatenate([np.nextafter(values[1:], -np.inf), [np.inf]])
