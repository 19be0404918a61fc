"""A sanity check against real sweeps, by histograms that depend little on the place.

The real sweeps are PandaSet's, of a Pandar64 on a car in San Francisco: `.bin` files of x, y, z (m, frame of the car)
and intensity (0 to 255) as float32. Streets, traffic and paint differ from ours, as they do between real sweeps, so the
figures only reveal gross errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from uniscene_sim.datasets.drives import sample_drives
from uniscene_sim.datasets.sweeps import simulate_sweeps
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.lidar import returning_rays
from uniscene_sim.evaluation.ray_predictors import RayPredictor
from uniscene_sim.geometry import Pose
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.metrics.lidar import total_variation
from uniscene_sim.rig import LidarSpec
from uniscene_sim.rigs.lidar_makes import lidar_model
from uniscene_sim.storage.input_file import MIB, files_in, read_input

__all__ = ["RealSweepScores", "SweepPoints", "compare_with_real", "read_pandaset", "score_against_real"]

#: Pose of PandaSet's LiDAR in the frame of its points; the angles are fitted to the rings of a stationary car.
_AT = Pose(0.26, -0.07, 1.876, roll=-0.0016, pitch=-0.0108)
_RANGES_M, _LEVELS = np.linspace(0.0, 100.0, 21), np.linspace(0.0, 1.0, 33)
_SENSOR = lidar_model("pandar64", "pandar64", _AT, min_range_m=0.0, range_noise_m=0.0, divergence_rad=0.0)
_RINGS, _COLUMNS = len(_SENSOR.elevation_rad), _SENSOR.azimuth_steps
_TOWN = 20_000
_FARTHEST_M = 1e4  # no LiDAR sees as far, and no intensity is as large


@dataclass(frozen=True)
class RealSweepScores:
    """Total variation (0 equal, 1 disjoint) between the histograms of some sweeps and of all real ones; for drop-out
    the mean absolute difference of the rate by ring. None where not predicted."""

    name: str
    range: float
    ring: float
    intensity: float | None
    dropout: float
    data: str = "histograms of real sweeps"


class SweepPoints(NamedTuple):
    """N points of some sweeps of a Pandar64."""

    range_m: np.ndarray  # (N,)
    ring: np.ndarray  # int (N,), 0 lowest
    intensity: np.ndarray | None  # (N,) 0..1
    sweeps: int


def read_pandaset(path: str | Path) -> SweepPoints:
    """A real sweep; rings are those of the nearest elevation.

    Raises:
        InputError: it cannot be read or is no such file.
    """
    body = read_input(path, 256 * MIB, "a sweep of PandaSet")
    data = np.frombuffer(body[: len(body) // 4 * 4], "<f4")
    if not data.size or len(body) % 16 or not (np.abs(data) < _FARTHEST_M).all():
        raise InputError("expected points of four floats: x, y, z, intensity", file=path)
    points = data.reshape(-1, 4).astype(np.float64)
    xyz = (points[:, :3] - _AT.position) @ _AT.rotation
    range_m = np.linalg.norm(xyz, axis=1)
    elevation = np.arcsin(np.clip(xyz[:, 2] / np.maximum(range_m, 1e-6), -1, 1))
    ring = np.abs(elevation[:, None] - np.array(_SENSOR.elevation_rad)).argmin(axis=1)
    return SweepPoints(range_m, ring, points[:, 3] / 255.0, 1)


def compare_with_real(
    folder: str | Path, predictors: Sequence[RayPredictor] = (), moments: int = 4
) -> list[RealSweepScores]:
    """Rows of `raycast` and of predictors in a held-out town; none if the folder has no sweeps.

    Args:
        folder: PandaSet's `.bin` files.
        predictors: LiDARs under test.
        moments: number of sweeps, each at another place.

    Raises:
        InputError: a file is damaged.
    """
    real = [read_pandaset(path) for path in files_in(folder, "*.bin")]
    if not real:
        return []
    return score_against_real(real, _simulated_sweeps(predictors, _SENSOR, moments))


def score_against_real(real: Sequence[SweepPoints], ours: dict[str, SweepPoints]) -> list[RealSweepScores]:
    """Rows of sets of sweeps by name, after a row of the first real sweep against the others."""
    rows = [_score_row("one real sweep, the others", real[0], _concatenated(real[1:]))] if len(real) > 1 else []
    every = _concatenated(real)
    return rows + [_score_row(name, seen, every) for name, seen in ours.items()]


def _simulated_sweeps(predictors: Sequence[RayPredictor], sensor: LidarSpec, moments: int) -> dict[str, SweepPoints]:
    static_map = make_town(_TOWN)
    # every other sample, for more places
    chosen = list(islice(sample_drives(static_map, _TOWN, 2 * moments), 0, None, 2))
    town = simulate_sweeps(static_map, 1000 * _TOWN, chosen, (sensor,), ("clear",))
    ring = np.arange(_RINGS * _COLUMNS) % _RINGS
    parts: dict[str, list[SweepPoints]] = {"raycast": []}
    for sweep in town.sweeps:
        there = np.isfinite(sweep.range_m) & ~sweep.dropped
        parts["raycast"].append(SweepPoints(sweep.range_m[there], ring[there], sweep.intensity[there], 1))
        for predictor in predictors:
            prediction = predictor(town, sweep)
            there = returning_rays(prediction, sweep.moment)
            bright = None if prediction.intensity is None else prediction.intensity[there]
            parts.setdefault(predictor.name, []).append(SweepPoints(prediction.range_m[there], ring[there], bright, 1))
    return {name: _concatenated(sweeps) for name, sweeps in parts.items()}


def _concatenated(parts: Sequence[SweepPoints]) -> SweepPoints:
    bright = [part.intensity for part in parts if part.intensity is not None]
    return SweepPoints(
        np.concatenate([part.range_m for part in parts]),
        np.concatenate([part.ring for part in parts]),
        np.concatenate(bright) if len(bright) == len(parts) else None,
        sum(part.sweeps for part in parts),
    )


def _score_row(name: str, seen: SweepPoints, real: SweepPoints) -> RealSweepScores:
    def counts(of: SweepPoints) -> list[np.ndarray]:
        bright = np.zeros(0) if of.intensity is None else of.intensity
        return [np.histogram(of.range_m, _RANGES_M)[0], np.bincount(of.ring, minlength=_RINGS),
                np.histogram(bright, _LEVELS)[0]]  # fmt: skip

    (range_m, ring, bright), (real_range, real_ring, real_bright) = counts(seen), counts(real)
    gone, really = (1.0 - np.minimum(n / (_COLUMNS * of.sweeps), 1.0) for n, of in ((ring, seen), (real_ring, real)))
    return RealSweepScores(
        name,
        total_variation(range_m, real_range),
        total_variation(ring, real_ring),
        None if seen.intensity is None or real.intensity is None else total_variation(bright, real_bright),
        float(np.abs(gone - really).mean()),
    )
