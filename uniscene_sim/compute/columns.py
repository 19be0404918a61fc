"""What voxels hold column by column."""

from __future__ import annotations

import numpy as np

__all__ = ["top_layer"]


def top_layer(filled: np.ndarray) -> np.ndarray:
    """Number of the highest filled layer, from 1, in each column of cells bool (X, Y, Z); int64 (X, Y), 0 if none."""
    down = filled[:, :, ::-1]
    top: np.ndarray = np.where(down.any(axis=2), filled.shape[2] - down.argmax(axis=2), 0)
    return top
