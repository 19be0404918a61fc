"""`StaticMap`: what does not move, in the map frame, behind one interface; and `VectorMap`, its OpenDRIVE form.

Its other form is `world.painted.PaintedMap`, a raster.

The map frame is OpenDRIVE's: right-handed, z up, metres, radians. Nothing here imports `carla`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from uniscene_sim.layout import BevLayout, LayoutSchema

if TYPE_CHECKING:
    from uniscene_sim.world.frontages import Frontage
    from uniscene_sim.world.ground import Ground
    from uniscene_sim.world.lanes import LaneGraph, Route
    from uniscene_sim.world.surface import SurfaceModel

__all__ = ["Crossing", "Lane", "MapObject", "Signal", "SignalProgram", "StaticMap", "StopLine", "Surface", "VectorMap"]


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
        return self.centre + side * 0.5 * self.width[:, None] * normal


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


class Surface(Protocol):
    """The ground: what tiles are made of, what bodies stand on and what counts as road.

    Decks are numbered from the ground up; deck 0 is everywhere, others are bridges.
    """

    @property
    def arrays(self) -> Ground:
        """The same for kernels; asked for by scenarios alone."""
        ...

    def height(self, x: np.ndarray, y: np.ndarray, z_hint: np.ndarray) -> np.ndarray:
        """Ground height (N,) at places (N,) on the deck nearest to `z_hint` (N,), m."""
        ...

    def terrain_height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height (N,) of the open ground at places (N,), under whatever is built on it, m."""
        ...

    def rank(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """What lies at places (N,) within 2 m of height, int32 (N,): 3 road for driving, 2 other ground for cars, 1
        walkway, 0 anything else that is laid out, -1 open ground."""
        ...

    def drivable(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Whether cars may be at places (N,): rank 2 or 3."""
        ...

    def ground(self, x0: float, y0: float, n: int, step_m: float) -> np.ndarray:
        """Heights float32 (D, n, n) at the samples (x0 + i step, y0 + j step); NaN where a deck above 0 is absent."""
        ...

    def paint(self, x0: float, y0: float, n: int, step_m: float, decks: int) -> np.ndarray:
        """Material uint8 (D, n, n) of the cells with corners (x0 + i step, y0 + j step), by deck; NONE where absent."""
        ...


class StaticMap(Protocol):
    """The static world as generators, sensors and sources may ask for it.

    Lanes and what hangs on them are empty where a map knows none. Places and paths on lanes may be asked for only
    where there are lanes.
    """

    @property
    def name(self) -> str: ...

    @property
    def ref(self) -> str:
        """SHA-256 of the content."""
        ...

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max, m."""
        ...

    @property
    def surface(self) -> Surface: ...

    @property
    def objects(self) -> tuple[MapObject, ...]: ...

    @property
    def complete(self) -> frozenset[str]:
        """Kinds of objects of which the map gives all that there are, so that generators add none: building, tree."""
        ...

    @property
    def lanes(self) -> tuple[Lane, ...]: ...

    @property
    def crossings(self) -> tuple[Crossing, ...]: ...

    @property
    def stop_lines(self) -> tuple[StopLine, ...]: ...

    @property
    def signals(self) -> tuple[Signal, ...]: ...

    @property
    def programs(self) -> tuple[SignalProgram, ...]: ...

    @property
    def left_hand_traffic(self) -> bool: ...

    def frontages(self) -> list[Frontage]:
        """Sides of roads and walkways with open ground beyond, every 2 m."""
        ...

    def road_points(self) -> np.ndarray:
        """Places (N, 2) on all roads, a few metres apart at most."""
        ...

    def surface_height(self, x: np.ndarray, y: np.ndarray, z_hint: np.ndarray) -> np.ndarray:
        """Height (N,) of the ground of the deck nearest to `z_hint`, m."""
        ...

    def rasterise(
        self,
        bev_pose_xyyaw: tuple[float, float, float],
        shape: tuple[int, int],
        resolution_m: float,
        z_hint: float | None = None,
        schema: LayoutSchema | None = None,
    ) -> BevLayout:
        """Multi-hot raster of the static map centred on a pose; see `world.raster`."""
        ...

    def nearest_lane(
        self, x: float, y: float, z: float | None = None, yaw: float | None = None, kinds: Sequence[str] = ("driving",)
    ) -> tuple[int, float, float]:
        """Index, arc length and left offset of the nearest lane; (-1, 0, 0) where the map has none of these kinds."""
        ...

    def lane_point(self, lane: int, s: float) -> tuple[float, float, float, float]:
        """x, y, z, yaw on a lane's centre."""
        ...

    def route(
        self, start_lane: int, start_s: float = 0.0, goal_lane: int | None = None, length_m: float = 300.0
    ) -> Route:
        """Path along lanes."""
        ...


@dataclass(frozen=True)
class VectorMap:
    """A map of lanes and what belongs to them. Built by `world.opendrive`, shipped as `.npz`."""

    name: str
    lanes: tuple[Lane, ...]
    crossings: tuple[Crossing, ...] = ()
    stop_lines: tuple[StopLine, ...] = ()
    signals: tuple[Signal, ...] = ()
    programs: tuple[SignalProgram, ...] = ()
    objects: tuple[MapObject, ...] = ()
    left_hand_traffic: bool = False
    _cache: dict = field(default_factory=dict, repr=False, compare=False)

    @property
    def ref(self) -> str:
        """SHA-256 of the content."""
        if "ref" not in self._cache:
            from uniscene_sim.world.map_file import content_hash

            self._cache["ref"] = content_hash(self)
        return self._cache["ref"]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max of all lanes' borders, m."""
        if "bounds" not in self._cache:
            xy = np.concatenate([lane.border(side)[:, :2] for lane in self.lanes for side in (1, -1)])
            low, high = xy.min(axis=0), xy.max(axis=0)
            self._cache["bounds"] = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        return self._cache["bounds"]

    @property
    def graph(self) -> LaneGraph:
        """Lanes as flat arrays with a spatial index."""
        if "graph" not in self._cache:
            from uniscene_sim.world.lanes import LaneGraph

            self._cache["graph"] = LaneGraph.build(self.lanes)
        return self._cache["graph"]

    @property
    def surface(self) -> SurfaceModel:
        """Heights, paint and polygons of the ground."""
        if "surface" not in self._cache:
            from uniscene_sim.world.surface import SurfaceModel

            self._cache["surface"] = SurfaceModel(self)
        return self._cache["surface"]

    @property
    def complete(self) -> frozenset[str]:
        """Nothing: OpenDRIVE files seldom hold every house and tree."""
        return frozenset()

    def frontages(self) -> list[Frontage]:
        """Sides of lanes with open ground beyond, every 2 m."""
        from uniscene_sim.world.frontages import lane_frontages

        return lane_frontages(self)

    def road_points(self) -> np.ndarray:
        """Centres (N, 2) of all driving lanes, about every metre."""
        centres = [lane.centre[:, :2] for lane in self.lanes if lane.kind == "driving"]
        return np.concatenate(centres) if centres else np.zeros((0, 2))

    def nearest_lane(
        self, x: float, y: float, z: float | None = None, yaw: float | None = None, kinds: Sequence[str] = ("driving",)
    ) -> tuple[int, float, float]:
        """Lane that a place is on or nearest to: its index, arc length and offset to the left, m. (-1, 0, 0) where the
        map has no lane of these kinds. With `z` decks are told apart; with `yaw` lanes of that heading come first."""
        return self.graph.nearest(x, y, z, yaw, kinds)

    def lane_point(self, lane: int, s: float) -> tuple[float, float, float, float]:
        """x, y, z, yaw on a lane's centre at arc length `s` (clipped to the lane)."""
        return self.graph.point(lane, s)

    def route(
        self, start_lane: int, start_s: float = 0.0, goal_lane: int | None = None, length_m: float = 300.0
    ) -> Route:
        """Path from a place on a lane: to the end of `goal_lane` (InputError where none leads there), or without a goal
        as straight ahead as the map goes, for `length_m`."""
        from uniscene_sim.world.lanes import plan_route

        return plan_route(self, start_lane, start_s, goal_lane, length_m)

    def rasterise(
        self,
        bev_pose_xyyaw: tuple[float, float, float],
        shape: tuple[int, int],
        resolution_m: float,
        z_hint: float | None = None,
        schema: LayoutSchema | None = None,
    ) -> BevLayout:
        """Multi-hot raster of the static map around a pose."""
        from uniscene_sim.world.raster import rasterise_lanes

        return rasterise_lanes(self, bev_pose_xyyaw, shape, resolution_m, z_hint, schema or LayoutSchema())

    def surface_height(self, x: np.ndarray, y: np.ndarray, z_hint: np.ndarray) -> np.ndarray:
        """Height of the ground of the deck nearest to `z_hint`, m."""
        return self.surface.height(x, y, z_hint)

    def save(self, path: str | Path, source_sha256: str | None = None) -> None:
        """Write `.npz` (no pickle), whole or not at all."""
        from uniscene_sim.world.map_file import save_map

        save_map(self, path, source_sha256)

    @classmethod
    def load(cls, path: str | Path) -> VectorMap:
        """Read `.npz`; InputError where it is damaged."""
        from uniscene_sim.world.map_file import read_map

        return read_map(path)
