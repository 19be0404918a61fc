"""The planned house and tree that each cell of a tile and its margin belongs to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.occupancy.learned.tile_latents import CANVAS_CELLS, MARGIN_M
from uniscene_sim.occupancy.procedural.plan import PlanKind
from uniscene_sim.tile import CELL_M

__all__ = ["CellOwners", "cell_owners"]

_HOUSE, _TREE = int(PlanKind.BUILDING), int(PlanKind.TREE)
_HOUSE_REACH_M, _TREE_REACH_M = 2.0, 1.5


class CellOwners(NamedTuple):
    """Owners of the cells of a canvas, which is a tile and its margin."""

    x0: float  # m, the canvas's corner
    y0: float
    objects: np.ndarray  # (N,) PLAN_DTYPE
    house: np.ndarray  # int32 (208, 208): index of the nearest house within 2 m, -1 if none
    gap: np.ndarray  # float64 (208, 208) m, distance to it; negative inside
    tree: np.ndarray  # int32 (208, 208): index of the tree with the nearest crown within 1.5 m, -1 if none


def cell_owners(objects: np.ndarray, x0: float, y0: float) -> CellOwners:
    """Owners, among objects (N,) PLAN_DTYPE, of the cells of the canvas of the tile with its corner at (x0, y0), m."""
    shape = (CANVAS_CELLS, CANVAS_CELLS)
    x0, y0 = x0 - MARGIN_M, y0 - MARGIN_M
    house, tree = np.full(shape, -1, np.int32), np.full(shape, -1, np.int32)
    gap, far = np.full(shape, _HOUSE_REACH_M), np.full(shape, _TREE_REACH_M)
    _assign_owners(house, gap, tree, far, objects, x0, y0)
    return CellOwners(x0, y0, objects, house, gap, tree)


@njit(cache=True, nogil=True)
def _assign_owners(house, gap, tree, far, objects, x0, y0):
    """Write the owners of cells and the distances to them.

    Arguments by group:
        house, tree: int32 (208, 208), index of the owner, changed.
        gap, far: float64 (208, 208) m, distance to the house and to the crown, changed.
        objects: (N,) PLAN_DTYPE.
        x0, y0: corner of the canvas, m.
    """
    n, m = house.shape
    for q in range(objects.size):
        o = objects[q]
        if o.kind != _HOUSE and o.kind != _TREE:
            continue
        c, s = np.cos(o.yaw), np.sin(o.yaw)
        reach = 0.5 * np.hypot(o.length, o.width) + _HOUSE_REACH_M
        i0, i1 = max(int((o.x - reach - x0) / CELL_M), 0), min(int((o.x + reach - x0) / CELL_M), n - 1)
        j0, j1 = max(int((o.y - reach - y0) / CELL_M), 0), min(int((o.y + reach - y0) / CELL_M), m - 1)
        for i in range(i0, i1 + 1):
            for j in range(j0, j1 + 1):
                dx, dy = x0 + (i + 0.5) * CELL_M - o.x, y0 + (j + 0.5) * CELL_M - o.y
                if o.kind == _HOUSE:
                    d = max(abs(c * dx + s * dy) - 0.5 * o.length, abs(-s * dx + c * dy) - 0.5 * o.width)
                    if d < gap[i, j]:
                        gap[i, j], house[i, j] = d, q
                else:
                    d = np.hypot(dx, dy) - 0.5 * o.length
                    if d < far[i, j]:
                        far[i, j], tree[i, j] = d, q
