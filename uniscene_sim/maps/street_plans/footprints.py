"""Footprints as oriented boxes: one where a box fits well, strips across the footprint's own axes elsewhere.

Outlines of plans are drawn by hand, so walls that are meant to be square are so by a few degrees only. The axes are
therefore those that most of the outline's length agrees with, and corners that lie within `SNAP_M` of a level count as
on it. What this costs is measured by `outline_error_m`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from uniscene_sim.maps.street_plans.rings import inside_rings

__all__ = ["Footprint", "boxes_of", "outline_error_m", "ring_area"]

SNAP_M = 0.35
_LEAN_M = 0.8  # walls that lean more than this within a strip are cut into steps
_THINNEST_M = 0.7
_MOST_STRIPS = 60
_WHOLE = 0.06  # of a box that the footprint may leave empty, to count as filling it


@dataclass(frozen=True)
class Footprint:
    """A box on the ground: x, y of its centre, m; heading, rad; length along it and width, m."""

    x: float
    y: float
    yaw: float
    length: float
    width: float


def ring_area(ring: np.ndarray) -> float:
    """Signed area, m2, of a ring (N, 2), m; positive anticlockwise."""
    x, y = ring.T
    return float(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def boxes_of(rings: Sequence[np.ndarray]) -> list[Footprint]:
    """Boxes that fill closed outlines.

    Args:
        rings: (N, 2) m each, not closed; rings within rings are holes.
    """
    yaw = _axis(rings)
    turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
    middle = rings[0].mean(axis=0)
    local = [(ring - middle) @ turn.T for ring in rings]
    low, high = local[0].min(axis=0), local[0].max(axis=0)
    if len(rings) == 1:
        span = high - low
        share = abs(ring_area(local[0])) / max(float(span.prod()), 1e-9)
        if share > 1 - _WHOLE:
            size = span * np.sqrt(share)
            found = [(*(0.5 * (low + high)), *size)]
            return [_placed(box, yaw, middle, turn) for box in found]
    along, across = _strips(local), [(v, u, w, d) for u, v, d, w in _strips([ring[:, ::-1] for ring in local])]
    return [_placed(box, yaw, middle, turn) for box in (along if len(along) <= len(across) else across)]


def outline_error_m(rings: Sequence[np.ndarray], boxes: Sequence[Footprint], step_m: float = 0.1) -> float:
    """How far the outline of boxes lies from a footprint's on average: area that is in one of them alone over the
    length of the footprint's outline, m.

    Args:
        rings: as in `boxes_of`.
        boxes: those of the footprint.
        step_m: of the grid on which areas are measured.
    """
    points = np.concatenate(list(rings))
    low, high = points.min(axis=0) - 1.0, points.max(axis=0) + 1.0
    x, y = (v.ravel() for v in np.meshgrid(*(np.arange(a, b, step_m) for a, b in zip(low, high, strict=True))))
    inside = inside_rings(x, y, rings)
    covered = np.zeros(len(x), bool)
    for box in boxes:
        c, s = np.cos(box.yaw), np.sin(box.yaw)
        dx, dy = x - box.x, y - box.y
        covered |= (np.abs(c * dx + s * dy) <= 0.5 * box.length) & (np.abs(-s * dx + c * dy) <= 0.5 * box.width)
    length = sum(float(np.hypot(*(np.roll(ring, -1, axis=0) - ring).T).sum()) for ring in rings)
    return float((inside ^ covered).sum()) * step_m**2 / max(length, 1e-9)


def _axis(rings: Sequence[np.ndarray]) -> float:
    """Heading, rad, that most of the outlines' length follows or crosses squarely."""
    way = np.concatenate([np.roll(ring, -1, axis=0) - ring for ring in rings])
    length, angle = np.hypot(way[:, 0], way[:, 1]), np.arctan2(way[:, 1], way[:, 0])
    candidates = angle[np.argsort(-length, kind="stable")[:12]]
    off = np.abs((angle[None] - candidates[:, None] + np.pi / 4) % (np.pi / 2) - np.pi / 4)
    agreeing = (length * np.maximum(1.0 - off / 0.09, 0.0)).sum(axis=1)
    best = int(np.argmax(agreeing))
    near = off[best] < 0.09
    bend = (angle[near] - candidates[best] + np.pi / 4) % (np.pi / 2) - np.pi / 4
    return float(candidates[best] + np.average(bend, weights=length[near] + 1e-9))


def _strips(rings: Sequence[np.ndarray]) -> list[tuple[float, float, float, float]]:
    """Boxes (middle u, v; length along u, width along v) that fill rings (N, 2) in their own axes, by strips along u
    between the levels of their corners."""
    edges = np.concatenate([np.stack([ring, np.roll(ring, -1, axis=0)], axis=1) for ring in rings])
    levels = _levels(edges[:, 0, 1])
    thinnest = max(_THINNEST_M, float(levels[-1] - levels[0]) / _MOST_STRIPS)
    rows: list[tuple[float, float, list[tuple[float, float]]]] = []
    for low, high in pairwise(levels):
        inner = min(0.25 * (high - low), SNAP_M)
        ends = _crossings(edges, low + inner), _crossings(edges, high - inner)
        lean = float(np.abs(ends[1] - ends[0]).max(initial=0.0)) if len(ends[0]) == len(ends[1]) else high - low
        count = max(min(int(np.ceil(lean / _LEAN_M)), int((high - low) / thinnest)), 1)
        for k in range(count):
            a, b = low + k / count * (high - low), low + (k + 1) / count * (high - low)
            sides = _crossings(edges, 0.5 * (a + b)).tolist()
            rows.append((a, b, list(zip(sides[::2], sides[1::2], strict=False))))
    return _merged(rows)


def _merged(rows: list[tuple[float, float, list[tuple[float, float]]]]) -> list[tuple[float, float, float, float]]:
    """Boxes of rows of intervals; those that continue from one row to the next are one."""
    done: list[tuple[float, float, float, float]] = []
    held: list[list[float]] = []  # begin, end, low, high
    for low, high, spans in rows:
        grown = []
        for a, b in spans:
            if b - a < 0.05:
                continue
            same = next((h for h in held if abs(h[0] - a) < 0.2 and abs(h[1] - b) < 0.2), None)
            if same is not None:
                held.remove(same)
                share = (high - low) / (high - same[2])
                grown.append([same[0] + share * (a - same[0]), same[1] + share * (b - same[1]), same[2], high])
            else:
                grown.append([a, b, low, high])
        done += [(0.5 * (a + b), 0.5 * (c + d), b - a, d - c) for a, b, c, d in held]
        held = grown
    return done + [(0.5 * (a + b), 0.5 * (c + d), b - a, d - c) for a, b, c, d in held]


def _levels(v: np.ndarray) -> list[float]:
    """Rising levels of corners `v` (N,), m; corners closer than `SNAP_M` share one."""
    v = np.sort(v)
    groups = np.split(v, np.flatnonzero(np.diff(v) > SNAP_M) + 1)
    found = [float(group.mean()) for group in groups]
    if len(found) == 1:
        found = [float(v[0]), float(max(v[-1], v[0] + 0.1))]
    return found


def _crossings(edges: np.ndarray, v: float) -> np.ndarray:
    """Rising first coordinates (K,) at which edges (N, 2, 2) cross a level of their second one."""
    a, b = edges[:, 0], edges[:, 1]
    cut = (a[:, 1] <= v) != (b[:, 1] <= v)
    a, b = a[cut], b[cut]
    crossings: np.ndarray = np.sort(a[:, 0] + (v - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0]))
    return crossings


def _placed(box: tuple[float, ...], yaw: float, middle: np.ndarray, turn: np.ndarray) -> Footprint:
    """A box of the axes in the map; its heading along its shorter side, which is the way roofs slope."""
    u, v, length, width = box
    x, y = middle + np.array([u, v]) @ turn
    if length > width:
        return Footprint(float(x), float(y), yaw + np.pi / 2, width, length)
    return Footprint(float(x), float(y), yaw, length, width)
