"""Junctions: how far streets end before them, and the lanes, sidewalks and pavement that join their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.osm.extract import Turn
from uniscene_sim.maps.osm.lanes import Arm, LaneRows
from uniscene_sim.maps.osm.streets import Street

__all__ = ["TurnRules", "dead_end", "fitted", "junction_cuts", "make_junction", "turn_between"]

_STRAIGHT_RAD = 0.6  # turns below this count as straight on
_CORNER_M, _LONGEST_CUT_M = 2.0, 24.0
_PLAIN_CUT_M = 1.5  # where one street goes on as another
_LEAST_M = 1.5  # of a street between its junctions
_U_TURN_RAD = 2.7


@dataclass(frozen=True)
class TurnRules:
    """Turns that signs forbid."""

    turns: tuple[Turn, ...]

    def allow(self, before: Arm, after: Arm) -> bool:
        """Whether traffic may turn from the street of one arm into that of another."""
        for turn in self.turns:
            if turn.via == before.node and turn.from_way == before.way and turn.only == (turn.to_way != after.way):
                return False
        return True


def junction_cuts(arms: Sequence[tuple[Street, np.ndarray]]) -> list[float]:
    """How far each street ends before the junction, m, so that it is clear of the others.

    Args:
        arms: streets as they lead away from the junction, with their smooth lines (N, 2), m, sampled every metre.
    """
    if len(arms) == 1:
        return [0.0]
    heads = [line[: int(_LONGEST_CUT_M) + 1] for _, line in arms]
    ways = [head[min(6, len(head) - 1)] - head[0] for head in heads]
    if len(arms) == 2:
        turn = abs(float(wrap_angle(np.arctan2(*ways[0][::-1]) - np.arctan2(*ways[1][::-1]) - np.pi)))
        if turn < _STRAIGHT_RAD:
            return [_PLAIN_CUT_M] * 2
    cuts = []
    for i, (street, _) in enumerate(arms):
        head = heads[i]
        slope = np.gradient(head, axis=0)
        normal = np.stack([slope[:, 1], -slope[:, 0]], axis=1) / np.hypot(*slope.T)[:, None].clip(1e-6)
        cut = _PLAIN_CUT_M
        for j, (other, _) in enumerate(arms):
            if j == i:
                continue
            # Seen outwards, the other street shows this one its left or its right side.
            for side, sign in ((0, 1), (1, -1)):
                corner = head + sign * street.section.outside(side) * normal
                gap = np.hypot(*(corner[:, None] - heads[j][None]).transpose(2, 0, 1)).min(axis=1)
                wide = max(other.section.outside(0), other.section.outside(1))
                blocked = np.flatnonzero(gap < wide + (0.0 if _opposite(ways[i], ways[j]) else _CORNER_M))
                if len(blocked):
                    cut = max(cut, min(float(blocked[-1]) + 1.0, _LONGEST_CUT_M))
        cuts.append(min(cut, _LONGEST_CUT_M))
    return cuts


def _opposite(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(a @ b < -0.87 * np.hypot(*a) * np.hypot(*b))


def fitted(cuts: tuple[float, float], length: float) -> tuple[float, float]:
    """Cuts at both ends of a street that leave something of it."""
    room = max(length - _LEAST_M, 0.5 * length)
    share = min(room / max(sum(cuts), 1e-6), 1.0)
    return cuts[0] * share, cuts[1] * share


def make_junction(rows: LaneRows, arms: list[Arm], name: str, middle: np.ndarray, reach: Mapping[int, set[int]],
                  rules: TurnRules) -> None:  # fmt: skip
    """Join the ends of streets.

    Args:
        rows: lanes so far, added to.
        arms: the ends, in the order in which one passes them with the traffic's hand.
        name: of the junction.
        middle: its place (3,), m.
        reach: nodes that traffic reaches from each node within the junction.
        rules: turns that are forbidden.
    """
    n = len(arms)
    if n > 2 or (n == 2 and abs(turn_between(arms[0], arms[1])) > _STRAIGHT_RAD):
        for arm in arms:
            _pave(rows, arm, name, middle)
    for i, arm in enumerate(arms):
        _corner(rows, arm, arms[(i + 1) % n], name)
    for i, arm in enumerate(arms):
        around = [arms[(i + k) % n] for k in range(1, n)]
        others = [other for other in around if other.outgoing and other.node in reach[arm.node]]
        allowed = [other for other in others if rules.allow(arm, other)]
        ahead = [other for other in allowed if abs(turn_between(arm, other)) < _U_TURN_RAD or n == 2]
        _turns(rows, arm, ahead or allowed or others, name)
    _feed(rows, arms, name)


def dead_end(rows: LaneRows, arm: Arm, name: str) -> None:
    """A turning place at the end of a street."""
    if arm.ingoing and arm.outgoing:
        rows.connect(arm.ingoing[0], arm.outgoing[0], name, 2.5)


def turn_between(before: Arm, after: Arm) -> float:
    """Angle by which the way from one street into another turns left, rad."""
    return float(wrap_angle(after.out - before.out - np.pi))


def _turns(rows: LaneRows, arm: Arm, others: list[Arm], name: str) -> None:
    """Connect lanes: near turns from the outermost lane, far turns from the innermost, others straight on."""
    wanted: list[tuple[int, int]] = []
    for other in others:
        turn = rows.hand * turn_between(arm, other)
        if not arm.ingoing:
            continue
        if abs(turn) < _STRAIGHT_RAD or len(others) == 1:
            wanted += _straight(rows, arm.ingoing, other.outgoing)
        else:
            outer = -1 if turn < 0 else 0
            wanted.append((arm.ingoing[outer], other.outgoing[outer]))
    for lane in arm.ingoing:
        if others and all(lane != before for before, _ in wanted):
            wide = max(others, key=lambda other: len(other.outgoing))
            wanted.append((lane, wide.outgoing[-1]))
    for before, after in wanted:
        rows.connect(before, after, name)


def _straight(rows: LaneRows, ingoing: list[int], outgoing: list[int]) -> list[tuple[int, int]]:
    """Pairs of lanes that go on: in order if there are as many, else each into the one that lies nearest ahead."""
    if len(ingoing) == len(outgoing):
        return list(zip(ingoing, outgoing, strict=True))
    pairs = []
    for lane in ingoing:
        place, yaw = rows.end_of(lane, True)
        aside = [_aside(place, yaw, rows.end_of(other, False)[0]) for other in outgoing]
        pairs.append((lane, outgoing[int(np.argmin(aside))]))
    return pairs


def _aside(place: np.ndarray, yaw: float, other: np.ndarray) -> float:
    """How far another place lies beside a line, m."""
    dx, dy = (other - place)[:2]
    return abs(float(-np.sin(yaw) * dx + np.cos(yaw) * dy))


def _feed(rows: LaneRows, arms: list[Arm], name: str) -> None:
    """Lead traffic into lanes that no turn leads into, from the street most straight behind that leads there at all."""
    for arm in arms:
        behind = [other for other in arms if other is not arm and _leads(rows, other, arm)]
        for lane in arm.outgoing if behind else ():
            if rows.rows[lane]["predecessors"]:
                continue
            source = min(behind, key=lambda other: abs(turn_between(other, arm)))
            place, yaw = rows.end_of(lane, False)
            nearest = min(source.ingoing, key=lambda a: _aside(place, yaw, rows.end_of(a, True)[0]))
            rows.connect(nearest, lane, name)


def _leads(rows: LaneRows, before: Arm, after: Arm) -> bool:
    """Whether a turn leads from one street into another."""
    turns = [turn for lane in before.ingoing for turn in rows.rows[lane]["successors"]]
    return any(lane in rows.rows[turn]["successors"] for turn in turns for lane in after.outgoing)


def _pave(rows: LaneRows, arm: Arm, name: str, middle: np.ndarray) -> None:
    """Pavement from the end of a street to the middle of the junction."""
    right, left = arm.kerb_m
    begin, yaw = arm.at(0.5 * (right - left), True)
    gap = (middle - arm.place)[:2]
    if np.hypot(*gap) > 1.0:
        ends = ((begin, yaw), (middle, float(np.arctan2(gap[1], gap[0]))))
        rows.strip("border", ends, (right + left, right + left), name)


def _corner(rows: LaneRows, arm: Arm, following: Arm, name: str) -> None:
    """Pavement and sidewalk around a corner, from the ingoing side of one street to the outgoing side of the next."""
    if arm is following:
        return
    side, other = (1, 0) if rows.hand > 0 else (0, 1)
    sign = rows.hand
    low, high = (arm.drive_m[side], following.drive_m[other]), (arm.kerb_m[side], following.kerb_m[other])
    if max(high[0] - low[0], high[1] - low[1]) > 0.05:
        ends = (arm.at(-sign * 0.5 * (low[0] + high[0]), True), following.at(sign * 0.5 * (low[1] + high[1]), False))
        rows.strip("shoulder", ends, (high[0] - low[0], high[1] - low[1]), name)
    if arm.walks[side] >= 0 and following.walks[other] >= 0:
        rows.connect(arm.walks[side], following.walks[other], name)
