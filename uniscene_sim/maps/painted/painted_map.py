"""`PaintedMap`: a static map as a multi-hot raster, painted by somebody or taken from another data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.layout import BevLayout, LayoutSchema
from uniscene_sim.maps.elements import Crossing, Frontage, Lane, MapObject, Route, Signal, SignalProgram, StopLine
from uniscene_sim.maps.painted.files import read_painted, save_painted
from uniscene_sim.maps.painted.objects import painted_frontages, painted_objects
from uniscene_sim.maps.painted.painted_raster import PaintedRaster
from uniscene_sim.maps.painted.raster import rasterise_cells
from uniscene_sim.maps.painted.surface import PaintedSurface

__all__ = ["PaintedMap"]


@dataclass(frozen=True, eq=False)
class PaintedMap(PaintedRaster):
    """Flat ground, painted cell by cell: raster[c, i, j] covers [origin + (i, j) resolution_m, ... + resolution_m).

    What is neither road nor walkway is open ground. Cars may be on `drivable_area`, on `carpark_area`, and on markings
    painted outside of a walkway. With a channel `building` (or `vegetation`) houses (or trees) stand there and nowhere
    else; without it they are grown along the streets. A stroke of `road_block` is a row of barriers.

    Raises:
        InputError: names the field and what was expected.
    """

    @cached_property
    def surface(self) -> PaintedSurface:
        """Heights, paint and what counts as road."""
        return PaintedSurface(self)

    @cached_property
    def objects(self) -> tuple[MapObject, ...]:
        """Buildings, trees and barriers that stand where they were painted."""
        return painted_objects(self, self.surface)

    @property
    def complete(self) -> frozenset[str]:
        """Buildings and trees, where they were painted."""
        return frozenset(kind for c, kind in (("building", "building"), ("vegetation", "tree")) if c in self.channels)

    def frontages(self) -> list[Frontage]:
        """Edges of roads and walkways towards open ground, every 2 m."""
        return painted_frontages(self, self.surface)

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
        save_painted(self, path)

    @classmethod
    def load(cls, path: str | Path) -> PaintedMap:
        """Read what `save` wrote, or what somebody painted in the same form; InputError where it is malformed."""
        painted = read_painted(path)
        return cls(painted.name, painted.channels, painted.raster, painted.resolution_m, painted.origin)
