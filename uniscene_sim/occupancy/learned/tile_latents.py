"""Latents of tiles, each generated around those of its neighbours that come before it in four colours.

Tiles take the colours (0, 0), (1, 0), (0, 1), (1, 1) of their index modulo two. One is generated on a canvas that
reaches 10 m into its neighbours; there the latents of neighbours of earlier colours are known and kept, as in
inpainting, and of the rest only what lies in the tile itself counts. No tile hangs on one of its own colour or a later
one, so all come out the same in whatever order they are asked for. Noise belongs to places of the world, so that what
two neighbours generate of the same place begins alike.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numba import njit

from uniscene_sim.compute.keyed_random import normal_pair, unit_hash5
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.occupancy.learned.interface import LatentModel
from uniscene_sim.tile import CELL_M, TILE_CELLS

__all__ = ["CANVAS_CELLS", "CANVAS_GRID", "MARGIN_CELLS", "MARGIN_M", "TileLatents", "tile_colour", "world_noise"]

MARGIN_CELLS = 24  # six latent cells: an even number, so that tiles end where a network's patches of two do
MARGIN_M = MARGIN_CELLS * CELL_M
CANVAS_CELLS = TILE_CELLS + 2 * MARGIN_CELLS
#: A canvas as a window about the middle of its tile.
CANVAS_GRID = replace(
    DEFAULT_GRID,
    shape=(CANVAS_CELLS, CANVAS_CELLS, DEFAULT_GRID.shape[2]),
    origin=(-0.5 * CANVAS_CELLS * CELL_M, -0.5 * CANVAS_CELLS * CELL_M, DEFAULT_GRID.origin[2]),
)
_NOISE = 119  # use of random numbers
_KEPT = 1024  # canvases; some 40 KB each


class TileLatents:
    """Latents of any tile's canvas, those used last kept.

    Args:
        model: makes latents.
        layout: of the canvas (C, 208, 208) of a tile, without agents.
        exists: whether a tile is generated at all.
        seed: of the noise.
    """

    def __init__(
        self,
        model: LatentModel,
        layout: Callable[[int, int], np.ndarray],
        exists: Callable[[int, int], bool],
        seed: int,
    ):
        self.model, self.layout, self.exists, self.seed = model, layout, exists, seed
        self.tile, self.margin = TILE_CELLS // model.patch, MARGIN_CELLS // model.patch
        self._canvases: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def canvas(self, ix: int, iy: int) -> np.ndarray:
        """Latents float32 (c, x, y) of a tile and the margin around it."""
        key = (ix, iy)
        if key not in self._canvases:
            known, mask = self.known(ix, iy)
            noise = world_noise(self.seed, self.model.latent_channels, *self._corner(ix, iy), mask.shape[0])
            (self._canvases[key],) = self.model.generate(
                self.layout(ix, iy)[None], noise[None], known=known[None], mask=mask[None]
            )
        self._canvases.move_to_end(key)
        while len(self._canvases) > _KEPT:
            self._canvases.popitem(last=False)
        return self._canvases[key]

    def known(self, ix: int, iy: int) -> tuple[np.ndarray, np.ndarray]:
        """Latents (c, x, y) of neighbours that come before, on a tile's canvas, and where they are, bool (x, y)."""
        size, tile, margin = self.tile + 2 * self.margin, self.tile, self.margin
        known = np.zeros((self.model.latent_channels, size, size), np.float32)
        mask = np.zeros((size, size), np.bool_)
        # What of a canvas lies in the neighbour on one side, and what of that neighbour's own canvas it is.
        here = {-1: slice(0, margin), 0: slice(margin, margin + tile), 1: slice(margin + tile, size)}
        there = {-1: slice(tile, tile + margin), 0: here[0], 1: slice(margin, 2 * margin)}
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                other = (ix + dx, iy + dy)
                if tile_colour(*other) < tile_colour(ix, iy) and self.exists(*other):
                    known[:, here[dx], here[dy]] = self.canvas(*other)[:, there[dx], there[dy]]
                    mask[here[dx], here[dy]] = True
        return known, mask

    def _corner(self, ix: int, iy: int) -> tuple[int, int]:
        return ix * self.tile - self.margin, iy * self.tile - self.margin


def tile_colour(ix: int, iy: int) -> int:
    """Turn of a tile, 0 to 3."""
    return ix % 2 + 2 * (iy % 2)


@njit(cache=True)
def world_noise(seed, channels, i0, j0, size):
    """Standard normals float32 (channels, size, size) at latent cells (i0 + i, j0 + j) of the world.

    Each hangs on the seed, its cell and its channel alone.
    """
    out = np.empty((channels, size, size), np.float32)
    for c in range(channels):
        for i in range(size):
            for j in range(size):
                u = unit_hash5(_NOISE, seed, i0 + i, j0 + j, 2 * c)
                v = unit_hash5(_NOISE, seed, i0 + i, j0 + j, 2 * c + 1)
                out[c, i, j] = normal_pair(u, v)[0]
    return out
