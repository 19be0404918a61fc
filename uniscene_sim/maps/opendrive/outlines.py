"""Bodies of objects from their outlines, as upright boxes.

A closed outline is cut into strips along its longest edge: a rectangle is one box, an L two, a slanted or round one
several, and holes stay open. An open outline is a box for each piece of its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

__all__ = ["Box", "boxes_along", "boxes_within"]

_LEAN_M, _STEP_M, _THINNEST_M = 0.05, 0.3, 0.5  # edges this slanted are cut; into such steps; no thinner than that
_MOST = 40  # strips of one outline


@dataclass(frozen=True)
class Box:
    """An upright box: centre of its foot (3,), m; heading, rad; length, width, height, m."""

    foot: np.ndarray
    yaw: float
    size: tuple[float, float, float]


def boxes_along(line: np.ndarray, width: float | np.ndarray, longest_m: float = np.inf) -> Iterator[Box]:
    """Boxes along a line of points.

    Args:
        line: (N, 4) x, y, z of its foot, and height there, m.
        width: across, m, a number or (N,).
        longest_m: pieces are no longer than this.
    """
    wide = np.broadcast_to(width, len(line))
    for (a, b), (wide_a, wide_b) in zip(pairwise(line), pairwise(wide), strict=True):
        length = float(np.hypot(*(b - a)[:2]))
        if length < 1e-3:
            continue
        count = _pieces(length, longest_m, max(*np.abs((b - a)[2:]), abs(wide_b - wide_a)))
        for k in range(count):
            middle = a + (k + 0.5) / count * (b - a)
            across = float(wide_a + (k + 0.5) / count * (wide_b - wide_a))
            yaw = float(np.arctan2(b[1] - a[1], b[0] - a[0]))
            yield Box(middle[:3], yaw, (length / count, across, float(middle[3])))


def boxes_within(rings: Sequence[np.ndarray], thinnest_m: float = _THINNEST_M) -> list[Box]:
    """Boxes that fill closed outlines.

    Args:
        rings: (N, 4) each, x, y, z of the foot, and height, m; rings within rings are holes.
        thinnest_m: strips are as wide as this at least, if the outline is.
    """
    edges = np.concatenate([np.stack([ring, np.roll(ring, -1, axis=0)], axis=1) for ring in rings])
    way = edges[:, 1, :2] - edges[:, 0, :2]
    along = way[int(np.argmax(np.hypot(way[:, 0], way[:, 1])))]
    yaw = float(np.arctan2(along[1], along[0]))
    turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
    edges = np.concatenate([edges[:, :, :2] @ turn.T, edges[:, :, 2:]], axis=2)
    found: list[Box] = []
    thinnest_m = max(thinnest_m, float(np.ptp(edges[:, :, 1])) / _MOST)
    for low, high in pairwise(_levels(edges[:, :, 1].ravel())):
        ends = np.stack([_crossings(edges, v) for v in (low + 1e-6, high - 1e-6)])
        lean, rise = np.abs(ends[1, :, 0] - ends[0, :, 0]), np.abs(ends[1, :, 2:] - ends[0, :, 2:])
        change = max(
            float(lean.max(initial=0.0)) if lean.max(initial=0.0) > _LEAN_M else 0.0, float(rise.max(initial=0))
        )
        strips = min(_pieces(high - low, np.inf, change), max(int((high - low) / thinnest_m), 1))
        for k in range(strips):
            v = low + (k + 0.5) / strips * (high - low)
            sides = _crossings(edges, v)
            for a, b in zip(sides[::2], sides[1::2], strict=False):
                count = _pieces(b[0] - a[0], np.inf, float(np.abs(b[2:] - a[2:]).max()))
                for i in range(count):
                    u, _, z, height = a + (i + 0.5) / count * (b - a)
                    x, y = np.array([u, v]) @ turn
                    size = (float(b[0] - a[0]) / count, float(high - low) / strips, float(height))
                    found.append(Box(np.array([x, y, z]), yaw, size))
    return found


def _pieces(length: float, longest: float, change: float) -> int:
    """How many pieces a stretch is cut into so that what changes along it changes by a step in each."""
    return max(int(np.ceil(length / longest - 1e-6)), min(int(np.ceil(change / _STEP_M)), int(length / _THINNEST_M)), 1)


def _levels(v: np.ndarray) -> np.ndarray:
    """Distinct values of `v` (N,), m, rising."""
    v = np.sort(v)
    distinct: np.ndarray = v[np.concatenate([[True], np.diff(v) > 0.01])]
    return distinct


def _crossings(edges: np.ndarray, v: float) -> np.ndarray:
    """Points (K, 4) at which edges (N, 2, 4) cross a level of their second coordinate, by rising first one."""
    a, b = edges[:, 0], edges[:, 1]
    cut = (a[:, 1] <= v) != (b[:, 1] <= v)
    a, b = a[cut], b[cut]
    points = a + ((v - a[:, 1]) / (b[:, 1] - a[:, 1]))[:, None] * (b - a)
    crossings: np.ndarray = points[np.argsort(points[:, 0], kind="stable")]
    return crossings
