"""`occflow-tiles`: tiles generated from the layout by a learned model."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np

from uniscene_sim.engine_support.options import named_option
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import CONDITION_CHANNELS, BevLayout, without_plan
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.dense_labels import condition_layout
from uniscene_sim.occupancy.from_labels.above_grid import TILE_IN_CANVAS
from uniscene_sim.occupancy.from_labels.build_tile import EXACT_KINDS, build_tile
from uniscene_sim.occupancy.from_labels.fitted_plan import Mosaic, fit_plan
from uniscene_sim.occupancy.learned.interface import LatentModel
from uniscene_sim.occupancy.learned.tile_latents import CANVAS_GRID, MARGIN_CELLS, MARGIN_M, TileLatents
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.procedural.plan import PLAN_DTYPE
from uniscene_sim.storage.source_key import source_key
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import TILE_CELLS, TILE_M, Tile
from uniscene_sim.zoo.models import require_learned

__all__ = ["OccflowTiles"]

_ROAD_M = 40.0
_ROADS = ("drivable_area", "ped_crossing", "walkway", "carpark_area")  # where no house stands
_KEPT = 64  # tiles as generated, of 800 KB each


class OccflowTiles:
    """Houses, trees and street furniture as the model generates them around the map's roads.

    The model is told the roads. Of houses, plants and rails it is told nothing, and makes its own; with `told`, it is
    told their footprints as the map has them, or as `procedural` would plan them, and gives them their shapes. Posts,
    signs, rails and bridges are the map's in any case.

    A tile depends on the map, the seed, its index and the model's weights, and on nothing else. Houses are fitted to
    what was generated in the tile and around it, so that a house across a border is one house. Where no road is within
    40 m of a tile, it is that of `procedural`, since the layout is empty there.

    Args:
        static_map: the map.
        seed: of the noise, and of objects that the map does not hold.
        model: overrides the model that the options name.
        options: which model.

    Raises:
        InputError: torch is not installed, the model's weights are missing or damaged, or it asks for channels that
            do not exist.
    """

    name = "occflow-tiles"

    @dataclass(frozen=True)
    class Options:
        """`model`: name of a model of the zoo, or a folder that `train occupancy` wrote. `told`: whether it is told the
        footprints of houses, plants and rails."""

        model: str = "occupancy"
        told: bool = False

    def __init__(
        self,
        static_map: StaticMap,
        seed: int,
        model: LatentModel | None = None,
        *,
        options: Options = Options(),
    ):
        if model is None:
            require_learned()
            from uniscene_sim.occupancy.learned.model import OccupancyModel  # imports torch

            with named_option("model"):
                model = OccupancyModel.load(options.model)
        _check(model)
        key = f"{source_key(__name__, type(static_map).__module__)} {model.sha256} {model.device}"
        self.cache_key = f"{key} {'told' if options.told else 'untold'}"
        self.map, self.seed, self.model, self.told = static_map, seed, model, options.told
        self._procedural = ProceduralOccupancy(static_map, seed)
        # The last condition: latents ask for a layout just before decoding does.
        self._drawn: tuple[tuple[int, int], BevLayout] | None = None
        self._kept: OrderedDict[tuple[int, int], Mosaic] = OrderedDict()
        self._latents = TileLatents(model, self.layout, self.has_road, seed)
        self._roads = static_map.road_points()

    def tile(self, ix: int, iy: int) -> Tile:
        """The tile at [64 ix, 64 iy)."""
        if not self.has_road(ix, iy):
            return self._procedural.tile(ix, iy)
        site = self._procedural.site(ix, iy)
        objects = self._procedural.objects(site.x0, site.y0)
        if self.told:
            (labels,) = self.model.decode(self._latents.canvas(ix, iy)[None], self.layout(ix, iy)[None])
            return build_tile(site, labels, objects, self.seed)
        given = objects[np.isin(objects["kind"], EXACT_KINDS)]
        fitted = fit_plan(self._around(ix, iy), site.x0, site.y0, self.map, self.seed)
        return build_tile(site, fitted.labels, np.concatenate([given, fitted.objects]), self.seed, draw_houses=True)

    def layout(self, ix: int, iy: int) -> np.ndarray:
        """The condition of a tile and 10 m around it, uint8 (C, 208, 208), in the channels of the model."""
        layout = self._condition(ix, iy)
        return layout.data[[layout.schema.index(channel) for channel in self.model.channels]]

    def _condition(self, ix: int, iy: int) -> BevLayout:
        if self._drawn is None or self._drawn[0] != (ix, iy):
            x0, y0 = ix * TILE_M, iy * TILE_M
            objects = self._procedural.objects(x0, y0, MARGIN_M) if self.told else np.zeros(0, PLAN_DTYPE)
            middle = Pose(x0 + 0.5 * TILE_M, y0 + 0.5 * TILE_M)
            layout = condition_layout(self.map, objects, middle, CANVAS_GRID, all_decks=True)
            if not self.told:
                layout = replace(layout, data=without_plan(layout.data))
            self._drawn = (ix, iy), layout
        return self._drawn[1]

    def _around(self, ix: int, iy: int) -> Mosaic:
        """What was generated in a tile and its eight neighbours."""
        rows = [[self._generated(ix + dx, iy + dy) for dy in (-1, 0, 1)] for dx in (-1, 0, 1)]
        labels, barred = (
            np.concatenate([np.concatenate([getattr(tile, part) for tile in row], axis=1) for row in rows])
            for part in ("labels", "barred")
        )
        return Mosaic(labels, barred)

    def _generated(self, ix: int, iy: int) -> Mosaic:
        """One tile as generated; the most recently used are kept."""
        key = (ix, iy)
        if key not in self._kept:
            labels = np.full((TILE_CELLS, TILE_CELLS, self.model.height), OccClass.FREE, np.uint8)
            barred = np.zeros((TILE_CELLS, TILE_CELLS), np.bool_)
            if self.has_road(ix, iy):
                (canvas,) = self.model.decode(self._latents.canvas(ix, iy)[None], self.layout(ix, iy)[None])
                labels = canvas[TILE_IN_CANVAS, TILE_IN_CANVAS]
                layout = self._condition(ix, iy)
                roads = [layout.schema.index(channel) for channel in _ROADS]
                barred = np.asarray(layout.data[roads].any(axis=0))[TILE_IN_CANVAS, TILE_IN_CANVAS]
            self._kept[key] = Mosaic(labels, barred)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]

    def has_road(self, ix: int, iy: int) -> bool:
        """Whether a road comes within 40 m of a tile."""
        middle = (np.array([ix, iy]) + 0.5) * TILE_M
        beyond = np.maximum(np.abs(self._roads - middle) - 0.5 * TILE_M, 0.0)
        return bool((np.hypot(*beyond.T) <= _ROAD_M).any())


def _check(model: LatentModel) -> None:
    if unknown := [c for c in model.channels if c not in CONDITION_CHANNELS]:
        expected = ", ".join(CONDITION_CHANNELS)
        raise InputError(f"no such channels: {', '.join(unknown)}; expected some of {expected}", field="channels")
    if TILE_CELLS % model.patch or MARGIN_CELLS % model.patch:
        raise InputError(f"expected a divisor of {MARGIN_CELLS} cells, got {model.patch}", field="patch")
