"""`RecordedStreet`: ground and solids of a recorded map, and their arrays in its file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.frame_origin import is_near
from uniscene_sim.maps.painted.cells import MOST_CELLS, PAINTABLE, PaintedRaster
from uniscene_sim.maps.recorded.solid_cells import SolidCells
from uniscene_sim.storage.array_file import check_shapes, check_span
from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import CELL_M, GROUND_STEP_M

__all__ = ["ARRAYS", "RecordedStreet"]

_HIGHEST_M = 5000.0
#: Arrays of a street in the file of its map: dtype and shape of each.
ARRAYS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "street_corner": ("int64", (2,)),
    "street_height": ("float32", ("X", "Y")),
    "street_seen": ("bool", ("X", "Y")),
    "street_channels": ("str", ("C",)),
    "street_raster": ("uint8", ("C", "X", "Y")),
    "street_at": ("int32", ("N", 3)),
    "street_material": ("uint8", ("N",)),
    "street_brick": ("uint64", ("N",)),
}


@dataclass(frozen=True, eq=False)
class RecordedStreet:
    """The ground of a street as a raster of `tile.GROUND_STEP_M`, and what stands on it.

    Attributes:
        corner: int64 (2,): cell (i, j) of the raster begins at GROUND_STEP_M (corner + (i, j)), m, map frame.
        height: float32 (X, Y) m, of the ground at the corner of each cell; beyond the raster the ground is level.
        seen: bool (X, Y), where ground was seen; elsewhere its height is made up.
        channels: of `maps.painted.cells.PAINTABLE`.
        raster: uint8 (C, X, Y), what is road, walkway or paint.
        solids: what stands on the ground.

    Raises:
        InputError: nothing is drivable, or it lies far from the origin.
    """

    corner: np.ndarray
    height: np.ndarray
    seen: np.ndarray
    channels: tuple[str, ...]
    raster: np.ndarray
    solids: SolidCells

    def __post_init__(self) -> None:
        if not is_near(self.first[None]):
            raise InputError("expected a street within 4 km of the origin", field="street_corner")

    @property
    def first(self) -> np.ndarray:
        """x, y (2,), m, of the first node of `height`."""
        return self.corner * GROUND_STEP_M

    @cached_property
    def painted(self) -> PaintedRaster:
        """The raster alone, on flat ground."""
        x, y = self.first.tolist()
        return PaintedRaster("street", self.channels, self.raster, GROUND_STEP_M, (x, y))

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """What the file of the map holds, see `ARRAYS`."""
        s = self.solids
        held = (self.corner, self.height, self.seen, np.array(self.channels), self.raster, s.at, s.material, s.brick)
        return dict(zip(ARRAYS, held, strict=True))

    @cached_property
    def ref(self) -> str:
        """SHA-256 of the content."""
        sha = hashlib.sha256()
        for name, array in self.arrays.items():
            sha.update(f"{name}{array.dtype.str}{array.shape}".encode())
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray], path: str | Path) -> RecordedStreet:
        """The street in a file.

        Raises:
            InputError: an array has another shape, or a value means nothing.
        """
        lengths = check_shapes(arrays, ARRAYS, path)
        if lengths["X"] < 2 or lengths["Y"] < 2 or lengths["X"] * lengths["Y"] > MOST_CELLS:
            raise InputError(f"expected 2 x 2 to {MOST_CELLS:,} cells", file=path, field="street_height")
        check_span(arrays["street_height"], -_HIGHEST_M, _HIGHEST_M, path, "street_height")
        check_span(arrays["street_at"], -_HIGHEST_M / CELL_M, _HIGHEST_M / CELL_M, path, "street_at")
        if unknown := [name for name in arrays["street_channels"].tolist() if name not in PAINTABLE]:
            raise InputError(f"no such channels: {', '.join(unknown)[:80]}", file=path, field="street_channels")
        known = [int(material) for material in Material if material != Material.NONE]
        if not np.isin(arrays["street_material"], [*range(Material.NONE), *known]).all():
            raise InputError("expected numbers of materials", file=path, field="street_material")
        a = {name.removeprefix("street_"): arrays[name] for name in ARRAYS}
        solids = SolidCells(a["at"], a["material"], a["brick"])
        return cls(a["corner"], a["height"], a["seen"], tuple(a["channels"].tolist()), a["raster"], solids)
