"""The ground at a place, for kernels: of a vector map, a painted map or a recorded one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import device
from uniscene_sim.maps.terrain import terrain_at

__all__ = [
    "HASH_M",
    "KERB_M",
    "KERB_RAMP_M",
    "SAME_LEVEL_M",
    "EdgeDistance",
    "Ground",
    "LaneGround",
    "PaintedGround",
    "Relief",
    "cell_at",
    "has_rank",
    "height_at",
    "rank_at",
    "z_in_triangle",
]

HASH_M = 4.0  # cells of `LaneGround`
KERB_M = 0.13  # height
KERB_RAMP_M = 0.2  # width over which a painted kerb rises
SAME_LEVEL_M = 2.0  # ground this near in height belongs to a place


class LaneGround(NamedTuple):
    """Triangles of lanes, by cells of 4 m, see `maps.vector.triangles.LaneTriangles`."""

    tri: np.ndarray  # (M, 3, 3) m
    rank: np.ndarray  # (M,) int32
    start: np.ndarray  # (cells + 1,) int64, first of each cell in `items`
    items: np.ndarray  # int32, rows of `tri`
    origin: np.ndarray  # (2,) m
    shape: np.ndarray  # (2,) int64


class EdgeDistance(NamedTuple):
    """Distance to the edge of an area, m, positive inside, at the nodes `first` + `step` (i, j)."""

    distance: np.ndarray  # float32 (X, Y)
    first: np.ndarray  # (2,) m
    step: float


class PaintedGround(NamedTuple):
    """Areas of a painted map: see `maps.painted.surface.PaintedSurface`."""

    road: EdgeDistance
    paved: EdgeDistance
    parking: EdgeDistance


class Relief(NamedTuple):
    """Heights of recorded ground at the nodes `first` + `step` (i, j)."""

    height: np.ndarray  # float32 (X, Y) m
    first: np.ndarray  # (2,) m
    step: float


class Ground(NamedTuple):
    """The ground of a map: lanes or painted areas, the other one empty, and the open terrain around. That of a recorded
    map is painted, and everywhere as high as its relief."""

    is_painted: bool
    lanes: LaneGround
    painted: PaintedGround
    terrain: np.ndarray  # (X, Y) m
    terrain_origin: np.ndarray  # (2,) m
    has_relief: bool
    relief: Relief

    @staticmethod
    def of_lanes(lanes: LaneGround, terrain: np.ndarray, origin: np.ndarray) -> Ground:
        """The ground of a vector map; terrain (X, Y), m, and its origin (2,), m."""
        none = EdgeDistance(np.zeros((2, 2), np.float32), np.zeros(2), 1.0)
        return Ground(False, lanes, PaintedGround(none, none, none), terrain, origin, False, _level())

    @staticmethod
    def of_paint(painted: PaintedGround, terrain: np.ndarray, origin: np.ndarray) -> Ground:
        """The ground of a painted map; terrain (X, Y), m, and its origin (2,), m."""
        return Ground(True, _no_lanes(), painted, terrain, origin, False, _level())

    @staticmethod
    def of_relief(painted: PaintedGround, relief: Relief) -> Ground:
        """The ground of a recorded map."""
        return Ground(True, _no_lanes(), painted, np.zeros((2, 2)), np.zeros(2), True, relief)


def _level() -> Relief:
    return Relief(np.zeros((2, 2), np.float32), np.zeros(2), 1.0)


def _no_lanes() -> LaneGround:
    return LaneGround(
        np.zeros((0, 3, 3)), np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(2),
        np.zeros(2, np.int64),
    )  # fmt: skip


@device
def height_at(ground, x, y, hint):
    """Height of the ground on the deck nearest to a height, m.

    Args:
        ground: a `Ground`.
        x, y: place, m, map frame.
        hint: height that distinguishes decks, m.
    """
    if ground.has_relief:
        return _bilinear(ground.relief.height, ground.relief.first, ground.relief.step, x, y)
    open_ground = terrain_at(x, y, ground.terrain_origin[0], ground.terrain_origin[1], ground.terrain)
    if ground.is_painted:
        road = _inside(ground.painted.road, x, y)
        if road > 0.0 or _inside(ground.painted.paved, x, y) > 0.0:
            return KERB_M * min(max(-road / KERB_RAMP_M, 0.0), 1.0)
        return open_ground
    best, best_gap, best_rank = np.nan, np.inf, -1
    lanes = ground.lanes
    cell = cell_at(x, y, lanes.origin, lanes.shape)
    if cell >= 0:
        for q in range(lanes.start[cell], lanes.start[cell + 1]):
            t = lanes.items[q]
            z = z_in_triangle(x, y, lanes.tri[t])
            if np.isnan(z):
                continue
            gap = abs(z - hint)
            # Within one deck the higher rank counts; between decks the nearer one.
            if gap < best_gap - 1.0 or (gap < best_gap + 1.0 and lanes.rank[t] > best_rank):
                best, best_gap, best_rank = z, gap, lanes.rank[t]
    if np.isnan(best) or abs(open_ground - hint) < best_gap - 2.0:
        best = open_ground
    return best


@device
def rank_at(ground, x, y, hint, enough):
    """Highest rank of what lies at a place, see `Surface.rank`; -1 on open ground.

    Args:
        ground: a `Ground`.
        x, y: place, m, map frame.
        hint: height, m; ground within 2 m of it counts.
        enough: rank at which the search ends.
    """
    best = -1
    if ground.is_painted:
        level = height_at(ground, x, y, hint) if ground.has_relief else 0.0
        if abs(hint - level) >= SAME_LEVEL_M:
            return best
        if _inside(ground.painted.road, x, y) > 0.0:
            return 2 if _inside(ground.painted.parking, x, y) > 0.0 else 3
        return 1 if _inside(ground.painted.paved, x, y) > 0.0 else best
    lanes = ground.lanes
    cell = cell_at(x, y, lanes.origin, lanes.shape)
    if cell >= 0:
        for q in range(lanes.start[cell], lanes.start[cell + 1]):
            t = lanes.items[q]
            if lanes.rank[t] > best and abs(z_in_triangle(x, y, lanes.tri[t]) - hint) < SAME_LEVEL_M:
                best = lanes.rank[t]
                if best >= enough:
                    break
    return best


@device
def has_rank(ground, x, y, hint, least, last):
    """Whether a place lies on ground of at least a given rank.

    Args:
        ground: a `Ground`.
        x, y: place, m, map frame.
        hint: height, m; ground within 2 m of it counts.
        least: the rank.
        last: int (1,), the triangle of the previous place, -1 if none; the next place likely lies in the same one.
    """
    if ground.is_painted:
        return rank_at(ground, x, y, hint, least) >= least
    lanes, t = ground.lanes, last[0]
    if t >= 0 and lanes.rank[t] >= least and abs(z_in_triangle(x, y, lanes.tri[t]) - hint) < SAME_LEVEL_M:
        return True
    cell = cell_at(x, y, lanes.origin, lanes.shape)
    if cell >= 0:
        for q in range(lanes.start[cell], lanes.start[cell + 1]):
            t = lanes.items[q]
            if lanes.rank[t] >= least and abs(z_in_triangle(x, y, lanes.tri[t]) - hint) < SAME_LEVEL_M:
                last[0] = t
                return True
    return False


@device
def z_in_triangle(x, y, t):
    """Height, m, of a triangle (3, 3), m, at a place inside it; NaN outside."""
    ax, ay, bx, by, cx, cy = t[0, 0], t[0, 1], t[1, 0], t[1, 1], t[2, 0], t[2, 1]
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
    v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
    w = 1.0 - u - v
    if u < -1e-9 or v < -1e-9 or w < -1e-9:
        return np.nan
    return u * t[0, 2] + v * t[1, 2] + w * t[2, 2]


@device
def cell_at(x, y, origin, shape):
    """Cell of `LaneGround` that holds a place, -1 outside.

    Args:
        x, y: place, m, map frame.
        origin: (2,) m, corner of cell (0, 0).
        shape: (2,) number of cells.
    """
    i, j = int(np.floor((x - origin[0]) / HASH_M)), int(np.floor((y - origin[1]) / HASH_M))
    if i < 0 or j < 0 or i >= shape[0] or j >= shape[1]:
        return -1
    return i * shape[1] + j


@device
def _inside(area, x, y):
    """Distance into an area, m, at a place."""
    return _bilinear(area.distance, area.first, area.step, x, y)


@device
def _bilinear(d, first, step, x, y):
    """The value at a place, bilinear between nodes; beyond them, that of the nearest one."""
    u = min(max((x - first[0]) / step, 0.0), d.shape[0] - 1.001)
    v = min(max((y - first[1]) / step, 0.0), d.shape[1] - 1.001)
    i, j = int(u), int(v)
    u, v = u - i, v - j
    low, high = d[i, j] * (1 - u) + d[i + 1, j] * u, d[i, j + 1] * (1 - u) + d[i + 1, j + 1] * u
    return low * (1 - v) + high * v
