"""The interface of LiDAR predictors from 0.4 m labels, and baselines without training."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import numpy as np

from uniscene_sim.datasets.sweeps import GroundTruthSweep, TownSweeps
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.lidar.learned.voxels import dense_labels_near
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, OccClass
from uniscene_sim.tile import CELL_M
from uniscene_sim.tracing.label_grid import label_arrays, trace_labels
from uniscene_sim.tracing.label_mesh import mesh_of_labels

__all__ = [
    "FirstHitBaseline",
    "HalfVoxelBaseline",
    "Open3dBaseline",
    "RayPredictions",
    "RayPredictor",
    "label_grid_around",
]

_REACH_M = 72.0


class RayPredictions(NamedTuple):
    """Predictions for R rays."""

    range_m: np.ndarray  # (R,) m, inf where nothing is hit
    label: np.ndarray  # uint8 (R,) OccClass, FREE where nothing is hit
    intensity: np.ndarray | None = None  # (R,) 0..1; None: not predicted
    dropout: np.ndarray | None = None  # (R,), probability that the ray does not return; None: not predicted


class RayPredictor(Protocol):
    """A LiDAR under test. Its input is the town's cells and agents, and the sweep's origin, directions, sensor ranges
    and weather; the rest of the sweep is ground truth, which it may not read."""

    name: str

    def __call__(self, town: TownSweeps, sweep: GroundTruthSweep) -> RayPredictions: ...


def label_grid_around(town: TownSweeps, sweep: GroundTruthSweep) -> OccupancyGrid:
    """Dense labels around a sensor, agents included, in the map frame."""
    cells, agents = town.cells, town.agents[sweep.moment]
    parts = town.agents_cells[sweep.moment]
    kinds = AGENT_OCC_CLASS[agents["cls"]]
    ijk = np.concatenate([cells.ijk, *parts])
    label = np.concatenate([cells.label, *(np.full(len(p), k, np.uint8) for p, k in zip(parts, kinds, strict=True))])
    return dense_labels_near(ijk, label, sweep.middle[:2], _REACH_M)


class FirstHitBaseline:
    """The first occupied cell along each ray."""

    name = "raycast on labels"

    def __call__(self, town: TownSweeps, sweep: GroundTruthSweep) -> RayPredictions:
        grid = label_arrays(label_grid_around(town, sweep))
        return RayPredictions(*trace_labels(grid, *_rays(sweep), sweep.max_range_m))


class HalfVoxelBaseline(FirstHitBaseline):
    """The first occupied cell, half a cell farther: the middle of the surface's possible range."""

    name = "raycast on labels + half a voxel"

    def __call__(self, town: TownSweeps, sweep: GroundTruthSweep) -> RayPredictions:
        prediction = super().__call__(town, sweep)
        return prediction._replace(range_m=prediction.range_m + 0.5 * CELL_M)


class Open3dBaseline:
    """Open3D's ray casting against the faces of the cells; the label is that of the cell behind the face."""

    name = "Open3D RaycastingScene"

    @staticmethod
    def installed() -> bool:
        return find_spec("open3d") is not None

    def __call__(self, town: TownSweeps, sweep: GroundTruthSweep) -> RayPredictions:
        import open3d

        grid = label_grid_around(town, sweep)
        vertices, triangles = mesh_of_labels(grid)
        tensor: Any = open3d.core.Tensor
        scene = open3d.t.geometry.RaycastingScene()
        # relative to the sensor, for Open3D's float32
        scene.add_triangles(tensor((vertices - sweep.middle).astype(np.float32)), tensor(triangles))
        origins, directions = _rays(sweep)
        rays = np.hstack([origins - sweep.middle, directions]).astype(np.float32)
        range_m = scene.cast_rays(tensor(rays))["t_hit"].numpy().astype(np.float64)
        hit = range_m < np.inf
        label = np.full(len(range_m), OccClass.FREE, np.uint8)
        inside = origins[hit] + (range_m[hit, None] + 1e-3) * directions[hit]
        at = np.clip(grid.grid.index(inside), 0, np.array(grid.grid.shape) - 1)
        label[hit] = grid.labels[tuple(at.T)]
        return RayPredictions(range_m, label)


def _rays(sweep: GroundTruthSweep) -> tuple[np.ndarray, np.ndarray]:
    """Origins and directions float64 (R, 3)."""
    directions = sweep.direction.astype(np.float64)
    return np.broadcast_to(sweep.origin, directions.shape).copy(), directions
