"""`uniscene-sim train sensor`: what a real LiDAR read of surfaces, by class and range, for `raycast:measured=true`."""

from __future__ import annotations

import json

import numpy as np

from uniscene_sim.datasets.pandaset_sweeps import TRAINED_ON, PandaSetSweeps
from uniscene_sim.evaluation.ray_predictors import FirstHitBaseline
from uniscene_sim.lidar.learned.voxels import is_ground_label
from uniscene_sim.lidar.raycast.measured import BIN_M, BINS, MeasuredSensor
from uniscene_sim.taxonomy import OccClass

__all__ = ["as_json", "measure_sensor"]

_EVERY = 5  # of the frames
_FEWEST = 50  # rays of a class and range that are believed; fewer take the class's, or all classes'
_NEAR_M = 1.0  # rays that went on farther than this met something else
_CLASSES = int(OccClass.FREE)


def measure_sensor(real: PandaSetSweeps) -> MeasuredSensor:
    """Readings of frames 0 to 55, by the class of the cell that each ray enters first.

    Raises:
        InputError: a file is damaged, or no frame is there.
    """
    street = real.rays_through(list(TRAINED_ON)[::_EVERY], TRAINED_ON)
    hard = FirstHitBaseline()
    labels, ranges, bright, lost, behind = (list[np.ndarray]() for _ in range(5))
    for sweep in street.town.sweeps:
        met = hard(street.town, sweep)
        there = np.isfinite(met.range_m) & ~np.isinf(sweep.range_m)
        label, first = met.label[there], met.range_m[there]
        off = sweep.range_m[there] - first
        down = np.where(is_ground_label(label), np.abs(sweep.direction[there, 2]), 1.0)
        labels.append(label)
        ranges.append(first)
        bright.append(sweep.intensity[there])
        lost.append(sweep.dropped[there])
        behind.append(np.where(np.abs(off * down) < _NEAR_M, off * down, np.nan))  # NaN also of beams that were lost
    label, first, intensity, dropped, off = (np.concatenate(x) for x in (labels, ranges, bright, lost, behind))
    at = np.minimum(first / BIN_M, BINS - 1).astype(int)
    near = ~np.isnan(off)
    median = np.full(_CLASSES, np.median(off[near]))
    for k in range(_CLASSES):
        if (of := near & (label == k)).sum() >= _FEWEST:
            median[k] = np.median(off[of])
    return MeasuredSensor(
        _means(label[~dropped], at[~dropped], intensity[~dropped]), _means(label, at, dropped.astype(float)), median
    )


def _means(label: np.ndarray, at: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Mean of values (R,) by class and bin (20, 10)."""
    flat = label.astype(int) * BINS + at
    sums, counts = (np.bincount(flat, w, _CLASSES * BINS).reshape(_CLASSES, BINS) for w in (value, None))
    whole = np.full((_CLASSES, 1), value.mean())
    known = counts.sum(axis=1) >= _FEWEST
    whole[known, 0] = sums[known].sum(axis=1) / counts[known].sum(axis=1)
    means: np.ndarray = np.where(counts >= _FEWEST, sums / np.maximum(counts, 1), whole)
    return means


def as_json(sensor: MeasuredSensor, source: str) -> str:
    """Text of a file of these constants, as `read_measured` reads it."""
    names = [of.name for of in OccClass if of != OccClass.FREE]
    parts = {
        name: dict(zip(names, np.round(getattr(sensor, name), 4).tolist(), strict=True))
        for name in ("intensity", "dropped", "behind_m")
    }
    lines = [f'"source": {json.dumps(source)}']
    for name, values in parts.items():
        rows = ",\n".join(f'  "{key}": {json.dumps(value)}' for key, value in values.items())
        lines.append(f'"{name}": {{\n{rows}\n}}')
    return "{\n" + ",\n".join(lines) + "\n}\n"
