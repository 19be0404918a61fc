"""`PaintedMap`: a static map as a multi-hot raster, painted by hand or taken from another data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.layout import BevLayout, LayoutSchema
from uniscene_sim.maps.elements import (
    Closing,
    Crossing,
    Frontage,
    Lane,
    MapObject,
    Route,
    Signal,
    SignalProgram,
    StopLine,
)
from uniscene_sim.maps.painted.cells import PaintedRaster
from uniscene_sim.maps.painted.files import read_painted, save_painted
from uniscene_sim.maps.painted.layout_raster import rasterise_cells
from uniscene_sim.maps.painted.objects import painted_frontages, painted_objects
from uniscene_sim.maps.painted.surface import PaintedSurface

__all__ = ["PaintedMap"]


@dataclass(frozen=True, eq=False)
class PaintedMap(PaintedRaster):
    """A `StaticMap` of flat ground without lanes, see `PaintedRaster`.

    Raises:
        InputError: names the field and what was expected.
    """

    @cached_property
    def surface(self) -> PaintedSurface:
        """Heights, materials and kinds of ground."""
        return PaintedSurface(self)

    @cached_property
    def objects(self) -> tuple[MapObject, ...]:
        """Buildings, trees and barriers where they were painted."""
        return painted_objects(self, self.surface)

    @property
    def complete(self) -> frozenset[str]:
        """Buildings and trees, if their channels were painted."""
        return frozenset(kind for c, kind in (("building", "building"), ("vegetation", "tree")) if c in self.channels)

    def frontages(self) -> list[Frontage]:
        """Edges of roads and walkways towards open ground, every 2 m."""
        return painted_frontages(self, self.surface)

    def surface_height(self, x: np.ndarray, y: np.ndarray, z_hint: np.ndarray) -> np.ndarray:
        """Height (N,), m, of the ground at places (N,)."""
        return self.surface.height(x, y, z_hint)

    def rasterise(
        self,
        bev_pose_xyyaw: tuple[float, float, float],
        shape: tuple[int, int],
        resolution_m: float,
        z_hint: float | None = None,
        schema: LayoutSchema | None = None,
    ) -> BevLayout:
        """The painted cells around a pose: a cell of the raster takes the value of the painted cell at its centre.

        Args:
            bev_pose_xyyaw: x, y (m) and yaw (rad) of the raster's centre in the map frame.
            shape: cells (X, Y).
            resolution_m: size of a cell.
            z_hint: height of the raster's pose, m; None is 0.
            schema: channels; None is the default.
        """
        return rasterise_cells(self, bev_pose_xyyaw, shape, resolution_m, z_hint, schema or LayoutSchema())

    # There are no solids, no lanes, nor anything attached to them.

    @property
    def solids(self) -> None:
        return None

    @property
    def geo_reference(self) -> None:
        return None

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

    @property
    def closings(self) -> tuple[Closing, ...]:
        return ()

    def nearest_lane(
        self, x: float, y: float, z: float | None = None, yaw: float | None = None, kinds: Sequence[str] = ("driving",)
    ) -> tuple[int, float, float]:
        """(-1, 0, 0): there are no lanes.

        Args:
            x, y, z, yaw, kinds: as in `StaticMap.nearest_lane`.
        """
        return -1, 0.0, 0.0

    def lane_point(self, lane: int, s: float) -> tuple[float, float, float, float]:
        """Raises InputError: there are no lanes."""
        self._refuse()

    def route(
        self, start_lane: int, start_s: float = 0.0, goal_lane: int | None = None, length_m: float = 300.0
    ) -> Route:
        """Raises InputError: there are no lanes.

        Args:
            start_lane, start_s, goal_lane, length_m: as in `StaticMap.route`.
        """
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise InputError(f"the painted map {self.name!r} has no lanes and no routes; expected a trajectory")

    # --- files ------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write one `.npz`, or a folder with a PNG for each channel and `map.yaml`, completely or not at all."""
        save_painted(self, path)

    @classmethod
    def load(cls, path: str | Path) -> PaintedMap:
        """Read what `save` wrote, or what was painted by hand in the same form; InputError if it is malformed."""
        painted = read_painted(path)
        return cls(
            painted.name, painted.channels, painted.raster, painted.resolution_m, painted.origin, painted.frame_origin
        )
