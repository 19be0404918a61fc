"""`GridSpec`: the voxel grid that occupancy, sensors and metrics share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["DEFAULT_GRID", "GridSpec"]


@dataclass(frozen=True)
class GridSpec:
    """A regular voxel grid in a frame of its own (x forward, y left, z up, metres; z is height above ground)."""

    voxel_m: float = 0.4
    shape: tuple[int, int, int] = (200, 200, 16)
    origin: tuple[float, float, float] = (-40.0, -40.0, -1.0)

    def __post_init__(self) -> None:
        if self.voxel_m <= 0 or any(n <= 0 for n in self.shape):
            raise ValueError(f"voxel_m and shape must be positive, got {self.voxel_m} and {self.shape}")

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
