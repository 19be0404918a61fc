"""Routes along lanes: the lanes to a goal, and the path of points through them."""

from __future__ import annotations

import heapq
from collections.abc import Sequence, Set

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.elements import Lane, RoadNetwork, Route

__all__ = ["plan_route", "resample"]

_LANE_CHANGE_M = 40.0  # length of a lane change, where there is room
_LANE_CHANGE_S = 3.0  # and its duration at the speed limit, at least
_LANE_CHANGE_COST_M = 25.0


def _turn_angle(lanes: Sequence[Lane], a: int, b: int) -> float:
    """Angle by which the way from lane a through lane b turns, rad."""
    return abs(float(wrap_angle(lanes[b].heading[-1] - lanes[a].heading[-1])))


def _lanes_ahead(
    lanes: Sequence[Lane], closed: Set[int], start: int, start_s: float, length_m: float
) -> list[tuple[int, int]]:
    """Lanes straight ahead until `length_m` is covered, open ones if there are any; of equally straight ones, one that
    continues for 60 m, then the lowest index.

    Args:
        lanes: of the map.
        closed: indices of lanes with a closing.
        start, start_s: index of the first lane, and arc length on it, m.
        length_m: to cover.
    """
    way, covered = [(start, 0)], lanes[start].length - start_s
    while covered < length_m:
        here = way[-1][0]
        options = [b for b in lanes[here].successors if lanes[b].kind == lanes[here].kind]
        if not options:
            break
        best = min(
            options,
            key=lambda b: (b in closed, not _continues_for(lanes, b, 60.0), round(_turn_angle(lanes, here, b), 2), b),
        )
        way.append((best, 0))
        covered += max(lanes[best].length, 1e-3)
    return way


def _continues_for(lanes: Sequence[Lane], start: int, length_m: float) -> bool:
    """Whether lanes continue from a lane for `length_m`."""
    todo, seen = [(start, 0.0)], {start}
    while todo:
        lane, covered = todo.pop()
        covered += lanes[lane].length
        if covered >= length_m:
            return True
        for b in lanes[lane].successors:
            if b not in seen:
                seen.add(b)
                todo.append((b, covered))
    return False


def _dijkstra(
    lanes: Sequence[Lane], closed: Set[int], start: int, start_s: float, goal: int
) -> list[tuple[int, int]] | None:
    """Cheapest sequence of (lane, how it is entered: 0 along, +1 from the right, -1 from the left); Dijkstra's
    algorithm. Closed lanes are entered only to reach a goal on them.

    Args:
        lanes: of the map.
        closed: indices of lanes with a closing.
        start, start_s: index of the first lane, and arc length on it, m.
        goal: index of the last lane.
    """
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
            if lanes[b].kind not in ("driving", "bidirectional") or (b in closed and b != goal):
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
    """Points (N, 3), m, of a lane between two fractions of its length, about a metre apart."""
    s = lane.s
    at = np.linspace(low, high, max(2, int(np.ceil((high - low) * s[-1])) + 1)) * s[-1]
    return np.stack([np.interp(at, s, lane.centre[:, k]) for k in range(3)], axis=1)


def _fraction_nearest(lane: Lane, point: np.ndarray) -> float:
    """Fraction of the length of a lane at its point nearest to `point` (3,), m."""
    a, d = lane.centre[:-1, :2], np.diff(lane.centre[:, :2], axis=0)
    q = np.clip(((point[:2] - a) * d).sum(axis=1) / np.maximum((d * d).sum(axis=1), 1e-12), 0.0, 1.0)
    i = int(np.argmin(np.linalg.norm(a + q[:, None] * d - point[:2], axis=1)))
    s = lane.s
    return float((s[i] + q[i] * (s[i + 1] - s[i])) / s[-1])


def _pieces(lanes: Sequence[Lane], groups: list[list[int]], low: float) -> list[np.ndarray]:
    """Points (N, 3) of each lane for as long as the route is on it; adjacent lanes of a group share the group's length
    evenly."""
    pieces = []
    for n, group in enumerate(groups):
        first = low if n == 0 else 0.0
        for k, lane in enumerate(group):
            last = first + (1.0 - first) / (len(group) - k)
            pieces.append(_stretch(lanes[lane], first, last))
            if k + 1 < len(group):
                first = _fraction_nearest(lanes[group[k + 1]], pieces[-1][-1])
    return pieces


def _blend_lane_changes(pieces: list[np.ndarray], change_m: float) -> np.ndarray:
    """One path (N, 3), m. Where it jumps sideways (a lane change, a lane that tapers to nothing), the points before and
    after are shifted towards each other over `change_m`, or as much of it as the ends and the next jump leave."""
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
        # Length that one side lacks is taken from the other.
        back = min(before, max(0.5 * change_m, change_m - after))
        ahead = min(after, change_m - back)
        q = np.clip((s - s[j] + back) / max(back + ahead, 1e-6), 0.0, 1.0)
        share = q * q * (3 - 2 * q)
        share[j:] -= 1.0
        path[:, :2] += (share * aside[k])[:, None] * normal
        path[:, 2] += share * rise[k]
    return path


def resample(path: np.ndarray, length_m: float) -> np.ndarray:
    """A path (N, 3), m, with about one point per metre, cut to `length_m`; the last point is kept."""
    step = np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1)
    keep = np.concatenate([[True], step > 1e-6])
    path = path[keep]
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1))])
    end = min(s[-1], length_m)
    at = np.linspace(0.0, end, max(2, int(np.ceil(end)) + 1))
    return np.stack([np.interp(at, s, path[:, k]) for k in range(3)], axis=1)


def plan_route(network: RoadNetwork, start_lane: int, start_s: float, goal_lane: int | None, length_m: float) -> Route:
    """See `VectorMap.route`.

    Args:
        network: the lanes.
        start_lane: index of the first lane.
        start_s: arc length on it, m.
        goal_lane: lane at whose end the route ends; None goes straight ahead.
        length_m: length without a goal.

    Raises:
        InputError: there is no such lane, or no way to it.
    """
    lanes, closed = network.lanes, frozenset(closing.lane for closing in network.closings)
    for name, lane in (("start_lane", start_lane), ("goal_lane", goal_lane)):
        if lane is not None and not 0 <= lane < len(lanes):
            raise InputError(f"no lane {lane} on map {network.name}, expected 0..{len(lanes) - 1}", field=name)
    start_s = float(np.clip(start_s, 0.0, lanes[start_lane].length))
    if goal_lane is None:
        way, limit = _lanes_ahead(lanes, closed, start_lane, start_s, length_m), length_m
    else:
        found, limit = _dijkstra(lanes, closed, start_lane, start_s, goal_lane), np.inf
        if found is None:
            start, goal = lanes[start_lane].key, lanes[goal_lane].key
            raise InputError(f"no way from lane {start} to lane {goal} on map {network.name}", field="goal_lane")
        way = found
    groups: list[list[int]] = []
    for lane, side in way:
        if side:
            groups[-1].append(lane)
        else:
            groups.append([lane])
    low = start_s / max(lanes[start_lane].length, 1e-9)
    fastest = max((lanes[i].pace_mps for group in groups if len(group) > 1 for i in group), default=0.0)
    path = _blend_lane_changes(_pieces(lanes, groups, low), max(_LANE_CHANGE_M, _LANE_CHANGE_S * fastest))
    return Route(tuple(lane for lane, _ in way), resample(path, limit))
