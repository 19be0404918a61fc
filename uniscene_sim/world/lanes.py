"""The lane graph: lanes as flat arrays, nearest-lane search by grid, and routes."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from uniscene_sim.errors import InputError
from uniscene_sim.geometry import wrap_angle
from uniscene_sim.world.map import Lane

if TYPE_CHECKING:
    from uniscene_sim.world.map import VectorMap

__all__ = ["LaneGraph", "Route", "lane_point", "nearest_lane", "plan_route"]

_CELL_M = 8.0
_LANE_CHANGE_M = 40.0  # length over which a route moves to the next lane, where there is room
_LANE_CHANGE_S = 3.0  # and at least this long at the speed limit
_LANE_CHANGE_COST_M = 25.0


@dataclass(frozen=True)
class Route:
    """A way through the map: its lanes in order, and its path (R, 3), a point each metre."""

    lanes: tuple[int, ...]
    path: np.ndarray

    @property
    def s(self) -> np.ndarray:
        """Arc length (R,) of the path, m."""
        step = np.linalg.norm(np.diff(self.path[:, :2], axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(step)])

    @property
    def length(self) -> float:
        return float(self.s[-1])


@dataclass(frozen=True)
class LaneGraph:
    """All lanes' points in flat arrays. Lane i owns rows offset[i] to offset[i + 1]; a segment joins two of its rows.
    Cells of `_CELL_M` list the segments that begin in them."""

    rows: np.ndarray  # (P, 6) x, y, z, yaw (unwrapped), width, s
    offset: np.ndarray  # (L + 1,) int64
    lane_of: np.ndarray  # (P,) int32
    kind: np.ndarray  # (L,) int32 index into `kinds`
    kinds: tuple[str, ...]
    grid_origin: np.ndarray  # (2,) m
    grid_shape: np.ndarray  # (2,) int64
    cell_offset: np.ndarray  # (cells + 1,) int64
    cell_rows: np.ndarray  # (segments,) int32 first row of each segment

    @classmethod
    def build(cls, lanes: Sequence[Lane]) -> LaneGraph:
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
        first = np.flatnonzero(is_segment)
        origin = rows[:, :2].min(axis=0) - 1.0 if len(rows) else np.zeros(2)
        cells = np.floor((rows[first, :2] - origin) / _CELL_M).astype(np.int64)
        shape = cells.max(axis=0) + 1 if len(cells) else np.ones(2, dtype=np.int64)
        flat = cells[:, 0] * shape[1] + cells[:, 1]
        order = np.argsort(flat, kind="stable")
        cell_offset = np.searchsorted(flat[order], np.arange(int(shape.prod()) + 1)).astype(np.int64)
        kind = np.array([kinds.index(lane.kind) for lane in lanes], dtype=np.int32)
        return cls(rows, offset, lane_of, kind, kinds, origin, shape, cell_offset, first[order].astype(np.int32))

    def nearest(
        self, x: float, y: float, z: float | None = None, yaw: float | None = None, kinds: Sequence[str] = ("driving",)
    ) -> tuple[int, float, float]:
        lane, s, lateral = nearest_lane(
            self.rows, self.lane_of, self._wanted_kinds(tuple(kinds)), self.kind, self.grid_origin, self.grid_shape,
            self.cell_offset, self.cell_rows, float(x), float(y), np.nan if z is None else float(z),
            np.nan if yaw is None else float(yaw),
        )  # fmt: skip
        return int(lane), float(s), float(lateral)

    def _wanted_kinds(self, kinds: tuple[str, ...]) -> np.ndarray:
        return np.array([k in kinds for k in self.kinds])

    def point(self, lane: int, s: float) -> tuple[float, float, float, float]:
        x, y, z, yaw = lane_point(self.rows, self.offset, int(lane), float(s))[:4]
        return float(x), float(y), float(z), float(yaw)


@njit(cache=True)
def lane_point(rows, offset, lane, s):
    """x, y, z, yaw, width on a lane at arc length s, clipped to its ends."""
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
def nearest_lane(rows, lane_of, wanted_kind, kind, origin, shape, cell_offset, cell_rows, x, y, z, yaw):
    """Lane, arc length and left offset of the best lane segment.

    Cost, m: distance outside the lane, plus a tenth of the distance from its centre, plus that in height beyond 0.5 m,
    plus up to 10 m for a heading that differs by more than 45 degrees. NaN for z or yaw leaves it out.
    """
    cx = min(max(int(np.floor((x - origin[0]) / _CELL_M)), 0), shape[0] - 1)
    cy = min(max(int(np.floor((y - origin[1]) / _CELL_M)), 0), shape[1] - 1)
    best, best_lane, best_s, best_lateral = np.inf, -1, 0.0, 0.0
    for ring in range(max(shape[0], shape[1]) + 1):
        # A segment begun in this ring or beyond is at least this far; the cost grows with a tenth of it at least.
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


def _straightness(lanes: Sequence[Lane], a: int, b: int) -> float:
    """How much the way from a through b turns, rad."""
    return abs(float(wrap_angle(lanes[b].heading[-1] - lanes[a].heading[-1])))


def _ahead(lanes: Sequence[Lane], start: int, start_s: float, length_m: float) -> list[tuple[int, int]]:
    """Lanes straight ahead until `length_m` is covered; of equal ones the longest way on, then the lowest index."""
    way, gone = [(start, 0)], lanes[start].length - start_s
    while gone < length_m:
        here = way[-1][0]
        options = [b for b in lanes[here].successors if lanes[b].kind == lanes[here].kind]
        if not options:
            break
        best = min(options, key=lambda b: (not _reach(lanes, b, 60.0), round(_straightness(lanes, here, b), 2), b))
        way.append((best, 0))
        gone += max(lanes[best].length, 1e-3)
    return way


def _reach(lanes: Sequence[Lane], start: int, length_m: float) -> bool:
    """Whether a lane goes on for `length_m`."""
    todo, seen = [(start, 0.0)], {start}
    while todo:
        lane, gone = todo.pop()
        gone += lanes[lane].length
        if gone >= length_m:
            return True
        for b in lanes[lane].successors:
            if b not in seen:
                seen.add(b)
                todo.append((b, gone))
    return False


def _search(lanes: Sequence[Lane], start: int, start_s: float, goal: int) -> list[tuple[int, int]] | None:
    """Cheapest way as (lane, how entered: 0 along, +1 from the right, -1 from the left), by Dijkstra."""
    cost = {start: 0.0}
    came: dict[int, tuple[int, int]] = {}
    heap = [(0.0, start)]
    done: set[int] = set()
    while heap:
        spent, a = heapq.heappop(heap)
        if a in done:
            continue
        done.add(a)
        if a == goal:
            break
        length = lanes[a].length - (start_s if a == start else 0.0)
        moves = [(b, 0, length) for b in lanes[a].successors]
        short = max(_LANE_CHANGE_M - length, 0.0)
        here = lanes[a]
        for side, b, may in ((1, here.left, here.can_change_left), (-1, here.right, here.can_change_right)):
            if may and b >= 0:
                moves.append((b, side, _LANE_CHANGE_COST_M + 2 * short))
        for b, side, price in moves:
            if lanes[b].kind not in ("driving", "bidirectional"):
                continue
            if spent + price < cost.get(b, np.inf) - 1e-9:
                cost[b] = spent + price
                came[b] = (a, side)
                heapq.heappush(heap, (spent + price, b))
    if goal not in done:
        return None
    way, last = [], goal
    while last != start:
        previous, side = came[last]
        way.append((last, side))
        last = previous
    return [(start, 0), *way[::-1]]


def _stretch(lane: Lane, low: float, high: float) -> np.ndarray:
    """Points (N, 3) of a lane between two fractions of its length, about a metre apart."""
    s = lane.s
    at = np.linspace(low, high, max(2, int(np.ceil((high - low) * s[-1])) + 1)) * s[-1]
    return np.stack([np.interp(at, s, lane.centre[:, k]) for k in range(3)], axis=1)


def _abreast(lane: Lane, point: np.ndarray) -> float:
    """Fraction of a lane's length at which it is beside a point."""
    a, d = lane.centre[:-1, :2], np.diff(lane.centre[:, :2], axis=0)
    q = np.clip(((point[:2] - a) * d).sum(axis=1) / np.maximum((d * d).sum(axis=1), 1e-12), 0.0, 1.0)
    i = int(np.argmin(np.linalg.norm(a + q[:, None] * d - point[:2], axis=1)))
    s = lane.s
    return float((s[i] + q[i] * (s[i + 1] - s[i])) / s[-1])


def _pieces(lanes: Sequence[Lane], groups: list[list[int]], low: float) -> list[np.ndarray]:
    """Points of each lane for as long as the route is on it; lanes side by side share their section evenly."""
    pieces = []
    for n, group in enumerate(groups):
        first = low if n == 0 else 0.0
        for k, lane in enumerate(group):
            last = first + (1.0 - first) / (len(group) - k)
            pieces.append(_stretch(lanes[lane], first, last))
            if k + 1 < len(group):
                first = _abreast(lanes[group[k + 1]], pieces[-1][-1])
    return pieces


def _blended(pieces: list[np.ndarray], change_m: float) -> np.ndarray:
    """One path (N, 3). Where it jumps aside (a lane change, a lane that tapers to nothing), the points before and after
    lean towards each other over `change_m`, or as much of it as the ends and the next jump leave."""
    path = np.concatenate(pieces)
    step = np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1)
    joints = np.cumsum([len(piece) for piece in pieces])[:-1]
    step[joints - 1] = 0.0
    s = np.concatenate([[0.0], np.cumsum(step)])
    way = np.concatenate([np.gradient(piece[:, :2], axis=0) for piece in pieces])
    way /= np.maximum(np.linalg.norm(way, axis=1), 1e-9)[:, None]
    normal = np.stack([-way[:, 1], way[:, 0]], axis=1)
    jumps = [j for j in joints if np.linalg.norm(path[j] - path[j - 1]) > 0.05]
    aside = [float((path[j, :2] - path[j - 1, :2]) @ normal[j]) for j in jumps]
    rise = [path[j, 2] - path[j - 1, 2] for j in jumps]
    for k, j in enumerate(jumps):
        before = s[j] if k == 0 else 0.5 * (s[j] - s[jumps[k - 1]])
        after = s[-1] - s[j] if k == len(jumps) - 1 else 0.5 * (s[jumps[k + 1]] - s[j])
        # What one side lacks the other may take.
        back = min(before, max(0.5 * change_m, change_m - after))
        ahead = min(after, change_m - back)
        q = np.clip((s - s[j] + back) / max(back + ahead, 1e-6), 0.0, 1.0)
        share = q * q * (3 - 2 * q)
        share[j:] -= 1.0
        path[:, :2] += (share * aside[k])[:, None] * normal
        path[:, 2] += share * rise[k]
    return path


def resample(path: np.ndarray, length_m: float) -> np.ndarray:
    """A point about each metre, at most `length_m` long, the last point kept."""
    step = np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1)
    keep = np.concatenate([[True], step > 1e-6])
    path = path[keep]
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1))])
    end = min(s[-1], length_m)
    at = np.linspace(0.0, end, max(2, int(np.ceil(end)) + 1))
    return np.stack([np.interp(at, s, path[:, k]) for k in range(3)], axis=1)


def plan_route(vector_map: VectorMap, start_lane: int, start_s: float, goal_lane: int | None, length_m: float) -> Route:
    """See `VectorMap.route`."""
    lanes = vector_map.lanes
    for name, lane in (("start_lane", start_lane), ("goal_lane", goal_lane)):
        if lane is not None and not 0 <= lane < len(lanes):
            raise InputError(f"no lane {lane} on map {vector_map.name}, expected 0..{len(lanes) - 1}", field=name)
    start_s = float(np.clip(start_s, 0.0, lanes[start_lane].length))
    if goal_lane is None:
        way, limit = _ahead(lanes, start_lane, start_s, length_m), length_m
    else:
        found, limit = _search(lanes, start_lane, start_s, goal_lane), np.inf
        if found is None:
            start, goal = lanes[start_lane].key, lanes[goal_lane].key
            raise InputError(f"no way from lane {start} to lane {goal} on map {vector_map.name}", field="goal_lane")
        way = found
    groups: list[list[int]] = []
    for lane, side in way:
        if side:
            groups[-1].append(lane)
        else:
            groups.append([lane])
    low = start_s / max(lanes[start_lane].length, 1e-9)
    fastest = max((lanes[i].speed_limit_mps for group in groups if len(group) > 1 for i in group), default=0.0)
    path = _blended(_pieces(lanes, groups, low), max(_LANE_CHANGE_M, _LANE_CHANGE_S * fastest))
    return Route(tuple(lane for lane, _ in way), resample(path, limit))
