"""Streets as wide as the houses beside them leave room for: tags seldom tell widths, and footprints do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from uniscene_sim.maps.osm.curves import part_of
from uniscene_sim.maps.osm.sections import NARROWEST_M, Section
from uniscene_sim.maps.osm.streets import Street
from uniscene_sim.maps.street_plans.surroundings import Building

__all__ = ["between_houses"]

_LOOK_M, _BESIDE_M, _POINTS = 14.0, 1.5, 24  # how far to look from a street, along it, and at how many points
_PASSAGE_M = 1.5  # a house this near to the middle of a street stands over it
_SHARE = 0.15  # of a street that may be narrower than the rest
_GAP_M, _LEAST_WALK_M = 0.2, 0.9


def between_houses(streets: Sequence[Street], buildings: Sequence[Building]) -> tuple[Street, ...]:
    """The streets, narrower where houses stand: first their sidewalks, then parking and cycle lanes, then lanes."""
    from scipy.spatial import cKDTree

    if not buildings or not streets:
        return tuple(streets)
    walls = cKDTree(np.concatenate([_dense(ring) for house in buildings for ring in house.rings]))
    parts = [part_of(street.line, 0.0, street.length) for street in streets]
    places, yaw = (np.concatenate([part[k][::2] for part in parts]) for k in (0, 1))
    ends = np.cumsum([len(part[0][::2]) for part in parts])[:-1]
    away, which = walls.query(places, k=min(_POINTS, walls.n), distance_upper_bound=_LOOK_M)
    found = np.isfinite(away).reshape(len(places), -1)
    d = walls.data[np.where(found, which.reshape(found.shape), 0)] - places[:, None]
    c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    along, right = c * d[..., 0] + s * d[..., 1], s * d[..., 0] - c * d[..., 1]
    beside = found & (np.abs(along) < _BESIDE_M) & (np.abs(right) > _PASSAGE_M)
    room = [np.where(beside & (sign * right > 0), np.abs(right), np.inf).min(axis=1) for sign in (1, -1)]
    sides = [np.split(side, ends) for side in room]
    return tuple(
        replace(street, section=_fitted(street.section, (_clear(a), _clear(b))))
        for street, a, b in zip(streets, *sides, strict=True)
    )


def _clear(room: np.ndarray) -> float:
    """Room, m, beside a street of which most places have this much or more."""
    return float(np.sort(room)[int(_SHARE * (len(room) - 1))]) - _GAP_M


def _dense(ring: np.ndarray) -> np.ndarray:
    """Points (M, 2), m, on a ring (N, 2), about a metre apart."""
    way = np.roll(ring, -1, axis=0) - ring
    count = np.maximum(np.ceil(np.hypot(way[:, 0], way[:, 1])).astype(int), 1)
    of = np.repeat(np.arange(len(ring)), count)
    share = (np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)) / count[of]
    points: np.ndarray = ring[of] + share[:, None] * way[of]
    return points


def _fitted(section: Section, room: tuple[float, float]) -> Section:
    """A cross-section that fits into room on its right and left, m."""
    if all(section.outside(side) <= room[side] for side in (0, 1)):
        return section
    narrow = min(room) < 0.5 * section.carriageway_m
    if narrow:
        lanes = section.forward + section.backward
        section = replace(section, lane_m=max(2.0 * min(room) / lanes, min(NARROWEST_M, section.lane_m)))
    parts = []
    for side in (0, 1):
        left_over = room[side] - section.drive_edge(side)
        cycle = section.cycle_m[side] if section.cycle_m[side] <= left_over else 0.0
        parking = section.parking_m[side] if cycle + section.parking_m[side] <= left_over else 0.0
        walk = min(section.walk_m[side], left_over - cycle - parking)
        parts.append((cycle, parking, walk if walk >= _LEAST_WALK_M else 0.0))
    cycles, parkings, walks = ((a, b) for a, b in zip(*parts, strict=True))
    return replace(section, cycle_m=cycles, parking_m=parkings, walk_m=walks)
