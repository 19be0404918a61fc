"""`raycast` on a street of which only 0.4 m cells are known, as where its engine traces an occupancy window."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from uniscene_sim.compute.compiled import njit
from uniscene_sim.datasets.sweeps import GroundTruthSweep, TownSweeps
from uniscene_sim.evaluation.ray_predictors import FirstHitBaseline, RayPredictions
from uniscene_sim.layout import Style
from uniscene_sim.lidar.raycast.measured import MeasuredSensor
from uniscene_sim.lidar.raycast.receiver import FLUCTUATION, calibrated_intensity, received_power
from uniscene_sim.lidar.raycast.reflectance import echo_strength, surfaces_of
from uniscene_sim.lidar.weather import air_of
from uniscene_sim.rigs.presets import PRESETS
from uniscene_sim.tile import CELL_M

__all__ = ["MeasuredRaycast", "RaycastOnCells"]


class RaycastOnCells(FirstHitBaseline):
    """Faces of cells with the engine's model of surfaces and receiver: that of the rig `pandaset`."""

    name = "raycast"

    def __call__(self, town: TownSweeps, sweep: GroundTruthSweep) -> RayPredictions:
        met = super().__call__(town, sweep)
        spec, air = PRESETS["pandaset"]().lidars[0], air_of(Style(sweep.weather))
        cosine, up = _incidence(sweep, met.range_m)
        strength = np.zeros(len(cosine))
        surfaces = surfaces_of(np.zeros(0, np.uint32), air.wet, air.snow, spec.rough_ground)
        _strengths(surfaces, met.label, cosine, up, strength)  # each class is also the index of its material
        bright = np.zeros(len(strength), np.float32)
        _read(strength, spec.dark_floor, spec.saturation, bright)
        far = np.where(np.isfinite(met.range_m), met.range_m, 0.0)
        power = received_power(np.maximum(strength, 1e-9), far, sweep.detect_range_m, air.extinction)
        dark = np.exp(-100.0 * np.maximum(strength - spec.dark_floor, 0.0))
        weak, missed = ndtr(-np.log(power) / FLUCTUATION), spec.miss_rate + spec.dark_miss_rate * dark
        return met._replace(intensity=bright, dropout=1.0 - (1.0 - weak) * (1.0 - np.minimum(missed, 1.0)))


class MeasuredRaycast(FirstHitBaseline):
    """Faces of cells with what a real sensor was seen to read: `raycast:measured=true`."""

    name = "raycast, measured"

    def __init__(self, sensor: MeasuredSensor):
        self._sensor = sensor

    def __call__(self, town: TownSweeps, sweep: GroundTruthSweep) -> RayPredictions:
        met = super().__call__(town, sweep)
        far = met.range_m + self._sensor.behind_face(met.label, sweep.direction[:, 2])
        return RayPredictions(far, met.label, *self._sensor.reading(met.label, far))


def _incidence(sweep: GroundTruthSweep, range_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine of incidence on the faces that rays end on, and z of their normals, (R,) each."""
    direction = sweep.direction.astype(np.float64)
    end = (sweep.origins() + direction * np.where(np.isfinite(range_m), range_m, 0.0)[:, None]) / CELL_M
    axis = np.abs(end - np.round(end)).argmin(axis=1)  # a face lies between cells
    along = np.take_along_axis(direction, axis[:, None], axis=1)[:, 0]
    return np.abs(along), np.where(axis == 2, -np.sign(along), 0.0)


@njit(cache=True)
def _strengths(surfaces, material, cosine, up, out):
    for r in range(len(out)):
        out[r] = echo_strength(surfaces, material[r], cosine[r], up[r], -1)


@njit(cache=True)
def _read(strength, dark_floor, saturation, out):
    for r in range(len(out)):
        out[r] = calibrated_intensity(strength[r], dark_floor, saturation)
