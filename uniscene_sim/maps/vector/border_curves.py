"""The curves at which lanes, lines, parking bays and crossings end, in straight pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uniscene_sim.maps.elements import Lane
from uniscene_sim.maps.vector.strokes import Strokes

__all__ = ["BAY_LINE_M", "BAY_M", "INSIDE_M", "ON_TOP", "BorderCurves", "polygon_pieces", "stripe_pieces"]

INSIDE_M = 0.3  # lines end where they are this far inside a lane of another road
BAY_M, BAY_LINE_M = 6.0, 0.12  # parking bays, and the lines between them
_LINES, ON_TOP = 16, 24  # order of lines, and of crossings and stop lines, over lanes


@dataclass(frozen=True)
class BorderCurves:
    """Pieces of curves, as `EdgeFit.fit` takes them: what ends at one lies to its left."""

    segments: np.ndarray  # float64 (S, 4) m
    order: np.ndarray  # int32 (S,), in which it is painted

    @classmethod
    def of(cls, parts: Sequence[tuple[np.ndarray, int]]) -> BorderCurves:
        """From segments (S, 4), m, with their order."""
        segments = np.concatenate([np.zeros((0, 4)), *(s for s, _ in parts)])
        order = np.concatenate([np.zeros(0, np.int32), *(np.full(len(s), order, np.int32) for s, order in parts)])
        return cls(segments, order)

    @classmethod
    def of_lanes(
        cls, lanes: Sequence[Lane], phase: Sequence[np.ndarray], rank: Sequence[int], strokes: Strokes
    ) -> BorderCurves:
        """The borders of lanes, and of what is painted along them.

        Args:
            lanes: sampled finely.
            phase: distance along the road at their samples, each (N,), m, from which dashes are placed.
            rank: in which order lanes are painted, see `LaneTriangles`.
            strokes: what is painted along them.
        """
        parts: list[tuple[np.ndarray, int]] = []
        for lane, at, order in zip(lanes, phase, rank, strict=True):
            strip = _Strip(lane, at)
            parts += [(strip.along(side, 0.0), order) for side in (0, 1)]
            parts.append((strip.across(0, 0.0, np.inf, [0, len(at) - 1]), order))
            if lane.kind == "driving":
                parts += [(strip.along(side, INSIDE_M), 0) for side in (0, 1)]
            if lane.kind == "parking":
                for first in (0.0, BAY_LINE_M):
                    parts.append((strip.across(0, 0.0, np.inf, strip.repeated(BAY_M, first)), _LINES))
            for side in (0, 1):
                for row in strokes.of_side(lane.index, side):
                    begin, end, low, high, dash, period, first = strokes.table[row]
                    parts.append((strip.along(side, high, begin, end), _LINES))
                    if low > 0.0:
                        parts.append((strip.along(side, low, begin, end)[:, [2, 3, 0, 1]], _LINES))
                    ends = [*strip.places_at([begin, end])]
                    if period > 0.0:
                        ends += [*strip.repeated(period, first), *strip.repeated(period, first + dash)]
                    parts.append((strip.across(side, max(low, 0.0), high, ends), _LINES))
        return cls.of(parts)

    def within(self, x0: float, y0: float, extent: float) -> BorderCurves:
        """Those whose bounds intersect a square with its lowest corner at x0, y0 and sides of `extent`, m."""
        s = self.segments
        low, high = np.minimum(s[:, :2], s[:, 2:]), np.maximum(s[:, :2], s[:, 2:])
        corner = np.array([x0, y0])
        near = ((low <= corner + extent) & (high >= corner)).all(axis=1)
        return BorderCurves(s[near], self.order[near])

    def __add__(self, other: BorderCurves) -> BorderCurves:
        return BorderCurves(np.concatenate([self.segments, other.segments]), np.concatenate([self.order, other.order]))


class _Strip:
    """The borders of a lane; places on it are counted in samples."""

    def __init__(self, lane: Lane, phase: np.ndarray):
        self._borders = lane.border(1)[:, :2], lane.border(-1)[:, :2]
        self._width, self._s, self._phase = np.maximum(lane.width, 1e-6), lane.s, phase

    def along(self, side: int, inwards: float, begin: float = -np.inf, end: float = np.inf) -> np.ndarray:
        """Pieces (S, 4) of the curve at a distance from the left (0) or right (1) border; what lies between curve and
        border, or in the lane if the distance is 0, to the left.

        Args:
            side: 0 or 1.
            inwards: distance from the border, m.
            begin, end: arc lengths between which it runs, m.
        """
        points = self._inwards(side, inwards, np.arange(len(self._s)))
        near = (self._s[1:] >= begin) & (self._s[:-1] <= end)
        pieces = np.hstack([points[:-1], points[1:]])[near]
        forward = (side == 0) == (inwards > 0.0)
        return pieces if forward else pieces[:, [2, 3, 0, 1]]

    def across(self, side: int, low: float, high: float, places: Sequence[float] | np.ndarray) -> np.ndarray:
        """Pieces (S, 4) across the lane at places, between two distances from a border, m."""
        at = np.array(places, dtype=np.float64)
        return np.hstack([self._inwards(side, low, at), self._inwards(side, high, at)])

    def repeated(self, period: float, first: float) -> np.ndarray:
        """Places at which the distance along the road is `first` plus a multiple of `period`, m."""
        low, high = self._phase.min(), self._phase.max()
        values = first + period * np.arange(np.ceil((low - first) / period), np.floor((high - first) / period) + 1)
        order = np.argsort(self._phase, kind="stable")
        places: np.ndarray = np.interp(values, self._phase[order], order.astype(np.float64))
        return places

    def places_at(self, s: Sequence[float]) -> np.ndarray:
        """Places at arc lengths, m, that lie on the lane."""
        inside = [v for v in s if self._s[0] < v < self._s[-1]]
        places: np.ndarray = np.interp(inside, self._s, np.arange(len(self._s)))
        return places

    def _inwards(self, side: int, distance: float, places: np.ndarray) -> np.ndarray:
        near, far = self._borders if side == 0 else self._borders[::-1]
        k = np.minimum(places.astype(np.int64), len(self._s) - 2)
        u = (places - k)[:, None]
        share = np.minimum(distance / self._width, 1.0)[:, None]
        points = near + share * (far - near)
        found: np.ndarray = points[k] * (1 - u) + points[k + 1] * u
        return found


def polygon_pieces(polygon: np.ndarray) -> np.ndarray:
    """The sides (N, 4) of a polygon (N, 2), m."""
    return np.hstack([polygon, np.roll(polygon, -1, axis=0)])


def stripe_pieces(polygon: np.ndarray, yaw: float, stripe_m: float) -> np.ndarray:
    """Borders (S, 4) of stripes of a width along a heading, rad, counted from the middle of a polygon (N, 2), m."""
    ahead, left = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
    middle = polygon.mean(axis=0)
    along, across = (polygon - middle) @ ahead, (polygon - middle) @ left
    at = stripe_m * np.arange(np.ceil(across.min() / stripe_m), np.floor(across.max() / stripe_m) + 1)
    first, last = (middle + at[:, None] * left + end * ahead for end in (along.min(), along.max()))
    return np.hstack([first, last])
