"""`PaintedMap`: a static map as a multi-hot raster, painted by somebody or taken from another data set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.layout import BevLayout, LayoutSchema
from uniscene_sim.maps.painted.painted_raster import (
    _FARTHEST_M,
    _MARKINGS,
    _ROAD_STEP_M,
    COARSEST_M,
    FINEST_M,
    PAINTABLE,
    check_channel,
    check_size,
)

if TYPE_CHECKING:
    from uniscene_sim.maps.elements import Crossing, Frontage, Lane, MapObject, Route, Signal, SignalProgram, StopLine
    from uniscene_sim.maps.painted.surface import PaintedSurface

__all__ = ["PaintedMap"]


@dataclass(frozen=True, eq=False)
class PaintedMap:
    """Flat ground, painted cell by cell: raster[c, i, j] covers [origin + (i, j) resolution_m, ... + resolution_m).

    What is neither road nor walkway is open ground. Cars may be on `drivable_area`, on `carpark_area`, and on markings
    painted outside of a walkway. With a channel `building` (or `vegetation`) houses (or trees) stand there and nowhere
    else; without it they are grown along the streets. A stroke of `road_block` is a row of barriers.

    Raises:
        InputError: names the field and what was expected.
    """

    name: str
    channels: tuple[str, ...]  # of PAINTABLE; kept in its order
    raster: np.ndarray  # bool or uint8 (C, X, Y), kept as 0 and 1
    resolution_m: float
    origin: tuple[float, float] = (0.0, 0.0)  # m, map frame: corner of cell (0, 0)

    def __post_init__(self) -> None:
        for channel in self.channels:
            check_channel(channel)
        if len(set(self.channels)) < len(self.channels):
            raise InputError(f"each channel once, got {', '.join(self.channels)}", field="channels")
        if not FINEST_M <= self.resolution_m <= COARSEST_M:
            expected = f"expected {FINEST_M:g} to {COARSEST_M:g} m"
            raise InputError(f"{expected}, got {self.resolution_m:g}", field="resolution_m")
        if len(self.origin) != 2 or not np.abs(self.origin).max() <= _FARTHEST_M:
            raise InputError(f"expected x, y within 1,000 km, got {self.origin}", field="origin")
        raster = np.asarray(self.raster)
        if raster.dtype not in (np.dtype(bool), np.dtype(np.uint8)):
            raise InputError(f"expected uint8 or bool, got {raster.dtype}", field="raster")
        if raster.ndim != 3 or raster.shape[0] != len(self.channels):
            raise InputError(f"expected ({len(self.channels)} channels, X, Y), got {raster.shape}", field="raster")
        check_size(*raster.shape[1:])
        order = [self.channels.index(c) for c in PAINTABLE if c in self.channels]
        cells = np.ascontiguousarray(raster[order] != 0).astype(np.uint8)
        cells.flags.writeable = False
        for name, value in (
            ("channels", tuple(self.channels[k] for k in order)),
            ("raster", cells),
            ("resolution_m", float(self.resolution_m)),
            ("origin", (float(self.origin[0]) + 0.0, float(self.origin[1]) + 0.0)),
        ):
            object.__setattr__(self, name, value)
        if not self.cells("drivable_area").any():
            raise InputError("nothing is drivable; expected at least one cell set", field="drivable_area")

    # --- what is painted --------------------------------------------------------------------------------------------

    def cells(self, channel: str) -> np.ndarray:
        """Whether each cell is set: bool (X, Y); none is of a channel that was not painted."""
        if channel in self.channels:
            return self.raster[self.channels.index(channel)].astype(bool)
        return np.zeros(self.raster.shape[1:], dtype=bool)

    @cached_property
    def road(self) -> np.ndarray:
        """Cells (X, Y) that cars may be on."""
        marked = np.any([self.cells(c) for c in _MARKINGS], axis=0)
        return self.cells("drivable_area") | self.cells("carpark_area") | (marked & ~self.cells("walkway"))

    @cached_property
    def walk(self) -> np.ndarray:
        """Cells (X, Y) of walkways beside the road."""
        return self.cells("walkway") & ~self.road

    @cached_property
    def ref(self) -> str:
        """SHA-256 of what is painted and where."""
        head = f"painted {self.channels} {self.resolution_m!r} {self.origin!r} {self.raster.shape}"
        sha = hashlib.sha256(head.encode())
        sha.update(self.raster.data)
        return sha.hexdigest()

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max of the raster, m."""
        x, y = self.origin
        return x, y, x + self.resolution_m * self.raster.shape[1], y + self.resolution_m * self.raster.shape[2]

    def road_points(self) -> np.ndarray:
        """Middles (N, 2) of some road cells, one in each square of 4 m that has any."""
        at = np.argwhere(self.road)
        _, first = np.unique((at * self.resolution_m // _ROAD_STEP_M).astype(np.int64), axis=0, return_index=True)
        return np.array(self.origin) + (at[first] + 0.5) * self.resolution_m

    # --- StaticMap --------------------------------------------------------------------------------------------------

    @cached_property
    def surface(self) -> PaintedSurface:
        """Heights, paint and what counts as road."""
        from uniscene_sim.maps.painted.surface import PaintedSurface

        return PaintedSurface(self)

    @cached_property
    def objects(self) -> tuple[MapObject, ...]:
        """Buildings, trees and barriers that stand where they were painted."""
        from uniscene_sim.maps.painted.objects import painted_objects

        return painted_objects(self)

    @property
    def complete(self) -> frozenset[str]:
        """Buildings and trees, where they were painted."""
        return frozenset(kind for c, kind in (("building", "building"), ("vegetation", "tree")) if c in self.channels)

    def frontages(self) -> list[Frontage]:
        """Edges of roads and walkways towards open ground, every 2 m."""
        from uniscene_sim.maps.painted.objects import painted_frontages

        return painted_frontages(self)

    def surface_height(self, x: np.ndarray, y: np.ndarray, z_hint: np.ndarray) -> np.ndarray:
        """Height (N,) of the ground, m."""
        return self.surface.height(x, y, z_hint)

    def rasterise(
        self,
        bev_pose_xyyaw: tuple[float, float, float],
        shape: tuple[int, int],
        resolution_m: float,
        z_hint: float | None = None,
        schema: LayoutSchema | None = None,
    ) -> BevLayout:
        """The painted cells around a pose: a cell of the window is what the cell that holds its centre is."""
        from uniscene_sim.maps.painted.raster import rasterise_cells

        return rasterise_cells(self, bev_pose_xyyaw, shape, resolution_m, z_hint, schema or LayoutSchema())

    # Nobody painted lanes, nor what hangs on them.

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return ()

    @property
    def crossings(self) -> tuple[Crossing, ...]:
        return ()

    @property
    def stop_lines(self) -> tuple[StopLine, ...]:
        return ()

    @property
    def signals(self) -> tuple[Signal, ...]:
        return ()

    @property
    def programs(self) -> tuple[SignalProgram, ...]:
        return ()

    @property
    def left_hand_traffic(self) -> bool:
        return False

    def nearest_lane(
        self, x: float, y: float, z: float | None = None, yaw: float | None = None, kinds: Sequence[str] = ("driving",)
    ) -> tuple[int, float, float]:
        """(-1, 0, 0): there is none."""
        return -1, 0.0, 0.0

    def lane_point(self, lane: int, s: float) -> tuple[float, float, float, float]:
        """InputError."""
        self._refuse()

    def route(
        self, start_lane: int, start_s: float = 0.0, goal_lane: int | None = None, length_m: float = 300.0
    ) -> Route:
        """InputError."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise InputError(f"the painted map {self.name!r} has no lanes and no routes; expected a trajectory")

    # --- files ------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write one `.npz`, or a folder with a PNG for each channel and `map.yaml`; whole or not at all."""
        from uniscene_sim.maps.painted.files import save_painted

        save_painted(self, path)

    @classmethod
    def load(cls, path: str | Path) -> PaintedMap:
        """Read what `save` wrote, or what somebody painted in the same form; InputError where it is malformed."""
        from uniscene_sim.maps.painted.files import read_painted

        return read_painted(path)
