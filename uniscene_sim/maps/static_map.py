"""`StaticMap`: the static world in the map frame, behind one interface.

Its forms are `maps.vector.vector_map.VectorMap`, lanes from OpenDRIVE, `maps.painted.painted_map.PaintedMap`, a raster,
and `maps.recorded.recorded_map.RecordedMap`, lanes on ground that was recorded, with what stands there. The map frame
is OpenDRIVE's: right-handed, z up, metres, radians. Its axes are those of the map's own coordinates, its origin is
`StaticMap.frame_origin`. Nothing here imports `carla`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from uniscene_sim.layout import BevLayout, LayoutSchema
from uniscene_sim.maps.elements import Closing, Crossing, Lane, MapObject, Signal, SignalProgram, StopLine
from uniscene_sim.maps.recorded.solid_cells import SolidCells

if TYPE_CHECKING:
    from uniscene_sim.maps.elements import Frontage, Route
    from uniscene_sim.maps.geo_reference import GeoReference
    from uniscene_sim.maps.ground import Ground
    from uniscene_sim.maps.paint_edges import GroundPaint

__all__ = ["StaticMap", "Surface"]


class Surface(Protocol):
    """The ground: what tiles are made of, what bodies stand on and what counts as road.

    Decks are numbered from the ground up; deck 0 is everywhere, higher ones are bridges.
    """

    @property
    def arrays(self) -> Ground:
        """The same for kernels; used by scenarios only."""
        ...

    @property
    def decks(self) -> int:
        """Levels of the ground on the whole map: 1 without bridges."""
        ...

    def height(self, x: np.ndarray, y: np.ndarray, z_hint: np.ndarray) -> np.ndarray:
        """Ground height (N,) at places (N,) on the deck nearest to `z_hint` (N,), m."""
        ...

    def terrain_height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height (N,), m, of the open ground at places (N,), under whatever is built on it."""
        ...

    def rank(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Kind of ground at places (N,) within 2 m of height `z` (N,): int32 (N,), 3 road for driving, 2 other ground
        for cars, 1 walkway, 0 other lanes, -1 open ground."""
        ...

    def drivable(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Whether cars may be at places (N,), bool (N,): rank 2 or 3."""
        ...

    def ground(self, x0: float, y0: float, n: int, step_m: float) -> np.ndarray:
        """Heights by deck.

        Args:
            x0, y0: first sample, m, map frame; a multiple of `step_m`.
            n: samples along each side.
            step_m: between samples.

        Returns:
            float32 (D, n, n) m, at (x0 + i step, y0 + j step); NaN where a deck above 0 is absent.
        """
        ...

    def paint(self, x0: float, y0: float, n: int, step_m: float, decks: int) -> np.ndarray:
        """Materials by deck.

        Args:
            x0, y0: corner of the first cell, m, map frame; a multiple of `step_m`.
            n: cells along each side.
            step_m: size of a cell.
            decks: number of decks, D.

        Returns:
            uint8 (D, n, n) Material, of the cells with corners (x0 + i step, y0 + j step); NONE where a deck is absent.
        """
        ...

    def edged_paint(self, x0: float, y0: float, n: int, step_m: float, decks: int) -> GroundPaint:
        """The same with the edges between materials.

        Args:
            x0, y0: corner of the first cell, m, map frame; a multiple of `step_m`.
            n: cells along each side, a multiple of 4.
            step_m: size of a cell.
            decks: number of decks, D.
        """
        ...


class StaticMap(Protocol):
    """The static world as generators, sensors and sources query it.

    On a map without lanes, lanes and everything attached to them are empty, and `lane_point` and `route` raise
    InputError.
    """

    @property
    def name(self) -> str: ...

    @property
    def ref(self) -> str:
        """SHA-256 of the source that it was read from or, if it was made in memory, of its content: the same on every
        machine."""
        ...

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max, m."""
        ...

    @property
    def frame_origin(self) -> tuple[float, float]:
        """x, y, m, of the origin of the map frame in the map's own coordinates, those of its file: (0, 0), but of maps
        far away the corner of a tile. Scenario files and ROS use the map's own coordinates; everything in Python is in
        the map frame."""
        ...

    @property
    def geo_reference(self) -> GeoReference | None:
        """Where the map's own coordinates lie on the earth; None if its file does not say."""
        ...

    @property
    def surface(self) -> Surface: ...

    @property
    def objects(self) -> tuple[MapObject, ...]: ...

    @property
    def complete(self) -> frozenset[str]:
        """Kinds of objects (building, tree) of which the map holds every one, so that generators add none."""
        ...

    @property
    def solids(self) -> SolidCells | None:
        """What stands there cell by cell, as of a recorded street; None for a map of objects alone."""
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

    @property
    def closings(self) -> tuple[Closing, ...]:
        """Stretches of lanes that edits have closed to traffic."""
        ...

    def frontages(self) -> list[Frontage]:
        """Sides of roads and walkways with open ground beyond, sampled every 2 m."""
        ...

    def road_points(self) -> np.ndarray:
        """Points (N, 2), m, on all roads, a few metres apart at most."""
        ...

    def surface_height(self, x: np.ndarray, y: np.ndarray, z_hint: np.ndarray) -> np.ndarray:
        """Height (N,), m, of the ground at places (N,) on the deck nearest to `z_hint` (N,)."""
        ...

    def rasterise(
        self,
        bev_pose_xyyaw: tuple[float, float, float],
        shape: tuple[int, int],
        resolution_m: float,
        z_hint: float | None = None,
        schema: LayoutSchema | None = None,
    ) -> BevLayout:
        """Multi-hot raster of the static map, without agents.

        Args:
            bev_pose_xyyaw: x, y (m) and yaw (rad) of the raster's centre in the map frame.
            shape: cells (X, Y).
            resolution_m: size of a cell.
            z_hint: height of the deck to draw, m; None draws all.
            schema: channels; None is the default.
        """
        ...

    def nearest_lane(
        self, x: float, y: float, z: float | None = None, yaw: float | None = None, kinds: Sequence[str] = ("driving",)
    ) -> tuple[int, float, float]:
        """The lane at or nearest to a place.

        Args:
            x, y: place, m.
            z: height, m, which distinguishes decks; None ignores it.
            yaw: heading, rad, in favour of lanes of like heading; None ignores it.
            kinds: kinds of lanes to search.

        Returns:
            Index of the lane, arc length on it and offset to its left, m; (-1, 0, 0) if the map has no such lane.
        """
        ...

    def lane_point(self, lane: int, s: float) -> tuple[float, float, float, float]:
        """x, y, z (m) and yaw (rad) on the centre line of a lane at arc length `s`, m."""
        ...

    def route(
        self, start_lane: int, start_s: float = 0.0, goal_lane: int | None = None, length_m: float = 300.0
    ) -> Route:
        """Route along lanes.

        Args:
            start_lane: index of the first lane.
            start_s: arc length on it, m.
            goal_lane: lane at whose end the route ends; None goes straight ahead.
            length_m: length without a goal.
        """
        ...
