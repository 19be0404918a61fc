"""What maps are made of: lanes, stop lines, signals, crossings, placed objects, frontages, routes; and all of a road
network together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from uniscene_sim.compute.rounding import fixed

__all__ = [
    "DRIVABLE_KINDS",
    "FRONTAGE_STEP_M",
    "Crossing",
    "Frontage",
    "Lane",
    "MapObject",
    "RoadNetwork",
    "Route",
    "Signal",
    "SignalProgram",
    "StopLine",
]

DRIVABLE_KINDS = frozenset(
    {"driving", "parking", "shoulder", "border", "stop", "bidirectional", "entry", "exit", "onRamp", "offRamp",
     "connectingRamp", "biking", "bus", "taxi", "HOV", "roadWorks"}
)  # fmt: skip
FRONTAGE_STEP_M = 2.0


@dataclass(frozen=True)
class Lane:
    """One lane of one lane section, sampled about every metre in its direction of travel."""

    index: int  # position in VectorMap.lanes
    key: tuple[int, int, int]  # OpenDRIVE road, section, lane id
    kind: str  # OpenDRIVE type: driving, shoulder, sidewalk, parking, biking, median, border, ...
    centre: np.ndarray  # float64 (N, 3) m
    heading: np.ndarray  # float64 (N,) rad
    width: np.ndarray  # float64 (N,) m
    left_mark: str  # mark on its left border: none, solid, broken, solid_solid, ...; "-yellow" appended when yellow
    right_mark: str
    left: int = -1  # lane beside it with the same direction, -1 where none
    right: int = -1
    can_change_left: bool = False
    can_change_right: bool = False
    opposite: int = -1  # driving lane beside it with the other direction
    successors: tuple[int, ...] = ()
    predecessors: tuple[int, ...] = ()
    junction: int = -1  # junction id, -1 outside
    speed_limit_mps: float = 13.9
    height: float = 0.0  # of its surface above the road plane (kerbs), m

    @cached_property
    def s(self) -> np.ndarray:
        """Arc length (N,) from the lane's start, m."""
        step = np.linalg.norm(np.diff(self.centre[:, :2], axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(step)])

    @property
    def length(self) -> float:
        return float(self.s[-1])

    def border(self, side: int) -> np.ndarray:
        """Left (+1) or right (-1) border (N, 3)."""
        normal = np.stack([-np.sin(self.heading), np.cos(self.heading), np.zeros_like(self.heading)], axis=1)
        return fixed(self.centre + side * 0.5 * self.width[:, None] * normal)


@dataclass(frozen=True)
class StopLine:
    """A line across a lane at which traffic stops; (2, 3) end points from left to right."""

    ends: np.ndarray
    lane: int  # lane whose traffic it stops
    s_m: float  # where on that lane
    signal: int = -1  # index of the traffic light that rules it, -1: a stop sign


@dataclass(frozen=True)
class Signal:
    """A traffic light or sign, once for each id."""

    index: int
    id: str
    kind: str  # traffic_light, stop, yield, speed, other
    position: np.ndarray  # (3,) m, foot of its pole
    yaw: float  # direction that it faces (towards the traffic it rules), rad
    lanes: tuple[int, ...]  # lanes ruled
    value: float = 0.0  # speed limit of a speed sign, m/s


@dataclass(frozen=True)
class SignalProgram:
    """Phases of one controller, repeated for ever: in each phase its signals are green, then yellow; others red."""

    phases: tuple[tuple[int, ...], ...]  # signal indices that are green together
    green_s: float = 12.0
    yellow_s: float = 3.0
    all_red_s: float = 2.0


@dataclass(frozen=True)
class Crossing:
    """A pedestrian crossing; polygon (N, 3)."""

    polygon: np.ndarray


@dataclass(frozen=True)
class MapObject:
    """Something placed that does not move."""

    kind: str  # parked_car, cone, barrier, pole, tree, building, sign, guard_rail, parking_space (flat), other
    position: np.ndarray  # (3,) m, centre of its foot
    yaw: float
    size: tuple[float, float, float]  # length, width, height m


#: Lane kinds that a car may stand on without being off the road.


@dataclass(frozen=True)
class Frontage:
    """One sample: place (m) and heading along the border, outward normal, and what lies inside."""

    x: float
    y: float
    z: float
    yaw: float
    nx: float
    ny: float
    border: tuple[int, int]  # which border it belongs to, the same for all samples of it
    s: float  # metres along that border
    town: bool  # the border of a walkway
    fast: bool  # of a road with rails instead of houses


@dataclass(frozen=True)
class Route:
    """A way through the map: its lanes in order, and its path (R, 3), a point each metre."""

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
class RoadNetwork:
    """All elements of a map of lanes, as a file of them holds it."""

    name: str
    lanes: tuple[Lane, ...]
    crossings: tuple[Crossing, ...] = ()
    stop_lines: tuple[StopLine, ...] = ()
    signals: tuple[Signal, ...] = ()
    programs: tuple[SignalProgram, ...] = ()
    objects: tuple[MapObject, ...] = ()
    left_hand_traffic: bool = False
    source_ref: str = ""  # identity that a reader gave it, see `StaticMap.ref`; empty: that of the content
