"""Drawings of ground-truth sweeps next to those of predictors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.datasets.sweeps import GroundTruthSweep, TownSweeps
from uniscene_sim.evaluation.lidar import returning_rays
from uniscene_sim.evaluation.ray_predictors import RayPredictor
from uniscene_sim.frames import LidarSweep
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.recording.panels import lidar_from_above, lidar_in_perspective
from uniscene_sim.recording.preview import font

__all__ = ["lidar_comparison_picture"]

_SIZE, _GAP, _HEADER, _DARK = 560, 6, 30, (28, 30, 36)
_RANGE_M = 32.0
_ABOVE = Pose(0.0, 0.0, 1.8)


def lidar_comparison_picture(
    predictors: Sequence[RayPredictor], towns: Sequence[TownSweeps], count: int = 2
) -> np.ndarray:
    """RGB uint8 (H, W, 3): `count` sweeps as truth and as predicted by each LiDAR, from above and from behind.

    Sweeps in clear air are preferred, and among them those of the sensor with most beams.
    """
    every = [(town, sweep) for town in towns for sweep in town.sweeps]
    clear = [pair for pair in every if pair[1].weather == "clear"] or every
    most = max(len(sweep.direction) for _, sweep in clear)
    sweeps = [pair for pair in clear if len(pair[1].direction) > 0.8 * most]
    chosen = np.unique(np.linspace(0, len(sweeps) - 1, count).round().astype(int))
    names = ["raycast on the fine world", *(predictor.name for predictor in predictors)]
    step = _SIZE + _GAP
    canvas = Image.new("RGB", (len(names) * step + _GAP, _HEADER + 2 * len(chosen) * step), _DARK)
    draw = ImageDraw.Draw(canvas)
    for column, name in enumerate(names):
        draw.text((_GAP + column * step, 6), name, font=font(17))
    for line, k in enumerate(chosen):
        town, sweep = sweeps[k]
        predictions = [predictor(town, sweep) for predictor in predictors]
        clouds = [
            _cloud(sweep, sweep.range_m, np.isfinite(sweep.range_m) & ~sweep.dropped, sweep.label),
            *(
                _cloud(sweep, prediction.range_m, returning_rays(prediction, int(k)), prediction.label)
                for prediction in predictions
            ),
        ]
        for column, cloud in enumerate(clouds):
            panels = (
                lidar_from_above(cloud, _ABOVE, EgoVehicle(), _SIZE, _RANGE_M),
                lidar_in_perspective(cloud, _ABOVE, EgoVehicle(), _SIZE),
            )
            for down, panel in enumerate(panels):
                canvas.paste(Image.fromarray(panel), (_GAP + column * step, _HEADER + (2 * line + down) * step))
    return np.asarray(canvas)


def _cloud(sweep: GroundTruthSweep, range_m: np.ndarray, there: np.ndarray, label: np.ndarray) -> LidarSweep:
    xyz = (sweep.direction * np.where(there, range_m, 0.0)[:, None])[there].astype(np.float32)
    nothing = np.zeros(len(xyz))
    return LidarSweep(xyz, nothing.astype(np.float32), nothing.astype(np.uint16), nothing.astype(np.float32),
                      label[there], nothing.astype(np.uint16), 0)  # fmt: skip
