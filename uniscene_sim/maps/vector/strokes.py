"""`Strokes`: what is painted along the borders of lanes, as strips with dashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uniscene_sim.maps.elements import DRIVABLE_KINDS, Lane, RoadNetwork
from uniscene_sim.taxonomy import Material

__all__ = ["Strokes", "lane_strokes"]

_LINE_HALF_M = 0.07
_THINNEST_M = 0.1  # of lines: thinner ones could pass between the middles of two cells of paint
_DOUBLE_M = (0.06, 0.19)  # from the border: each of the two lines of a double mark
_DASH_M, _PERIOD_M = 3.0, 9.0
_EVER = (-np.inf, np.inf)
_DOUBLE = frozenset({"solid_solid", "solid_broken", "broken_solid"})
_BROKEN = frozenset({"broken", "broken_broken", "botts_dots"})
_COLOURS = {
    "yellow": Material.LINE_YELLOW, "blue": Material.LINE_BLUE, "red": Material.LINE_RED,
    "orange": Material.LINE_ORANGE, "green": Material.LINE_GREEN, "violet": Material.LINE_VIOLET,
}  # fmt: skip
_NOTHING = frozenset({"", "none", "curb", "grass"})


@dataclass(frozen=True)
class Strokes:
    """Strips along borders, each within its lane, by lane and side (left, right)."""

    #: float64 (K, 7), m: arc length on the lane at which it begins and ends; its edges by distance from the border,
    #: inwards; length of a dash, and of a dash with its gap (0: solid); where along the road a dash begins
    table: np.ndarray
    material: np.ndarray  # uint8 (K,)
    start: np.ndarray  # int64 (2 L + 1,): rows of a side are start[2 lane + side] to start[2 lane + side + 1]

    def of_side(self, lane: int, side: int) -> range:
        """Rows of the left (0) or right (1) border of a lane."""
        return range(self.start[2 * lane + side], self.start[2 * lane + side + 1])


def lane_strokes(network: RoadNetwork, along: Sequence[np.ndarray]) -> Strokes:
    """The strokes of all lanes of a map, with the distance (N,) along the road, m, at the samples of each lane."""
    rows: list[tuple[float, ...]] = []
    material: list[int] = []
    start = [0]
    for lane in network.lanes:
        for side, mark in enumerate((lane.left_mark, lane.right_mark)):
            name, _, colour = mark.partition("-")
            given = lane.right_lines if side else lane.left_lines
            for line in given if lane.kind in DRIVABLE_KINDS else ():
                half = 0.5 * max(line.width_m, _THINNEST_M)
                low, high = line.offset_m - half, line.offset_m + half
                if high > 0.0 and line.begin_m < lane.length:
                    at = line.dash_at_m
                    first = 0.0 if at is None else float(np.interp(at, lane.s, along[lane.index]))
                    period = line.dash_m + line.space_m if line.space_m > 0.0 else 0.0
                    rows.append((line.begin_m, line.end_m, low, high, line.dash_m, period, first))
                    material.append(_line_material(network, lane, side, line.colour))
            if not given and name not in _NOTHING and lane.kind in DRIVABLE_KINDS:
                kind = _line_material(network, lane, side, colour)
                half = _LINE_HALF_M if _is_shared(lane, side, kind) else 2 * _LINE_HALF_M
                strip = _DOUBLE_M if name in _DOUBLE else (-1.0, half)
                rows.append((*_EVER, *strip, *((_DASH_M, _PERIOD_M) if name in _BROKEN else (0.0, 0.0)), 0.0))
                material.append(kind)
            start.append(len(rows))
    return Strokes(
        np.array(rows, dtype=np.float64).reshape(-1, 7), np.array(material, np.uint8), np.array(start, np.int64)
    )


def _is_shared(lane: Lane, side: int, kind: int) -> bool:
    """Whether the lane beyond the left (0) or right (1) border draws the other half of a line."""
    beyond = max(lane.left, lane.opposite) if side == 0 else lane.right
    return kind != Material.EDGE_LINE and (beyond >= 0 or kind == Material.CENTRE_LINE_WHITE)


def _line_material(network: RoadNetwork, lane: Lane, side: int, colour: str) -> int:
    """Material of a line on the left (0) or right (1) border of a lane."""
    beside = lane.left if side == 0 else lane.right
    driving = beside >= 0 and network.lanes[beside].kind == lane.kind == "driving"
    divides = side == (1 if network.left_hand_traffic else 0) and lane.opposite >= 0 and not driving
    if colour in _COLOURS:
        return int(_COLOURS[colour])
    if divides:
        return int(Material.CENTRE_LINE_WHITE)
    return int(Material.LINE_WHITE if driving else Material.EDGE_LINE)
