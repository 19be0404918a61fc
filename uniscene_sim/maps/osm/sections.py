"""Cross-sections of streets from their tags: lanes by direction, parking, cycle lanes and sidewalks, and their widths.

What the tags do not tell is as usual for the class of street.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from uniscene_sim.maps.osm.values import count, length_m, speed_mps

__all__ = ["NARROWEST_M", "STREETS", "Section", "street_section"]

_Sides = tuple[float, float]  # right and left of the way, as it is drawn


@dataclass(frozen=True)
class Section:
    """The cross-section of a street along its way, m. Pairs are right, left."""

    grade: int  # of its class: the higher one has priority
    forward: int  # lanes
    backward: int
    lane_m: float
    cycle_m: _Sides = (0.0, 0.0)
    parking_m: _Sides = (0.0, 0.0)
    walk_m: _Sides = (0.0, 0.0)
    speed_mps: float = 13.9
    middle: str = "none"  # mark between the directions
    edge: str = "none"  # mark at the edge of the carriageway
    kind: str = "driving"  # of its lanes

    @property
    def carriageway_m(self) -> float:
        return (self.forward + self.backward) * self.lane_m

    def drive_edge(self, side: int) -> float:
        """Distance from the way to the edge of the driving lanes, m; side 0 is right, 1 left."""
        return 0.5 * self.carriageway_m

    def kerb(self, side: int) -> float:
        """Distance from the way to the kerb, m."""
        return self.drive_edge(side) + self.cycle_m[side] + self.parking_m[side]

    def outside(self, side: int) -> float:
        """Distance from the way to the outer edge of the sidewalk, m."""
        return self.kerb(side) + self.walk_m[side]

    def reversed(self) -> Section:
        """The same street seen from its other end."""
        return replace(
            self, forward=self.backward, backward=self.forward, cycle_m=(self.cycle_m[1], self.cycle_m[0]),
            parking_m=(self.parking_m[1], self.parking_m[0]), walk_m=(self.walk_m[1], self.walk_m[0]),
        )  # fmt: skip


@dataclass(frozen=True)
class _Usual:
    """What is usual for a class of street."""

    grade: int
    lanes: int  # in each direction
    lane_m: float
    speed_mps: float
    walk_m: float = 0.0  # where sidewalks are not told
    middle: str = "none"
    edge: str = "none"


STREETS: dict[str, _Usual] = {
    "motorway": _Usual(9, 2, 3.6, 36.1, 0.0, "solid", "solid"),
    "motorway_link": _Usual(8, 1, 3.6, 22.2, 0.0, "solid", "solid"),
    "trunk": _Usual(8, 1, 3.5, 27.8, 0.0, "solid", "solid"),
    "trunk_link": _Usual(7, 1, 3.5, 19.4, 0.0, "solid", "solid"),
    "primary": _Usual(7, 1, 3.3, 13.9, 2.2, "broken", "none"),
    "primary_link": _Usual(6, 1, 3.3, 13.9, 0.0, "broken", "none"),
    "secondary": _Usual(6, 1, 3.25, 13.9, 2.0, "broken", "none"),
    "secondary_link": _Usual(5, 1, 3.25, 13.9, 0.0, "broken", "none"),
    "tertiary": _Usual(5, 1, 3.1, 13.9, 1.8, "broken", "none"),
    "tertiary_link": _Usual(4, 1, 3.1, 13.9, 0.0, "broken", "none"),
    "unclassified": _Usual(4, 1, 2.8, 13.9, 0.0, "none", "none"),
    "residential": _Usual(3, 1, 2.8, 8.3, 1.7, "none", "none"),
    "living_street": _Usual(2, 1, 2.6, 2.0, 0.0, "none", "none"),
    "service": _Usual(1, 1, 2.2, 4.2, 0.0, "none", "none"),
    "road": _Usual(3, 1, 2.8, 8.3, 0.0, "none", "none"),
}
_PARKING_M = {"parallel": 2.1, "lane": 2.1, "street_side": 2.1, "yes": 2.1, "half_on_kerb": 1.6, "on_kerb": 2.0,
              "diagonal": 4.4, "perpendicular": 5.0}  # fmt: skip
_MOST_LANES, NARROWEST_M, _WIDEST_M = 12, 2.0, 5.5


def street_section(tags: dict[str, str]) -> Section | None:
    """The cross-section of a street for cars; None if the way is none."""
    usual = STREETS.get(tags.get("highway", ""))
    if usual is None or tags.get("area") == "yes":
        return None
    forward, backward = _lanes(tags, usual)
    lane = _lane_width(tags, usual, forward + backward)
    speed = speed_mps(tags)
    country = speed is not None and speed > 17.0
    both = forward > 0 and backward > 0
    section = Section(
        usual.grade, forward, backward, lane,
        cycle_m=_cycle(tags), parking_m=_parking(tags), walk_m=_walks(tags, 0.0 if country else usual.walk_m),
        speed_mps=usual.speed_mps if speed is None else speed,
        middle=usual.middle if both and (usual.grade > 3 or country) else "none",
        edge="solid" if country and usual.grade > 4 else usual.edge,
    )  # fmt: skip
    return replace(section, middle="solid_solid") if both and forward + backward >= 4 else section


def _lanes(tags: dict[str, str], usual: _Usual) -> tuple[int, int]:
    """Lanes along the way and against it."""
    told = count(tags, "lanes", _MOST_LANES)
    oneway = tags.get("oneway", "yes" if _is_oneway(tags) else "no")
    if oneway in ("yes", "true", "1", "-1", "reverse"):
        lanes = told or usual.lanes
        return (0, lanes) if oneway in ("-1", "reverse") else (lanes, 0)
    forward, backward = count(tags, "lanes:forward", _MOST_LANES), count(tags, "lanes:backward", _MOST_LANES)
    if forward is None and backward is None:
        total = max(told or 2 * usual.lanes, 2)
        return total - total // 2, total // 2
    if forward is None:
        forward = max((told or 0) - (backward or 0), 1)
    if backward is None:
        backward = max((told or 0) - forward, 1)
    return forward, backward


def _is_oneway(tags: dict[str, str]) -> bool:
    return tags.get("highway") in ("motorway", "motorway_link") or tags.get("junction") in ("roundabout", "circular")


def _lane_width(tags: dict[str, str], usual: _Usual, lanes: int) -> float:
    width = length_m(tags, "width:carriageway", 60.0) or length_m(tags, "width", 60.0)
    if width is None:
        narrow = tags.get("service") in ("driveway", "alley", "drive-through") or count(tags, "lanes", 12) == 1
        return usual.lane_m * (0.8 if narrow and usual.grade == 1 else 1.0) if lanes > 1 else max(usual.lane_m, 3.0)
    width -= sum(side for side in _parking(tags)) if width / lanes > 4.0 else 0.0
    return min(max(width / lanes, NARROWEST_M), _WIDEST_M)


def _cycle(tags: dict[str, str]) -> _Sides:
    return _by_side(tags, "cycleway", lambda value: 1.5 if value in ("lane", "track", "opposite_lane") else 0.0)


def _parking(tags: dict[str, str]) -> _Sides:
    def width(value: str) -> float:
        return _PARKING_M.get(value, 0.0)

    old, new = _by_side(tags, "parking:lane", width), _by_side(tags, "parking", width)
    slanted = _by_side(tags, "parking", width, ":orientation")
    right, left = (max(a, b if not c else max(b, c) if b else 0.0) for a, b, c in zip(old, new, slanted, strict=True))
    return right, left


def _walks(tags: dict[str, str], usual_m: float) -> _Sides:
    if not any(key == "sidewalk" or key.startswith("sidewalk:") for key in tags):
        return usual_m, usual_m
    wide = max(usual_m, 1.7)
    told = tags.get("sidewalk", "")
    if told in ("left", "right"):
        return (wide, 0.0) if told == "right" else (0.0, wide)
    right, left = _by_side(tags, "sidewalk", lambda value: wide if value in ("yes", "both") else 0.0)
    return right, left


def _by_side(tags: dict[str, str], key: str, width: Callable[[str], float], ending: str = "") -> _Sides:
    """Widths to the right and left of what a tag tells of both sides or of each."""
    both = tags.get(f"{key}:both{ending}", "" if ending else tags.get(key, ""))
    right, left = (width(tags.get(f"{key}:{side}{ending}", both)) for side in ("right", "left"))
    return right, left
