"""`uniscene-sim eval lidar --real`: LiDAR predictors on real, held-out sweeps of PandaSet.

Rays are those of frames 60 to 79. Their cells are what frames 0 to 55 saw of the same street, and once more what each
sweep's neighbours saw. All predictors get the same rays and cells, up to 70 m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from uniscene_sim.datasets.pandaset_sweeps import HELD_OUT, KINDS, TRAINED_ON, PandaSetSweeps, RealSweeps
from uniscene_sim.datasets.sweeps import GroundTruthSweep
from uniscene_sim.evaluation.lidar import FAR_M, returning_rays
from uniscene_sim.evaluation.ray_predictors import RayPredictions, RayPredictor
from uniscene_sim.metrics.lidar import BirdsEye, DepthScore, chamfer, roc_auc

__all__ = ["REAL_TABLES", "RealLidarScores", "held_out_sweeps", "score_on_real"]

_EVERY = 3  # of the held-out frames
_NEIGHBOURS = (-2, -1, 1, 2)


@dataclass(frozen=True)
class RealLidarScores:
    """Scores of one predictor on real sweeps; None where not applicable.

    Depth is that of rays with a return within 70 m; drop-out that of rays which return or cross a cell.
    """

    name: str
    data: str
    median_m: float  # absolute error of range
    mean_m: float
    within_05: float  # share of rays
    ground_median_m: float
    ground_mean_m: float
    ground_within_05: float
    buildings_median_m: float
    buildings_mean_m: float
    buildings_within_05: float
    vehicles_median_m: float
    vehicles_mean_m: float
    vehicles_within_05: float
    poles_median_m: float  # signs and other static objects, among which PandaSet's poles are
    poles_mean_m: float
    poles_within_05: float
    chamfer_m: float
    mmd: float
    jsd: float
    intensity: float | None  # mean absolute error
    drop_auc: float | None
    seen: float  # share of returns that lie in a cell


#: Columns of a model card's tables.
REAL_TABLES = (
    ("median_m", "mean_m", "within_05", "chamfer_m", "mmd", "jsd", "intensity", "drop_auc"),
    ("ground_median_m", "ground_mean_m", "ground_within_05", "buildings_median_m", "buildings_mean_m",
     "buildings_within_05"),
    ("vehicles_median_m", "vehicles_mean_m", "vehicles_within_05", "poles_median_m", "poles_mean_m", "poles_within_05"),
)  # fmt: skip


def held_out_sweeps(real: PandaSetSweeps) -> dict[str, list[RealSweeps]]:
    """Held-out sweeps, through what frames 0 to 55 saw and through what each one's neighbours saw. Their towns have
    names, by which `ForeignPredictions` finds what others predict.

    Raises:
        InputError: a file is damaged, or no frame is there.
    """
    frames = [k for k in real.frames if k in HELD_OUT][::_EVERY]
    return {
        "frames 0 to 55": [_named("frames_0_to_55", real.rays_through(frames, TRAINED_ON))],
        "neighbours": [
            _named(f"neighbours_of_{k}", real.rays_through([k], [k + n for n in _NEIGHBOURS])) for k in frames
        ],
    }


def _named(name: str, part: RealSweeps) -> RealSweeps:
    return replace(part, town=replace(part.town, name=name))


def score_on_real(real: PandaSetSweeps, predictors: Sequence[RayPredictor]) -> list[RealLidarScores]:
    """Scores of predictors on the held-out sweeps of PandaSet's sequence 002.

    Args:
        real: the sequence.
        predictors: those to compare.

    Raises:
        InputError: a file is missing or damaged.
    """
    rows = []
    for data, parts in held_out_sweeps(real).items():
        boards = [_Scoreboard() for _ in predictors]
        every = [
            (part, sweep, kind) for part in parts for sweep, kind in zip(part.town.sweeps, part.kinds, strict=True)
        ]
        for part, sweep, kind in tqdm(every, desc=f"eval {data}", unit="sweep", disable=None):
            for predictor, board in zip(predictors, boards, strict=True):
                board.add(sweep, kind, predictor(part.town, sweep))
        seen = float(np.average([part.seen for part in parts], weights=[len(part.frames) for part in parts]))
        rows += [board.row(predictor.name, data, seen) for predictor, board in zip(predictors, boards, strict=True)]
    return rows


class _Scoreboard:
    """Accumulates the scores of one predictor."""

    def __init__(self) -> None:
        self.all, self.kinds = DepthScore(), {kind: DepthScore() for kind in KINDS}
        self.above, self.chamfer = BirdsEye(), list[float]()
        self.bright, self.dropped, self.risk = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()

    def add(self, sweep: GroundTruthSweep, kind: np.ndarray, prediction: RayPredictions) -> None:
        truth = sweep.range_m.astype(np.float64)
        guess = np.where(prediction.range_m < FAR_M, prediction.range_m, np.inf)
        back = truth < FAR_M  # neither NaN, where a beam was lost, nor inf
        self.all.add(truth[back], guess[back], FAR_M)
        for n, name in enumerate(KINDS):
            of = back & (kind == n)
            self.kinds[name].add(truth[of], guess[of], FAR_M)
        if prediction.intensity is not None:
            self.bright.append(np.abs(prediction.intensity - sweep.intensity)[back])
        if prediction.dropout is not None:
            there = back | np.isnan(truth)
            self.dropped.append(sweep.dropped[there])
            self.risk.append(prediction.dropout[there])
        start = sweep.origin - sweep.middle
        returns = (guess < np.inf) & returning_rays(prediction, len(self.chamfer))
        clouds = [(start + sweep.direction * far[:, None])[of] for far, of in ((truth, back), (guess, returns))]
        self.above.add(*clouds)
        self.chamfer.append(chamfer(*clouds))

    def row(self, name: str, data: str, seen: float) -> RealLidarScores:
        kinds = {
            f"{kind}_{column}": value
            for kind, score in self.kinds.items()
            if kind != "others"
            for column, value in (("median_m", score.median), ("mean_m", score.mean), ("within_05", score.within(0.5)))
        }
        return RealLidarScores(
            name=name,
            data=data,
            median_m=self.all.median,
            mean_m=self.all.mean,
            within_05=self.all.within(0.5),
            **kinds,
            chamfer_m=float(np.nanmean(self.chamfer)) if np.isfinite(self.chamfer).any() else float("nan"),
            mmd=self.above.mmd,
            jsd=self.above.jsd,
            intensity=float(np.concatenate(self.bright).mean()) if self.bright else None,
            drop_auc=roc_auc(np.concatenate(self.dropped), np.concatenate(self.risk)) if self.risk else None,
            seen=seen,
        )
