"""The input of a learned LiDAR: labelled cells of 0.4 m.

Cells are indexed from the origin of the map frame: cell (i, j, k) spans [0.4 i, 0.4 i + 0.4) along x, and so on. The
ground of a column is the cell that contains its height at the column's centre (its top included). Agents are rasterised
by their boxes, as in `occupancy.window.stamp_agent`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, GROUND_CLASSES, MATERIAL_LABEL, Material, OccClass
from uniscene_sim.tile import BLOCK_CELLS, CELL_M, TILE_CELLS, Tile

__all__ = [
    "SOLID",
    "CellGrid",
    "Cells",
    "agent_cells",
    "cell_grid",
    "coarsen",
    "dense_labels_near",
    "is_ground_label",
    "join_cells",
    "tile_cells",
]  # fmt: skip

_NONE = int(Material.NONE)
_MANMADE, _FREE = int(OccClass.MANMADE), int(OccClass.FREE)
#: Values in a grid: free; opaque without a feature, inside a building.
_EMPTY, SOLID = -1, -2
_GROUND = np.zeros(len(OccClass), dtype=np.bool_)
_GROUND[list(GROUND_CLASSES)] = True


class Cells(NamedTuple):
    """N occupied cells; hidden ones, inside buildings, come last."""

    ijk: np.ndarray  # int32 (N, 3)
    label: np.ndarray  # uint8 (N,) OccClass
    visible_count: int  # the first cells, which are not hidden


class CellGrid(NamedTuple):
    """Lookup of cells by index, in blocks of 8 x 8 x 8."""

    low: np.ndarray  # int64 (3,), index of block (0, 0, 0)
    blocks: np.ndarray  # int32 (X, Y, Z), row of `cells`, -1 where the block is empty
    cells: np.ndarray  # int32 (P, 8, 8, 8), row of the cell, -1 where free, SOLID where hidden


def is_ground_label(label: np.ndarray) -> np.ndarray:
    """Whether cells of these labels are ground, bool."""
    is_ground: np.ndarray = _GROUND[label]
    return is_ground


def tile_cells(tile: Tile, deep: bool = True) -> Cells:
    """The cells of a tile, ground included; the insides of buildings are hidden.

    Args:
        tile: the tile.
        deep: whether to include hidden cells that are enclosed by hidden ones, which no ray reaches.
    """
    label = np.full((TILE_CELLS, TILE_CELLS, _layers(tile)), _FREE, dtype=np.uint8)
    _unpack(label, tile.blocks, MATERIAL_LABEL, tile.materials)
    _lay_ground(label, tile.ground, MATERIAL_LABEL[tile.paint], tile.base_z)
    hidden = np.zeros(label.shape, np.uint8)
    counts = _mark_hidden(label, hidden, deep)
    low = np.array([tile.index[0] * TILE_CELLS, tile.index[1] * TILE_CELLS, round(tile.base_z / CELL_M)])
    cells = Cells(np.empty((sum(counts), 3), np.int32), np.empty(sum(counts), np.uint8), counts[0])
    _write_cells(label, hidden, low, cells)
    return cells


def _layers(tile: Tile) -> int:
    """Layers of cells that a tile needs, and one more."""
    filled = np.flatnonzero((tile.blocks >= 0).any(axis=(0, 1)))
    ground = tile.ground[~np.isnan(tile.ground)]
    height = (float(ground.max()) - tile.base_z) / CELL_M if len(ground) else 0.0
    most = max(BLOCK_CELLS * (int(filled[-1]) + 1) if len(filled) else 0, int(np.ceil(height)))
    return int(min(max(most, 0) + 1, tile.blocks.shape[2] * BLOCK_CELLS))


def join_cells(parts: list[Cells]) -> Cells:
    """Cells of several tiles."""
    ijk = [p.ijk[: p.visible_count] for p in parts] + [p.ijk[p.visible_count :] for p in parts]
    label = [p.label[: p.visible_count] for p in parts] + [p.label[p.visible_count :] for p in parts]
    return Cells(
        np.concatenate([np.zeros((0, 3), np.int32), *ijk]),
        np.concatenate([np.zeros(0, np.uint8), *label]),
        sum(p.visible_count for p in parts),
    )


def agent_cells(agent: np.void) -> Cells:
    """The cells of an agent (AGENT_DTYPE): those whose centre lies in its box, which is at least one cell thick, and
    the column at its position."""
    ijk = _box_cells(
        agent["pos"].astype(np.float64), float(agent["rpy"][2]), np.maximum(agent["size"].astype(np.float64), CELL_M)
    )
    return Cells(ijk, np.full(len(ijk), AGENT_OCC_CLASS[agent["cls"]], np.uint8), len(ijk))


def dense_labels_near(ijk: np.ndarray, label: np.ndarray, at: np.ndarray, reach_m: float) -> OccupancyGrid:
    """Cells in a square as a dense grid in the map frame, without instances.

    Args:
        ijk: int32 (N, 3), cells.
        label: uint8 (N,) OccClass.
        at: float64 (2,) m, centre of the square.
        reach_m: half its side.
    """
    near = (np.abs((ijk[:, :2] + 0.5) * CELL_M - at) < reach_m).all(axis=1)
    ijk, label = ijk[near], label[near]
    if not len(ijk):
        ijk, label = np.zeros((1, 3), int), np.array([_FREE], np.uint8)
    low = ijk.min(axis=0)
    labels = np.full(ijk.max(axis=0) - low + 1, _FREE, np.uint8)
    labels[tuple((ijk - low).T)] = label
    spec = GridSpec(CELL_M, labels.shape, tuple((low * CELL_M).tolist()))
    return OccupancyGrid(labels, np.zeros(labels.shape, np.uint16), spec, Pose())


def cell_grid(cells: Cells) -> CellGrid:
    """The grid of cells; it holds the rows of visible ones."""
    if not len(cells.ijk):
        return CellGrid(np.zeros(3, np.int64), np.full((1, 1, 1), -1, np.int32), np.zeros((0, 8, 8, 8), np.int32))
    low = cells.ijk.min(axis=0).astype(np.int64) // BLOCK_CELLS
    shape = cells.ijk.max(axis=0) // BLOCK_CELLS - low + 1
    blocks = np.full(tuple(shape.tolist()), -1, np.int32)
    count = _number_blocks(blocks, low, cells.ijk)
    pool = np.full((count, *(BLOCK_CELLS,) * 3), _EMPTY, np.int32)
    map_threads(
        lambda rows: _fill(pool, blocks, low, cells.ijk, cells.visible_count, *rows), row_ranges(len(cells.ijk))
    )
    return CellGrid(low, blocks, pool)


def coarsen(ijk: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parent cells, of twice the size, of cells int32 (N, 3), in the order of their first child.

    Returns:
        parents int32 (M, 3); int32 (N, 8), row of each cell's parent in the column of its octant, -1 in the others;
        int32 (M, 8), rows of each parent's children, -1 where free.
    """
    half = ijk >> 1
    grid = cell_grid(Cells(half, half[:, 0], len(half)))
    parent, parts = np.full((len(ijk), 8), -1, np.int32), np.full((len(ijk), 8), -1, np.int32)
    first = np.empty(len(ijk), np.int32)
    count = _gather(grid, ijk, parent, parts, first)
    return half[first[:count]], parent, parts[:count]


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _lay_ground(label, ground, paint, base):
    """Write the ground of all decks where the cell is free."""
    for d in range(ground.shape[0]):
        for i in range(label.shape[0]):
            for j in range(label.shape[1]):
                z = ground[d, 2 * i + 1, 2 * j + 1]
                if np.isnan(z):
                    continue
                k = int(np.ceil((z - base) / CELL_M - 1e-4)) - 1
                if 0 <= k < label.shape[2] and label[i, j, k] == _FREE:
                    label[i, j, k] = paint[d, 4 * i + 2, 4 * j + 2]


@njit(cache=True, nogil=True)
def _mark_hidden(label, hidden, deep):
    """Mark man-made cells that are enclosed by man-made ones. Vegetation hides nothing.

    Unless `deep`, hidden cells enclosed by hidden ones are set free. Returns the numbers of visible and hidden cells.
    """
    nx, ny, nz = label.shape
    seen, inside = 0, 0
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                if label[i, j, k] == _FREE:
                    continue
                if (
                    0 < i < nx - 1 and 0 < j < ny - 1 and k < nz - 1
                    and label[i, j, k] == _MANMADE and label[i, j, k + 1] == _MANMADE
                    and label[i - 1, j, k] == _MANMADE and label[i + 1, j, k] == _MANMADE
                    and label[i, j - 1, k] == _MANMADE and label[i, j + 1, k] == _MANMADE
                ):  # fmt: skip
                    hidden[i, j, k] = 1
                    inside += 1
                else:
                    seen += 1
    if deep:
        return seen, inside
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                if (
                    hidden[i, j, k] and hidden[i - 1, j, k] and hidden[i + 1, j, k] and hidden[i, j - 1, k]
                    and hidden[i, j + 1, k] and hidden[i, j, k - 1] and hidden[i, j, k + 1]
                ):  # fmt: skip
                    label[i, j, k] = _FREE
                    inside -= 1
    return seen, inside


@njit(cache=True, nogil=True)
def _write_cells(label, hidden, low, cells: Cells):
    """Write cells, visible ones first."""
    seen, inside = 0, cells.visible_count
    for i in range(label.shape[0]):
        for j in range(label.shape[1]):
            for k in range(label.shape[2]):
                if label[i, j, k] == _FREE:
                    continue
                if hidden[i, j, k]:
                    n = inside
                    inside += 1
                else:
                    n = seen
                    seen += 1
                cells.ijk[n, 0], cells.ijk[n, 1], cells.ijk[n, 2] = i + low[0], j + low[1], k + low[2]
                cells.label[n] = label[i, j, k]


@njit(cache=True)
def _box_cells(pos, yaw, size):
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


@njit(cache=True, nogil=True)
def _fill(pool, blocks, low, ijk, seen, first, last):
    for n in range(first, last):
        row = blocks[(ijk[n, 0] >> 3) - low[0], (ijk[n, 1] >> 3) - low[1], (ijk[n, 2] >> 3) - low[2]]
        pool[row, ijk[n, 0] & 7, ijk[n, 1] & 7, ijk[n, 2] & 7] = n if n < seen else SOLID


@njit(cache=True)
def _gather(grid: CellGrid, ijk, parent, parts, first):
    """Number parent cells by their first child, write the tables of `coarsen`, and return the number of parents."""
    count = 0
    grid.cells[:] = _EMPTY
    for n in range(ijk.shape[0]):
        i, j, k = ijk[n, 0] >> 1, ijk[n, 1] >> 1, ijk[n, 2] >> 1
        block = grid.blocks[(i >> 3) - grid.low[0], (j >> 3) - grid.low[1], (k >> 3) - grid.low[2]]
        row = grid.cells[block, i & 7, j & 7, k & 7]
        if row < 0:
            row = count
            grid.cells[block, i & 7, j & 7, k & 7] = row
            first[row] = n
            count += 1
        part = 4 * (ijk[n, 0] & 1) + 2 * (ijk[n, 1] & 1) + (ijk[n, 2] & 1)
        parent[n, part], parts[row, part] = row, n
    return count
