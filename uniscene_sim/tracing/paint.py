"""The paint of the ground at a point: its cell's material, or that beyond an edge of the cell."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import device, inlined
from uniscene_sim.tile import EDGE_UNIT_M, EDGES_A_CELL, PAINT_BLOCK, PAINT_CELLS, PAINT_M
from uniscene_sim.tracing.atlas import AtlasArrays

__all__ = ["beyond_edge", "paint_at", "paint_cell"]


@inlined
def paint_cell(x):
    """Index of the cell of paint at a coordinate from the tile's corner, m."""
    return min(max(int(x / PAINT_M), 0), PAINT_CELLS - 1)


@inlined
def beyond_edge(a: AtlasArrays, row, i, j, k, x, y):
    """How far a point (from the tile's corner, m) of a cell lies beyond its edge `k`, m; the edge's normal; the
    material beyond, 0 if there is no such edge. `row` is that of the block in `edges`."""
    u, v, c = i & (PAINT_BLOCK - 1), j & (PAINT_BLOCK - 1), 4 * k
    material = a.edges[row, u, v, c + 3]
    nx, ny = a.edges[row, u, v, c] / 127.0, a.edges[row, u, v, c + 1] / 127.0
    px, py = x - (i + 0.5) * PAINT_M, y - (j + 0.5) * PAINT_M
    return nx * px + ny * py - a.edges[row, u, v, c + 2] * EDGE_UNIT_M, nx, ny, material


@device
def paint_at(a: AtlasArrays, deck_row, x, y):
    """Material uint8 of the paint of a deck, row `deck_row` of the atlas, at a point (from the tile's corner, m)."""
    i, j = paint_cell(x), paint_cell(y)
    row = a.edge_of[deck_row, i // PAINT_BLOCK, j // PAINT_BLOCK]
    if row >= 0:
        for k in range(EDGES_A_CELL):
            beyond, _, _, material = beyond_edge(a, row, i, j, k, x, y)
            if material == 0:
                break
            if beyond > 0.0:
                return np.uint8(material)
    return a.paint[deck_row, i, j]
