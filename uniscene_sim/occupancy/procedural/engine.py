"""`procedural`: a world generated around the map by seeded rules, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import numpy as np

from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.bricks import draw_bridge_slab
from uniscene_sim.occupancy.procedural.draw import draw_objects
from uniscene_sim.occupancy.procedural.plan import plan_map
from uniscene_sim.occupancy.site import Site
from uniscene_sim.storage.source_key import source_key
from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import (
    BLOCK_CELLS,
    BLOCKS_Z,
    CELL_M,
    GROUND_SAMPLES,
    GROUND_STEP_M,
    PAINT_CELLS,
    PAINT_M,
    TILE_CELLS,
    TILE_M,
    Tile,
)

__all__ = ["ProceduralOccupancy"]

#: Volumes of 44 MB that no thread uses now; so there are no more than tiles are ever made at once.
_idle: list[tuple[np.ndarray, np.ndarray]] = []


@contextmanager
def _scratch() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Materials and masks of a tile's cells, with any content."""
    try:
        volume = _idle.pop()
    except IndexError:
        volume = _volume()
    try:
        yield volume
    finally:
        _idle.append(volume)


def _volume() -> tuple[np.ndarray, np.ndarray]:
    shape = (TILE_CELLS, TILE_CELLS, BLOCKS_Z * BLOCK_CELLS)
    return np.empty(shape, np.uint8), np.empty(shape, np.uint64)


class ProceduralOccupancy:
    """Buildings, trees, street furniture and terrain that agree with the map; on a recorded one, what was seen there.

    A tile depends on the map, the seed and its index, and on nothing else.
    """

    name = "procedural"
    of_map_and_seed = True  # so all who want the same tiles in a process may share them

    def __init__(self, static_map: StaticMap, seed: int):
        self.cache_key = source_key(__name__, type(static_map).__module__)  # ground and paint are the map's
        self.map, self.seed = static_map, seed

    @cached_property
    def _objects(self) -> np.ndarray:
        """Planned with the first tile: who observes no sensor needs none, and another town each episode."""
        return plan_map(self.map, self.seed)

    @cached_property
    def _reach(self) -> np.ndarray:
        reach: np.ndarray = 0.6 * np.hypot(self._objects["length"], self._objects["width"]) + 1.0
        return reach

    def tile(self, ix: int, iy: int) -> Tile:
        """The tile at [64 ix, 64 iy), made anew at each call."""
        with _scratch() as (material, mask):
            site = self._site(ix, iy, material, mask)
            draw_objects(material, mask, site.x0, site.y0, site.base, self.objects(site.x0, site.y0))
            return site.tile()

    def site(self, ix: int, iy: int) -> Site:
        """A tile's ground, bridges and what the map holds as solids, in cells of its own."""
        return self._site(ix, iy, *_volume())

    def _site(self, ix: int, iy: int, material: np.ndarray, mask: np.ndarray) -> Site:
        """The site in the volume that is given."""
        x0, y0 = ix * TILE_M, iy * TILE_M
        surface = self.map.surface
        ground = surface.ground(x0, y0, GROUND_SAMPLES, GROUND_STEP_M)
        paint = surface.edged_paint(x0, y0, PAINT_CELLS, PAINT_M, len(ground))
        base = float(np.floor((ground[0].min() - 1.0) / CELL_M) * CELL_M)
        material.fill(Material.NONE)
        mask.fill(0)
        for deck in ground[1:]:
            draw_bridge_slab(material, mask, base, deck)
        if self.map.solids is not None:
            self.map.solids.draw((ix, iy), base, material, mask)
        return Site((ix, iy), x0, y0, base, material, mask, ground, paint)

    def objects(self, x0: float, y0: float, margin_m: float = 0.0) -> np.ndarray:
        """Planned objects (N,) PLAN_DTYPE that may reach into the tile at (x0, y0), m, or within a margin of it."""
        o, r = self._objects, self._reach + margin_m
        inside = (o["x"] + r > x0) & (o["x"] - r < x0 + TILE_M) & (o["y"] + r > y0) & (o["y"] - r < y0 + TILE_M)
        near: np.ndarray = o[inside]
        return near
