"""What a learned LiDAR sees of the world: 0.4 m cells with their labels, and nothing finer.

Cells are counted from the origin of the map frame: cell (i, j, k) is [0.4 i, 0.4 i + 0.4) and so on. Ground is the
cell whose inside or top its height meets in the middle of a column. Agents are stamped by their boxes as in
`window.stamp`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from uniscene_sim.occupancy.tiles import BLOCK_CELLS, CELL_M, TILE_CELLS, Tile
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, MATERIAL_LABEL, Material, OccClass

__all__ = ["SOLID", "CellGrid", "Cells", "agent_cells", "cell_grid", "is_ground", "join", "tile_cells"]

_NONE = int(Material.NONE)
_MANMADE, _FREE = int(OccClass.MANMADE), int(OccClass.FREE)
#: In a grid: nothing there; no ray gets through, and none sees it.
_EMPTY, SOLID = -1, -2
_GROUND = np.zeros(len(OccClass), dtype=np.bool_)
_GROUND[[OccClass.DRIVEABLE_SURFACE, OccClass.OTHER_FLAT, OccClass.SIDEWALK, OccClass.TERRAIN, OccClass.LANE_DIVIDER,
         OccClass.ROAD_DIVIDER, OccClass.PED_CROSSING]] = True  # fmt: skip


class Cells(NamedTuple):
    """N occupied cells; those that lie within buildings are `hidden` and come last."""

    ijk: np.ndarray  # int32 (N, 3)
    label: np.ndarray  # uint8 (N,) OccClass
    seen: int  # how many are not hidden


class CellGrid(NamedTuple):
    """Cells as rays look them up: blocks of 8 x 8 x 8."""

    low: np.ndarray  # int64 (3,), index of block (0, 0, 0)
    blocks: np.ndarray  # int32 (X, Y, Z), row of `cells`, -1 where the block is empty
    cells: np.ndarray  # int32 (P, 8, 8, 8), row of what is known of the cell; -1 free, SOLID


def is_ground(label: np.ndarray) -> np.ndarray:
    """Whether cells of these labels are ground, bool."""
    return _GROUND[label]


def tile_cells(tile: Tile) -> Cells:
    """The cells of a tile, its ground among them; walls' insides are hidden."""
    layers = tile.blocks.shape[2] * BLOCK_CELLS
    label = np.full((TILE_CELLS, TILE_CELLS, layers), _FREE, dtype=np.uint8)
    _unpack(label, tile.blocks, MATERIAL_LABEL, tile.materials)
    _lay_ground(label, tile.ground, MATERIAL_LABEL[tile.paint], tile.base_z)
    found = np.nonzero(label != _FREE)
    hidden = _hidden(label)[found]
    order = np.argsort(hidden, kind="stable")
    low = np.array([tile.index[0] * TILE_CELLS, tile.index[1] * TILE_CELLS, round(tile.base_z / CELL_M)])
    return Cells(
        np.ascontiguousarray((np.stack(found, axis=1) + low).astype(np.int32)[order]),
        label[found][order],
        int(len(hidden) - hidden.sum()),
    )


def join(parts: list[Cells]) -> Cells:
    """Cells of several tiles."""
    ijk = [p.ijk[: p.seen] for p in parts] + [p.ijk[p.seen :] for p in parts]
    label = [p.label[: p.seen] for p in parts] + [p.label[p.seen :] for p in parts]
    return Cells(
        np.concatenate([np.zeros((0, 3), np.int32), *ijk]),
        np.concatenate([np.zeros(0, np.uint8), *label]),
        sum(p.seen for p in parts),
    )


def agent_cells(agent: np.void) -> Cells:
    """The cells that an agent (AGENT_DTYPE) fills: those whose middle lies in its box, which is a cell thick at least,
    and those about its own middle."""
    ijk = _stamp(
        agent["pos"].astype(np.float64), float(agent["rpy"][2]), np.maximum(agent["size"].astype(np.float64), CELL_M)
    )
    return Cells(ijk, np.full(len(ijk), AGENT_OCC_CLASS[agent["cls"]], np.uint8), len(ijk))


def cell_grid(cells: Cells) -> CellGrid:
    """Cells in a grid; the rows of those seen are their numbers."""
    if not len(cells.ijk):
        return CellGrid(np.zeros(3, np.int64), np.full((1, 1, 1), -1, np.int32), np.zeros((0, 8, 8, 8), np.int32))
    low = cells.ijk.min(axis=0).astype(np.int64) // BLOCK_CELLS
    shape = cells.ijk.max(axis=0) // BLOCK_CELLS - low + 1
    blocks = np.full(tuple(shape.tolist()), -1, np.int32)
    count = _number_blocks(blocks, low, cells.ijk)
    pool = np.full((count, *(BLOCK_CELLS,) * 3), _EMPTY, np.int32)
    _fill(pool, blocks, low, cells.ijk, cells.seen)
    return CellGrid(low, blocks, pool)


@njit(cache=True)
def _unpack(label, blocks, label_of, materials):
    for bx in range(blocks.shape[0]):
        for by in range(blocks.shape[1]):
            for bz in range(blocks.shape[2]):
                row = blocks[bx, by, bz]
                if row < 0:
                    continue
                for i in range(8):
                    for j in range(8):
                        for k in range(8):
                            material = materials[row, i, j, k]
                            if material != _NONE:
                                label[8 * bx + i, 8 * by + j, 8 * bz + k] = label_of[material]


@njit(cache=True)
def _lay_ground(label, ground, paint, base):
    """Ground of all decks, where nothing stands in the same cell."""
    for d in range(ground.shape[0]):
        for i in range(label.shape[0]):
            for j in range(label.shape[1]):
                z = ground[d, 2 * i + 1, 2 * j + 1]
                if np.isnan(z):
                    continue
                k = int(np.ceil((z - base) / CELL_M - 1e-4)) - 1
                if 0 <= k < label.shape[2] and label[i, j, k] == _FREE:
                    label[i, j, k] = paint[d, 4 * i + 2, 4 * j + 2]


@njit(cache=True)
def _hidden(label):
    """Whether cells lie behind walls on all sides, or are ground beneath what stands on it. Leaves hide nothing."""
    out = np.zeros(label.shape, np.bool_)
    nx, ny, nz = label.shape
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(nz - 1):
                here = label[i, j, k]
                if here == _FREE or label[i, j, k + 1] != _MANMADE:
                    continue
                if here == _MANMADE:
                    out[i, j, k] = (
                        label[i - 1, j, k] == _MANMADE
                        and label[i + 1, j, k] == _MANMADE
                        and label[i, j - 1, k] == _MANMADE
                        and label[i, j + 1, k] == _MANMADE
                    )
    return out


@njit(cache=True)
def _stamp(pos, yaw, size):
    c, s = np.cos(yaw), np.sin(yaw)
    reach = 0.5 * (size[0] + size[1])
    i0, i1 = int(np.floor((pos[0] - reach) / CELL_M)), int(np.floor((pos[0] + reach) / CELL_M))
    j0, j1 = int(np.floor((pos[1] - reach) / CELL_M)), int(np.floor((pos[1] + reach) / CELL_M))
    k0, k1 = int(np.ceil(pos[2] / CELL_M - 0.5)), int(np.ceil((pos[2] + size[2]) / CELL_M - 0.5))
    ci, cj = int(np.floor(pos[0] / CELL_M)), int(np.floor(pos[1] / CELL_M))
    out = np.empty(((i1 - i0 + 1) * (j1 - j0 + 1) * (k1 - k0), 3), np.int32)
    n = 0
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            a, b = (i + 0.5) * CELL_M - pos[0], (j + 0.5) * CELL_M - pos[1]
            inside = abs(c * a + s * b) <= 0.5 * size[0] and abs(-s * a + c * b) <= 0.5 * size[1]
            if not inside and (i != ci or j != cj):
                continue
            for k in range(k0, k1):
                out[n, 0], out[n, 1], out[n, 2] = i, j, k
                n += 1
    return out[:n]


@njit(cache=True)
def _number_blocks(blocks, low, ijk):
    count = 0
    for n in range(ijk.shape[0]):
        a, b, c = (ijk[n, 0] >> 3) - low[0], (ijk[n, 1] >> 3) - low[1], (ijk[n, 2] >> 3) - low[2]
        if blocks[a, b, c] < 0:
            blocks[a, b, c] = count
            count += 1
    return count


@njit(cache=True)
def _fill(pool, blocks, low, ijk, seen):
    for n in range(ijk.shape[0]):
        row = blocks[(ijk[n, 0] >> 3) - low[0], (ijk[n, 1] >> 3) - low[1], (ijk[n, 2] >> 3) - low[2]]
        pool[row, ijk[n, 0] & 7, ijk[n, 1] & 7, ijk[n, 2] & 7] = n if n < seen else SOLID
