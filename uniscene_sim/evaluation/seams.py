"""Seams at tile borders of worlds generated tile by tile, as by `occflow-tiles`, and of the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from uniscene_sim.geometry import Pose
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.metrics.occupancy import Seams
from uniscene_sim.occupancy.dense_labels import condition_layout, window_labels
from uniscene_sim.occupancy.learned.interface import OccupancyGenerator
from uniscene_sim.occupancy.learned.tile_latents import CANVAS_GRID, MARGIN_CELLS, TileLatents
from uniscene_sim.occupancy.procedural.plan import plan_map
from uniscene_sim.tile import TILE_CELLS, TILE_M

__all__ = ["seam_ratios", "tile_mosaics"]


def seam_ratios(model: OccupancyGenerator, towns: Sequence[int], seed: int) -> tuple[float, float]:
    """Seam ratios of the truth and of a model, over one place in each town (by the towns' seeds)."""
    truth, made = (Seams(TILE_CELLS, model.patch) for _ in range(2))
    for town in tqdm(towns, desc="tiles", unit="town", disable=None):
        for seams, labels in zip((truth, made), tile_mosaics(model, town, seed), strict=True):
            seams.add(labels)
    return truth.ratio, made.ratio


def tile_mosaics(model: OccupancyGenerator, town: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Static labels uint8 (480, 480, 16) of 3 x 3 tiles where a town has most roads: as planned, and as generated.

    The middle tile has the last of the four colours, so it is generated after all its neighbours.
    """
    static_map = make_town(town)
    objects = plan_map(static_map, town)
    middle = slice(MARGIN_CELLS, MARGIN_CELLS + TILE_CELLS)
    pairs, roads = np.unique(np.floor(static_map.road_points() / (2 * TILE_M)), axis=0, return_counts=True)
    x0, y0 = 2 * pairs[roads.argmax()].astype(int)

    def pose(ix: int, iy: int) -> Pose:
        x, y = (ix + 0.5) * TILE_M, (iy + 0.5) * TILE_M
        return Pose(x, y, float(static_map.surface_height(np.array([x]), np.array([y]), np.zeros(1))[0]))

    def layout(ix: int, iy: int) -> np.ndarray:
        drawn = condition_layout(static_map, objects, pose(ix, iy), CANVAS_GRID)
        return drawn.data[[drawn.schema.index(name) for name in model.channels]]

    latents = TileLatents(model, layout, lambda ix, iy: True, seed)

    def planned(ix: int, iy: int) -> np.ndarray:
        return window_labels(objects, static_map, pose(ix, iy), CANVAS_GRID)[middle, middle]

    def generated(ix: int, iy: int) -> np.ndarray:
        return model.decode(latents.canvas(ix, iy)[None], layout(ix, iy)[None])[0, middle, middle]

    truth, made = (
        np.concatenate([np.concatenate([tile(x0 + i, y0 + j) for j in range(3)], axis=1) for i in range(3)])
        for tile in (planned, generated)
    )
    return truth, made
