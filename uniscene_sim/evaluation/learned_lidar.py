"""Models of `sparse-sdf` as predictors; each ablation is a model of its own."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path

import numpy as np

from uniscene_sim.datasets.sweeps import GroundTruthSweep, TownSweeps
from uniscene_sim.evaluation.lidar import baselines
from uniscene_sim.evaluation.ray_predictors import RayPredictions, RayPredictor
from uniscene_sim.evaluation.raycast_on_cells import MeasuredRaycast, RaycastOnCells
from uniscene_sim.layout import Style
from uniscene_sim.lidar.learned.model import LidarModel
from uniscene_sim.lidar.learned.readings import RayBundle
from uniscene_sim.lidar.learned.sensing import LearnedSensor
from uniscene_sim.lidar.learned.voxels import Cells
from uniscene_sim.lidar.raycast.measured import pandar64
from uniscene_sim.lidar.weather import air_of
from uniscene_sim.occupancy.tile_store import tiles_around
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.tile import TILE_CELLS

__all__ = ["LearnedRayPredictor", "learned_predictors", "real_predictors"]

_ABLATIONS = "lidar_ablations"  # beside the models of the zoo
_REAL = "lidar_pandaset"
_REACH_M = 75.0  # tiles around a sensor; more than the evaluated range


def learned_predictors(
    model: str | Path, others: Sequence[str | Path] = (), device: str | None = None
) -> list[LearnedRayPredictor]:
    """A model, the same with the depth of equation 10 and without its drop-out head, and others; for the zoo's `lidar`
    also its ablations.

    Raises:
        InputError: no such model, or a damaged one.
    """
    full = LidarModel.load(model, device)
    name = "sparse-sdf" if str(model) == "lidar" else full.name
    ablations = sorted((data_dir("models") / _ABLATIONS).glob("*/config.yaml")) if str(model) == "lidar" else []
    made = [LidarModel.load(folder, device) for folder in [*(path.parent for path in ablations), *others]]
    first = LearnedRayPredictor(full, name)
    return [
        first,
        first.variant(f"{name}, depth by equation 10", full.by_mean_depth()),
        first.variant(f"{name} without ray-drop head", full, drops=False),
        *(LearnedRayPredictor(one, one.name.replace("_", " ")) for one in made),
    ]


def real_predictors(
    model: str | Path, others: Sequence[str | Path] = (), device: str | None = None
) -> list[RayPredictor]:
    """What is compared on real sweeps: rays through cells, `raycast` as it is and as measured, a model as it is and by
    equation 10, and others, by default of the zoo's `lidar` the one that has seen real sweeps.

    Raises:
        InputError: no such model, or a damaged one.
    """
    learned = [LidarModel.load(name, device) for name in (model, *others)]
    if str(model) == "lidar" and not others and (data_dir("models") / _REAL / "config.yaml").exists():
        learned.append(LidarModel.load(_REAL, device))
    rows: list[RayPredictor] = [*baselines(), RaycastOnCells(), MeasuredRaycast(pandar64())]
    for one in learned:
        name = {"lidar": "sparse-sdf, as shipped", _REAL: "sparse-sdf, fine-tuned"}.get(one.name, one.name)
        rows.append(first := LearnedRayPredictor(one, name))
        rows.append(first.variant(f"{name}, depth by equation 10", one.by_mean_depth()))
    return rows


class LearnedRayPredictor:
    """A learned LiDAR as a predictor, with cached features of tiles as in the engine.

    Args:
        model: the model.
        name: of its rows.
        drops: whether to use its drop-out head.
    """

    def __init__(self, model: LidarModel, name: str = "sparse-sdf", drops: bool = True):
        self.name, self._model, self._drops = name, model, drops
        self._sensor = LearnedSensor(model, _TownTiles.cells)
        self._last: list[_TownTiles] = []  # none or one

    def variant(self, name: str, model: LidarModel, drops: bool = True) -> LearnedRayPredictor:
        """Another predictor by the same network, that takes the features which this one computes."""
        other = copy(self)
        other.name, other._model, other._drops = name, model, drops
        return other

    def __call__(self, town: TownSweeps, sweep: GroundTruthSweep) -> RayPredictions:
        if not self._last or self._last[0].town is not town:
            self._last[:] = [_TownTiles(town)]
        self._sensor.model = self._model
        rays = RayBundle(sweep.origins(), sweep.direction.astype(np.float64), sweep.max_range_m,
                         sweep.detect_range_m, air_of(Style(sweep.weather)))  # fmt: skip
        tiles = tiles_around(float(sweep.middle[0]), float(sweep.middle[1]), _REACH_M)
        readings = self._sensor.read(self._last[0], tiles, town.agents[sweep.moment], rays)
        return RayPredictions(readings.range_m, readings.label, readings.intensity,
                    readings.drop_probability if self._drops else None)  # fmt: skip


class _TownTiles:
    """The cells of a town, by tile."""

    def __init__(self, town: TownSweeps):
        self.town = town
        index = town.cells.ijk[:, :2] // TILE_CELLS
        self._low = index.min(axis=0)
        self._shape = index.max(axis=0) - self._low + 1
        number = (index - self._low) @ np.array([self._shape[1], 1])
        self._order = np.argsort(number, kind="stable")  # stable: visible cells stay first
        self._ends = np.searchsorted(number[self._order], np.arange(self._shape.prod() + 1))

    def cells(self, ix: int, iy: int) -> Cells:
        i, j = np.array([ix, iy]) - self._low
        every, at = self.town.cells, np.zeros(0, np.int64)
        if 0 <= i < self._shape[0] and 0 <= j < self._shape[1]:
            tile = i * self._shape[1] + j
            at = self._order[self._ends[tile] : self._ends[tile + 1]]
        return Cells(every.ijk[at], every.label[at], int((at < every.visible_count).sum()))
