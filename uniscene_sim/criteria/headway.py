"""`Headway`: the time gap to the vehicle ahead on the ego's way."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, pi

import numpy as np

from uniscene_sim.criteria.boxes import turn_between
from uniscene_sim.criteria.moment import LEVEL_M, Moment
from uniscene_sim.geometry import box_corners
from uniscene_sim.taxonomy import AgentClass

__all__ = ["Headway", "clearance_m"]

_DRIVES_MPS = 1.0
_ALONG_RAD = pi / 4.0  # whoever is headed otherwise crosses the way, and does not drive ahead on it
_BEGINS_M = 20.0  # of the route, where the ego is
_SIGHT_M, _STEEPEST = 120.0, 0.1  # of roads: whoever is farther up or down is on another one


@dataclass(frozen=True)
class Headway:
    """The least time gap so far, as ISO 15622 defines it: clearance to the preceding vehicle over the ego's speed.

    The preceding vehicle is the next vehicle or cyclist, moving or not, that is headed along the ego's route within 45
    degrees and has part of its box in the ego's lane of way: as wide as the ego, along the route at the distance beside
    it that the ego has now. Layouts hold 80 m of route; what is farther ahead is none. Gaps count while the ego drives
    at 1 m/s or faster.
    """

    least_s: float = inf

    def update(self, moment: Moment) -> Headway:
        speed = moment.ego.speed
        if speed < _DRIVES_MPS:
            return self
        gap = clearance_m(moment)
        return self if gap is None else Headway(min(self.least_s, float(gap / speed)))

    @property
    def values(self) -> dict[str, float | None]:
        return {"min_headway": None if self.least_s == inf else round(self.least_s, 3)}


def clearance_m(moment: Moment) -> float | None:
    """Way from the ego's front to the vehicle ahead, m, along the route; None where there is none."""
    ego, way = moment.ego, moment.layout.route[:, :2]
    span = np.diff(way, axis=0)
    length = np.hypot(span[:, 0], span[:, 1])
    way, span, length = way[:-1][length > 1e-6], span[length > 1e-6], length[length > 1e-6]
    if not len(way):
        return None
    unit, begins = span / length[:, None], np.concatenate([[0.0], np.cumsum(length)[:-1]])
    along, left = _beside(np.array([[ego.x, ego.y]]), way, unit)
    on = np.clip(along[0], 0.0, length)
    off = np.hypot(along[0] - on, left[0])
    off[begins > _BEGINS_M] = inf
    k = int(off.argmin())
    at, aside = begins[k] + along[0, k], left[0, k]
    boxes = _drivers(moment)
    along, left = _beside(boxes[:, :2], way, unit)
    away = np.hypot(along - np.clip(along, 0.0, length), left).min(axis=1)
    near = away <= abs(aside) + 0.5 * ego.width + 0.5 * np.hypot(boxes[:, 3], boxes[:, 4])
    found = (_first_m(box, way, unit, length, begins, at, aside, 0.5 * ego.width) for box in boxes[near])
    ahead = [place for place in found if place is not None]
    return max(min(ahead) - at - 0.5 * ego.length, 0.0) if ahead else None


def _drivers(moment: Moment) -> np.ndarray:
    """Boxes (N, 6) of vehicles and cyclists within sight, on the ego's level."""
    ego, boxes = moment.ego, moment.user_boxes
    away = np.hypot(boxes[:, 0] - ego.x, boxes[:, 1] - ego.y)
    level = np.abs(boxes[:, 5] - ego.z) < LEVEL_M + _STEEPEST * away
    found: np.ndarray = boxes[(moment.users["cls"] <= AgentClass.BICYCLE) & (away < _SIGHT_M) & level]
    return found


def _beside(points: np.ndarray, way: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far points (P, 2) are along and to the left of pieces of way (K, 2) with directions (K, 2): (P, K) m each."""
    dx, dy = (points[:, None, i] - way[None, :, i] for i in (0, 1))
    return dx * unit[:, 0] + dy * unit[:, 1], dy * unit[:, 0] - dx * unit[:, 1]


def _first_m(
    box: np.ndarray,
    way: np.ndarray,
    unit: np.ndarray,
    length: np.ndarray,
    begins: np.ndarray,
    at: float,
    aside: float,
    half: float,
) -> float | None:
    """Where along the route, m, beyond `at`, a box (6,) first reaches into the strip of half a width on both sides of
    the line that runs `aside` to the left of it; None where it does not, or is not headed along."""
    u, v = _beside(box_corners(*box[:5]), way, unit)  # (4, K)
    v = v - aside
    # Corners of the part of the box that lies in the strip: its own, and where its sides cross the strip's borders.
    places = [np.where(np.abs(v) <= half, u, np.nan)]
    u2, v2 = np.roll(u, -1, axis=0), np.roll(v, -1, axis=0)
    for border in (-half, half):
        crosses = (v - border) * (v2 - border) < 0.0
        share = (border - v) / np.where(crosses, v2 - v, 1.0)
        places.append(np.where(crosses, u + share * (u2 - u), np.nan))
    inside = np.concatenate(places)
    low = np.nanmin(np.where(np.isnan(inside), inf, inside), axis=0)
    high = np.nanmax(np.where(np.isnan(inside), -inf, inside), axis=0)
    first, last = np.maximum(low, np.maximum(at - begins, 0.0)), np.minimum(high, length)
    here = (first <= last) & (turn_between(np.arctan2(unit[:, 1], unit[:, 0]), box[2]) < _ALONG_RAD)
    return float((begins + first)[here].min()) if here.any() else None
