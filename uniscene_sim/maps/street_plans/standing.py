"""Placed objects of a street plan's surroundings: houses and trees where they are, but none on a road.

Plans let streets lead through houses and trees stand on kerbs. A house is opened where a road leads through it, and a
tree whose stem stands on a road is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from uniscene_sim.maps.elements import GroundCover, Lane, MapObject
from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.street_plans.footprints import Footprint, boxes_of, ring_area
from uniscene_sim.maps.street_plans.heights import building_heights, tree_sizes
from uniscene_sim.maps.street_plans.planting import planted
from uniscene_sim.maps.street_plans.rings import inside_rings
from uniscene_sim.maps.street_plans.surroundings import Cover, Surroundings, Tree

__all__ = ["WALKED", "ground_covers", "knows_trees", "road_samples", "standing_objects"]

#: Kinds of lanes near which covers are drawn in full.
WALKED = ("driving", "sidewalk")

_LEAST_M2 = 4.0  # smaller footprints are no houses
_SLICE_M = 1.2  # of a house that a road leads through
_PITCHED_M = 11.5  # houses up to this high have slanted roofs
_SLOPE, _RISE_M = 0.42, 4.2  # rise of such roofs over the width of the house, and the most of it
_EAVES_M = 2.2
_STEM_M = 0.6  # from a road to the middle of a stem
_TREES_PER_KM = 5.0  # of road, from which on a plan is taken to know its trees


def standing_objects(beside: Surroundings, lanes: Sequence[Lane], losses: Losses) -> tuple[MapObject, ...]:
    """Buildings and trees as placed objects, their numbers rounded to 0.1 mm.

    Args:
        beside: the surroundings.
        lanes: of the map.
        losses: what is left out is noted here.
    """
    roads = road_samples(lanes, ("driving",))
    houses = _houses(beside, _Near(roads), losses)
    plants = planted(beside.covers, road_samples(lanes, WALKED)[::4])
    wheels = _Near(road_samples(lanes, ("driving", "parking", "biking", "shoulder")))
    told, drawn = _stand(beside.trees), _stand(plants)
    on_road = wheels.beside(told[:, :2], np.full(len(told), _STEM_M))
    for k in np.flatnonzero(on_road).tolist():
        losses.add("left out, for they stand on a road", f"tree {beside.trees[k].id}")
    blocked = wheels.beside(drawn[:, :2], 0.5 * drawn[:, 3]) | _in_houses(drawn, houses)
    for cover in beside.covers:
        if cover.kind == "water" and len(drawn):
            blocked |= inside_rings(drawn[:, 0], drawn[:, 1], cover.rings)
    trees = np.round(np.concatenate([told[~on_road], drawn[~blocked]]), 4).tolist()
    return (*houses, *(MapObject("tree", np.array([x, y, 0.0]), 0.0, (crown, crown, height))
                       for x, y, height, crown in trees))  # fmt: skip


def ground_covers(covers: Sequence[Cover]) -> tuple[GroundCover, ...]:
    """Grass and soil, small ones on top of large ones that they may lie in."""
    painted = [cover for cover in covers if cover.kind in ("grass", "soil") and len(cover.rings[0]) > 2]
    painted.sort(key=lambda cover: -abs(ring_area(cover.rings[0])))
    return tuple(GroundCover(cover.kind, tuple(np.round(ring, 4) for ring in cover.rings)) for cover in painted)


def _stand(trees: Sequence[Tree]) -> np.ndarray:
    """Place, height and crown (N, 4), m, of trees."""
    sizes = tree_sizes(trees)
    return np.array([(*t.place, *size) for t, size in zip(trees, sizes, strict=True)]).reshape(-1, 4)


def _in_houses(trees: np.ndarray, houses: Sequence[MapObject]) -> np.ndarray:
    """Whether the crowns of trees (N, 4) reach into houses, bool (N,)."""
    from scipy.spatial import cKDTree

    inside = np.zeros(len(trees), bool)
    if not len(trees):
        return inside
    tree, widest = cKDTree(trees[:, :2]), 0.5 * float(trees[:, 3].max())
    for house in houses:
        near = np.array(tree.query_ball_point(house.position[:2], 0.5 * np.hypot(*house.size[:2]) + widest), int)
        if not len(near):
            continue
        d = trees[near, :2] - house.position[:2]
        c, s, r = np.cos(house.yaw), np.sin(house.yaw), 0.5 * trees[near, 3]
        within = np.abs(c * d[:, 0] + s * d[:, 1]) < 0.5 * house.size[0] + r
        inside[near] |= within & (np.abs(-s * d[:, 0] + c * d[:, 1]) < 0.5 * house.size[1] + r)
    return inside


def knows_trees(trees: Sequence[Tree], roads_km: float) -> bool:
    """Whether a plan tells enough single trees to be taken at its word where it has none."""
    return len(trees) >= max(_TREES_PER_KM * roads_km, 1.0)


def road_samples(lanes: Sequence[Lane], kinds: Sequence[str]) -> np.ndarray:
    """Points (N, 2), m, all over the lanes of some kinds, about a metre apart."""
    wanted = [lane for lane in lanes if lane.kind in kinds]
    if not wanted:
        return np.zeros((0, 2))
    centre = np.concatenate([lane.centre[:, :2] for lane in wanted])
    yaw, wide = (np.concatenate([getattr(lane, name) for lane in wanted]) for name in ("heading", "width"))
    across = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1) * wide[:, None]
    return np.concatenate([centre + part * across for part in (-0.5, -0.25, 0.0, 0.25, 0.5)])


class _Near:
    """Points, to tell what lies near them."""

    def __init__(self, points: np.ndarray):
        from scipy.spatial import cKDTree

        self.points = points if len(points) else np.full((1, 2), np.inf)
        self._tree = cKDTree(points) if len(points) else None

    def beside(self, places: np.ndarray, radius: np.ndarray) -> np.ndarray:
        """Whether a point lies within radii (N,), m, of places (N, 2), m: bool (N,)."""
        if self._tree is None or not len(places):
            return np.zeros(len(places), bool)
        away: np.ndarray = self._tree.query(places, distance_upper_bound=float(radius.max()))[0] < radius
        return away

    def around(self, places: np.ndarray, radius: np.ndarray) -> list[np.ndarray]:
        """The points (K, 2), m, within radii (N,), m, of each place (N, 2), m."""
        if self._tree is None or not len(places):
            return [np.zeros((0, 2))] * len(places)
        return [self.points[found] for found in self._tree.query_ball_point(places, radius)]


def _houses(beside: Surroundings, roads: _Near, losses: Losses) -> list[MapObject]:
    found: list[MapObject] = []
    heights = building_heights(beside.buildings) if beside.buildings else np.zeros(0)
    groups = 0
    for building, height in zip(beside.buildings, heights.tolist(), strict=True):
        if abs(ring_area(building.rings[0])) < _LEAST_M2:
            losses.add("left out, for they have no extent", f"building {building.id // 2}")
            continue
        whole = boxes_of(building.rings)
        places, reach = np.array([(b.x, b.y) for b in whole]), [0.5 * np.hypot(b.length, b.width) for b in whole]
        near = roads.around(places, np.array(reach))
        boxes = [part for box, points in zip(whole, near, strict=True) for part in _opened(box, points)]
        if not boxes:
            losses.add("left out, for roads take their place", f"building {building.id // 2}")
            continue
        if len(boxes) > len(whole) or sum(b.length * b.width for b in boxes) < 0.98 * sum(
            b.length * b.width for b in whole
        ):
            losses.add("opened where a road leads through", f"building {building.id // 2}")
        pitched = len(boxes) == 1 and building.roof != "flat" and (height < _PITCHED_M or building.roof == "pitched")
        grouped = len(boxes) > 1 or building.roof == "flat"  # roofs of parts are flat
        groups += grouped
        for box in boxes:
            top = height
            if pitched:
                top = max(height - min(_SLOPE * box.length, _RISE_M), min(_EAVES_M, height))
            x, y, length, width, top = (round(float(v), 4) for v in (box.x, box.y, box.length, box.width, top))
            group = groups if grouped else 0
            found.append(MapObject("building", np.array([x, y, 0.0]), round(box.yaw, 7), (length, width, top), group))
    return found


def _opened(box: Footprint, points: np.ndarray) -> list[Footprint]:
    """What is left of a box where roads lead through: slices across the direction that loses less.

    Args:
        box: of a house.
        points: (N, 2) m, on roads near it.
    """
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
