"""Poles among generated labels: street lamps, if a road is near."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from uniscene_sim.occupancy.from_labels.above_grid import GROUND_LAYER
from uniscene_sim.occupancy.learned.tile_latents import MARGIN_M
from uniscene_sim.occupancy.procedural.plan import PLAN_DTYPE, PlanKind
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import CELL_M

__all__ = ["lamps_from_poles", "walls_and_poles"]

_POLE_CELLS = 6  # in a layer, at most
_POLE_LAYER = GROUND_LAYER + 13  # 5 m above the ground: lamps are higher, signs and people lower
_ROAD_M = 6.0
_APART_M = 1.5  # from posts of the map, which may have caused the label
_HEIGHT_M, _ARM_M = 6.5, 1.6
_EIGHT = np.ones((3, 3))


def walls_and_poles(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walls in the last layer of a canvas (208, 208, Z), bool (208, 208), and the centres (N, 2) of poles, in cells."""
    high, last = (labels[:, :, layer] == OccClass.MANMADE for layer in (_POLE_LAYER, -1))
    poles, thin = _parts(high)
    middles = np.array(ndimage.center_of_mass(high, poles, thin)).reshape(-1, 2) + 0.5
    part, thin = _parts(last)
    return last & ~np.isin(part, thin), middles


def _parts(walls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Connected parts of cells, numbered (X, Y), and the numbers of those that are as thin as a pole."""
    part, count = ndimage.label(walls, _EIGHT)
    size = np.bincount(part.ravel(), minlength=count + 1)
    rim = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])  # may extend beyond
    size[rim] = _POLE_CELLS + 1
    return part, np.flatnonzero(size[1:] <= _POLE_CELLS) + 1


def lamps_from_poles(
    labels: np.ndarray, middles: np.ndarray, ground: np.ndarray, x0: float, y0: float, posts: np.ndarray
) -> np.ndarray:
    """Lamps (N,) PLAN_DTYPE in place of poles, their arms towards the road.

    Args:
        labels: uint8 (208, 208, Z), the canvas of a tile.
        middles: (N, 2), centres of poles, in cells of the canvas.
        ground: (160, 160) m, the tile's.
        x0, y0: corner of the tile, m.
        posts: (M,) PLAN_DTYPE; poles near these belong to them.
    """
    no_road = ~np.isin(labels[:, :, GROUND_LAYER], (OccClass.DRIVEABLE_SURFACE, OccClass.PED_CROSSING))
    distance, towards = ndimage.distance_transform_edt(no_road, return_indices=True)
    margin, last = round(MARGIN_M / CELL_M), len(ground) - 1
    out = []
    for i, j in middles:
        x, y = x0 - MARGIN_M + i * CELL_M, y0 - MARGIN_M + j * CELL_M
        cell = int(i), int(j)
        own = bool((np.hypot(posts["x"] - x, posts["y"] - y) < _APART_M).any())
        if own or no_road.all() or distance[cell] * CELL_M > _ROAD_M:
            continue
        di, dj = towards[:, cell[0], cell[1]] + 0.5 - (i, j)
        a, b = np.clip((cell[0] - margin, cell[1] - margin), 0, last)
        out.append(
            (int(PlanKind.LAMP), x, y, float(ground[a, b]), float(np.arctan2(dj, di)), _ARM_M, 0.16, _HEIGHT_M, 0.5, 0)
        )
    return np.array(out, dtype=PLAN_DTYPE)
