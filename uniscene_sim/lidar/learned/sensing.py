"""From rays to what a learned LiDAR reads of them, in five steps:

1. the scene: cells of the tiles within reach, with those of the agents behind them,
2. samples along the rays, and with them the cells that are crossed,
3. features of the tiles in which these lie,
4. rendering of signed distances to range and intensity, and the heads for rays that miss and pulses that are lost,
5. readings by ray, with the label and the agent of the cell in which the surface lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from uniscene_sim.lidar.learned.model import LidarModel
from uniscene_sim.lidar.learned.ray_samples import RaySamples, sample_rays
from uniscene_sim.lidar.learned.readings import RayBundle, Readings
from uniscene_sim.lidar.learned.voxel_scene import CellsOf, VoxelSceneCache
from uniscene_sim.taxonomy import OccClass

__all__ = ["LearnedSensor"]


class LearnedSensor:
    """Rays through tiles and agents by a model; features of tiles are kept.

    Args:
        model: what renders rays and makes features.
        cells_of: cells of a tile (ix, iy) of a store; by default those of a `Tile`.
    """

    def __init__(self, model: LidarModel, cells_of: CellsOf | None = None):
        self.model = model
        self._scenes = VoxelSceneCache(model.net, next(model.net.parameters()).device, cells_of)

    def read(self, store: Any, tiles: Sequence[tuple[int, int]], agents: np.ndarray, rays: RayBundle) -> Readings:
        """Readings of rays.

        Args:
            store: what tiles are taken from; it can be referenced weakly.
            tiles: indices of those within reach.
            agents: AGENT_DTYPE (A,), those that may be hit.
            rays: R of them.
        """
        config = self.model.config
        scene = self._scenes.of(store, tiles)
        grids = scene.place_agents(self.model.net, agents)
        samples = sample_rays(
            scene.grid,
            scene.ijk,
            scene.ground,
            grids,
            rays.origins,
            rays.directions,
            rays.max_range_m,
            config.samples,
            rays.agent_motion,
            config.prior,
        )
        crossing = np.flatnonzero(np.isfinite(samples.first))
        samples = RaySamples(*(x[crossing] for x in samples))
        self._scenes.ensure_features(store, scene, samples.row)
        directions = rays.directions[crossing].astype(np.float32)
        made = self.model.render(scene, samples, directions, rays.detect_range_m, rays.air)

        count = len(rays.directions)
        readings = Readings(
            np.full(count, np.inf), np.full(count, OccClass.FREE, np.uint8), np.full(count, -1, np.int64),
            np.zeros(count, np.float32), np.zeros(count, np.float32),
        )  # fmt: skip
        chosen = np.arange(len(crossing)), made["chosen"]
        readings.range_m[crossing] = np.where(made["missed"] < 0.5, made["depth"], np.inf)
        readings.label[crossing] = scene.label[samples.row[chosen]]
        readings.agent[crossing] = samples.agent_row[chosen]
        readings.intensity[crossing] = made["intensity"]
        readings.drop_probability[crossing] = made["dropped"]
        return readings
