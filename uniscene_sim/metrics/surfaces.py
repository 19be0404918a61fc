"""What is seen of occupancy from where the ego stands: the first occupied voxel on each ray of a fixed fan."""

from __future__ import annotations

from functools import cache

import numpy as np

from uniscene_sim.grid import GENERATED_GRID, GridSpec
from uniscene_sim.taxonomy import OccClass

__all__ = ["VisibleSurface", "visible_voxels"]

_FREE = np.uint8(OccClass.FREE)
_EYE_M = 1.6  # above base_link
_AROUND, _FLOORS = 720, 24  # rays around, and up and down
_DOWN, _UP = np.radians(-20.0), np.radians(30.0)


class VisibleSurface:
    """IoU of visible surfaces: voxels that a ray meets first in both, with the same label, over those in either.

    The fan has 720 x 24 rays, from 20 degrees below to 30 degrees above the horizon, from 1.6 m above the ego.

    Args:
        grid: of the labels.
    """

    def __init__(self, grid: GridSpec = GENERATED_GRID):
        self._grid = grid
        self._both = self._either = 0

    def add(
        self, truth: np.ndarray, made: np.ndarray, observed: np.ndarray | None = None, seen: np.ndarray | None = None
    ) -> None:
        """Add a window.

        Args:
            truth, made: labels, uint8 (X, Y, Z).
            observed: bool (X, Y, Z); other voxels do not count.
            seen: `visible_voxels` of the truth, if they are known.
        """
        true = visible_voxels(truth, self._grid) if seen is None else seen
        other = visible_voxels(made, self._grid)
        if observed is not None:
            true, other = (at[observed.ravel()[at]] for at in (true, other))
        common = np.intersect1d(true, other, assume_unique=True)
        same = int((truth.ravel()[common] == made.ravel()[common]).sum())
        self._both += same
        self._either += len(true) + len(other) - same

    @property
    def iou(self) -> float:
        return self._both / self._either if self._either else float("nan")


def visible_voxels(labels: np.ndarray, grid: GridSpec = GENERATED_GRID) -> np.ndarray:
    """Flat indices, int64 (N,), sorted and each once, of the voxels that rays meet first."""
    ways = _ways(grid)
    met = (labels.ravel() != _FREE)[ways]
    first = met.argmax(axis=0)
    rays = np.arange(ways.shape[1])
    return np.unique(ways[first, rays][met[first, rays]])


@cache
def _ways(grid: GridSpec) -> np.ndarray:
    """Flat index of the voxel at each step, of one voxel, along each ray, int32 (steps, rays): a ray that has left the
    grid stays in its last voxel."""
    around, up = np.meshgrid(
        np.arange(_AROUND) * (2 * np.pi / _AROUND), np.linspace(_DOWN, _UP, _FLOORS), indexing="ij"
    )
    way = np.stack([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)], axis=-1).reshape(-1, 3)
    eye = (np.array([0.0, 0.0, _EYE_M]) - grid.origin) / grid.voxel_m
    shape = np.array(grid.shape)
    eye = np.clip(eye, 0.0, shape - 1e-6)
    out = np.empty((int(np.hypot(*shape[:2])) // 2 + 1, len(way)), np.int32)
    last = np.ravel_multi_index(tuple(eye.astype(int)), grid.shape) * np.ones(len(way), np.int64)
    for step, row in enumerate(out):
        at = np.floor(eye + step * way).astype(int)
        inside = ((at >= 0) & (at < shape)).all(axis=1)
        at = at[inside]
        last[inside] = (at[:, 0] * shape[1] + at[:, 1]) * shape[2] + at[:, 2]
        row[:] = last
    return out
