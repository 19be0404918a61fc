"""Paths that bodies follow: a point each metre, with what the road says there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.world.road_arrays import (
    PATH_COLUMNS,
    RoadArrays,
    annotate_columns,
    lanes_along_path,
    path_along_lanes,
)

__all__ = ["PATH_COLUMNS", "PATH_POINTS", "annotate_path", "lane_ahead", "random_path_ahead"]

PATH_POINTS = 400
#: Columns of an annotated path: x, y, z, yaw, speed limit (curves included), stop line + 1, junction + 1, lane (-1: on
#: none), arc length on that lane, pedestrian crossing + 1.
X, Y, Z, YAW, LIMIT, STOP, JUNCTION, LANE, LANE_S, CROSSING = range(10)


def lane_ahead(vector_map: StaticMap, lane: int, s: float, ds: float) -> tuple[int, float]:
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


def random_path_ahead(
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
    road = RoadArrays.of(vector_map)
    return annotate_columns(road, *path_along_lanes(road, np.array(way), float(s), float(length_m)))


def annotate_path(vector_map: StaticMap, path: np.ndarray, lanes: Sequence[int] | None = None) -> np.ndarray:
    """A path (R, 3) with its columns filled (R, 10). Lanes are looked up among `lanes`, in their order, or among all
    where that is None; a path with no lanes (`()`) is one for walkers and trajectories."""
    road, path = RoadArrays.of(vector_map), np.ascontiguousarray(path, dtype=float)
    if lanes is None:
        direction = np.gradient(path[:, :2], axis=0)
        yaw = np.unwrap(np.arctan2(direction[:, 1], direction[:, 0]))
        found = [vector_map.nearest_lane(x, y, z, a)[:2] for (x, y, z), a in zip(path, yaw, strict=True)]
        return annotate_columns(road, path, np.array([f[0] for f in found]), np.array([f[1] for f in found]))
    if not lanes:
        return annotate_columns(road, path, np.full(len(path), -1), np.zeros(len(path)))
    return annotate_columns(road, path, *lanes_along_path(road, path, np.array(lanes)))
