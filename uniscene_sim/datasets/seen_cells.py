"""0.4 m cells of a street from labelled points: what sweeps saw, as a learned LiDAR's input."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from uniscene_sim.lidar.learned.voxels import Cells, is_ground_label
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import CELL_M

__all__ = ["cells_of_points", "inside_cells"]

_FEWEST = 2  # points that make a cell, so that single stray ones do not
_FILLED_M = 2.0  # ground is continued this far from where it was seen, under parked cars and between beams
_CLASSES = int(OccClass.FREE)
_ROOM = 1 << 20  # cells along an axis, to both sides of the origin together


def cells_of_points(xyz: np.ndarray, label: np.ndarray) -> Cells:
    """Cells that points lie in, none of them hidden.

    A cell takes the class of most of its points. Ground is one cell of each column, that of its median height, as in
    `tile_cells`; it fills small gaps, and nothing lies below it.

    Args:
        xyz: float64 (N, 3) m, map frame.
        label: uint8 (N,) OccClass.
    """
    on_ground = is_ground_label(label)
    at, kind, count = _majority(np.floor(xyz[~on_ground] / CELL_M).astype(np.int64), label[~on_ground])
    at, kind = at[count >= _FEWEST], kind[count >= _FEWEST]
    if not on_ground.any():
        return Cells(at.astype(np.int32), kind, len(at))
    low, height, floor = _ground(xyz[on_ground], label[on_ground])
    level = np.ceil(height / CELL_M - 1e-4) - 1  # NaN where no ground is known
    column = at[:, :2] - low
    inside = ((column >= 0) & (column < level.shape)).all(axis=1)
    beneath = np.full(len(at), -np.inf)
    beneath[inside] = np.nan_to_num(level[tuple(column[inside].T)], nan=-np.inf)
    at, kind = at[at[:, 2] > beneath], kind[at[:, 2] > beneath]
    i, j = np.nonzero(~np.isnan(level))
    ground = np.stack([i + low[0], j + low[1], level[i, j].astype(np.int64)], axis=1)
    ijk = np.concatenate([at, ground]).astype(np.int32)
    return Cells(ijk, np.concatenate([kind, floor[i, j]]), len(ijk))


def inside_cells(xyz: np.ndarray, ijk: np.ndarray) -> np.ndarray:
    """Whether points (N, 3) m lie in cells int32 (M, 3), bool (N,)."""
    inside: np.ndarray = np.isin(_number(np.floor(xyz / CELL_M).astype(np.int64)), _number(ijk.astype(np.int64)))
    return inside


def _number(ijk: np.ndarray) -> np.ndarray:
    """One number (N,) for each cell (N, 3)."""
    i, j, k = (ijk + _ROOM // 2).T
    number: np.ndarray = (i * _ROOM + j) * _ROOM + k
    return number


def _majority(ijk: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Different cells int64 (M, 3) of points (N, 3), the class uint8 (M,) of most points of each, and their number."""
    cell, of = np.unique(_number(ijk), return_inverse=True)
    votes = np.bincount(of * _CLASSES + label, minlength=len(cell) * _CLASSES).reshape(-1, _CLASSES)
    where = np.stack([cell // _ROOM // _ROOM, cell // _ROOM % _ROOM, cell % _ROOM], axis=1) - _ROOM // 2
    return where, votes.argmax(axis=1).astype(np.uint8), votes.sum(axis=1)


def _ground(xyz: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First column (2,), height (X, Y) m, NaN where unknown, and class (X, Y) of the ground's columns."""
    column = np.floor(xyz[:, :2] / CELL_M).astype(np.int64)
    margin = round(_FILLED_M / CELL_M)
    low = column.min(axis=0) - margin
    shape = tuple((column.max(axis=0) - low + 1 + margin).tolist())
    flat = np.ravel_multi_index(tuple((column - low).T), shape)
    order = np.lexsort((xyz[:, 2], flat))
    begin = np.flatnonzero(np.diff(flat[order], prepend=-1))
    count = np.diff(begin, append=len(order))
    known = flat[order][begin]
    height, kind = np.full(shape, np.nan), np.zeros(shape, np.uint8)
    height.ravel()[known] = xyz[order[begin + count // 2], 2]
    where, most, _ = _majority(np.concatenate([column, np.zeros((len(column), 1), np.int64)], axis=1), label)
    kind[tuple((where[:, :2] - low).T)] = most
    away, nearest = ndimage.distance_transform_edt(np.isnan(height), return_indices=True)
    near = away * CELL_M <= _FILLED_M
    return low, np.where(near, height[tuple(nearest)], np.nan), kind[tuple(nearest)]
