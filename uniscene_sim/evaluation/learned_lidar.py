"""A model of `sparse-sdf` as evaluation calls it; ablations are models of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from uniscene_sim.evaluation.casters import Cast
from uniscene_sim.layout import Style
from uniscene_sim.lidar.learned.march import march
from uniscene_sim.lidar.learned.model import LidarModel
from uniscene_sim.lidar.learned.scene import Scene
from uniscene_sim.lidar.weather import air_of
from uniscene_sim.paths import data_dir
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.training.sweeps import Sweep, TownSweeps

__all__ = ["LearnedCaster", "casters_of"]

_ABLATIONS = "lidar_ablations"  # beside the models of the zoo


def casters_of(model: str | Path, others: Sequence[str | Path] = (), device: str | None = None) -> list[LearnedCaster]:
    """A model, the same with its drop-out head unheard, and others; of the zoo's own, its ablations.

    Raises:
        InputError: no such model, or a damaged one.
    """
    full = LidarModel.load(model, device)
    name = "sparse-sdf" if str(model) == "lidar" else full.name
    ablations = sorted((data_dir("models") / _ABLATIONS).glob("*/config.yaml")) if str(model) == "lidar" else []
    made = [LidarModel.load(folder, device) for folder in [*(path.parent for path in ablations), *others]]
    return [
        LearnedCaster(full, name),
        LearnedCaster(full, f"{name} without ray-drop head", drops=False),
        *(LearnedCaster(one, one.name.replace("_", " ")) for one in made),
    ]


class LearnedCaster:
    """Rays through the cells of a town, whose features are made once.

    Args:
        model: what tells of them.
        name: of its rows.
        drops: whether its drop-out head is heard.
    """

    def __init__(self, model: LidarModel, name: str = "sparse-sdf", drops: bool = True):
        self.name, self._model, self._drops = name, model, drops
        self._last: tuple[TownSweeps, Scene] | None = None

    def __call__(self, town: TownSweeps, sweep: Sweep) -> Cast:
        scene, rays = self._scene(town), len(sweep.direction)
        agents = scene.put_agents(self._model.net, town.agents[sweep.moment])
        samples = march(scene.grid, scene.ijk, scene.ground, agents, sweep.origin[None],
                        sweep.direction.astype(np.float64), sweep.max_range_m, self._model.config.samples,
                        prior=self._model.config.prior)  # fmt: skip
        met = np.flatnonzero(np.isfinite(samples.first))
        samples = type(samples)(*(x[met] for x in samples))
        made = self._model.render(scene, samples, sweep.direction[met], sweep.detect_range_m,
                                  air_of(Style(sweep.weather)))  # fmt: skip
        range_m, label = np.full(rays, np.inf), np.full(rays, OccClass.FREE, np.uint8)
        range_m[met] = np.where(made["missed"] < 0.5, made["depth"], np.inf)
        label[met] = scene.label[samples.row[np.arange(len(met)), made["chosen"]]]
        intensity, dropout = np.zeros((2, rays), np.float32)
        intensity[met], dropout[met] = made["intensity"], made["dropped"]
        return Cast(range_m, label, intensity, dropout if self._drops else None)

    def _scene(self, town: TownSweeps) -> Scene:
        if self._last is None or self._last[0] is not town:
            net, cells = self._model.net, town.cells
            device = next(net.parameters()).device
            ijk, label = (torch.from_numpy(x[: cells.seen]).to(device) for x in (cells.ijk, cells.label))
            with torch.no_grad():
                features = net.features(ijk, label.long(), torch.zeros_like(ijk[:, 0]))
            scene = Scene([(0, 0)], [cells], features.shape[1], device)
            scene.features[: cells.seen] = features
            self._last = (town, scene)
        return self._last[1]
