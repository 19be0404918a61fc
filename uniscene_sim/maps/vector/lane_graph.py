"""The lane graph: lanes as flat arrays, with nearest-lane search on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.maps.elements import Lane

__all__ = ["LaneGraph", "lane_point", "nearest_lane"]

_CELL_M = 8.0


@dataclass(frozen=True)
class LaneGraph:
    """The points of all lanes in flat arrays. Lane i owns rows offset[i] to offset[i + 1]; a segment joins two of its
    rows. Cells of 8 m list the segments that begin in them, and of long segments every piece of 8 m that does."""

    rows: np.ndarray  # float64 (P, 6): x, y, z (m), yaw (rad, unwrapped), width (m), s (m)
    offset: np.ndarray  # (L + 1,) int64
    lane_of: np.ndarray  # (P,) int32
    kind: np.ndarray  # (L,) int32 index into `kinds`
    kinds: tuple[str, ...]
    grid_origin: np.ndarray  # (2,) m
    grid_shape: np.ndarray  # (2,) int64
    cell_offset: np.ndarray  # (cells + 1,) int64
    cell_rows: np.ndarray  # (pieces,) int32 first row of each one's segment

    @classmethod
    def build(cls, lanes: Sequence[Lane]) -> LaneGraph:
        """The graph of lanes."""
        offset = np.cumsum([0] + [len(lane.centre) for lane in lanes]).astype(np.int64)
        rows = np.zeros((int(offset[-1]), 6))
        lane_of = np.zeros(len(rows), dtype=np.int32)
        kinds = tuple(sorted({lane.kind for lane in lanes}))
        for i, lane in enumerate(lanes):
            part = slice(offset[i], offset[i + 1])
            rows[part] = np.column_stack([lane.centre, np.unwrap(lane.heading), lane.width, lane.s])
            lane_of[part] = i
        is_segment = np.ones(len(rows), dtype=bool)
        is_segment[offset[1:] - 1] = False
        pieces = _pieces(rows, np.flatnonzero(is_segment))
        origin = rows[:, :2].min(axis=0) - 1.0 if len(rows) else np.zeros(2)
        cells = np.floor((pieces.begin - origin) / _CELL_M).astype(np.int64)
        shape = cells.max(axis=0) + 1 if len(cells) else np.ones(2, dtype=np.int64)
        flat = cells[:, 0] * shape[1] + cells[:, 1]
        order = np.argsort(flat, kind="stable")
        cell_offset = np.searchsorted(flat[order], np.arange(int(shape.prod()) + 1)).astype(np.int64)
        kind = np.array([kinds.index(lane.kind) for lane in lanes], dtype=np.int32)
        return cls(rows, offset, lane_of, kind, kinds, origin, shape, cell_offset, pieces.row[order])

    def nearest(
        self,
        x: float,
        y: float,
        z: float | None = None,
        yaw: float | None = None,
        kinds: Sequence[str] = ("driving",),
        within_m: float = np.inf,
    ) -> tuple[int, float, float]:
        """The lane at or nearest to a place, see `StaticMap.nearest_lane`.

        Args:
            x, y, z: place, m; z may be None.
            yaw: heading, rad, or None.
            kinds: kinds of lanes to search.
            within_m: lanes much farther away may be missed, which bounds the search.
        """
        lane, s, lateral = nearest_lane(
            self.rows, self.lane_of, self._wanted_kinds(tuple(kinds)), self.kind, self.grid_origin, self.grid_shape,
            self.cell_offset, self.cell_rows, float(x), float(y), np.nan if z is None else float(z),
            np.nan if yaw is None else float(yaw), float(within_m),
        )  # fmt: skip
        return int(lane), float(s), float(lateral)

    def _wanted_kinds(self, kinds: tuple[str, ...]) -> np.ndarray:
        return np.array([k in kinds for k in self.kinds])

    def point(self, lane: int, s: float) -> tuple[float, float, float, float]:
        """x, y, z (m) and yaw (rad) on the centre line of a lane at arc length `s`, m."""
        x, y, z, yaw = lane_point(self.rows, self.offset, int(lane), float(s))[:4]
        return float(x), float(y), float(z), float(yaw)


@dataclass(frozen=True)
class _Pieces:
    """Pieces of segments, none longer than a cell, so that a search that looks at near cells misses none."""

    row: np.ndarray  # (N,) int32, first row of the segment
    begin: np.ndarray  # (N, 2) m


def _pieces(rows: np.ndarray, first: np.ndarray) -> _Pieces:
    """The pieces of the segments that begin at rows (S,)."""
    span = rows[first + 1, :2] - rows[first, :2]
    count = np.maximum(np.ceil(np.hypot(span[:, 0], span[:, 1]) / _CELL_M), 1).astype(np.int64)
    of = np.repeat(np.arange(len(first)), count)
    nth = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    begin = rows[first[of], :2] + (nth / count[of])[:, None] * span[of]
    return _Pieces(first[of].astype(np.int32), begin)


@njit(cache=True)
def lane_point(rows, offset, lane, s):
    """A point of a lane's centre line, for kernels.

    Args:
        rows, offset: as in `LaneGraph`.
        lane: index of the lane.
        s: arc length, m, clipped to the lane.

    Returns:
        float64 (5,): x, y, z (m), yaw (rad), width (m).
    """
    low, high = offset[lane], offset[lane + 1] - 1
    first, last = low, high
    while high - low > 1:
        middle = (low + high) // 2
        if rows[middle, 5] <= s:
            low = middle
        else:
            high = middle
    low = min(max(low, first), last - 1)
    span = rows[low + 1, 5] - rows[low, 5]
    q = min(max((s - rows[low, 5]) / span, 0.0), 1.0) if span > 0 else 0.0
    out = np.empty(5)
    for k in range(5):
        out[k] = rows[low, k] + q * (rows[low + 1, k] - rows[low, k])
    out[3] = (out[3] + np.pi) % (2 * np.pi) - np.pi
    return out


@njit(cache=True)
def nearest_lane(rows, lane_of, wanted_kind, kind, origin, shape, cell_offset, cell_rows, x, y, z, yaw, within):
    """The lane whose segment has the least cost, for kernels.

    Cost, m: distance outside the lane, plus a tenth of the distance from its centre, plus the difference in height
    beyond 0.5 m, plus up to 10 m for a heading that differs by more than 45 degrees.

    Args:
        rows, lane_of, kind, cell_offset, cell_rows: as in `LaneGraph`.
        wanted_kind: bool (kinds,), kinds of lanes to search.
        origin, shape: `grid_origin` and `grid_shape` of `LaneGraph`.
        x, y, z: place, m; NaN for z ignores height.
        yaw: heading, rad; NaN ignores it.
        within: where the search ends, m.

    Returns:
        Lane, arc length and offset to the left, m; (-1, 0, 0) if there is none.
    """
    cx = min(max(int(np.floor((x - origin[0]) / _CELL_M)), 0), shape[0] - 1)
    cy = min(max(int(np.floor((y - origin[1]) / _CELL_M)), 0), shape[1] - 1)
    best, best_lane, best_s, best_lateral = np.inf, -1, 0.0, 0.0
    for ring in range(max(shape[0], shape[1]) + 1):
        # Segments that begin in this ring or beyond are at least this far; that bounds their cost from below.
        if (ring - 1) * _CELL_M > within:
            break
        if ring > 1 and 0.1 * ((ring - 1) * _CELL_M) + max((ring - 1) * _CELL_M - 12.0, 0.0) > best:
            break
        for ix in range(cx - ring, cx + ring + 1):
            if ix < 0 or ix >= shape[0]:
                continue
            edge = ix == cx - ring or ix == cx + ring
            step = 1 if edge or ring == 0 else 2 * ring
            for iy in range(cy - ring, cy + ring + 1, step):
                if iy < 0 or iy >= shape[1]:
                    continue
                cell = ix * shape[1] + iy
                for c in range(cell_offset[cell], cell_offset[cell + 1]):
                    r = cell_rows[c]
                    lane = lane_of[r]
                    if not wanted_kind[kind[lane]]:
                        continue
                    ax, ay = rows[r, 0], rows[r, 1]
                    dx, dy = rows[r + 1, 0] - ax, rows[r + 1, 1] - ay
                    span2 = dx * dx + dy * dy
                    if span2 <= 0:
                        continue
                    q = ((x - ax) * dx + (y - ay) * dy) / span2
                    q = min(max(q, 0.0), 1.0)
                    px, py = x - ax - q * dx, y - ay - q * dy
                    distance = np.sqrt(px * px + py * py)
                    half = 0.5 * (rows[r, 4] + q * (rows[r + 1, 4] - rows[r, 4]))
                    cost = max(distance - half, 0.0) + 0.1 * distance
                    if not np.isnan(z):
                        cost += max(abs(rows[r, 2] + q * (rows[r + 1, 2] - rows[r, 2]) - z) - 0.5, 0.0)
                    if not np.isnan(yaw):
                        turn = abs((rows[r, 3] - yaw + np.pi) % (2 * np.pi) - np.pi)
                        cost += min(max(turn - np.pi / 4, 0.0) * 8.0, 10.0) + 0.05 * turn
                    if cost < best or (cost == best and lane < best_lane):
                        best, best_lane = cost, lane
                        best_s = rows[r, 5] + q * (rows[r + 1, 5] - rows[r, 5])
                        best_lateral = distance if dx * py - dy * px >= 0 else -distance
    return best_lane, best_s, best_lateral
