"""`StaticMap`: what does not move, in the map frame, behind one interface; and `VectorMap`, its OpenDRIVE form.

Its other form is `maps.painted.painted_map.PaintedMap`, a raster.

The map frame is OpenDRIVE's: right-handed, z up, metres, radians. Nothing here imports `carla`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from uniscene_sim.layout import BevLayout, LayoutSchema
from uniscene_sim.maps.elements import Crossing, Lane, MapObject, Signal, SignalProgram, StopLine

if TYPE_CHECKING:
    from uniscene_sim.maps.elements import Frontage, Route
    from uniscene_sim.maps.ground import Ground

__all__ = ["StaticMap", "Surface"]


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
        """SHA-256 of what it was read from or, where it was made, of its content: the same on every machine."""
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
        """Multi-hot raster of the static map centred on a pose; see `maps.raster`."""
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
