"""The canvas that windows are cut out of, and which column of a window lies at each column of another.

Heights count from the ground at each column, so a window moves along the ground and turns, but never changes layers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, radians, sin

import numpy as np

from uniscene_sim.geometry import Pose, wrap_angle
from uniscene_sim.grid import DEFAULT_GRID, GridSpec

__all__ = ["CANVAS", "Canvas", "Columns", "columns_at"]

#: It covers the window wherever the ego is on it: 40 m, turned by 8 degrees, and half a token aside.
CANVAS = replace(DEFAULT_GRID, shape=(240, 240, DEFAULT_GRID.shape[2]), origin=(-48.0, -48.0, -1.0))
_TURN = radians(8.0)  # by which the ego turns before its canvas does


@dataclass(frozen=True)
class Canvas:
    """Where a canvas is: axes that stay, and how far it has moved along them.

    It follows the ego by whole tokens, and turns only when the ego has turned by 8 degrees: so what stands does not
    creep along with the ego.
    """

    x: float  # m, map frame, of the middle when its axes were set
    y: float
    yaw: float  # rad
    i: int  # tokens moved along its axes
    j: int
    number: int  # how often axes were set

    @classmethod
    def around(cls, ego: Pose, number: int = 0) -> Canvas:
        """A canvas with the ego in its middle."""
        return cls(ego.x, ego.y, ego.yaw, 0, 0, number)

    def pose(self, token_m: float, z: float) -> Pose:
        """map <- canvas."""
        c, s = cos(self.yaw), sin(self.yaw)
        u, v = self.i * token_m, self.j * token_m
        return Pose(self.x + c * u - s * v, self.y + s * u + c * v, z, yaw=self.yaw)

    def following(self, ego: Pose, token_m: float) -> Canvas:
        """The canvas for another place of the ego."""
        if abs(wrap_angle(ego.yaw - self.yaw)) > _TURN:
            return Canvas.around(ego, self.number + 1)
        c, s = cos(self.yaw), sin(self.yaw)
        dx, dy = ego.x - self.x, ego.y - self.y
        u, v = (c * dx + s * dy) / token_m, (-s * dx + c * dy) / token_m
        return replace(self, i=int(np.floor(u + 0.5)), j=int(np.floor(v + 0.5)))


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
