"""Paths of pedestrians: along walkways, and over crossings to the other side."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from scipy.spatial import cKDTree

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.maps.elements import Crossing
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.world.paths import PATH_POINTS, annotate_path
from uniscene_sim.world.road_arrays import resample_by_metre

__all__ = ["WalkwayNetwork"]

_ATTACH_M = 5.0  # a crossing belongs to walkways whose middle is this near to one of its ends
_JOINT_M = 2.5  # ends of walkways this near to each other are one walkway
_CROSSES = 0.45  # probability that a walker takes a crossing that it comes by


class WalkwayNetwork:
    """Walkways of a map and the crossings that join them. A direction is 1 along a lane and -1 against it."""

    def __init__(self, vector_map: StaticMap):
        self._map = vector_map
        self.lanes = tuple(
            lane.index for lane in vector_map.lanes if lane.kind in ("sidewalk", "walking") and lane.length > 2.0
        )
        self._joints = self._joined()
        self._exits: dict[int, list[tuple[float, np.ndarray, int, float]]] = defaultdict(list)
        for crossing in vector_map.crossings:
            ends = _ends(crossing)
            places = [place for end in ends if (place := self._nearest_walkway(end)) is not None]
            if len(places) < 2:
                continue
            for k in (0, 1):
                (lane, s), (other, there) = places[k], places[1 - k]
                self._exits[lane].append((s, np.stack([ends[k], ends[1 - k]]), other, there))

    def _nearest_walkway(self, end: np.ndarray) -> tuple[int, float] | None:
        best, found = _ATTACH_M, None
        for index in self.lanes:
            lane = self._map.lanes[index]
            gap = np.hypot(lane.centre[:, 0] - end[0], lane.centre[:, 1] - end[1])
            k = int(gap.argmin())
            if gap[k] < best and abs(lane.centre[k, 2] - end[2]) < 3.0:
                best, found = float(gap[k]), (index, float(lane.s[k]))
        return found

    def _joined(self) -> dict[tuple[int, int], list[tuple[int, int]]]:
        """By lane and direction: lanes that touch its end, linked by the map or not, each with a direction."""
        ends = [(i, d, self._map.lanes[i].centre[-1 if d > 0 else 0]) for i in self.lanes for d in (1, -1)]
        out: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        if ends:
            points = np.array([p for _, _, p in ends])
            for a, near in enumerate(cKDTree(points).query_ball_point(points, _JOINT_M)):
                lane, direction, _ = ends[a]
                out[lane, direction] = [(ends[b][0], -ends[b][1]) for b in sorted(near) if ends[b][0] != lane]
        return out

    def plan(self, lane: int, s: float, direction: int, aside_m: float, key: tuple[int, ...]) -> np.ndarray:
        """Annotated path (R, 10) from a place on a walkway to where it ends, the same for the same key.

        Args:
            lane, s: index of the walkway and arc length on it, m.
            direction: 1 along the lane, -1 against it.
            aside_m: to the left of the middle of the walkway.
            key: of the random choices.
        """
        pieces: list[np.ndarray] = []
        length = 0.0
        for step in range(40):
            here = self._map.lanes[lane]
            u = unit_hash(*key, step, lane)
            ahead = [e for e in self._exits[lane] if direction * (e[0] - s) > 1.5]
            crossing = min(ahead, key=lambda e: direction * e[0]) if ahead and u < _CROSSES else None
            stop = crossing[0] if crossing else (here.length if direction > 0 else 0.0)
            low, high = min(s, stop), max(s, stop)
            inside = here.centre[np.searchsorted(here.s, low, "right") : np.searchsorted(here.s, high)]
            first, last = ([self._map.lane_point(lane, v)[:3]] for v in (low, high))
            piece = np.concatenate([first, inside, last])
            pieces.append(piece if direction > 0 else piece[::-1])
            length += high - low
            if length > PATH_POINTS:
                break
            if crossing:
                _, way, lane, s = crossing
                pieces.append(way)
                length += float(np.linalg.norm(way[1] - way[0]))
                direction = 1 if unit_hash(*key, step, lane, 1) < 0.5 else -1
                continue
            onward = self._joints[lane, direction]
            if not onward:
                break
            lane, direction = onward[int(u * 997) % len(onward)]
            s = 0.0 if direction > 0 else self._map.lanes[lane].length
        path = resample_by_metre(np.concatenate(pieces), PATH_POINTS - 1.0, aside_m)
        path[:, 2] = self._map.surface_height(path[:, 0], path[:, 1], path[:, 2])
        return annotate_path(self._map, path, ())


def _ends(crossing: Crossing) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the two kerbs (3,) that a crossing joins: the ends of its axis along which people walk.

    People walk along the longer side of its box.
    """
    centre = crossing.polygon.mean(axis=0)
    spread = crossing.polygon[:, :2] - centre[:2]
    axis = np.linalg.svd(spread)[2][0]
    along = spread @ axis
    reach = 0.5 * (along.max() - along.min())
    step = np.array([axis[0], axis[1], 0.0]) * reach
    return centre - step, centre + step
