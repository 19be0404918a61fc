"""Which ground lies near roads: what is farther away is not worth drawing in full."""

from __future__ import annotations

import numpy as np

__all__ = ["REACH_M", "NearRoads"]

REACH_M = 60.0  # from roads, about
_NEAR_M = 20.0  # cells in which nearness to roads is kept


class NearRoads:
    """Which ground lies near roads, by coarse cells.

    Args:
        roads: points (N, 2), m, on all roads, a few metres apart.
    """

    def __init__(self, roads: np.ndarray):
        from scipy.ndimage import binary_dilation

        around = int(np.ceil(REACH_M / _NEAR_M))
        cells = np.unique(np.floor(roads / _NEAR_M).astype(int), axis=0).reshape(-1, 2)
        self._low = cells.min(axis=0) - around if len(cells) else np.zeros(2, int)
        shape = cells.max(axis=0) - self._low + around + 1 if len(cells) else (1, 1)
        self._near = np.zeros(shape, bool)
        self._near[tuple((cells - self._low).T)] = True
        self._near = binary_dilation(self._near, np.ones((2 * around + 1,) * 2, bool))
        self.low, self.high = self._low * _NEAR_M, (self._low + shape) * _NEAR_M

    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether places within `low` and `high`, m, are near, bool (N,)."""
        i, j = (np.floor(v / _NEAR_M).astype(int) - low for v, low in zip((x, y), self._low, strict=True))
        near: np.ndarray = self._near[i.clip(0, len(self._near) - 1), j.clip(0, self._near.shape[1] - 1)]
        return near
