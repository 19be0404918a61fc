"""Paved areas as strips that become lanes which lead nowhere: squares, car parks, the middle of junctions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from uniscene_sim.maps.street_plans.footprints import boxes_of
from uniscene_sim.maps.street_plans.near_roads import NearRoads
from uniscene_sim.maps.street_plans.surroundings import Cover

__all__ = ["Strip", "area_strips", "car_park", "paved"]

_THINNEST_M = 0.2
_SHORE_M = 3.0
_LONGEST_M = 10_000.0  # of a strip: what is longer is no square, and takes millions of samples
_WIDEST_M = 400.0  # of a strip of water
_BAY_M, _AISLE_M = 5.0, 6.0  # depth of bays, and width of what leads to them


@dataclass(frozen=True)
class Strip:
    """A straight strip of ground of one width."""

    centre: np.ndarray  # (N, 3) m, about every metre
    yaw: float  # rad
    width_m: float
    kind: str  # of its lane


def area_strips(cover: Cover, near: NearRoads) -> list[Strip]:
    """Strips of a square, a car park, or of water near roads; none of any other cover.

    Water is neither road nor terrain, as are lanes of the kind `median`.
    """
    if cover.kind == "paved":
        return paved(cover.rings, "sidewalk")
    if cover.kind == "parking":
        return car_park(cover.rings)
    if cover.kind != "water":
        return []
    strips = paved([_coarse(ring) for ring in cover.rings], "median")
    found = []
    for strip in strips:
        x, y, _ = strip.centre.T
        reached = np.flatnonzero(near(x, y))
        if len(reached) and strip.width_m < _WIDEST_M:  # beyond that it is a lake that roads see the shore of
            first, last = max(reached[0] - 1, 0), min(reached[-1] + 2, len(strip.centre))
            found.append(replace(strip, centre=strip.centre[first:last]))
    return found


def _coarse(ring: np.ndarray) -> np.ndarray:
    """An outline without its corners that follow another within `_SHORE_M`."""
    kept = [0]
    for k in range(1, len(ring)):
        if np.hypot(*(ring[k] - ring[kept[-1]])) >= _SHORE_M:
            kept.append(k)
    return ring[kept] if len(kept) >= 3 else ring


def paved(rings: Sequence[np.ndarray], kind: str, z: float = 0.0) -> list[Strip]:
    """Strips that fill an outline.

    Args:
        rings: (N, 2) m each, not closed; rings within rings are holes.
        kind: of lane.
        z: height, m.
    """
    found = []
    for box in boxes_of(rings):
        if min(box.length, box.width) >= _THINNEST_M and max(box.length, box.width) < _LONGEST_M:
            # Boxes are longer across their heading.
            found.append(_strip((box.x, box.y), box.yaw + np.pi / 2, box.width, 0.0, box.length, kind, z))
    return found


def car_park(rings: Sequence[np.ndarray]) -> list[Strip]:
    """Strips of bays and aisles that fill an outline: bays along both long sides, and by pairs between aisles."""
    found = []
    for box in boxes_of(rings):
        if min(box.length, box.width) < _THINNEST_M or max(box.length, box.width) > _LONGEST_M:
            continue
        for low, high, kind in _rows(box.length):
            offset = 0.5 * box.length - 0.5 * (low + high)
            found.append(_strip((box.x, box.y), box.yaw + np.pi / 2, box.width, offset, high - low, kind, 0.0))
    return found


def _rows(depth: float) -> Iterator[tuple[float, float, str]]:
    """Rows across a car park of some depth, m: begin, end, kind."""
    if depth < _BAY_M + 3.0:
        yield 0.0, depth, "parking"
        return
    at, pattern = 0.0, ((_BAY_M, "parking"), (_AISLE_M, "shoulder"), (_BAY_M, "parking"))
    while at < depth:
        for wide, kind in pattern:
            end = min(at + wide, depth)
            if end > at:
                yield at, end, kind if end - at > 0.9 * wide else "shoulder"
            at = end


def _strip(middle: tuple[float, float], yaw: float, length: float, aside: float, width: float, kind: str,
           z: float) -> Strip:  # fmt: skip
    """A strip about a place, m, moved to its left."""
    at = np.linspace(-0.5 * length, 0.5 * length, max(int(np.ceil(length)), 1) + 1)
    c, s = np.cos(yaw), np.sin(yaw)
    x, y = middle[0] + c * at - s * aside, middle[1] + s * at + c * aside
    return Strip(np.column_stack([x, y, np.full(len(at), z)]), float(yaw), width, kind)
