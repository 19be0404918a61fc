"""World tiles: 64 m squares of the static world, aligned with the map's axes.

A tile holds the ground as height fields by deck with paint, whose edges are exact lines, and what stands on it as 0.4 m
cells of material, refined into bricks of 0.1 m where a cell is partly full. Cells lie in sparse blocks of 8x8x8
(3.2 m), so that empty space costs four bytes a block and a ray skips it in one step.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

__all__ = [
    "BLOCKS_Z",
    "BLOCK_CELLS",
    "CELL_M",
    "EDGES_A_CELL",
    "EDGE_UNIT_M",
    "GROUND_SAMPLES",
    "GROUND_STEP_M",
    "PAINT_BLOCK",
    "PAINT_CELLS",
    "PAINT_M",
    "TILE_BLOCKS",
    "TILE_CELLS",
    "TILE_M",
    "Tile",
    "TileSource",
]

TILE_M = 64.0
CELL_M = 0.4
TILE_CELLS = 160  # cells along x and y
BLOCK_CELLS = 8
TILE_BLOCKS = 20  # blocks along x and y
BLOCKS_Z = 24  # 76.8 m: 40 m above ground that rises by up to 36 m within a tile
GROUND_STEP_M = 0.2
GROUND_SAMPLES = 321  # both edges included, so that neighbours share their samples
PAINT_M = 0.1
PAINT_CELLS = 640
PAINT_BLOCK = 4  # cells of paint along a block of edges, which is CELL_M wide
EDGES_A_CELL = 2
EDGE_UNIT_M = 0.00125  # of the distance of an edge


@dataclass(frozen=True)
class Tile:
    """The static world in [64 ix, 64 ix + 64) x [64 iy, 64 iy + 64) of the map frame."""

    index: tuple[int, int]
    base_z: float  # m, bottom of the cells; a multiple of CELL_M
    blocks: np.ndarray  # int32 (20, 20, 24): row of `materials` and `brick_of`, -1 if the block is empty
    materials: np.ndarray  # uint8 (B, 8, 8, 8), Material; NONE is empty
    brick_of: np.ndarray  # int32 (B, 8, 8, 8): row of `bricks`, -1 if the cell is full
    bricks: np.ndarray  # uint64 (K,): bit 16 i + 4 j + k is set where sub-cell (i, j, k) of 0.1 m is solid
    ground: np.ndarray  # float32 (D, 321, 321) m: height at [x, y] samples by deck, NaN where the deck is absent
    paint: np.ndarray  # uint8 (D, 640, 640), Material of the ground at the middles of cells [x, y]
    #: int32 (D, 160, 160): row of `edges` for each block of 4 x 4 cells of paint, -1 if each of them has one material
    edge_of: np.ndarray = None  # type: ignore[assignment]  # none if not given
    #: int8 (E, 4, 4, 8): up to two edges of each cell: x, y of the unit normal times 127, distance from the middle of
    #: the cell in `EDGE_UNIT_M`, and the Material beyond, 0 if there is no edge
    edges: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.edge_of is None:
            edge_of = np.full((len(self.paint), TILE_CELLS, TILE_CELLS), -1, np.int32)
            edges = np.zeros((0, PAINT_BLOCK, PAINT_BLOCK, 4 * EDGES_A_CELL), np.int8)
            object.__setattr__(self, "edge_of", edge_of)
            object.__setattr__(self, "edges", edges)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Number of blocks B, bricks K, decks D and rows of edges E."""
        return len(self.materials), len(self.bricks), len(self.ground), len(self.edges)

    @property
    def nbytes(self) -> int:
        arrays = (getattr(self, field.name) for field in fields(self))
        return sum(a.nbytes for a in arrays if isinstance(a, np.ndarray))


class TileSource(Protocol):
    """Where tiles are fetched from: an `occupancy.tile_store.TileStore`, or anything else that makes them."""

    def get(self, ix: int, iy: int) -> Tile:
        """The tile of an index, made if it does not exist yet."""
        ...

    def around(self, x: float, y: float, radius_m: float) -> list[tuple[int, int]]:
        """Indices of the tiles within `radius_m` of a place x, y, m."""
        ...
