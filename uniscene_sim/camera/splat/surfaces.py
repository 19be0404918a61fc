"""The surfaces of a tile as splats: faces of cells and bricks, and squares of ground.

Each splat has the moments of the faces that it stands for. A full cell gives one for each side that shows, a brick one
for all of it: a slanting wall of bricks becomes splats that slant. Ground is squares of 0.4 m, of 0.1 m where its paint
changes, and of 0.05 m where an edge of paint runs.
"""

from __future__ import annotations

import numpy as np

from uniscene_sim.camera.splat.cells import cell_rows
from uniscene_sim.camera.splat.ground import ground_rows
from uniscene_sim.camera.splat.splats import Splats
from uniscene_sim.tile import TILE_BLOCKS, Tile

__all__ = ["tile_splats"]


def tile_splats(tile: Tile, fine: np.ndarray | None = None) -> Splats:
    """Splats of all surfaces of a tile that may be seen from above ground; x, y from its corner, z of the map, m.

    The colours are those of the materials, and no splat has an instance.

    Args:
        tile: the tile.
        fine: bool (20, 20), columns whose surfaces get splats of 0.1 m, for appearances that have more to show.
    """
    if fine is None:
        fine = np.zeros((TILE_BLOCKS, TILE_BLOCKS), np.bool_)
    cells = cell_rows(tile.blocks, tile.materials, tile.brick_of, tile.bricks, tile.ground, float(tile.base_z), fine)
    ground = [
        ground_rows(tile.ground[d], tile.paint[d], tile.edge_of[d], tile.edges, tile.blocks, tile.materials,
                    tile.brick_of, float(tile.base_z), fine)
        for d in range(len(tile.ground))
    ]  # fmt: skip
    rows = np.concatenate([cells, *ground])
    return Splats(
        rows[:, 0:3],
        rows[:, 3:9],
        rows[:, 9:12],
        np.ones(len(rows), np.float32),
        rows[:, 12:15],
        rows[:, 15].astype(np.uint8),
        np.zeros(len(rows), np.uint16),
        rows[:, 16],
    )
