"""From rays to readings of a learned LiDAR, in five steps:

1. the scene: cells of the tiles in range, followed by those of the agents,
2. samples along the rays, in the cells that they cross,
3. features of the tiles that these cells belong to,
4. rendering of signed distances to range, and heads for intensity, misses and drop-out,
5. readings by ray, with the label and the agent of the cell that is hit.
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
    """Readings of rays through tiles and agents by a model; features of tiles are cached.

    Args:
        model: network for features and rendering.
        cells_of: function of a store and a tile index (ix, iy) to cells; by default the cells of a `Tile`.
    """

    def __init__(self, model: LidarModel, cells_of: CellsOf | None = None):
        self.model = model
        self._scenes = VoxelSceneCache(model.net, next(model.net.parameters()).device, cells_of)

    def read(self, store: Any, tiles: Sequence[tuple[int, int]], agents: np.ndarray, rays: RayBundle) -> Readings:
        """Readings of rays.

        Args:
            store: source of tiles; it must support weak references.
            tiles: indices (ix, iy) of the tiles in range.
            agents: AGENT_DTYPE (A,), those that may be hit.
            rays: R rays.
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
