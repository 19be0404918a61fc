"""`TileStore`: tiles made when first asked for, kept within a bound of memory."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from uniscene_sim.occupancy.tiles import BLOCK_CELLS, BLOCKS_Z, CELL_M, TILE_M, Tile
from uniscene_sim.taxonomy import Material

if TYPE_CHECKING:
    from uniscene_sim.engines import OccupancyEngine

__all__ = ["TileStore"]


class TileStore:
    """The least recently used tiles go first once `max_bytes` are held; they are the same when made again."""

    def __init__(self, engine: OccupancyEngine, max_bytes: int = 1 << 30):
        self.engine, self.max_bytes = engine, max_bytes
        self._tiles: OrderedDict[tuple[int, int], Tile] = OrderedDict()
        self.nbytes = 0
        self.made = 0

    def get(self, ix: int, iy: int) -> Tile:
        key = (ix, iy)
        if key in self._tiles:
            self._tiles.move_to_end(key)
            return self._tiles[key]
        tile = self.engine.tile(ix, iy)
        self._tiles[key] = tile
        self.nbytes += tile.nbytes
        self.made += 1
        while self.nbytes > self.max_bytes and len(self._tiles) > 1:
            self.nbytes -= self._tiles.popitem(last=False)[1].nbytes
        return tile

    def around(self, x: float, y: float, radius_m: float) -> list[tuple[int, int]]:
        """Indices of the tiles that a disc meets, by row."""
        low_x, high_x = int((x - radius_m) // TILE_M), int((x + radius_m) // TILE_M)
        low_y, high_y = int((y - radius_m) // TILE_M), int((y + radius_m) // TILE_M)
        out = []
        for ix in range(low_x, high_x + 1):
            for iy in range(low_y, high_y + 1):
                dx = max(ix * TILE_M - x, 0.0, x - (ix + 1) * TILE_M)
                dy = max(iy * TILE_M - y, 0.0, y - (iy + 1) * TILE_M)
                if dx * dx + dy * dy <= radius_m * radius_m:
                    out.append((ix, iy))
        return out

    def prefetch(self, wanted: list[tuple[int, int]], progress: bool = False) -> None:
        """Make tiles ahead of need."""
        for ix, iy in tqdm(wanted, desc="tiles", unit="tile", disable=None if progress else True):
            self.get(ix, iy)

    def solid(self, xyz: np.ndarray) -> np.ndarray:
        """Whether points (N, 3) of the map frame lie in a voxel; exact at 0.1 m. Ground does not count."""
        xyz = np.asarray(xyz, float)
        out = np.zeros(len(xyz), dtype=bool)
        index = np.floor(xyz[:, :2] / TILE_M).astype(int)
        for ix, iy in {(int(a), int(b)) for a, b in index}:
            tile = self.get(ix, iy)
            here = np.flatnonzero((index[:, 0] == ix) & (index[:, 1] == iy))
            sub = np.floor((xyz[here] - (ix * TILE_M, iy * TILE_M, tile.base_z)) / (CELL_M / 4)).astype(int)
            keep = (sub[:, 2] >= 0) & (sub[:, 2] < 4 * BLOCKS_Z * BLOCK_CELLS)
            here, sub = here[keep], sub[keep]
            cell, brick = sub // 4, sub % 4
            row = tile.blocks[tuple((cell // BLOCK_CELLS).T)]
            here, row, cell, brick = here[row >= 0], row[row >= 0], cell[row >= 0], brick[row >= 0]
            at = (row, *(cell % BLOCK_CELLS).T)
            full = tile.materials[at] != Material.NONE
            number = tile.brick_of[at]
            bits = tile.bricks[np.maximum(number, 0)] if len(tile.bricks) else np.zeros(len(row), np.uint64)
            shift = (16 * brick[:, 0] + 4 * brick[:, 1] + brick[:, 2]).astype(np.uint64)
            out[here] = full & ((number < 0) | ((bits >> shift) & np.uint64(1) > 0))
        return out
