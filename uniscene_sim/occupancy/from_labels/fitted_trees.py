"""Trees that generated labels show: a stem below each hill of leaves."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from uniscene_sim.compute.columns import top_layer
from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.from_labels.above_grid import GROUND_LAYER
from uniscene_sim.occupancy.procedural.plan import PLAN_DTYPE, PlanKind
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import CELL_M

__all__ = ["fit_trees"]

_LOWEST_M = 3.0  # of a tree; what is lower is a bush or a hedge
_APART_CELLS = 9  # between stems
_RADIUS_M = (1.2, 4.0)  # of crowns
_MORE_M = 3.0  # at most, of a crown that reaches the grid's top
_LOOK, _STYLE = 123, 124  # uses of random numbers


def fit_trees(
    labels: np.ndarray, barred: np.ndarray, x0: float, y0: float, tile: slice, static_map: StaticMap, seed: int
) -> np.ndarray:
    """Trees (N,) PLAN_DTYPE that reach into the middle tile of a mosaic of tiles.

    Args:
        labels: uint8 (X, Y, Z) `OccClass`, cells of `GENERATED_GRID`.
        barred: bool (X, Y): where no stem stands.
        x0, y0: corner of the mosaic, m.
        tile: the middle tile along x and along y, cells.
        static_map: for the ground at their feet.
        seed: of what labels do not tell: their kinds.
    """
    leaf = labels[:, :, GROUND_LAYER + 1 :] == OccClass.VEGETATION
    top = top_layer(leaf) * CELL_M
    edge = ndimage.distance_transform_edt(top >= _LOWEST_M) * CELL_M
    hill = ndimage.gaussian_filter(np.where(edge > 0, leaf.sum(axis=2, dtype=np.int8) + edge, 0.0), 1.5)
    peak = (hill == ndimage.maximum_filter(hill, _APART_CELLS)) & (edge > 0) & ~barred
    margin = round(_RADIUS_M[1] / CELL_M)
    near = slice(tile.start - margin, tile.stop + margin)
    full = CELL_M * (GENERATED_GRID.shape[2] - GROUND_LAYER - 1)
    out = []
    tops, count = ndimage.label(peak[near, near], np.ones((3, 3)))  # a flat top is one
    for i, j in (
        (first[0].start + near.start, first[1].start + near.start) for first in ndimage.find_objects(tops, count)
    ):
        x, y = x0 + (i + 0.5) * CELL_M, y0 + (j + 0.5) * CELL_M
        key = round(x / CELL_M - 0.5), round(y / CELL_M - 0.5)
        look, style = unit_hash(seed, _LOOK, *key), unit_hash(seed, _STYLE, *key)
        size = 2.0 * float(np.clip(edge[i, j] + 0.4, *_RADIUS_M))
        height = float(top[i, j]) + (_MORE_M * style if top[i, j] >= full else 0.0)
        foot = float(static_map.surface.height(np.array([x]), np.array([y]), np.zeros(1))[0])
        out.append((int(PlanKind.TREE), x, y, foot, 0.0, size, size, height, style, 2 * int(2 * look)))
    return np.array(out, dtype=PLAN_DTYPE) if out else np.zeros(0, PLAN_DTYPE)
