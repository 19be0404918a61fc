"""What all sweeps of a street saw of its static part: a raster of ground and a grid of votes, counted from the ground.

The raster is twice as fine as the windows that are cut from it, so that they can lie at any angle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from uniscene_sim.datasets.formats.rays import cross
from uniscene_sim.datasets.formats.street import UNKNOWN, SeenSweep
from uniscene_sim.limits.memory import require_memory
from uniscene_sim.taxonomy import GROUND_CLASSES, OccClass

__all__ = ["CELL_M", "LEVELS", "SeenWorld", "lay_ground", "level_out", "see_world"]

CELL_M = 0.2
LEVELS = 60  # of CELL_M above the ground
_FREE = int(OccClass.FREE)
_GROUND = np.array(GROUND_CLASSES)
_PAINT = (int(OccClass.LANE_DIVIDER), int(OccClass.ROAD_DIVIDER), int(OccClass.PED_CROSSING))
_PAINT_SHARE = 0.2  # of the ground's points in a cell that make it painted
_STEP_M = 0.6  # points of ground that far from what lies around are of something else
_PASSED = 20  # a cell that more rays cross than this for each that ends in it is free
_AROUND_CELLS = 25  # over which ground that nobody saw is made even


@dataclass(frozen=True)
class SeenWorld:
    """The static world, X x Y cells of `CELL_M` from `low` on.

    Attributes:
        low: (2,) m, world.
        height: float32 (X, Y) m of the ground, made up where it was not seen.
        ground: uint8 (X, Y) OccClass of the ground, FREE where it was not seen.
        label: uint8 (X, Y, LEVELS) OccClass, FREE where nothing is.
        hits: uint16 (X, Y, LEVELS), rays that end there.
        seen: bool (X, Y, LEVELS), where rays passed or ended.
    """

    low: np.ndarray
    height: np.ndarray
    ground: np.ndarray
    label: np.ndarray
    hits: np.ndarray
    seen: np.ndarray


def see_world(sweeps: Iterable[SeenSweep], low: np.ndarray, shape: tuple[int, int]) -> SeenWorld:
    """Lay sweeps together.

    Args:
        sweeps: all of a street; gone through once.
        low: (2,) m, corner of the raster.
        shape: cells of `CELL_M` along x and y.

    Raises:
        InputError: it does not fit into memory.
    """
    require_memory(16 * shape[0] * shape[1] * LEVELS, "the street as voxels", field="street")
    points = _Points()
    for sweep in sweeps:
        points.add(sweep, low, shape)
    height, ground = lay_ground(points.xyz, points.label, low, shape)
    crossed = np.zeros((*shape, LEVELS), np.uint16)
    for origins, ends in points.rays:
        cross(crossed, height, low, CELL_M, origins.astype(np.float64), ends.astype(np.float64))
    label, hits = _votes(points, height, low, shape)
    solid = hits.astype(np.uint32) * _PASSED >= crossed
    label[~solid] = _FREE
    return SeenWorld(low, height, ground, label, hits, (crossed > 0) | (hits > 0))


class _Points:
    def __init__(self) -> None:
        self.rays: list[tuple[np.ndarray, np.ndarray]] = []
        self._xyz: list[np.ndarray] = []
        self._label: list[np.ndarray] = []

    def add(self, sweep: SeenSweep, low: np.ndarray, shape: tuple[int, int]) -> None:
        self.rays.append((sweep.origins, sweep.ends))
        inside = ((sweep.ends[:, :2] >= low) & (sweep.ends[:, :2] < low + CELL_M * np.array(shape))).all(axis=1)
        use = inside & ~sweep.moving & (sweep.label != UNKNOWN)
        self._xyz.append(sweep.ends[use])
        self._label.append(sweep.label[use])

    @property
    def xyz(self) -> np.ndarray:
        return np.concatenate(self._xyz)

    @property
    def label(self) -> np.ndarray:
        return np.concatenate(self._label)


def _cells(xyz: np.ndarray, low: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Flat index (N,) of the column of each point."""
    i, j = np.clip(((xyz[:, :2] - low) / CELL_M).astype(np.int64), 0, np.array(shape) - 1).T
    out: np.ndarray = i * shape[1] + j
    return out


def lay_ground(
    xyz: np.ndarray, label: np.ndarray, low: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Height float32 (X, Y) m, made up where it was not seen, and class uint8 (X, Y) of the ground, FREE there.

    Args:
        xyz, label: points (N, 3), m, and their classes (N,); those of ground are used.
        low: (2,) m, corner of the raster.
        shape: cells of `CELL_M` along x and y.
    """
    use = np.isin(label, _GROUND)
    xyz, label = xyz[use], label[use]
    at = _cells(xyz, low, shape)
    size = shape[0] * shape[1]
    height = np.full(size, np.nan)
    order = np.lexsort((xyz[:, 2], at))
    cells, first, count = np.unique(at[order], return_index=True, return_counts=True)
    height[cells] = xyz[order[first + count // 2], 2]
    height = height.reshape(shape)
    # What is far above or below all around it, such as a bridge, is not the ground that one drives on.
    broad = level_out(height, 5)
    off = np.abs(height - ndimage.median_filter(broad, 9)) > _STEP_M
    height[off] = np.nan
    votes = np.zeros((len(OccClass), size), np.int32)
    keep = ~off.ravel()[at]
    np.add.at(votes, (label[keep], at[keep]), 1)
    total = votes.sum(axis=0)
    ground = np.where(total > 0, votes.argmax(axis=0), _FREE).astype(np.uint8)
    for paint in _PAINT:
        ground[(total > 0) & (votes[paint] >= _PAINT_SHARE * total)] = paint
    return level_out(height, _AROUND_CELLS).astype(np.float32), ground.reshape(shape)


def level_out(height: np.ndarray, around: int) -> np.ndarray:
    """Heights (X, Y) with gaps (NaN) closed from what is nearest, evened out over some cells."""
    gap = np.isnan(height)
    if gap.all():
        return np.zeros_like(height)
    nearest = ndimage.distance_transform_edt(gap, return_distances=False, return_indices=True)
    full = height[tuple(nearest)]
    out: np.ndarray = np.where(gap, ndimage.uniform_filter(full, around), full)
    return out


def _votes(
    points: _Points, height: np.ndarray, low: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Class uint8 and count uint16 (X, Y, LEVELS) of what stands on the ground."""
    xyz, label = points.xyz, points.label
    use = ~np.isin(label, _GROUND)
    xyz, label = xyz[use], label[use]
    column = _cells(xyz, low, shape)
    level = np.floor((xyz[:, 2] - height.ravel()[column]) / CELL_M).astype(np.int64)
    inside = (level >= 0) & (level < LEVELS)
    key = (column[inside] * LEVELS + level[inside]) * 32 + label[inside]
    keys, count = np.unique(key, return_counts=True)
    voxel = keys // 32
    order = np.argsort(count, kind="stable")  # the most frequent class is written last
    out = np.full((*shape, LEVELS), _FREE, np.uint8)
    out.ravel()[voxel[order]] = keys[order] % 32
    hits = np.zeros(out.size, np.int64)
    np.add.at(hits, voxel, count)
    return out, np.minimum(hits, 65535).astype(np.uint16).reshape(out.shape)
