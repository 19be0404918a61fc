"""Paths that bodies follow: a point each metre, with what the road says there."""

from __future__ import annotations

import numpy as np

from uniscene_sim.geometry import wrap_angle
from uniscene_sim.world.map import VectorMap

__all__ = ["PATH_POINTS", "along", "annotate", "plan_ahead", "unit_hash"]

PATH_POINTS = 400
#: Columns of an annotated path: x, y, z, yaw, speed limit (curves included), stop line + 1, junction + 1, lane.
X, Y, Z, YAW, LIMIT, STOP, JUNCTION, LANE = range(8)
_COMFORTABLE_LATERAL_MPS2 = 2.2


def unit_hash(*keys: int) -> float:
    """Hash of whole numbers to [0, 1); noise keyed by what it is for, never drawn from a shared stream."""
    h = 0x9E3779B97F4A7C15
    for key in keys:
        h = ((h ^ (key & 0xFFFFFFFFFFFFFFFF)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        h ^= h >> 29
    h = (h * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return ((h ^ (h >> 32)) >> 11) / 2**53


def along(vector_map: VectorMap, lane: int, s: float, ds: float) -> tuple[int, float]:
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


def _turn(vector_map: VectorMap, lane: int) -> float:
    heading = vector_map.lanes[lane].heading
    return float(wrap_angle(heading[-1] - heading[0]))


def plan_ahead(vector_map: VectorMap, lane: int, s: float, key: tuple[int, ...]) -> np.ndarray:
    """Annotated path that takes one way at random at each fork, the same for the same key."""
    lanes = vector_map.lanes
    way, length = [lane], lanes[lane].length - s
    while length < PATH_POINTS and lanes[way[-1]].successors:
        options = lanes[way[-1]].successors
        way.append(options[int(unit_hash(*key, way[-1], len(way)) * len(options))])
        length += lanes[way[-1]].length
    points = np.concatenate([lanes[i].centre for i in way])
    owner = np.concatenate([np.full(len(lanes[i].centre), i) for i in way])
    step = np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1)
    keep = np.concatenate([[True], step > 1e-3])
    points, owner = points[keep], owner[keep]
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1))])
    want = np.arange(s, min(at[-1], s + PATH_POINTS - 1), 1.0)
    if len(want) < 2:
        want = np.linspace(max(at[-1] - 2.0, 0.0), at[-1], 3)
    path = np.stack([np.interp(want, at, points[:, k]) for k in range(3)], axis=1)
    return annotate(vector_map, path, owner[np.clip(np.searchsorted(at, want, side="right") - 1, 0, len(owner) - 1)])


def annotate(vector_map: VectorMap, path: np.ndarray, lanes: np.ndarray | None = None) -> np.ndarray:
    """A path (R, 3) with its columns filled (R, 8); lanes are looked up where they are not given."""
    out = np.zeros((len(path), 8))
    out[:, :3] = path
    direction = np.gradient(path[:, :2], axis=0)
    out[:, YAW] = np.unwrap(np.arctan2(direction[:, 1], direction[:, 0]))
    if lanes is None:
        lanes = np.array([vector_map.nearest_lane(p[X], p[Y], p[Z], p[YAW])[0] for p in out])
    out[:, LANE] = lanes
    limits = np.array([lane.speed_limit_mps for lane in vector_map.lanes])
    junctions = np.array([lane.junction for lane in vector_map.lanes])
    out[:, LIMIT], out[:, JUNCTION] = limits[lanes], junctions[lanes] + 1
    curvature = np.abs(np.gradient(np.convolve(np.pad(out[:, YAW], 2, mode="edge"), np.full(5, 0.2), "valid")))
    out[:, LIMIT] = np.minimum(out[:, LIMIT], np.sqrt(_COMFORTABLE_LATERAL_MPS2 / np.maximum(curvature, 1e-4)))
    members = set(int(i) for i in lanes)
    for index, line in enumerate(vector_map.stop_lines):
        if line.lane in members:
            centre = line.ends.mean(axis=0)
            gap = np.hypot(out[:, X] - centre[0], out[:, Y] - centre[1])
            nearest = int(gap.argmin())
            if gap[nearest] < 2.5 and abs(out[nearest, Z] - centre[2]) < 3.0:
                out[nearest, STOP] = index + 1
    return out
