"""Road marks of OpenDRIVE: the marks of a border by s, as stretches that may be crossed or not, and as lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from uniscene_sim.maps.elements import BorderStretch, Lane, MarkLine
from uniscene_sim.maps.opendrive.losses import Losses
from uniscene_sim.maps.opendrive.xml_values import finite_number

__all__ = [
    "LinePattern",
    "RoadMark",
    "border_lines",
    "border_stretches",
    "main_mark",
    "mark_name",
    "mark_stretches",
    "may_cross",
    "read_road_marks",
]

_WIDTH_M = 0.14
_DASH_M, _SPACE_M = 3.0, 6.0
_DOTS_M = 0.1, 1.1  # Botts' dots: size and space
_PLAIN = frozenset({"solid", "broken", "none", "curb", "grass"})
_UNPAINTED = frozenset({"none", "curb", "grass", "custom"})
_STANDARD = frozenset({"standard", "white", ""})
_NEVER = 1e9  # beyond any lane


@dataclass(frozen=True)
class LinePattern:
    """A line of a mark: repeated dashes, or one stroke of `<explicit>`; all in m."""

    length: float  # of a dash
    space: float  # to the next dash; 0: solid
    t: float  # of its middle, to the left of the border as seen along the road
    s: float  # where the first dash begins, from where the mark does
    width: float
    colour: str
    rule: str = ""
    once: bool = False  # one dash


@dataclass(frozen=True)
class RoadMark:
    """A mark on the outer border of a lane, from `s` (m, from the start of the section) up to the next one."""

    s: float
    kind: str
    colour: str
    rule: str  # laneChange: both, none, increase, decrease; empty: by its kind
    width: float | None
    lines: tuple[LinePattern, ...]  # as written; empty: by its kind

    @property
    def name(self) -> str:
        """As `Lane.left_mark`: kind, and colour if it is not white."""
        name = self.kind.replace("botts_dots", "broken")
        return name if self.colour in _STANDARD or name == "none" else f"{name}-{self.colour}"

    @property
    def is_plain(self) -> bool:
        """Whether its name tells everything."""
        return self.kind in _PLAIN and not self.lines and (self.width is None or self.kind in _UNPAINTED)


def read_road_marks(lane: Any, losses: Losses) -> list[RoadMark]:
    """The marks of a `<lane>`, by rising s; those with the same s lie side by side."""
    marks = losses.readable("road marks left out", lane.findall("roadMark"), _road_mark, "road mark of lane")
    return sorted(marks, key=lambda mark: mark.s)


def _road_mark(node: Any) -> RoadMark:
    colour, width = node.get("color", "standard"), _positive(node, "width")
    lines = [_line(n, colour, width, once=False) for n in node.findall("type/line")]
    lines += [_line(n, colour, width, once=True) for n in node.findall("explicit/line")]
    return RoadMark(
        s=max(finite_number(node, "sOffset", 0.0), 0.0),
        kind=node.get("type", "none").replace(" ", "_") or "none",
        colour=colour,
        rule=node.get("laneChange", ""),
        width=width * (2.0 if node.get("weight") == "bold" and "width" not in node.attrib else 1.0) if width else None,
        lines=tuple(lines),
    )


def _line(node: Any, colour: str, width: float | None, once: bool) -> LinePattern:
    mark_type = node.getparent()
    own = _positive(node, "width") or _positive(mark_type, "width") or width or _WIDTH_M
    return LinePattern(
        length=max(finite_number(node, "length", 0.0), 0.0),
        space=max(finite_number(node, "space", 0.0), 0.0),
        t=finite_number(node, "tOffset", 0.0),
        s=finite_number(node, "sOffset", 0.0),
        width=own,
        colour=node.get("color", colour),
        rule=node.get("rule", ""),
        once=once,
    )


def _positive(node: Any, name: str) -> float | None:
    value = finite_number(node, name, 0.0) if node.get(name) else 0.0
    return value if value > 0.0 else None


def mark_stretches(marks: Sequence[RoadMark], length: float) -> list[tuple[float, float, list[RoadMark]]]:
    """Begin, end (m, from the start of the section) and marks side by side, of each stretch of a border."""
    begins = sorted({0.0, *(mark.s for mark in marks if mark.s < length - 1e-6)})
    ends = [*begins[1:], length]
    return [(a, b, [m for m in marks if m.s == a]) for a, b in zip(begins, ends, strict=True)]


def main_mark(marks: Sequence[RoadMark], length: float) -> list[RoadMark]:
    """The marks that cover most of a border of a length, m."""
    spans: dict[tuple[str, ...], float] = {}
    found: dict[tuple[str, ...], list[RoadMark]] = {}
    for begin, end, beside in mark_stretches(marks, length):
        key = tuple(mark.name for mark in beside)
        spans[key] = spans.get(key, 0.0) + end - begin
        found.setdefault(key, beside)
    return found[max(spans, key=lambda key: spans[key])]


def mark_name(beside: Sequence[RoadMark]) -> str:
    """The name of marks side by side, as `Lane.left_mark`."""
    painted = [mark for mark in beside if mark.kind != "none"]
    if not painted:
        return "none"
    if len(painted) == 1:
        return painted[0].name
    colour = next((mark.colour for mark in painted if mark.colour not in _STANDARD), "")
    name = "_".join(mark.kind for mark in painted[:2])
    return f"{name}-{colour}" if colour else name


def may_cross(beside: Sequence[RoadMark], outwards: bool, id_grows: bool) -> bool:
    """Whether traffic may cross marks side by side.

    Args:
        beside: the marks.
        outwards: away from the centre line, or towards it.
        id_grows: to greater lane ids, or to smaller ones.
    """
    return all(_may_cross(mark, outwards, id_grows) for mark in beside)


def _may_cross(mark: RoadMark, outwards: bool, id_grows: bool) -> bool:
    if mark.rule in ("both", "none", "increase", "decrease"):
        return mark.rule == "both" or mark.rule == ("increase" if id_grows else "decrease")
    if mark.kind in ("solid_broken", "broken_solid"):
        # From inside to outside: the driver's side must be the broken one.
        return outwards == (mark.kind == "broken_solid")
    if mark.kind == "custom":
        return all(line.rule != "no passing" and (line.space > 0.0 or line.once) for line in mark.lines)
    return mark.kind in ("none", "broken", "broken_broken", "botts_dots")


def border_stretches(
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


def border_lines(
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
        for line in _side_by_side(beside, outside_t):
            first = begin + line.s
            low, high = begin, end
            if line.once:
                low, high = max(first, begin), min(first + line.length, length)
            places = (low, high) if forward else (length - high, length - low)
            offset = line.t * towards_t
            if alone:  # all of it lies in this lane
                offset = max(offset, 0.5 * line.width)
            broken = line.space > 0.0 and line.length > 0.0 and not line.once
            lines.append(
                MarkLine(
                    begin_m=places[0] * scale, end_m=places[1] * scale, offset_m=offset, width_m=line.width,
                    dash_m=line.length if broken else 0.0, space_m=line.space if broken else 0.0,
                    dash_at_m=(first if forward else length - first) * scale, colour=line.colour,
                )
            )  # fmt: skip
    return tuple(lines) or (MarkLine(_NEVER, _NEVER, 0.0, _WIDTH_M),)


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
    if mark.kind in _UNPAINTED:
        return []
    width = mark.width or _WIDTH_M

    def line(kind: str, t: float) -> LinePattern:
        if kind == "botts":
            return LinePattern(*_DOTS_M, t, 0.0, _DOTS_M[0], mark.colour)
        return LinePattern(_DASH_M, _SPACE_M if kind == "broken" else 0.0, t, 0.0, width, mark.colour)

    parts = [part for part in mark.kind.split("_") if part in ("solid", "broken")]
    if mark.kind == "botts_dots":
        return [line("botts", 0.0)]
    if len(parts) == 2:
        return [line(parts[0], -outside_t * width), line(parts[1], outside_t * width)]
    return [line(parts[0] if parts else "solid", 0.0)]
