"""Road marks of OpenDRIVE, as they are written, and which of them may be crossed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from uniscene_sim.errors import InputError
from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.xml_values import finite_number

__all__ = [
    "MARK_WIDTH_M",
    "UNPAINTED",
    "LinePattern",
    "RoadMark",
    "main_mark",
    "mark_name",
    "mark_stretches",
    "may_cross",
    "read_road_marks",
]

MARK_WIDTH_M = 0.14
_PLAIN = frozenset({"solid", "broken", "none", "curb", "grass"})
UNPAINTED = frozenset({"none", "curb", "grass", "custom"})
_KINDS = _PLAIN | {"custom", "edge", "botts_dots", "solid_solid", "solid_broken", "broken_solid", "broken_broken"}
_COLOURS = frozenset({"standard", "", "white", "yellow", "blue", "red", "orange", "green", "violet"})
_WIDEST_M = 5.0
_STANDARD = frozenset({"standard", "white", ""})


@dataclass(frozen=True)
class LinePattern:
    """A line of a mark: repeated dashes, or one stroke of `<explicit>`; all in m."""

    length: float  # of a dash
    space: float  # to the next dash; 0: solid
    t: float  # of its middle, to the left of the border as seen along the road
    s: float | None  # where the first dash begins, from where the mark does; None: dashes go on along the road
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
        return self.kind in _PLAIN and not self.lines and (self.width is None or self.kind in UNPAINTED)


def read_road_marks(lane: Any, losses: Losses) -> list[RoadMark]:
    """The marks of a `<lane>`, by rising s; those with the same s lie side by side."""
    marks = losses.readable("road marks left out", lane.findall("roadMark"), _road_mark, "road mark of lane")
    for mark in marks:
        if mark.kind not in _KINDS:
            losses.add("road marks not understood, taken as solid", f"type={mark.kind!r}")
        for colour in {mark.colour, *(line.colour for line in mark.lines)} - _COLOURS:
            losses.add("colours of road marks not understood, taken as white", f"color={colour!r}")
    return sorted(marks, key=lambda mark: mark.s)


def _road_mark(node: Any) -> RoadMark:
    colour, bold = node.get("color", "standard").lower(), node.get("weight") == "bold"
    width = _positive(node, "width") or (2.0 * MARK_WIDTH_M if bold else None)
    lines = [_line(n, colour, width, once=False) for n in node.findall("type/line")]
    lines += [_line(n, colour, width, once=True) for n in node.findall("explicit/line")]
    return RoadMark(
        s=max(finite_number(node, "sOffset", 0.0), 0.0),
        kind=node.get("type", "none").strip().lower().replace(" ", "_") or "none",
        colour=colour,
        rule=node.get("laneChange", ""),
        width=width,
        lines=tuple(lines),
    )


def _line(node: Any, colour: str, width: float | None, once: bool) -> LinePattern:
    mark_type = node.getparent()
    own = _positive(node, "width") or _positive(mark_type, "width") or width or MARK_WIDTH_M
    return LinePattern(
        length=max(finite_number(node, "length", 0.0), 0.0),
        space=max(finite_number(node, "space", 0.0), 0.0),
        t=finite_number(node, "tOffset", 0.0),
        s=finite_number(node, "sOffset", 0.0),
        width=own,
        colour=node.get("color", colour).lower(),
        rule=node.get("rule", ""),
        once=once,
    )


def _positive(node: Any, name: str) -> float | None:
    value = finite_number(node, name, 0.0) if node.get(name) else 0.0
    if value > _WIDEST_M:
        raise InputError(f"<{node.tag}> needs a number up to {_WIDEST_M:g}, got {value:g}", field=name)
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
