"""`SolidCells`: what stands on a map, cell by cell, as a recording saw it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.tile import CELL_M, TILE_CELLS

__all__ = ["SolidCells"]


@dataclass(frozen=True, eq=False)
class SolidCells:
    """N cells of `tile.CELL_M` that are solid in part or whole, in the map frame.

    Attributes:
        at: int32 (N, 3): cell (i, j, k) begins at CELL_M (i, j, k), m.
        material: uint8 (N,) Material.
        brick: uint64 (N,), the sub-cells of 0.1 m that are solid, as in `Tile.bricks`.
    """

    at: np.ndarray
    material: np.ndarray
    brick: np.ndarray

    @cached_property
    def _by_tile(self) -> dict[tuple[int, int], np.ndarray]:
        tile = self.at[:, :2] // TILE_CELLS
        order = np.lexsort((tile[:, 1], tile[:, 0]))
        indices, first = np.unique(tile[order], axis=0, return_index=True)
        parts = np.split(order, first[1:])
        return {(int(i), int(j)): part for (i, j), part in zip(indices, parts, strict=True)}

    def draw(self, index: tuple[int, int], base_m: float, material: np.ndarray, mask: np.ndarray) -> None:
        """Draw those of a tile; those below or above its cells are left out.

        Args:
            index: of the tile.
            base_m: bottom of the tile's cells, a multiple of CELL_M.
            material, mask: uint8 and uint64 (160, 160, 192), its cells and their bricks, changed.
        """
        rows = self._by_tile.get(index)
        if rows is None:
            return
        corner = np.array([*(TILE_CELLS * k for k in index), round(base_m / CELL_M)])
        _draw(material, mask, self.at[rows] - corner, self.material[rows], self.brick[rows])


@njit(cache=True)
def _draw(material, mask, at, what, brick):
    for n in range(len(at)):
        i, j, k = at[n]
        if 0 <= k < material.shape[2]:
            material[i, j, k] = what[n]
            mask[i, j, k] |= brick[n]
