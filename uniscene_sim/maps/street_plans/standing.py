"""Placed objects of a street plan's surroundings: houses and trees where they are, but none on a road.

Plans let streets lead through houses and trees stand on kerbs. A house is opened where a road leads through it, and a
tree whose stem stands on a road is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from uniscene_sim.maps.elements import Lane, MapObject
from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.street_plans.footprints import Footprint, boxes_of, ring_area
from uniscene_sim.maps.street_plans.heights import building_heights, tree_sizes
from uniscene_sim.maps.street_plans.planting import planted
from uniscene_sim.maps.street_plans.surroundings import Surroundings, Tree

__all__ = ["knows_trees", "road_samples", "standing_objects"]

_LEAST_M2 = 4.0  # smaller footprints are no houses
_SLICE_M = 1.2  # of a house that a road leads through
_PITCHED_M = 11.5  # houses up to this high have slanted roofs
_SLOPE, _RISE_M = 0.42, 4.2  # rise of such roofs over the width of the house, and the most of it
_EAVES_M = 2.2
_TREES_PER_KM = 5.0  # of road, from which on a plan is taken to know its trees


def standing_objects(beside: Surroundings, lanes: Sequence[Lane], losses: Losses) -> tuple[MapObject, ...]:
    """Buildings and trees as placed objects.

    Args:
        beside: the surroundings.
        lanes: of the map.
        losses: what is left out is noted here.
    """
    roads, walks = road_samples(lanes, ("driving",)), road_samples(lanes, ("driving", "parking", "biking", "shoulder"))
    found = _houses(beside, _Near(roads), losses)
    houses = _Boxes([box for box in found])
    planted_trees = planted(beside.covers, road_samples(lanes, ("driving", "sidewalk"))[::4])
    near = _Near(walks)
    for trees, told in ((beside.trees, True), (planted_trees, False)):
        sizes = tree_sizes(trees)
        for tree, (height, crown) in zip(trees, sizes, strict=True):
            stem = 0.6 if told else 0.5 * crown
            if near.within(tree.place, stem) or (not told and houses.hold(tree.place, 0.5 * crown)):
                if told:
                    losses.add("left out, for they stand on a road", f"tree {tree.id}")
                continue
            found.append(MapObject("tree", np.array([*tree.place, 0.0]), 0.0, (crown, crown, height)))
    return tuple(found)


def knows_trees(trees: Sequence[Tree], roads_km: float) -> bool:
    """Whether a plan tells enough single trees to be taken at its word where it has none."""
    return len(trees) >= _TREES_PER_KM * roads_km


def road_samples(lanes: Sequence[Lane], kinds: Sequence[str]) -> np.ndarray:
    """Points (N, 2), m, all over the lanes of some kinds, a metre or less apart."""
    parts = [lane.across(part)[:, :2] for lane in lanes if lane.kind in kinds for part in (-0.5, -0.25, 0.0, 0.25, 0.5)]
    return np.concatenate(parts) if parts else np.zeros((0, 2))


class _Near:
    """Points by cells, to tell what lies near them."""

    def __init__(self, points: np.ndarray):
        from scipy.spatial import cKDTree

        self.points = points
        self._tree = cKDTree(points) if len(points) else None

    def within(self, place: np.ndarray, radius: float) -> bool:
        """Whether a point lies within a radius, m, of a place (2,), m."""
        return self._tree is not None and bool(self._tree.query(place, distance_upper_bound=radius)[0] < radius)

    def around(self, place: np.ndarray, radius: float) -> np.ndarray:
        """The points (N, 2), m, within a radius of a place."""
        if self._tree is None:
            return np.zeros((0, 2))
        found: np.ndarray = self.points[self._tree.query_ball_point(place, radius)]
        return found


class _Boxes:
    """Boxes of houses by cells of 32 m."""

    def __init__(self, houses: Sequence[MapObject]):
        self._cells: dict[tuple[int, int], list[MapObject]] = {}
        for house in houses:
            x, y = house.position[:2]
            r = 0.5 * float(np.hypot(*house.size[:2]))
            for i in range(int((x - r) // 32), int((x + r) // 32) + 1):
                for j in range(int((y - r) // 32), int((y + r) // 32) + 1):
                    self._cells.setdefault((i, j), []).append(house)

    def hold(self, place: np.ndarray, margin: float) -> bool:
        """Whether a place (2,), m, lies within a house or a margin of it."""
        for house in self._cells.get((int(place[0] // 32), int(place[1] // 32)), ()):
            dx, dy = place - house.position[:2]
            c, s = np.cos(house.yaw), np.sin(house.yaw)
            if abs(c * dx + s * dy) < 0.5 * house.size[0] + margin and (
                abs(-s * dx + c * dy) < 0.5 * house.size[1] + margin
            ):
                return True
        return False


def _houses(beside: Surroundings, roads: _Near, losses: Losses) -> list[MapObject]:
    found: list[MapObject] = []
    heights = building_heights(beside.buildings) if beside.buildings else np.zeros(0)
    groups = 0
    for building, height in zip(beside.buildings, heights.tolist(), strict=True):
        if abs(ring_area(building.rings[0])) < _LEAST_M2:
            losses.add("left out, for they have no extent", f"building {building.id // 2}")
            continue
        whole = boxes_of(building.rings)
        boxes = [part for box in whole for part in _opened(box, roads)]
        if not boxes:
            losses.add("left out, for roads take their place", f"building {building.id // 2}")
            continue
        if len(boxes) > len(whole) or sum(b.length * b.width for b in boxes) < 0.98 * sum(
            b.length * b.width for b in whole
        ):
            losses.add("opened where a road leads through", f"building {building.id // 2}")
        groups += len(boxes) > 1
        for box in boxes:
            top = height
            if len(boxes) == 1 and height < _PITCHED_M:
                top = max(height - min(_SLOPE * box.length, _RISE_M), min(_EAVES_M, height))
            place, size = np.array([box.x, box.y, 0.0]), (box.length, box.width, top)
            found.append(MapObject("building", place, box.yaw, size, groups if len(boxes) > 1 else 0))
    return found


def _opened(box: Footprint, roads: _Near) -> list[Footprint]:
    """What is left of a box where roads lead through: slices across the direction that loses less."""
    points = roads.around(np.array([box.x, box.y]), 0.5 * float(np.hypot(box.length, box.width)))
    c, s = np.cos(box.yaw), np.sin(box.yaw)
    d = points - [box.x, box.y]
    u, v = c * d[:, 0] + s * d[:, 1], -s * d[:, 0] + c * d[:, 1]
    within = (np.abs(u) < 0.5 * box.length) & (np.abs(v) < 0.5 * box.width)
    if not within.any():
        return [box]
    along, across = (_free_runs(p[within], side) for p, side in ((u, box.length), (v, box.width)))
    share = [sum(b - a for a, b in runs) / side for runs, side in ((along, box.length), (across, box.width))]
    if share[0] >= share[1]:
        return [_moved(box, 0.5 * (a + b), 0.0, b - a, box.width) for a, b in along]
    return [_moved(box, 0.0, 0.5 * (a + b), box.length, b - a) for a, b in across]


def _free_runs(taken: np.ndarray, side: float) -> list[tuple[float, float]]:
    """Runs of slices of a side, m from its middle, that no place `taken` (N,) lies in."""
    n = max(int(np.ceil(side / _SLICE_M)), 1)
    hit = np.zeros(n, bool)
    hit[np.clip(((taken / side + 0.5) * n).astype(int), 0, n - 1)] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[True], hit, [True]]).astype(int)))
    return [((a / n - 0.5) * side, (b / n - 0.5) * side) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(),
                                                                        strict=True)]  # fmt: skip


def _moved(box: Footprint, u: float, v: float, length: float, width: float) -> Footprint:
    c, s = float(np.cos(box.yaw)), float(np.sin(box.yaw))
    return replace(box, x=box.x + c * u - s * v, y=box.y + s * u + c * v, length=length, width=width)
