"""Metrics of generated LiDAR: range per ray, Chamfer distance, bird's-eye histograms, intensity and drop-out.

Ranges are float (R,) m, inf where a ray hits nothing. Scores accumulate over all sweeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist, jensenshannon
from scipy.stats import rankdata

from uniscene_sim.taxonomy import OccClass

__all__ = [
    "BirdsEye",
    "DepthScore",
    "LabelStatistics",
    "best_auc",
    "birds_eye_histogram",
    "chamfer",
    "roc_auc",
    "total_variation",
]  # fmt: skip

#: Bounds in the sensor's frame and voxels, m, of UniScene's evaluation; cells of its histogram a side.
_LOW, _HIGH = np.array([-51.2, -51.2, -5.0]), np.array([51.2, 51.2, 3.0])
_VOXEL = np.array([0.15625, 0.15625, 0.2])
_CELLS = 100
_WIDTH = 0.5  # of the kernel
_BIN_M = 5.0  # of range, for drop-out rates
_CLASSES = len(OccClass)


class DepthScore:
    """Absolute error of range over rays with a true hit. A ray that misses instead counts as a hit at the sensor's
    range."""

    def __init__(self) -> None:
        self._errors: list[np.ndarray] = []
        self._missed, self._miss_count, self._ghosts = 0, 0, 0

    def add(self, truth: np.ndarray, guess: np.ndarray, far_m: float) -> None:
        """Add true and predicted ranges (R,) m of a sensor with a range of `far_m`."""
        hit, predicted = np.isfinite(truth), guess < far_m
        self._errors.append(np.abs(truth[hit] - np.minimum(guess[hit], far_m)))
        self._missed += int((hit & ~predicted).sum())
        self._miss_count += int((~hit).sum())
        self._ghosts += int((~hit & predicted).sum())

    @property
    def errors(self) -> np.ndarray:
        """All errors, float64 (K,) m."""
        return np.concatenate([np.zeros(0), *self._errors])

    @property
    def mean(self) -> float:
        return float(self.errors.mean()) if len(self.errors) else float("nan")

    @property
    def median(self) -> float:
        return float(np.median(self.errors)) if len(self.errors) else float("nan")

    def within(self, limit_m: float) -> float:
        """Share of rays whose error is below a limit."""
        return float((self.errors < limit_m).mean()) if len(self.errors) else float("nan")

    @property
    def missed(self) -> float:
        """Share of rays with a true hit that are predicted to miss."""
        return self._missed / len(self.errors) if len(self.errors) else float("nan")

    @property
    def ghosts(self) -> float:
        """Share of rays without a true hit that are predicted to hit."""
        return self._ghosts / self._miss_count if self._miss_count else float("nan")


def chamfer(truth: np.ndarray, guess: np.ndarray) -> float:
    """Chamfer distance, m, of points (N, 3) and (M, 3): mean distance to the nearest point of the other cloud, averaged
    over both directions; NaN if one is empty."""
    if not len(truth) or not len(guess):
        return float("nan")
    there, back = cKDTree(guess).query(truth)[0], cKDTree(truth).query(guess)[0]
    return 0.5 * float(there.mean() + back.mean())


def birds_eye_histogram(xyz: np.ndarray) -> np.ndarray:
    """Bird's-eye histogram float64 (100, 100) of points (N, 3) m in the sensor's frame, as in UniScene and LidarDM.

    Points within 51.2 m, 5 m below to 3 m above the sensor, occupy voxels of 0.15625 x 0.15625 x 0.2 m. A cell is the
    mean of the voxels above it. 656 voxels a side are pooled to 100 cells by adaptive average pooling: cell i takes
    those from floor(656 i / 100) up to ceil(656 (i + 1) / 100), so neighbours may share one.
    """
    shape = np.ceil((_HIGH - _LOW) / _VOXEL).astype(int)
    at = np.floor((np.asarray(xyz, np.float64) - _LOW) / _VOXEL).astype(int)
    at = at[((at >= 0) & (at < shape)).all(axis=1)]
    full = np.zeros(shape, np.bool_)
    full[tuple(at.T)] = True
    edges = np.arange(_CELLS + 1) * shape[0] / _CELLS
    begin, end = np.floor(edges[:-1]).astype(int), np.ceil(edges[1:]).astype(int)
    voxel = np.arange(shape[0])
    pool = ((voxel >= begin[:, None]) & (voxel < end[:, None])) / (end - begin)[:, None]
    histogram: np.ndarray = pool @ full.mean(axis=2) @ pool.T
    return histogram


@dataclass
class BirdsEye:
    """MMD and JSD of two sets of clouds by their bird's-eye histograms, as in UniScene and LidarDM."""

    truth: list[np.ndarray] = field(default_factory=list)
    guess: list[np.ndarray] = field(default_factory=list)

    def add(self, truth: np.ndarray, guess: np.ndarray) -> None:
        """Add clouds (N, 3) and (M, 3) m in the sensor's frame; they need not be paired."""
        self.truth.append(birds_eye_histogram(truth).ravel())
        self.guess.append(birds_eye_histogram(guess).ravel())

    @property
    def mmd(self) -> float:
        """Squared maximum mean discrepancy of normalised histograms with a Gaussian kernel of width 0.5, over all
        pairs (each with itself, too); 0 for equal sets."""
        a, b = (np.array([one / max(one.sum(), 1e-12) for one in side]) for side in (self.truth, self.guess))

        def kernel(x: np.ndarray, y: np.ndarray) -> float:
            return float(np.exp(-cdist(x, y, "sqeuclidean") / (2 * _WIDTH**2)).mean())

        return kernel(a, a) + kernel(b, b) - 2 * kernel(a, b)

    @property
    def jsd(self) -> float:
        """Jensen-Shannon distance (root of the divergence, in nats) of the summed histograms: 0 if equal, 0.83 if
        disjoint, NaN if one has no points."""
        truth, guess = np.sum(self.truth, axis=0), np.sum(self.guess, axis=0)
        return float(jensenshannon(truth, guess)) if truth.any() and guess.any() else float("nan")


class LabelStatistics:
    """Prediction from labels alone: mean intensity of each class, and drop-out rate of each class and range."""

    def __init__(self, far_m: float = 250.0) -> None:
        self._bins = int(far_m // _BIN_M) + 1
        self._bright, self._return_count = np.zeros((2, _CLASSES))
        self._dropped, self._rays = np.zeros((2, _CLASSES, self._bins))

    def add(self, label: np.ndarray, range_m: np.ndarray, intensity: np.ndarray, dropped: np.ndarray) -> None:
        """Add R rays with a true hit.

        Args:
            label: uint8 (R,) OccClass, predicted.
            range_m: float (R,) m, predicted; inf: a miss.
            intensity: float (R,), true.
            dropped: bool (R,), true.
        """
        there = ~dropped
        self._bright += np.bincount(label[there], intensity[there], _CLASSES)
        self._return_count += np.bincount(label[there], minlength=_CLASSES)
        at = (label, self._bin(range_m))
        np.add.at(self._rays, at, 1)
        np.add.at(self._dropped, at, dropped)

    def intensity(self, label: np.ndarray) -> np.ndarray:
        """Mean intensity of classes (R,); the overall mean for classes without data."""
        mean = np.where(
            self._return_count > 0,
            self._bright / np.maximum(self._return_count, 1),
            _ratio(self._bright, self._return_count),
        )
        expected: np.ndarray = mean[label]
        return expected

    def dropout(self, label: np.ndarray, range_m: np.ndarray) -> np.ndarray:
        """Drop-out rate by class and range (R,); the overall rate for combinations without data."""
        mean = np.where(self._rays > 0, self._dropped / np.maximum(self._rays, 1), _ratio(self._dropped, self._rays))
        share: np.ndarray = mean[label, self._bin(range_m)]
        return share

    def _bin(self, range_m: np.ndarray) -> np.ndarray:
        return np.minimum(range_m / _BIN_M, self._bins - 1).astype(int)


def roc_auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve of `score` (R,) for `positive` bool (R,), ties as half; NaN if a class is empty."""
    ones = int(positive.sum())
    if ones in (0, len(positive)):
        return float("nan")
    return (float(rankdata(score)[positive].sum()) - ones * (ones + 1) / 2) / (ones * (len(positive) - ones))


def best_auc(dropped: np.ndarray, label: np.ndarray, range_m: np.ndarray, sensor: np.ndarray | None = None) -> float:
    """The best AUC of drop-out from labels and ranges in bins of 5 m: that of the rates of these very rays.

    Args:
        dropped: bool (R,).
        label: uint8 (R,) OccClass.
        range_m: (R,) m.
        sensor: int (R,), sensors with separate rates; None for one sensor.
    """
    sensor = np.zeros(len(label), int) if sensor is None else sensor
    score = np.zeros(len(label))
    for one in np.unique(sensor):
        of, rates = sensor == one, LabelStatistics()
        rates.add(label[of], range_m[of], np.zeros(int(of.sum())), dropped[of])
        score[of] = rates.dropout(label[of], range_m[of])
    return roc_auc(dropped, score)


def total_variation(one: np.ndarray, other: np.ndarray) -> float:
    """Total variation distance of two histograms with the same bins, normalised: 0 if equal, 1 if disjoint."""
    return 0.5 * float(np.abs(one / max(one.sum(), 1e-12) - other / max(other.sum(), 1e-12)).sum())


def _ratio(part: np.ndarray, whole: np.ndarray) -> float:
    return float(part.sum() / whole.sum()) if whole.any() else 0.0
