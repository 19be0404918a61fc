"""Latents of tiles, each generated around those of its neighbours of earlier colours.

Tiles have one of four colours, (0, 0), (1, 0), (0, 1), (1, 1), by their index modulo two. A tile is generated on a
canvas that reaches 10 m into its neighbours. There the latents of neighbours of earlier colours are known and kept, as
in inpainting; of the rest, only what lies in the tile itself is used. No tile depends on one of its own or a later
colour, so tiles are the same in whatever order they are requested. Noise is a function of the place in the world, so
that two neighbours start from the same noise where they overlap.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.keyed_random import normal_pair, unit_hash5
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.occupancy.learned.interface import LatentModel
from uniscene_sim.tile import CELL_M, TILE_CELLS

__all__ = ["CANVAS_CELLS", "CANVAS_GRID", "MARGIN_CELLS", "MARGIN_M", "TileLatents", "tile_colour", "world_noise"]

MARGIN_CELLS = 24  # six latent cells: an even number, so that tiles end at the network's patches of two
MARGIN_M = MARGIN_CELLS * CELL_M
CANVAS_CELLS = TILE_CELLS + 2 * MARGIN_CELLS
#: A canvas as a window around the centre of its tile.
CANVAS_GRID = replace(
    GENERATED_GRID,
    shape=(CANVAS_CELLS, CANVAS_CELLS, GENERATED_GRID.shape[2]),
    origin=(-0.5 * CANVAS_CELLS * CELL_M, -0.5 * CANVAS_CELLS * CELL_M, GENERATED_GRID.origin[2]),
)
_NOISE = 119  # use of random numbers
_KEPT = 1024  # canvases; about 65 KB each


class TileLatents:
    """Latents of the canvases of tiles; the most recently used are kept.

    Args:
        model: generates latents.
        layout: layout (C, 208, 208) of the canvas of a tile, without agents.
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
        """Latents (c, x, y) of neighbours of earlier colours on a tile's canvas, and where they are, bool (x, y)."""
        size, tile, margin = self.tile + 2 * self.margin, self.tile, self.margin
        known = np.zeros((self.model.latent_channels, size, size), np.float32)
        mask = np.zeros((size, size), np.bool_)
        # Part of the canvas in the neighbour on each side, and the same part in that neighbour's own canvas.
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
    """Colour of a tile, 0 to 3, which orders generation."""
    return ix % 2 + 2 * (iy % 2)


@njit(cache=True)
def world_noise(seed, channels, i0, j0, size):
    """Standard normals float32 (channels, size, size) at latent cells (i0 + i, j0 + j) of the world.

    Each depends on the seed, its cell and its channel alone.

    Args:
        seed: of the world.
        channels: number of channels.
        i0, j0: index of the first latent cell.
        size: latent cells along each side.
    """
    out = np.empty((channels, size, size), np.float32)
    for c in range(channels):
        for i in range(size):
            for j in range(size):
                u = unit_hash5(_NOISE, seed, i0 + i, j0 + j, 2 * c)
                v = unit_hash5(_NOISE, seed, i0 + i, j0 + j, 2 * c + 1)
                out[c, i, j] = normal_pair(u, v)[0]
    return out
