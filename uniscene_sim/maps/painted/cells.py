"""The raster of a painted map, and what follows from its cells alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from uniscene_sim.errors import InputError, did_you_mean
from uniscene_sim.layout import LAYOUT_CHANNELS, STATIC_CHANNELS
from uniscene_sim.maps.frame_origin import FARTHEST_M, REACH_M, best_frame_origin

__all__ = ["COARSEST_M", "FINEST_M", "MOST_CELLS", "PAINTABLE", "PaintedRaster", "check_channel", "check_size"]

#: Channels that a map may have. The last two are in no default schema, but a model may ask for them.
PAINTABLE: tuple[str, ...] = (*STATIC_CHANNELS, "building", "vegetation")
_MARKINGS = ("ped_crossing", "stop_line", "road_divider", "lane_divider")
FINEST_M, COARSEST_M = 0.05, 2.0  # size of cells
MOST_CELLS = 1 << 24
_ROAD_STEP_M = 4.0


@dataclass(frozen=True, eq=False)
class PaintedRaster:
    """Flat ground, painted cell by cell: raster[c, i, j] covers [origin + (i, j) resolution_m, ... + resolution_m).

    What is neither road nor walkway is open ground. Cars may be on `drivable_area`, on `carpark_area`, and on markings
    painted outside a walkway. With a channel `building` (or `vegetation`), there are houses (or trees) where it is
    painted and nowhere else; without it, they are generated along the roads. A stroke of `road_block` is a row of
    barriers.

    Raises:
        InputError: names the field and what was expected.
    """

    name: str
    channels: tuple[str, ...]  # of PAINTABLE; sorted in its order
    raster: np.ndarray  # bool or uint8 (C, X, Y), converted to 0 and 1
    resolution_m: float
    origin: tuple[float, float] = (0.0, 0.0)  # m: corner of cell (0, 0), once made in the map frame
    frame_origin: tuple[float, float] = (0.0, 0.0)  # m, see `StaticMap.frame_origin`

    def __post_init__(self) -> None:
        for channel in self.channels:
            check_channel(channel)
        if len(set(self.channels)) < len(self.channels):
            raise InputError(f"each channel once, got {', '.join(self.channels)}", field="channels")
        if not FINEST_M <= self.resolution_m <= COARSEST_M:
            expected = f"expected {FINEST_M:g} to {COARSEST_M:g} m"
            raise InputError(f"{expected}, got {self.resolution_m:g}", field="resolution_m")
        if len(self.origin) != 2 or not np.abs(self.origin).max() <= FARTHEST_M:
            raise InputError(f"expected x, y within {FARTHEST_M / 1e3:,.0f} km, got {self.origin}", field="origin")
        raster = np.asarray(self.raster)
        if raster.dtype not in (np.dtype(bool), np.dtype(np.uint8)):
            raise InputError(f"expected uint8 or bool, got {raster.dtype}", field="raster")
        if raster.ndim != 3 or raster.shape[0] != len(self.channels):
            raise InputError(f"expected ({len(self.channels)} channels, X, Y), got {raster.shape}", field="raster")
        check_size(*raster.shape[1:])
        if max(raster.shape[1:]) * self.resolution_m > REACH_M:
            raise InputError(f"expected at most {REACH_M / 1e3:.0f} km along a side", field="raster")
        corner = float(self.origin[0]), float(self.origin[1])
        far = best_frame_origin(np.array([corner]))
        frame_origin = self.frame_origin[0] + far[0], self.frame_origin[1] + far[1]
        order = [self.channels.index(c) for c in PAINTABLE if c in self.channels]
        cells = np.ascontiguousarray(raster[order] != 0).astype(np.uint8)
        cells.flags.writeable = False
        for name, value in (
            ("channels", tuple(self.channels[k] for k in order)),
            ("raster", cells),
            ("resolution_m", float(self.resolution_m)),
            ("origin", (corner[0] - far[0] + 0.0, corner[1] - far[1] + 0.0)),
            ("frame_origin", frame_origin),
        ):
            object.__setattr__(self, name, value)
        if not self.cells("drivable_area").any():
            raise InputError("nothing is drivable; expected at least one cell set", field="drivable_area")

    @property
    def own_origin(self) -> tuple[float, float]:
        """Corner of cell (0, 0) in the map's own coordinates, m."""
        return self.frame_origin[0] + self.origin[0], self.frame_origin[1] + self.origin[1]

    def cells(self, channel: str) -> np.ndarray:
        """Whether each cell of a channel is set, bool (X, Y); all False if the channel was not painted."""
        if channel in self.channels:
            painted: np.ndarray = self.raster[self.channels.index(channel)].astype(bool)
            return painted
        return np.zeros(self.raster.shape[1:], dtype=bool)

    @cached_property
    def road(self) -> np.ndarray:
        """Cells that cars may be on, bool (X, Y)."""
        marked = np.any([self.cells(c) for c in _MARKINGS], axis=0)
        road: np.ndarray = self.cells("drivable_area") | self.cells("carpark_area") | (marked & ~self.cells("walkway"))
        return road

    @cached_property
    def walk(self) -> np.ndarray:
        """Cells of walkways beside the road, bool (X, Y)."""
        walk: np.ndarray = self.cells("walkway") & ~self.road
        return walk

    @cached_property
    def ref(self) -> str:
        """SHA-256 of the cells and where they lie."""
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
        """Centres (N, 2), m, of road cells, one in each square of 4 m that has any."""
        at = np.argwhere(self.road)
        _, first = np.unique((at * self.resolution_m // _ROAD_STEP_M).astype(np.int64), axis=0, return_index=True)
        places: np.ndarray = np.array(self.origin) + (at[first] + 0.5) * self.resolution_m
        return places


def check_size(*shape: int) -> None:
    """InputError if a raster (X, Y) is empty or too large."""
    if min(shape) < 1 or int(np.prod(shape, dtype=np.float64)) > MOST_CELLS:
        raise InputError(f"expected 1 to {MOST_CELLS:,} cells, got {' x '.join(map(str, shape))}", field="raster")


def check_channel(name: str) -> None:
    """InputError if a map may not have such a channel."""
    if name in PAINTABLE:
        return
    if name in LAYOUT_CHANNELS:
        raise InputError(f"{name!r}: agents and props go into the scenario, under `agents`", field="channels")
    hint = did_you_mean(name, PAINTABLE)
    raise InputError(f"unknown channel {name!r}{hint}; expected some of {', '.join(PAINTABLE)}", field="channels")
