"""`Site`: a tile with its ground, before an occupancy engine fills it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uniscene_sim.maps.paint_edges import GroundPaint
from uniscene_sim.occupancy.bricks import pack_blocks
from uniscene_sim.tile import Tile

__all__ = ["Site"]


@dataclass(frozen=True)
class Site:
    """A tile with ground and bridges, and its cells, to be filled."""

    index: tuple[int, int]
    x0: float  # m, its corner
    y0: float
    base: float  # m, bottom of its cells
    material: np.ndarray  # uint8 (160, 160, 192)
    mask: np.ndarray  # uint64 (160, 160, 192), 0.1 m bricks of each cell
    ground: np.ndarray  # as in `Tile`
    paint: GroundPaint

    def tile(self) -> Tile:
        """The tile with the cells as they are now."""
        paint = self.paint
        blocks, materials, brick_of, bricks = pack_blocks(self.material, self.mask)
        return Tile(self.index, self.base, blocks, materials, brick_of, bricks, self.ground, paint.material,
                    paint.edge_of, paint.edges)  # fmt: skip
