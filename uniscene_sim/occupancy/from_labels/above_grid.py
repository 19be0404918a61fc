"""Walls and trees above the top of the label grid at 11.8 m, extended from what reaches its last layer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from uniscene_sim.compute.compiled import floor, njit
from uniscene_sim.compute.keyed_random import unit_hash4
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.occupancy.from_labels.cell_owners import CellOwners
from uniscene_sim.occupancy.learned.tile_latents import MARGIN_CELLS
from uniscene_sim.occupancy.procedural.houses import house_style, house_top
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import CELL_M, TILE_CELLS

__all__ = ["BLOCK_M", "GROUND_LAYER", "TILE_IN_CANVAS", "AboveGrid", "extend_above_grid"]

BLOCK_M = 16.0  # unplanned walls have one height and colour in a square of this size
GROUND_LAYER = int(GENERATED_GRID.index(np.array([0.0, 0.0, -0.1]))[2])  # layer of the grid at height zero
TILE_IN_CANVAS = slice(MARGIN_CELLS, MARGIN_CELLS + TILE_CELLS)  # the tile within its canvas
_GROVE_M = 8.0  # and unplanned trees in one of this size
_FREE, _WALL, _LEAF = (int(c) for c in (OccClass.FREE, OccClass.MANMADE, OccClass.VEGETATION))
_ABOVE_M = CELL_M * (GENERATED_GRID.shape[2] - GROUND_LAYER)  # centre of the first layer above the grid
_LEAST_STOREYS = 4  # of an unplanned house that reaches the last layer
_PIT_LAYERS = 3  # layers that a wall's column may lack at the top
_EDGE_M = 2.5  # over this width an unplanned crown rises from its edge to its full height
_MIN_LEAF_SHARE = 0.25  # a planned tree is grown if this share of the centre of its crown reaches the last layer
_CROWN_FILL = 0.85  # share of its planned half axes that a crown fills; leaves farther out are few

_STOREYS, _LUMP, _GROVE = 116, 117, 118  # uses of random numbers


class AboveGrid(NamedTuple):
    """What is above the grid, for the cells of a tile."""

    what: np.ndarray  # uint8 (160, 160) OccClass; FREE if nothing
    begin: np.ndarray  # float64 (160, 160) m, map frame
    end: np.ndarray  # float64 (160, 160) m, map frame


def extend_above_grid(
    labels: np.ndarray, walls: np.ndarray, z: np.ndarray, x0: float, y0: float, owners: CellOwners, seed: int
) -> AboveGrid:
    """Extend walls and crowns above the grid: houses to their planned height, or to a random number of storeys; planned
    trees whose crown reaches the last layer to their planned shape; other crowns, tapering, to a random height.

    Args:
        labels: uint8 (208, 208, Z), the canvas of a tile. Pits in the last layers of walls are filled.
        walls: bool (208, 208), cells of the last layer that are walls.
        z: float32 (160, 160) m, the tile's ground.
        x0, y0: corner of the tile, m.
        owners: the planned house and tree of each cell.
        seed: of unplanned heights.
    """
    leaf = labels[:, :, -1] == _LEAF
    # Smoothed, so that neither pits nor single cells reach full height; straight edges and their corners stay.
    around = ndimage.uniform_filter(walls.astype(np.float32), 3, mode="nearest") * 9.0
    walls = np.where(walls, around > 3.5, around > 5.5)[TILE_IN_CANVAS, TILE_IN_CANVAS]
    depth = ndimage.distance_transform_edt(leaf)[TILE_IN_CANVAS, TILE_IN_CANVAS] * CELL_M
    grown = np.full(len(owners.objects), _MIN_LEAF_SHARE) < _leaf_share(
        leaf, owners.objects, owners.tree, owners.x0, owners.y0
    )
    what = np.where(walls, _WALL, np.where(leaf[TILE_IN_CANVAS, TILE_IN_CANVAS], _LEAF, _FREE)).astype(np.uint8)
    out = AboveGrid(what, z.astype(float) + _ABOVE_M, z.astype(float))
    house, tree = owners.house[TILE_IN_CANVAS, TILE_IN_CANVAS], owners.tree[TILE_IN_CANVAS, TILE_IN_CANVAS]
    _write_heights(
        out, labels[TILE_IN_CANVAS, TILE_IN_CANVAS], z, x0, y0, depth, owners.objects, house, tree, grown, seed
    )
    return out


@njit(cache=True, nogil=True)
def _leaf_share(leaf, objects, tree_at, x0, y0):
    """Share of leaves in the centre of each tree's crown, float64 (N,)."""
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
def _write_heights(out, labels, z, x0, y0, depth, objects, house_at, tree_at, grown, seed):
    """Write where walls and crowns above the grid begin and end; `labels` (160, 160, Z) get pits in walls filled.

    Arguments by group:
        out: `AboveGrid`, changed.
        z, depth: (160, 160) m, height of the ground and distance into leaves.
        objects, house_at, tree_at: as in `CellOwners`, but (160, 160).
        grown: bool (N,), trees to grow.
    """
    what, begin, end = out
    last = labels.shape[2] - 1
    for i in range(what.shape[0]):
        for j in range(what.shape[1]):
            x, y = x0 + (i + 0.5) * CELL_M, y0 + (j + 0.5) * CELL_M
            if what[i, j] == _WALL:
                for k in range(last, last - _PIT_LAYERS, -1):
                    if labels[i, j, k] == _WALL:
                        break
                    labels[i, j, k] = _WALL
                if house_at[i, j] >= 0:
                    o = objects[house_at[i, j]]
                    c, s = np.cos(o.yaw), np.sin(o.yaw)
                    dx, dy = x - o.x, y - o.y
                    # The edge of a generated house is that of the planned one, even if it is a cell off.
                    u = min(max(c * dx + s * dy, -0.5 * o.length), 0.5 * o.length)
                    v = min(max(-s * dx + c * dy, -0.5 * o.width), 0.5 * o.width)
                    end[i, j] = o.z + house_top(o, house_style(o), u, v)
                else:
                    storeys = _LEAST_STOREYS + int(
                        3.0 * unit_hash4(_STOREYS, seed, floor(x / BLOCK_M), floor(y / BLOCK_M))
                    )
                    end[i, j] = z[i, j] + 3.1 * storeys + 0.9
                continue
            lump = unit_hash4(_LUMP, seed, floor(x / 0.8), floor(y / 0.8))
            q = tree_at[i, j]
            if q >= 0 and grown[q]:
                o = objects[q]
                low, high = _crown(o, np.hypot(x - o.x, y - o.y) * (1.1 - 0.2 * lump))
                if low < high and (what[i, j] == _LEAF or o.z + low > begin[i, j]):
                    begin[i, j] = max(begin[i, j], o.z + low) if what[i, j] != _LEAF else begin[i, j]
                    end[i, j] = o.z + high
                    what[i, j] = _LEAF
            elif what[i, j] == _LEAF and q < 0:
                top = _ABOVE_M + 0.5 + 3.0 * unit_hash4(_GROVE, seed, floor(x / _GROVE_M), floor(y / _GROVE_M))
                rise = 1.0 - (1.0 - min(depth[i, j] / _EDGE_M, 1.0)) ** 2
                end[i, j] = begin[i, j] + (top - _ABOVE_M) * np.sqrt(rise) + 1.2 * (lump - 0.6)


@njit(cache=True)
def _crown(o, r):
    """Lowest and highest leaves of a planned tree, m above its foot, at r m from its stem; there are none unless the
    first is less than the second."""
    if o.variant % 3 == 1:  # a conifer
        return 0.2 * o.height, o.height * (1.0 - 0.7 * r / (_CROWN_FILL * 0.42 * o.length))
    part = 1.0 - (r / (_CROWN_FILL * 0.5 * o.length)) ** 2
    half = _CROWN_FILL * 0.34 * o.height * np.sqrt(part) if part > 0.0 else 0.0
    return 0.66 * o.height - half, 0.66 * o.height + half
