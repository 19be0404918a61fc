"""Annotated paths that bodies follow: a point each metre with the columns of `world.path_columns`."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.world.road_arrays import RoadArrays, annotate_columns, lanes_along_path, path_along_lanes

__all__ = ["PATH_POINTS", "LanePlace", "annotate_path", "lane_ahead", "path_of_lanes", "random_path_ahead"]

#: Points of a path that a state holds.
PATH_POINTS = 400


class LanePlace(NamedTuple):
    """A place on a lane."""

    lane: int  # index; -1 for a place on no lane
    s: float  # arc length, m


def lane_ahead(vector_map: StaticMap, lane: int, s: float, ds: float) -> LanePlace:
    """Lane and arc length `ds` ahead of (or behind) a place, straight on where lanes fork.

    Args:
        vector_map: the map.
        lane, s: index of a lane and arc length on it, m.
        ds: m; negative for behind.
    """
    s += ds
    lanes = vector_map.lanes
    while s < 0 and lanes[lane].predecessors:
        lane = min(lanes[lane].predecessors, key=lambda p: abs(_turn(vector_map, p)))
        s += lanes[lane].length
    while s > lanes[lane].length and lanes[lane].successors:
        s -= lanes[lane].length
        lane = min(lanes[lane].successors, key=lambda n: abs(_turn(vector_map, n)))
    return LanePlace(lane, min(max(s, 0.0), lanes[lane].length))


def _turn(vector_map: StaticMap, lane: int) -> float:
    heading = vector_map.lanes[lane].heading
    return float(wrap_angle(heading[-1] - heading[0]))


def random_path_ahead(
    vector_map: StaticMap,
    lane: int,
    s: float,
    key: tuple[int, ...],
    length_m: float = PATH_POINTS,
    only: Container[int] | None = None,
) -> np.ndarray:
    """Annotated path (R, 10) that takes a random branch at each fork, the same for the same key; shorter where the road
    ends. A lane without a successor, or a closed one, is not entered where there is another branch.

    Args:
        vector_map: the map.
        lane, s: index of the first lane and arc length on it, m.
        key: of the random choices.
        length_m: of the path.
        only: the lanes that it may enter, None for all.
    """
    lanes, closed = vector_map.lanes, {closing.lane for closing in vector_map.closings}
    route, length = [lane], lanes[lane].length - s
    while length < length_m and lanes[route[-1]].successors:
        options = lanes[route[-1]].successors
        if only is not None and not (options := tuple(b for b in options if b in only)):
            break
        options = tuple(b for b in options if lanes[b].successors) or options
        if closed:
            options = tuple(b for b in options if b not in closed) or options
        route.append(options[int(unit_hash(*key, route[-1], len(route)) * len(options))])
        length += lanes[route[-1]].length
    return path_of_lanes(vector_map, route, s, length_m)


def path_of_lanes(vector_map: StaticMap, route: Sequence[int], s: float, length_m: float) -> np.ndarray:
    """Annotated path (R, 10) along lanes that follow each other, from arc length `s` (m) on the first of them."""
    road = RoadArrays.of(vector_map)
    path: np.ndarray = annotate_columns(road, *path_along_lanes(road, np.array(route), float(s), float(length_m)))
    return path


def annotate_path(vector_map: StaticMap, path: np.ndarray, lanes: Sequence[int] | None = None) -> np.ndarray:
    """A path (R, 3) with its columns filled (R, 10). Lanes are looked up among `lanes`, in their order, or among all
    where that is None; a path with no lanes (`()`) is one for walkers and trajectories."""
    road, path = RoadArrays.of(vector_map), np.ascontiguousarray(path, dtype=float)
    if lanes is None:
        direction = np.gradient(path[:, :2], axis=0)
        yaw = np.unwrap(np.arctan2(direction[:, 1], direction[:, 0]))
        found = [vector_map.nearest_lane(x, y, z, a)[:2] for (x, y, z), a in zip(path, yaw, strict=True)]
        places = np.array([f[0] for f in found]), np.array([f[1] for f in found])
    elif lanes:
        places = lanes_along_path(road, path, np.array(lanes))
    else:
        places = np.full(len(path), -1), np.zeros(len(path))
    annotated: np.ndarray = annotate_columns(road, path, *places)
    return annotated
