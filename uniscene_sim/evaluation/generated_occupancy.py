"""Sweeps through generated occupancy ("Gen Occ"), judged against those of the true towns.

A seeded town can be made again: an engine makes its tiles from its map, a LiDAR is read through the cells of these, at
the place and with the agents of a true sweep. What was generated stands elsewhere than the truth does, so rays are not
compared one by one, only points as sets: Chamfer distance, MMD and JSD, as in UniScene's table 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from uniscene_sim.datasets.sweeps import GroundTruthSweep, TownSweeps, plan_of, swept_town
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.ray_predictors import RayPredictions, RayPredictor
from uniscene_sim.evaluation.remade_maps import ANOTHER_PLAN
from uniscene_sim.interfaces import OccupancyEngine
from uniscene_sim.lidar.learned.voxels import Cells, join_cells, tile_cells
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.learned.interface import LatentModel
from uniscene_sim.occupancy.learned.tile_engine import OccflowTiles
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.tile_store import TileStore, tiles_around
from uniscene_sim.tile import CELL_M

__all__ = ["ThroughGenerated", "through_generated"]

_REACH_M = 72.0  # tiles around a sensor


class ThroughGenerated:
    """A LiDAR through the tiles that an engine makes in place of a seeded town's.

    Args:
        predictor: the LiDAR.
        occupancy: of its row, what is generated.
        make: the engine of a town's map, and of the seed of its plan.
    """

    def __init__(self, predictor: RayPredictor, occupancy: str, make: Callable[[StaticMap, int], OccupancyEngine]):
        self.name = f"{predictor.name}, {occupancy}"
        self._predictor, self._make = predictor, make

    def __call__(self, town: TownSweeps, sweep: GroundTruthSweep) -> RayPredictions:
        return self._predictor(replace(town, cells=self.cells(town, sweep)), sweep)

    def cells(self, town: TownSweeps, sweep: GroundTruthSweep) -> Cells:
        """The cells around a sensor as the engine makes them.

        Raises:
            InputError: the file is of no seeded town, or its ground lies elsewhere than that of its seed.
        """
        static_map, seed = _made_again(town, sweep)
        store = TileStore(self._make(static_map, plan_of(seed)))
        around = tiles_around(float(sweep.middle[0]), float(sweep.middle[1]), _REACH_M)
        return join_cells([tile_cells(store.get(*index)) for index in around])


def through_generated(predictor: RayPredictor, model: LatentModel) -> list[ThroughGenerated]:
    """A LiDAR through what `occflow-tiles` generates, told the houses' and plants' footprints and not, and through the
    same streets planned with another seed, which shows how much of a sweep a layout leaves open."""

    def flow(told: bool) -> Callable[[StaticMap, int], OccupancyEngine]:
        return lambda static_map, seed: OccflowTiles(static_map, seed, model, options=OccflowTiles.Options(told=told))

    def replanned(static_map: StaticMap, seed: int) -> OccupancyEngine:
        return ProceduralOccupancy(static_map, seed + ANOTHER_PLAN)

    return [
        ThroughGenerated(predictor, "generated occupancy, untold", flow(told=False)),
        ThroughGenerated(predictor, "generated occupancy, told", flow(told=True)),
        ThroughGenerated(predictor, "procedural, another seed", replanned),
    ]


def _made_again(town: TownSweeps, sweep: GroundTruthSweep) -> tuple[StaticMap, int]:
    """The map of a town and its seed.

    Raises:
        InputError: the file is of no seeded town, or its ground lies elsewhere than that of its seed.
    """
    name, file = town.name.removeprefix("sweeps_"), f"{town.name}.npz"
    if not name.isdecimal():
        raise InputError("can be of no seeded town, expected sweeps_<seed>.npz", file=file)
    static_map = swept_town(int(name))
    column = np.floor(sweep.middle[:2] / CELL_M)
    x, y = ((column + 0.5) * CELL_M)[:, None]
    height = static_map.surface_height(x, y, sweep.middle[2:])[0]
    under = np.array([*column, np.ceil(height / CELL_M - 1e-4) - 1], np.int32)
    if not (town.cells.ijk == under).all(axis=1).any():
        raise InputError(
            "has other ground than the town of its seed, expected data that `train lidar` makes", file=file
        )
    return static_map, int(name)
