"""Windows seen from elsewhere: which column of a window lies at each column of another.

Heights count from the ground at each column, so a window moves along the ground and turns, but never changes layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec

__all__ = ["Columns", "columns_at"]


@dataclass(frozen=True)
class Columns:
    """For each column of a window, the nearest one of another."""

    i: np.ndarray  # int64 (X, Y)
    j: np.ndarray  # int64 (X, Y)
    inside: np.ndarray  # bool (X, Y), whether the other window has it

    def of(self, other: np.ndarray, missing: int = 0) -> np.ndarray:
        """What the other window (U, V, ...) has at these columns, (X, Y, ...); `missing` where it has none."""
        out: np.ndarray = other[self.i, self.j]
        out[~self.inside] = missing
        return out


def columns_at(here: Pose, grid: GridSpec, there: Pose, other: GridSpec,
               area: tuple[slice, slice] = (slice(None), slice(None))) -> Columns:  # fmt: skip
    """The columns of another window at those of this one.

    Args:
        here: map <- base_link of this window.
        grid: its voxels.
        there: of the other window.
        other: its voxels.
        area: slices of this window along x and y, by default all of it.
    """
    x, y = grid.centres(0)[area[0]][:, None], grid.centres(1)[area[1]][None, :]
    turn, c, s = here.yaw - there.yaw, np.cos(there.yaw), np.sin(there.yaw)
    dx, dy = here.x - there.x, here.y - there.y
    u = np.cos(turn) * x - np.sin(turn) * y + c * dx + s * dy
    v = np.sin(turn) * x + np.cos(turn) * y - s * dx + c * dy
    # What lies on a border of columns must fall on one side of it on every machine.
    i = np.floor(np.round((u - other.origin[0]) / other.voxel_m, 6)).astype(np.int64)
    j = np.floor(np.round((v - other.origin[1]) / other.voxel_m, 6)).astype(np.int64)
    inside = (i >= 0) & (i < other.shape[0]) & (j >= 0) & (j < other.shape[1])
    return Columns(np.where(inside, i, 0), np.where(inside, j, 0), inside)
