"""`GridSpec`: the voxel grid that occupancy, sensors and metrics share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.limits import bounds
from uniscene_sim.limits.bounds import check_numbers
from uniscene_sim.limits.memory import require_memory

__all__ = ["DEFAULT_GRID", "GENERATED_GRID", "GridSpec"]

_VOXEL_BYTES = 8  # label, instance, and what making them takes


@dataclass(frozen=True)
class GridSpec:
    """A regular voxel grid in a frame of its own (x forward, y left, z up, metres; z is height above ground)."""

    voxel_m: float = 0.4
    shape: tuple[int, int, int] = (200, 200, 16)
    origin: tuple[float, float, float] = (-40.0, -40.0, -1.0)

    def __post_init__(self) -> None:
        check_numbers(self, "grid.", voxel_m=bounds.VOXEL_M, shape=bounds.VOXELS, origin=bounds.GRID_PLACE_M)
        if len(self.shape) != 3 or len(self.origin) != 3:
            raise InputError(f"expected a shape and an origin of three, got {self.shape}, {self.origin}", field="grid")
        told = " x ".join(map(str, self.shape))
        require_memory(self.shape[0] * self.shape[1] * self.shape[2] * _VOXEL_BYTES, f"{told} voxels", field="grid")

    @property
    def extent(self) -> tuple[float, float, float, float, float, float]:
        """(x_min, y_min, z_min, x_max, y_max, z_max) in metres."""
        low = self.origin
        high = tuple(o + n * self.voxel_m for o, n in zip(low, self.shape, strict=True))
        return (*low, *high)  # type: ignore[return-value]

    def index(self, xyz: np.ndarray) -> np.ndarray:
        """Voxel index int64 (..., 3) of points (..., 3), m; may lie outside the grid."""
        return np.floor((np.asarray(xyz) - self.origin) / self.voxel_m).astype(np.int64)

    def centres(self, axis: int) -> np.ndarray:
        """Coordinates (N,), m, of the centres of the voxels along one axis."""
        return self.origin[axis] + (np.arange(self.shape[axis]) + 0.5) * self.voxel_m


DEFAULT_GRID = GridSpec()

#: What learned occupancy generates: the default window, twice as high, so that most houses and crowns end within it.
GENERATED_GRID = GridSpec(shape=(200, 200, 32))
