"""A baseline for occupancy: the most frequent column of labels for the layout of a cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.metrics.occupancy import AGENT_CHANNELS
from uniscene_sim.taxonomy import OccClass

__all__ = ["MeanColumnBaseline"]

_CLASSES = len(OccClass)


class MeanColumnBaseline:
    """A lookup table: for each cell and height, the most frequent label among training cells with the same static
    channels of the layout.

    Neighbouring cells and agents are not used. Combinations of channels without training data get the most frequent
    labels of all columns.

    Args:
        channels: names of the layouts' channels, in order.
        heights: Z, number of voxels of a column.
    """

    def __init__(self, channels: Sequence[str], heights: int):
        self._rows = [k for k, name in enumerate(channels) if name not in AGENT_CHANNELS]
        self._counts = np.zeros((1 << len(self._rows), heights, _CLASSES), np.int32)

    def add(self, layout: np.ndarray, labels: np.ndarray, observed: np.ndarray | None = None) -> None:
        """Add a window: layout uint8 (C, X, Y), labels uint8 (X, Y, Z), and where these are known, bool (X, Y, Z)."""
        _, heights, classes = self._counts.shape
        kinds, which = np.unique(self._kind(layout), return_inverse=True)
        cell = (which.reshape(layout.shape[1:])[..., None] * heights + np.arange(heights)) * classes + labels
        cell = cell.ravel() if observed is None else cell[observed]
        counts = np.bincount(cell, minlength=len(kinds) * heights * classes)
        self._counts[kinds] += counts.reshape(-1, heights, classes).astype(np.int32)

    def __call__(self, layouts: np.ndarray) -> np.ndarray:
        """Labels uint8 (B, X, Y, Z) for layouts uint8 (B, C, X, Y)."""
        never = ~self._counts.any(axis=(1, 2))
        column = self._counts.argmax(axis=2).astype(np.uint8)
        column[never] = self._counts.sum(axis=0).argmax(axis=1)
        return np.stack([column[self._kind(layout)] for layout in layouts])

    def _kind(self, layout: np.ndarray) -> np.ndarray:
        """Static channels of each cell as a number, int64 (X, Y)."""
        kind: np.ndarray = sum((layout[row] > 0).astype(np.int64) << bit for bit, row in enumerate(self._rows))
        return kind
