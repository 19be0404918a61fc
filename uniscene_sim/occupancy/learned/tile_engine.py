"""`occflow-tiles`: tiles generated from the layout by a learned model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uniscene_sim.engine_support.options import named_option
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.dense_labels import condition_layout
from uniscene_sim.occupancy.from_labels.build_tile import build_tile
from uniscene_sim.occupancy.learned.interface import LatentModel
from uniscene_sim.occupancy.learned.tile_latents import CANVAS_GRID, MARGIN_CELLS, MARGIN_M, TileLatents
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.storage.source_key import source_key
from uniscene_sim.tile import TILE_CELLS, TILE_M, Tile
from uniscene_sim.zoo.models import require_learned

__all__ = ["OccflowTiles"]

_ROAD_M = 40.0


class OccflowTiles:
    """Houses, trees and street furniture as the model generates them around the map's roads.

    A tile depends on the map, the seed, its index and the model's weights, and on nothing else. Where no road is within
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
        """`model`: name of a model of the zoo, or a folder that `train occupancy` wrote."""

        model: str = "occupancy"

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
        self.cache_key = f"{source_key(__name__, type(static_map).__module__)} {model.sha256} {model.device}"
        self.map, self.seed, self.model = static_map, seed, model
        self._procedural = ProceduralOccupancy(static_map, seed)
        self._latents = TileLatents(model, self.layout, self.has_road, seed)
        self._roads = static_map.road_points()

    def tile(self, ix: int, iy: int) -> Tile:
        """The tile at [64 ix, 64 iy)."""
        if not self.has_road(ix, iy):
            return self._procedural.tile(ix, iy)
        (labels,) = self.model.decode(self._latents.canvas(ix, iy)[None], self.layout(ix, iy)[None])
        site = self._procedural.site(ix, iy)
        return build_tile(site, labels, self._procedural.objects(site.x0, site.y0), self.seed)

    def layout(self, ix: int, iy: int) -> np.ndarray:
        """The condition of a tile and 10 m around it, uint8 (C, 208, 208), in the channels of the model."""
        x0, y0 = ix * TILE_M, iy * TILE_M
        objects = self._procedural.objects(x0, y0, MARGIN_M)
        middle = Pose(x0 + 0.5 * TILE_M, y0 + 0.5 * TILE_M)
        layout = condition_layout(self.map, objects, middle, CANVAS_GRID, all_decks=True)
        return layout.data[[layout.schema.index(channel) for channel in self.model.channels]]

    def has_road(self, ix: int, iy: int) -> bool:
        """Whether a road comes within 40 m of a tile."""
        middle = (np.array([ix, iy]) + 0.5) * TILE_M
        beyond = np.maximum(np.abs(self._roads - middle) - 0.5 * TILE_M, 0.0)
        return bool((np.hypot(*beyond.T) <= _ROAD_M).any())


def _check(model: LatentModel) -> None:
    if unknown := [c for c in model.channels if c not in CONDITION_CHANNELS]:
        expected = ", ".join(CONDITION_CHANNELS)
        raise InputError(f"expected some of {expected}, got {', '.join(unknown)}", field="channels")
    if TILE_CELLS % model.patch or MARGIN_CELLS % model.patch:
        raise InputError(f"expected a divisor of {MARGIN_CELLS} cells, got {model.patch}", field="patch")
