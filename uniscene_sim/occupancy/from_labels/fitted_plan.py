"""Houses and trees as a plan would have them, found in what was generated without one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.from_labels.fitted_houses import fit_houses, house_cells
from uniscene_sim.occupancy.from_labels.fitted_trees import fit_trees
from uniscene_sim.occupancy.learned.tile_latents import MARGIN_CELLS
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import TILE_CELLS, TILE_M

__all__ = ["FittedPlan", "Mosaic", "fit_plan"]

_RIM = 2  # cells around the body of a house: ragged walls that its boxes replace, and no stem stands there


@dataclass(frozen=True)
class Mosaic:
    """What was generated in one tile, or in a tile and its neighbours."""

    labels: np.ndarray  # uint8 (X, Y, Z) OccClass
    barred: np.ndarray  # bool (X, Y): roads and walkways, where no house or stem stands


@dataclass(frozen=True)
class FittedPlan:
    """What stands in a tile."""

    objects: np.ndarray  # (N,) PLAN_DTYPE: houses and trees
    labels: np.ndarray  # uint8 (208, 208, Z), its canvas without the walls of houses


def fit_plan(around: Mosaic, x0: float, y0: float, static_map: StaticMap, seed: int) -> FittedPlan:
    """Houses and trees of a tile, and what else was generated there.

    Args:
        around: three by three tiles, the wanted one in the middle.
        x0, y0: corner of the tile, m.
        static_map: for the ground.
        seed: of what labels do not tell.
    """
    tile = slice(TILE_CELLS, 2 * TILE_CELLS)
    corner = x0 - TILE_M, y0 - TILE_M
    height = house_cells(around.labels, around.barred)
    houses = fit_houses(height, around.barred, *corner, tile, static_map, seed)
    built = ndimage.binary_dilation(height > 0.0, iterations=_RIM)
    trees = fit_trees(around.labels, around.barred | built, *corner, tile, static_map, seed)
    canvas = slice(tile.start - MARGIN_CELLS, tile.stop + MARGIN_CELLS)
    labels = around.labels[canvas, canvas].copy()
    labels[built[canvas, canvas][:, :, None] & (labels == OccClass.MANMADE)] = OccClass.FREE
    return FittedPlan(np.concatenate([houses, trees]), labels)
