"""Houses and crowns in occupancy: how large, how high, how straight, and whether they stand on roads.

A house is a group of adjacent columns in which `MANMADE` reaches 2.4 m above the ground, of at least 4 m2; a crown one
of `VEGETATION`. What touches the border of the window is cut off, so it has no size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from uniscene_sim.compute.columns import top_layer
from uniscene_sim.compute.compiled import njit
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.taxonomy import OccClass

__all__ = ["ObjectStatistics", "edge_fit", "total_variation"]

_CELL = GENERATED_GRID.voxel_m
_GROUND = int(GENERATED_GRID.index(np.array([0.0, 0.0, -0.1]))[2])
_REACH = 6  # layers above the ground that a house or a crown has at least
_LEAST = 25  # cells of a footprint: 4 m2
_EDGE_CELLS = 6  # least cells of an edge: 2.4 m
_APART_CELLS = 2.5  # parallel edges are farther apart than this, or a jagged wall would be several
_MELTED = 1 / 3  # share of an outline off any edge above which a house has no shape
_ANGLES = np.radians(np.arange(0.0, 90.0, 2.0))
#: Bounds of the bins of histograms: m2 of footprints, m of heights.
_SIZES_M2 = np.array([4, 10, 20, 40, 60, 80, 100, 125, 160, 200, 280, 400, 800, 6400])
_CROWNS_M2 = np.array([4, 8, 12, 18, 26, 38, 56, 80, 120, 200, 400, 6400])
_HEIGHTS_M = np.arange(2.0, 13.6, 0.8)


@dataclass
class ObjectStatistics:
    """Counts over windows, judged by comparison with those of the truth."""

    house_sizes: np.ndarray = field(default_factory=lambda: np.zeros(len(_SIZES_M2) - 1, np.int64))
    house_heights: np.ndarray = field(default_factory=lambda: np.zeros(len(_HEIGHTS_M) - 1, np.int64))
    crown_sizes: np.ndarray = field(default_factory=lambda: np.zeros(len(_CROWNS_M2) - 1, np.int64))
    outline: int = 0  # cells
    off_edges: int = 0  # of the outline
    melted: int = 0  # houses
    house_cells: int = 0
    on_roads: int = 0  # of these

    def add(self, labels: np.ndarray, road: np.ndarray) -> None:
        """Add a window: labels uint8 (X, Y, Z), of which what is not judged is free, and roads, bool (X, Y)."""
        houses, tops = _footprints(labels == OccClass.MANMADE)
        self.house_cells += int((houses > 0).sum())
        self.on_roads += int(((houses > 0) & road).sum())
        for number, (where, size) in _whole(houses).items():
            here = houses[where] == number
            self.house_sizes += np.histogram(size * _CELL**2, _SIZES_M2)[0]
            top = np.median(tops[where][here]) * _CELL
            self.house_heights += np.histogram(np.clip(top, _HEIGHTS_M[0], _HEIGHTS_M[-1]), _HEIGHTS_M)[0]
            cells, off = edge_fit(here)
            self.outline += cells
            self.off_edges += off
            self.melted += off > _MELTED * cells
        crowns, _ = _footprints(labels == OccClass.VEGETATION)
        for _, size in _whole(crowns).values():
            self.crown_sizes += np.histogram(size * _CELL**2, _CROWNS_M2)[0]

    @property
    def off_share(self) -> float:
        """Share of the cells of outlines that lie on no edge."""
        return self.off_edges / self.outline if self.outline else float("nan")

    @property
    def melted_share(self) -> float:
        """Share of houses a third of whose outline lies on no edge."""
        count = self.house_sizes.sum()
        return float(self.melted / count) if count else float("nan")

    @property
    def road_share(self) -> float:
        """Share of the cells of houses that lie on roads."""
        return self.on_roads / self.house_cells if self.house_cells else float("nan")


def total_variation(a: np.ndarray, b: np.ndarray) -> float:
    """Half the sum of differences of two histograms' shares, 0 to 1; NaN if one is empty."""
    if not a.sum() or not b.sum():
        return float("nan")
    return float(0.5 * np.abs(a / a.sum() - b / b.sum()).sum())


def edge_fit(footprint: np.ndarray) -> tuple[int, int]:
    """Number of outline cells of a footprint, bool (X, Y), and how many of these lie on none of its edges.

    Edges are straight lines of at least 2.4 m along two perpendicular directions, those that leave fewest cells, and
    parallel ones at least a metre apart. A cell lies on an edge if its middle is as near to it as those of a straight
    wall are when drawn in cells.
    """
    padded = np.pad(footprint, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    i, j = np.nonzero(footprint & ~inner)
    return len(i), int(_off_edges(i.astype(float), j.astype(float), _ANGLES))


@njit(cache=True)
def _off_edges(i, j, angles):
    """Fewest cells (N,), of those with indices i and j, that no edge holds, over the directions of edges, rad."""
    fewest = len(i)
    for angle in angles:
        c, s = np.cos(angle), np.sin(angle)
        wide = max(c, s) - 0.02  # of the outline of a straight wall, in cells
        across = np.stack((c * i + s * j, c * j - s * i))
        usable = np.ones(across.shape, np.bool_)
        held = np.zeros(len(i), np.bool_)
        while True:
            best, start, axis = 0, 0.0, 0
            for way in range(2):
                sides = np.sort(across[way][usable[way] & ~held])
                last = 0
                for first in range(len(sides)):
                    while last < len(sides) and sides[last] <= sides[first] + wide:
                        last += 1
                    if last - first > best:
                        best, start, axis = last - first, sides[first], way
            if best < _EDGE_CELLS:
                break
            for n in range(len(i)):
                beyond = max(start - across[axis, n], across[axis, n] - start - wide)
                held[n] |= usable[axis, n] and beyond <= 0.0
                usable[axis, n] &= beyond > _APART_CELLS
        fewest = min(fewest, len(i) - held.sum())
    return fewest


def _footprints(solid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the object in each column, 0 for none, int32 (X, Y), and the height of its highest voxel in layers."""
    tops = top_layer(solid[:, :, _GROUND + 1 :])
    numbers, count = ndimage.label(tops >= _REACH)
    small = np.bincount(numbers.ravel(), minlength=count + 1) < _LEAST
    small[0] = False
    return np.where(small[numbers], 0, numbers), tops


def _whole(numbers: np.ndarray) -> dict[int, tuple[tuple[slice, slice], int]]:
    """Bounds and cells of each object that does not touch the border, by number."""
    rim = set(np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]]).tolist())
    sizes = np.bincount(numbers.ravel())
    return {
        number: (where, int(sizes[number]))
        for number, where in enumerate(ndimage.find_objects(numbers), 1)
        if where is not None and number not in rim
    }
