"""Where lanes conflict, and who goes first there.

Right of way follows the signs where there are any, then the lights. Between equals a left turn gives way to oncoming
traffic, and at junctions without signs traffic from the right goes first. Traffic on a roundabout goes before traffic
that enters it.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import NamedTuple

import numpy as np

from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.elements import Lane
from uniscene_sim.maps.once_per_map import once_per_map
from uniscene_sim.maps.static_map import StaticMap

__all__ = [
    "CONFLICT_COLUMNS",
    "CROSS",
    "HOW",
    "MERGE",
    "MY_IN",
    "MY_OUT",
    "OTHER",
    "OTHER_IN",
    "OTHER_OUT",
    "RULE",
    "TIGHT",
    "ConflictTable",
]

CONFLICT_COLUMNS = 7
#: Columns of a conflict: the other lane; where the shared stretch begins and ends on this lane and on the other, m of
#: arc length; whether this lane gives way (1), goes first (-1) or neither (0); and how the lanes conflict.
OTHER, MY_IN, MY_OUT, OTHER_IN, OTHER_OUT, RULE, HOW = range(CONFLICT_COLUMNS)
#: Values of HOW: the lanes cross, they merge, or they bend beside each other so tightly that two long vehicles do not
#: pass.
CROSS, MERGE, TIGHT = 0, 1, 2
_CORRIDOR_M = 2.7  # lanes whose centres come this near cannot be used at once
_TIGHT_M = 4.4  # nor in a bend by two long vehicles, which need more room there
_RING_M = 260.0  # a roundabout is at most this long round
_QUARTER = np.pi / 2


class ConflictTable(NamedTuple):
    """Conflicts by lane: rows `first[lane]` to `first[lane + 1]` of `rows`."""

    first: np.ndarray  # (lanes + 1,) int64
    rows: np.ndarray  # (K, 7) float64, columns OTHER .. HOW

    @staticmethod
    @once_per_map
    def of(static_map: StaticMap) -> ConflictTable:
        rows = _RightOfWay(static_map).conflicts()
        first = np.concatenate([[0], np.cumsum([len(of_lane) for of_lane in rows])]).astype(np.int64)
        packed = np.array([row for of_lane in rows for row in of_lane], dtype=float)
        return ConflictTable(first, packed.reshape(-1, CONFLICT_COLUMNS))


class _RightOfWay:
    """Which lanes of a map give way to which."""

    def __init__(self, vector_map: StaticMap):
        self._map = vector_map
        self._turns = [_turning_angle(lane) for lane in vector_map.lanes]
        self._level = [self._control(lane) for lane in vector_map.lanes]
        self._signalised = self._signalised_junctions()

    def conflicts(self) -> list[list[list[float]]]:
        """Rows of `ConflictTable` by lane."""
        lanes = self._map.lanes
        groups: dict[tuple[str, str | int], set[int]] = defaultdict(set)
        for lane in lanes:
            if lane.kind != "driving":
                continue
            if lane.junction:
                groups["junction", lane.junction].add(lane.index)
            for successor in lane.successors:
                groups["into", successor].add(lane.index)
        pairs = {pair for group in groups.values() for pair in combinations(sorted(group), 2)}
        rows: list[list[list[float]]] = [[] for _ in lanes]
        for a, b in sorted(pairs):
            if set(lanes[a].predecessors) & set(lanes[b].predecessors):
                continue  # vehicles from one lane follow each other
            span, rule = _shared_stretch(lanes[a], lanes[b], _CORRIDOR_M), self._rule(lanes[a], lanes[b])
            how = MERGE if set(lanes[a].successors) & set(lanes[b].successors) else CROSS
            if span is None and min(abs(self._turns[a]), abs(self._turns[b])) > 0.5:
                span, rule, how = _shared_stretch(lanes[a], lanes[b], _TIGHT_M), 0, TIGHT
            if span is not None:
                rows[a].append([b, *span, rule, how])
                rows[b].append([a, *span[2:], *span[:2], -rule, how])
        return rows

    def _control(self, lane: Lane) -> int:
        """-1 round a roundabout, 0 free, 1 under a yield sign, 2 under a stop sign."""
        if not lane.junction:
            return 0
        ways = set(lane.predecessors)
        level = 0
        for signal in self._map.signals:
            if signal.kind in ("yield", "stop") and ways & set(signal.lanes):
                level = max(level, 1 if signal.kind == "yield" else 2)
        if any(line.signal < 0 and line.lane in ways for line in self._map.stop_lines):
            level = 2
        return -1 if level == 0 and self._is_roundabout_lane(lane) else level

    def _is_roundabout_lane(self, lane: Lane) -> bool:
        """Whether turning one way, always the least, leads back to the lane: it is part of a roundabout."""
        lanes = self._map.lanes
        side = -1.0 if self._map.left_hand_traffic else 1.0
        gone, turned, here = 0.0, 0.0, lane
        for _ in range(40):
            gone += here.length
            turned += side * self._turns[here.index]
            if gone > _RING_M or not here.successors:
                return False
            # Round the island: the successor that bends most towards it.
            here = lanes[max(here.successors, key=lambda i: side * self._turns[i])]
            if here.index == lane.index:
                return 1.6 * np.pi < turned < 2.4 * np.pi and gone > 25.0
        return False

    def _signalised_junctions(self) -> set[str]:
        """Junctions with lights."""
        ruled = [i for s in self._map.signals if s.kind == "traffic_light" for i in s.lanes]
        return {self._map.lanes[n].junction for i in ruled for n in self._map.lanes[i].successors}

    def _rule(self, a: Lane, b: Lane) -> int:
        """1: `a` gives way to `b`, -1: the other way round, 0: first come, first served."""
        if self._level[a.index] != self._level[b.index]:
            return 1 if self._level[a.index] > self._level[b.index] else -1
        side = -1.0 if self._map.left_hand_traffic else 1.0
        turn_a, turn_b = side * self._turns[a.index], side * self._turns[b.index]
        towards = side * float(wrap_angle(b.heading[0] - a.heading[0]))
        if abs(towards) > 1.5 * _QUARTER:  # from opposite sides: the one that turns across waits
            left_a, left_b = turn_a > 0.5, turn_b > 0.5
            return 0 if left_a == left_b else (1 if left_a else -1)
        if abs(towards) < 0.5 * _QUARTER:  # side by side: the one that bends more merges into the other
            return 0 if abs(abs(turn_a) - abs(turn_b)) < 0.05 else (1 if abs(turn_a) > abs(turn_b) else -1)
        if a.junction in self._signalised:
            return 0
        return 1 if towards > 0 else -1  # `b` comes from the right, heading to the left


def _turning_angle(lane: Lane) -> float:
    return float(np.unwrap(lane.heading)[-1] - lane.heading[0])


def _shared_stretch(a: Lane, b: Lane, apart_m: float) -> tuple[float, float, float, float] | None:
    """Stretch of each lane that comes within `apart_m` of the other; None where they keep apart."""
    p, q = a.centre, b.centre
    if (p.min(axis=0) - apart_m > q.max(axis=0)).any() or (q.min(axis=0) - apart_m > p.max(axis=0)).any():
        return None
    near = np.hypot(p[:, None, 0] - q[:, 0], p[:, None, 1] - q[:, 1]) < apart_m
    near &= np.abs(p[:, None, 2] - q[:, 2]) < 3.0
    if not near.any():
        return None
    mine, theirs = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    return float(a.s[mine[0]]), float(a.s[mine[-1]]), float(b.s[theirs[0]]), float(b.s[theirs[-1]])
