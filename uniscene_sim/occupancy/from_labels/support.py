"""Removal of generated labels that cannot be there: objects on roads, agents, and what hangs in mid-air."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from uniscene_sim.occupancy.from_labels.above_grid import GROUND_LAYER, TILE_IN_CANVAS
from uniscene_sim.occupancy.site import Site
from uniscene_sim.taxonomy import MATERIAL_LABEL, OccClass
from uniscene_sim.tile import CELL_M, PAINT_CELLS, TILE_CELLS

__all__ = ["keep_supported", "near_bridges"]

_STANDS = (OccClass.OTHERS, OccClass.MANMADE, OccClass.VEGETATION)
_DRIVEN = (OccClass.DRIVEABLE_SURFACE, OccClass.PED_CROSSING, OccClass.ROAD_DIVIDER, OccClass.LANE_DIVIDER)
_LEAVES_M, _WALK_M = 4.0, 2.4  # clearance of leaves over roads, and of anything over walkways
_FOOT = 2  # layers above the ground, one of which a part must reach to be supported
_BRIDGE_EDGE = 3  # cells beyond a bridge's edge that may have the label of its parapet
_TOUCHING = np.ones((3, 3, 3))


def keep_supported(labels: np.ndarray, site: Site, tree: np.ndarray) -> np.ndarray:
    """Labels (208, 208, Z) of the canvas of a tile, with what cannot be there set to `FREE`.

    Args:
        labels: uint8 (208, 208, Z).
        site: the tile, as the map defines it.
        tree: int32 (208, 208), -1 if no planned tree is near. Its leaves need no stem.
    """
    above = labels[:, :, GROUND_LAYER + 1 :]
    stands: np.ndarray = np.isin(above, _STANDS)
    high = CELL_M * np.arange(1, above.shape[2] + 1)
    fine = PAINT_CELLS // TILE_CELLS
    laid = MATERIAL_LABEL[site.paint.material[0]].reshape(TILE_CELLS, fine, TILE_CELLS, fine)
    road = np.asarray(np.isin(laid, _DRIVEN).any(axis=(1, 3)))[:, :, None]
    walk = np.asarray((laid == OccClass.SIDEWALK).all(axis=(1, 3)))[:, :, None]
    leaves = above[TILE_IN_CANVAS, TILE_IN_CANVAS] == OccClass.VEGETATION
    barred = (road & ~(leaves & (high >= _LEAVES_M))) | (walk & (high < _WALK_M)) | near_bridges(site)[:, :, None]
    stands[TILE_IN_CANVAS, TILE_IN_CANVAS] &= ~barred
    part, count = ndimage.label(stands, _TOUCHING)
    kept = np.zeros(count + 1, np.bool_)
    kept[part[:, :, :_FOOT].ravel()] = True
    kept[part[(tree >= 0)[:, :, None] & (above == OccClass.VEGETATION)]] = True
    out = labels.copy()
    out[:, :, GROUND_LAYER + 1 :] = np.where(stands & kept[part], above, OccClass.FREE)
    return out


def near_bridges(site: Site) -> np.ndarray:
    """Cells under a bridge or at its edge, where everything is drawn exactly, bool (160, 160)."""
    deck = np.isfinite(site.ground[1:]).any(axis=0)[1::2, 1::2]
    near: np.ndarray = ndimage.binary_dilation(deck, iterations=_BRIDGE_EDGE)
    return near
