"""The marks on the borders of a lane: stretches that may be crossed or not, and painted lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from uniscene_sim.maps.elements import DRIVABLE_KINDS, BorderStretch, Lane, MarkLine
from uniscene_sim.maps.opendrive.road_marks import (
    MARK_WIDTH_M,
    UNPAINTED,
    LinePattern,
    RoadMark,
    mark_name,
    mark_stretches,
    may_cross,
)
from uniscene_sim.maps.opendrive.road_xml import LaneRecord, RoadRecord, SectionRecord

__all__ = ["lane_marks"]

_DASH_M, _SPACE_M = 3.0, 6.0
_DOTS_M = 0.1, 1.1  # Botts' dots: size and space
_NEVER = 1e9  # beyond any lane


def lane_marks(lane: Lane, road: RoadRecord, section: SectionRecord, record: LaneRecord) -> dict[str, Any]:
    """Stretches and lines of the borders of a lane, where its names do not tell everything."""
    side, forward, length = (1 if record.id > 0 else -1), road.forward(record), section.s1 - section.s0
    out: dict[str, Any] = {}
    for outwards in (False, True):
        border_id = record.id if outwards else record.id - side
        border, at_centre = section.lanes.get(border_id), border_id == 0
        if border is None or not border.marks:
            continue
        id_grows = (side > 0) == outwards
        name = "left" if id_grows == forward else "right"
        beyond = record.id + side if outwards else border_id or -side
        alone = beyond not in section.lanes or section.lanes[beyond].kind not in DRIVABLE_KINDS
        # Double marks are named from inside to outside, on the centre line from left to right.
        outside_t = -1 if at_centre else side
        out[f"{name}_stretches"] = _border_stretches(
            border.marks, length, lane, forward, outwards or (at_centre and side > 0), id_grows
        )
        out[f"{name}_lines"] = _border_lines(
            border.marks, length, lane, forward, -1 if id_grows else 1, outside_t, alone
        )
    return out


def _border_stretches(
    marks: Sequence[RoadMark], length: float, lane: Lane, forward: bool, outwards: bool, id_grows: bool
) -> tuple[BorderStretch, ...]:
    """The stretches of a border of a lane in its direction of travel; none if they are alike.

    Args:
        marks: of the border.
        length: of the section, m.
        lane: the lane.
        forward: whether its traffic follows the road.
        outwards: whether the border is the lane's outer one.
        id_grows: whether the lane beyond has the greater id.
    """
    found = []
    for begin, end, beside in mark_stretches(marks, length):
        at = begin if forward else length - end
        stretch = BorderStretch(at / length * lane.length, mark_name(beside), may_cross(beside, outwards, id_grows))
        found.append(stretch)
    found = found if forward else found[::-1]
    kept = found[:1] + [b for a, b in pairwise(found) if (a.mark, a.may_cross) != (b.mark, b.may_cross)]
    return tuple(kept) if len(kept) > 1 else ()


def _border_lines(
    marks: Sequence[RoadMark], length: float, lane: Lane, forward: bool, towards_t: int, outside_t: int, alone: bool
) -> tuple[MarkLine, ...]:
    """The lines of a border as its lane draws them; none if its name tells everything.

    Args:
        marks: of the border.
        length: of the section, m.
        lane: the lane.
        forward: whether its traffic follows the road.
        towards_t: 1 if the lane lies to the left of the border as seen along the road, else -1.
        outside_t: 1 if what is named second in a double mark lies to the left as seen along the road, else -1.
        alone: whether no lane beyond draws the other half of the lines.
    """
    stretches = mark_stretches(marks, length)
    if len(stretches) == 1 and len(stretches[0][2]) < 2 and all(mark.is_plain for mark in stretches[0][2]):
        return ()
    lines = []
    scale = lane.length / length
    for begin, end, beside in stretches:
        drawn = _side_by_side(beside, outside_t)
        # Without a lane beyond, all of them lie in this lane.
        moved = max([0.0, *(0.5 * line.width - line.t * towards_t for line in drawn)]) if alone else 0.0
        for line in drawn:
            first = begin + (line.s or 0.0)
            low, high = begin, end
            if line.once:
                low, high = max(first, begin), min(first + line.length, length)
            places = (low, high) if forward else (length - high, length - low)
            offset = line.t * towards_t + moved
            broken = line.space > 0.0 and line.length > 0.0 and not line.once
            lines.append(
                MarkLine(
                    begin_m=places[0] * scale, end_m=places[1] * scale, offset_m=offset, width_m=line.width,
                    dash_m=line.length if broken else 0.0, space_m=line.space if broken else 0.0,
                    colour=line.colour,
                    dash_at_m=None if line.s is None else (first if forward else length - first) * scale,
                )
            )  # fmt: skip
    return tuple(lines) or (MarkLine(_NEVER, _NEVER, 0.0, MARK_WIDTH_M),)


def _side_by_side(beside: Sequence[RoadMark], outside_t: int) -> list[LinePattern]:
    """The lines of marks on one border; several plain ones get a place each, the first one inside."""
    groups = [list(mark.lines) or _lines_of_kind(mark, outside_t) for mark in beside]
    groups = [group for group in groups if group]
    if len(groups) < 2 or any(line.t for group in groups for line in group):
        return [line for group in groups for line in group]
    widths = np.array([group[0].width for group in groups])
    middles = 2.0 * (np.cumsum(widths) - 0.5 * widths)
    middles -= 0.5 * (middles[0] + middles[-1])
    return [replace(group[0], t=float(outside_t * t)) for group, t in zip(groups, middles, strict=True)]


def _lines_of_kind(mark: RoadMark, outside_t: int) -> list[LinePattern]:
    """The lines of a mark that only has a name, from inside to outside."""
    if mark.kind in UNPAINTED:
        return []
    width = mark.width or MARK_WIDTH_M

    def line(kind: str, t: float) -> LinePattern:
        if kind == "botts":
            return LinePattern(*_DOTS_M, t, None, _DOTS_M[0], mark.colour)
        return LinePattern(_DASH_M, _SPACE_M if kind == "broken" else 0.0, t, None, width, mark.colour)

    parts = [part for part in mark.kind.split("_") if part in ("solid", "broken")]
    if mark.kind == "botts_dots":
        return [line("botts", 0.0)]
    if len(parts) == 2:
        return [line(parts[0], -outside_t * width), line(parts[1], outside_t * width)]
    return [line(parts[0] if parts else "solid", 0.0)]
