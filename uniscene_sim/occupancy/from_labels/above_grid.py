"""Walls and trees carried on above the grid's end at 5.4 m, from what reaches its last layer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import ndimage

from uniscene_sim.compute.compiled import floor
from uniscene_sim.compute.keyed_random import unit_hash4
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.occupancy.from_labels.cell_owners import CellOwners
from uniscene_sim.occupancy.learned.tile_latents import MARGIN_CELLS
from uniscene_sim.occupancy.procedural.houses import house_style, house_top
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import CELL_M, TILE_CELLS

__all__ = ["BLOCK_M", "GROUND_LAYER", "TILE_IN_CANVAS", "AboveGrid", "extend_above_grid"]

BLOCK_M = 16.0  # walls that nobody planned have one height and colour in a square of this size
GROUND_LAYER = int(DEFAULT_GRID.index(np.array([0.0, 0.0, -0.1]))[2])  # of the grid: what lies at height zero
TILE_IN_CANVAS = slice(MARGIN_CELLS, MARGIN_CELLS + TILE_CELLS)  # of a canvas: the tile itself
_GROVE_M = 8.0  # and trees in one of this
_FREE, _WALL, _LEAF = (int(c) for c in (OccClass.FREE, OccClass.MANMADE, OccClass.VEGETATION))
_ABOVE_M = CELL_M * (DEFAULT_GRID.shape[2] - GROUND_LAYER)  # middle of the first layer above the grid
_PIT = 3  # layers that a column may lack below its neighbours' walls and still be one of them
_EDGE_M = 2.5  # over this width a crown that nobody planned rises from its edge to its full height
_ALIVE = 0.25  # a planned tree stands where this share of the middle of its crown reaches the last layer
_LUMPY = 0.85  # a crown reaches about this share of its planned half axes; leaves farther out are few

_STOREYS, _LUMP, _GROVE = 116, 117, 118  # uses of random numbers


class AboveGrid(NamedTuple):
    """What goes on above the grid, for the cells of a tile."""

    what: np.ndarray  # uint8 (160, 160) OccClass; FREE for nothing
    begin: np.ndarray  # float64 (160, 160) m, map frame
    end: np.ndarray  # float64 (160, 160) m, map frame


def extend_above_grid(
    labels: np.ndarray, walls: np.ndarray, z: np.ndarray, x0: float, y0: float, owners: CellOwners, seed: int
) -> AboveGrid:
    """Houses go on to their planned height, or to a seeded number of storeys where nobody planned one; of planned trees
    whose crown reaches the last layer the rest is grown, and other crowns shrink upward to a seeded height.

    Args:
        labels: uint8 (208, 208, 16), a tile's canvas. In walls, pits of its last layers are filled.
        walls: bool (208, 208), what goes on as walls of the last layer's cells.
        z: float32 (160, 160) m, the tile's ground.
        x0, y0: the tile's corner, m.
        owners: the planned house and tree of each cell.
        seed: of heights that nobody planned.
    """
    leaf = labels[:, :, -1] == _LEAF
    # Smoothed, so that neither pits nor splinters grow to full height; a straight edge and its corners stay.
    around = ndimage.uniform_filter(walls.astype(np.float32), 3, mode="nearest") * 9.0
    walls = np.where(walls, around > 3.5, around > 5.5)[TILE_IN_CANVAS, TILE_IN_CANVAS]
    depth = ndimage.distance_transform_edt(leaf)[TILE_IN_CANVAS, TILE_IN_CANVAS] * CELL_M
    alive = np.full(len(owners.objects), _ALIVE) < _leaf_share(leaf, owners.objects, owners.tree, owners.x0, owners.y0)
    what = np.where(walls, _WALL, np.where(leaf[TILE_IN_CANVAS, TILE_IN_CANVAS], _LEAF, _FREE)).astype(np.uint8)
    out = AboveGrid(what, z.astype(float) + _ABOVE_M, z.astype(float))
    house, tree = owners.house[TILE_IN_CANVAS, TILE_IN_CANVAS], owners.tree[TILE_IN_CANVAS, TILE_IN_CANVAS]
    _write_heights(
        out, labels[TILE_IN_CANVAS, TILE_IN_CANVAS], z, x0, y0, depth, owners.objects, house, tree, alive, seed
    )
    return out


@njit(cache=True, nogil=True)
def _leaf_share(leaf, objects, tree_at, x0, y0):
    """Share (N,) of the middle of each tree's crown that is leaves."""
    count, full = np.zeros(objects.size), np.full(objects.size, 1e-9)
    for i in range(leaf.shape[0]):
        for j in range(leaf.shape[1]):
            q = tree_at[i, j]
            if q >= 0:
                o = objects[q]
                if np.hypot(x0 + (i + 0.5) * CELL_M - o.x, y0 + (j + 0.5) * CELL_M - o.y) < 0.3 * o.length:
                    count[q] += leaf[i, j]
                    full[q] += 1.0
    return count / full


@njit(cache=True, nogil=True)
def _write_heights(out, labels, z, x0, y0, depth, objects, house_at, tree_at, alive, seed):
    what, begin, end = out
    last = labels.shape[2] - 1
    for i in range(what.shape[0]):
        for j in range(what.shape[1]):
            x, y = x0 + (i + 0.5) * CELL_M, y0 + (j + 0.5) * CELL_M
            if what[i, j] == _WALL:
                for k in range(last, last - _PIT, -1):
                    if labels[i, j, k] == _WALL:
                        break
                    labels[i, j, k] = _WALL
                if house_at[i, j] >= 0:
                    o = objects[house_at[i, j]]
                    c, s = np.cos(o.yaw), np.sin(o.yaw)
                    dx, dy = x - o.x, y - o.y
                    # The rim of a generated house is its planned one's, be it a cell farther out or in.
                    u = min(max(c * dx + s * dy, -0.5 * o.length), 0.5 * o.length)
                    v = min(max(-s * dx + c * dy, -0.5 * o.width), 0.5 * o.width)
                    end[i, j] = o.z + house_top(o, house_style(o), u, v)
                else:
                    storeys = 2 + int(3.0 * unit_hash4(_STOREYS, seed, floor(x / BLOCK_M), floor(y / BLOCK_M)))
                    end[i, j] = z[i, j] + 3.1 * storeys + 0.9
                continue
            lump = unit_hash4(_LUMP, seed, floor(x / 0.8), floor(y / 0.8))
            q = tree_at[i, j]
            if q >= 0 and alive[q]:
                o = objects[q]
                low, high = _crown(o, np.hypot(x - o.x, y - o.y) * (1.1 - 0.2 * lump))
                if low < high and (what[i, j] == _LEAF or o.z + low > begin[i, j]):
                    begin[i, j] = max(begin[i, j], o.z + low) if what[i, j] != _LEAF else begin[i, j]
                    end[i, j] = o.z + high
                    what[i, j] = _LEAF
            elif what[i, j] == _LEAF and q < 0:
                top = 7.0 + 4.0 * unit_hash4(_GROVE, seed, floor(x / _GROVE_M), floor(y / _GROVE_M))
                rise = 1.0 - (1.0 - min(depth[i, j] / _EDGE_M, 1.0)) ** 2
                end[i, j] = begin[i, j] + (top - _ABOVE_M) * np.sqrt(rise) + 1.2 * (lump - 0.6)


@njit(cache=True)
def _crown(o, r):
    """Heights above a planned tree's foot between which it has leaves, r m from its stem; none where the first is not
    less than the second."""
    if o.variant % 3 == 1:  # a conifer
        return 0.2 * o.height, o.height * (1.0 - 0.7 * r / (_LUMPY * 0.42 * o.length))
    part = 1.0 - (r / (_LUMPY * 0.5 * o.length)) ** 2
    half = _LUMPY * 0.34 * o.height * np.sqrt(part) if part > 0.0 else 0.0
    return 0.66 * o.height - half, 0.66 * o.height + half
