"""Elements of maps: lanes, stop lines, signals, crossings, placed objects, frontages, routes; and `RoadNetwork`, all
elements of a map with lanes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from uniscene_sim.compute.rounding import fixed
from uniscene_sim.maps.geo_reference import GeoReference

__all__ = [
    "BORDER_FIELDS",
    "COVER_KINDS",
    "DRIVABLE_KINDS",
    "FREE_SPEED_MPS",
    "FRONTAGE_STEP_M",
    "BorderStretch",
    "Closing",
    "Crossing",
    "Frontage",
    "GroundCover",
    "Lane",
    "MapObject",
    "MarkLine",
    "RoadNetwork",
    "Route",
    "Signal",
    "SignalProgram",
    "SpeedLimit",
    "StopLine",
]

#: Lane kinds on which a car is not off the road.
DRIVABLE_KINDS = frozenset(
    {"driving", "parking", "shoulder", "border", "stop", "bidirectional", "entry", "exit", "onRamp", "offRamp",
     "connectingRamp", "biking", "bus", "taxi", "HOV", "roadWorks"}
)  # fmt: skip
#: Fields of a `Lane` that describe its borders where their marks alone do not.
BORDER_FIELDS = ("left_stretches", "right_stretches", "left_lines", "right_lines")
#: What covers of open ground are all of.
COVER_KINDS = ("grass", "soil")
FRONTAGE_STEP_M = 2.0  # between samples of frontages
FREE_SPEED_MPS = 130 / 3.6  # what cars drive where there is no limit


@dataclass(frozen=True)
class SpeedLimit:
    """A speed limit from a place on a lane on; infinite where there is none."""

    s_m: float
    mps: float


@dataclass(frozen=True)
class BorderStretch:
    """A stretch of a lane's border, from a place up to the next stretch."""

    begin_m: float  # arc length on the lane
    mark: str  # as `Lane.left_mark`
    may_cross: bool  # whether traffic may cross it from this lane


@dataclass(frozen=True)
class MarkLine:
    """A line painted along the border of a lane, on its own side of it; places are arc lengths on the lane, m."""

    begin_m: float
    end_m: float
    offset_m: float  # of its middle from the border, into the lane
    width_m: float
    dash_m: float = 0.0  # length of a dash, and of the space after it; 0: solid
    space_m: float = 0.0
    dash_at_m: float | None = None  # where a dash begins, as seen along the road; None: at the start of the road
    colour: str = "standard"


@dataclass(frozen=True)
class Lane:
    """One lane of one lane section, sampled about every metre in its direction of travel."""

    index: int  # position in VectorMap.lanes
    key: tuple[str, int, int]  # OpenDRIVE road id, number of the section, lane id
    kind: str  # OpenDRIVE type: driving, shoulder, sidewalk, parking, biking, median, border, ...
    centre: np.ndarray  # float64 (N, 3) m
    heading: np.ndarray  # float64 (N,) rad
    width: np.ndarray  # float64 (N,) m
    left_mark: str  # mark along most of its left border: none, solid, solid_broken-yellow, ...; white has no colour
    right_mark: str
    left: int = -1  # adjacent lane of the same direction, -1 if none
    right: int = -1
    can_change_left: bool = False  # somewhere, see `may_change`
    can_change_right: bool = False
    opposite: int = -1  # adjacent driving lane of the other direction
    successors: tuple[int, ...] = ()
    predecessors: tuple[int, ...] = ()
    junction: str = ""  # junction id, empty outside
    speed_limit_mps: float = 13.9  # at its start; infinite where there is none
    height: float = 0.0  # of its surface above the road plane, m, as of a kerb
    speed_changes: tuple[SpeedLimit, ...] = ()  # further limits, by rising s
    #: Heights (N, K) of its surface above `centre`, m, evenly from the left border to the right one; (0, 2) if level.
    profile: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    left_stretches: tuple[BorderStretch, ...] = ()  # of the left border, by rising s; none if they are alike
    right_stretches: tuple[BorderStretch, ...] = ()
    left_lines: tuple[MarkLine, ...] = ()  # what is painted along the left border; none: as its mark is by default
    right_lines: tuple[MarkLine, ...] = ()

    @cached_property
    def s(self) -> np.ndarray:
        """Arc length (N,) from the lane's start, m."""
        step = np.linalg.norm(np.diff(self.centre[:, :2], axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(step)])

    @property
    def length(self) -> float:
        return float(self.s[-1])

    def border(self, side: int) -> np.ndarray:
        """Left (+1) or right (-1) border (N, 3), m."""
        return self.across(0.5 * side)

    def across(self, part: float) -> np.ndarray:
        """The line (N, 3), m, that runs a part of the width to the left of its centre; 0.5 is the left border."""
        normal = np.stack([-np.sin(self.heading), np.cos(self.heading), np.zeros_like(self.heading)], axis=1)
        line = self.centre + part * self.width[:, None] * normal
        if len(self.profile):
            at = (0.5 - part) * (self.profile.shape[1] - 1)
            low = min(int(at), self.profile.shape[1] - 2)
            line[:, 2] += self.profile[:, low] + (at - low) * (self.profile[:, low + 1] - self.profile[:, low])
        return fixed(line)

    def s_near(self, x: float, y: float) -> float:
        """Arc length of the sample nearest to a place x, y, m."""
        dx, dy = self.centre[:, 0] - x, self.centre[:, 1] - y
        return float(self.s[int((dx * dx + dy * dy).argmin())])

    def mark_at(self, left: bool, s_m: float) -> str:
        """The mark of the left or right border at an arc length, m."""
        stretch = self._stretch_at(left, s_m)
        return stretch.mark if stretch else self.left_mark if left else self.right_mark

    def may_change(self, left: bool, s_m: float) -> bool:
        """Whether traffic may change to the lane on its left or right at an arc length, m."""
        stretch = self._stretch_at(left, s_m)
        return (self.can_change_left if left else self.can_change_right) and (stretch is None or stretch.may_cross)

    def may_overtake(self, s_m: float) -> bool:
        """Whether traffic may use the lane of the other direction at an arc length, m."""
        if self.opposite < 0:
            return False
        stretch = self._stretch_at(True, s_m)
        return stretch.may_cross if stretch else self.left_mark.startswith("broken")

    def _stretch_at(self, left: bool, s_m: float) -> BorderStretch | None:
        stretches = self.left_stretches if left else self.right_stretches
        passed = [stretch for stretch in stretches if stretch.begin_m <= s_m]
        return passed[-1] if passed else stretches[0] if stretches else None

    def limit_at(self, s_m: float) -> float:
        """Speed limit at an arc length, m/s; infinite where there is none."""
        passed = [limit.mps for limit in self.speed_changes if limit.s_m <= s_m]
        return passed[-1] if passed else self.speed_limit_mps

    @property
    def pace_mps(self) -> float:
        """The most that traffic drives on it, m/s, whatever its curves."""
        limits = (self.speed_limit_mps, *(limit.mps for limit in self.speed_changes))
        return min(max(limits), FREE_SPEED_MPS)


@dataclass(frozen=True)
class StopLine:
    """A line across a lane at which traffic stops; (2, 3) end points from left to right."""

    ends: np.ndarray
    lane: int  # lane whose traffic it stops
    s_m: float  # arc length on that lane
    signal: int = -1  # index of the traffic light that controls it, -1: a stop sign


@dataclass(frozen=True)
class Signal:
    """A traffic light or sign; one for each id."""

    index: int
    id: str
    kind: str  # traffic_light, stop, yield, speed, other
    position: np.ndarray  # (3,) m, foot of its pole
    yaw: float  # direction that it faces (towards the traffic it controls), rad
    lanes: tuple[int, ...]  # lanes that it controls
    value: float = 0.0  # speed limit of a speed sign, m/s


@dataclass(frozen=True)
class SignalProgram:
    """Phases of one controller in a cycle: in each phase its signals are green, then yellow; all others are red."""

    phases: tuple[tuple[int, ...], ...]  # signal indices that are green together
    green_s: float = 12.0
    yellow_s: float = 3.0
    all_red_s: float = 2.0


@dataclass(frozen=True)
class Crossing:
    """A pedestrian crossing; polygon (N, 3), m."""

    polygon: np.ndarray


@dataclass(frozen=True)
class Closing:
    """A stretch of a lane that is closed to traffic; arc lengths on the lane, m."""

    lane: int
    begin_m: float
    end_m: float


@dataclass(frozen=True)
class MapObject:
    """A placed object that does not move."""

    kind: str  # parked_car, cone, barrier, wall, pole, tree, building, sign, guard_rail, parking_space (flat), other
    position: np.ndarray  # (3,) m, centre of its foot
    yaw: float
    size: tuple[float, float, float]  # length, width, height m
    group: int = 0  # number of the building that it is a part of; 0: it is whole


@dataclass(frozen=True)
class Frontage:
    """A sample of a roadside: its place (m), heading along the border, and outward unit normal."""

    x: float
    y: float
    z: float
    yaw: float
    nx: float
    ny: float
    border: tuple[int, int]  # id of its border
    s: float  # m along that border
    town: bool  # whether it is the border of a walkway
    fast: bool  # whether the road is too fast for houses and has guard rails


@dataclass(frozen=True)
class Route:
    """A route through the map: its lanes in order, and its path (R, 3), m, one point per metre."""

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
class GroundCover:
    """A stretch of open ground that is all grass or all soil."""

    kind: str  # of `COVER_KINDS`
    rings: tuple[np.ndarray, ...]  # float64 (N, 2) m each, not closed, the outer one first; rings within are holes


@dataclass(frozen=True)
class RoadNetwork:
    """All elements of a map with lanes, as a file holds them."""

    name: str
    lanes: tuple[Lane, ...]
    crossings: tuple[Crossing, ...] = ()
    stop_lines: tuple[StopLine, ...] = ()
    signals: tuple[Signal, ...] = ()
    programs: tuple[SignalProgram, ...] = ()
    objects: tuple[MapObject, ...] = ()
    left_hand_traffic: bool = False
    frame_origin: tuple[float, float] = (0.0, 0.0)  # see `StaticMap.frame_origin`
    geo_reference: GeoReference | None = None  # of the map's own coordinates
    source_ref: str = ""  # identity given by its reader, see `StaticMap.ref`; empty: that of the content
    losses: tuple[str, ...] = ()  # what its reader left out or could not tell, a sentence each
    closings: tuple[Closing, ...] = ()  # of a map that is edited; files hold none
    complete_kinds: tuple[str, ...] = ()  # see `StaticMap.complete`
    covers: tuple[GroundCover, ...] = ()  # of open ground; elsewhere it is grass with patches of soil
