"""`uniscene-sim eval lidar`: LiDAR predictors from 0.4 m labels, scored on held-out towns.

The ground truth is `raycast` on the full-resolution world: range, intensity and drop-out. All predictors get the same
rays and cells, up to 70 m, the extent of the cells. Intensity and drop-out that a predictor lacks are filled in with
means by label, fitted to training towns: the baseline that learned heads have to beat.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from time import perf_counter

import numpy as np
from tqdm import tqdm

from uniscene_sim.datasets.drives import SPLITS
from uniscene_sim.datasets.sweeps import GroundTruthSweep, TownSweeps, make_sweeps, read_all_sweeps
from uniscene_sim.evaluation.ray_predictors import (
    FirstHitBaseline,
    HalfVoxelBaseline,
    Open3dBaseline,
    RayPredictions,
    RayPredictor,
)
from uniscene_sim.metrics.lidar import BirdsEye, DepthScore, LabelStatistics, best_auc, chamfer, roc_auc
from uniscene_sim.storage.output_file import scratch_folder

__all__ = [
    "LIDAR_TABLES",
    "LidarScores",
    "baselines",
    "evaluate_lidar",
    "one_sweep_each",
    "returning_rays",
    "score_predictors",
]

FAR_M = 70.0
#: What drop-out depends on beside the surface: detection range (m) and weather.
SweepKind = tuple[float, str]
#: Statistics by kind of sweep; None: of all sweeps, for kinds without data.
LabelRates = dict[SweepKind | None, LabelStatistics]
_GROUNDS = (("flat", True), ("hilly", False))
_FITTED = 8  # training towns that label statistics are fitted to


@dataclass(frozen=True)
class LidarScores:
    """Scores of one predictor; None where not applicable."""

    name: str
    data: str
    median_m: float | None = None  # absolute error of range of rays with a true hit
    mean_m: float | None = None
    within_02: float | None = None  # share of these rays
    within_05: float | None = None
    objects_median_m: float | None = None  # of rays that hit an agent
    objects_mean_m: float | None = None
    objects_within_02: float | None = None
    objects_within_05: float | None = None
    rest_median_m: float | None = None
    rest_mean_m: float | None = None
    rest_within_05: float | None = None
    missed: float | None = None  # share of rays with a true hit that are predicted to miss
    ghosts: float | None = None  # share of rays without a true hit that are predicted to hit
    chamfer_m: float | None = None
    mmd: float | None = None
    jsd: float | None = None
    intensity: float | None = None  # mean absolute error
    drop_auc: float | None = None
    best_auc: float | None = None  # possible from label, range and kind of sweep
    seconds: float | None = None  # per sweep


#: Columns of a model card's tables.
LIDAR_TABLES = (
    ("median_m", "mean_m", "within_02", "within_05", "missed", "ghosts"),
    (
        "objects_median_m",
        "objects_mean_m",
        "objects_within_02",
        "objects_within_05",
        "rest_median_m",
        "rest_mean_m",
        "rest_within_05",
    ),
    ("chamfer_m", "mmd", "jsd", "seconds"),
    ("intensity", "drop_auc", "best_auc"),
)


def baselines() -> list[RayPredictor]:
    """Predictors without training; Open3D's only if it is installed."""
    return [FirstHitBaseline(), HalfVoxelBaseline(), *([Open3dBaseline()] if Open3dBaseline.installed() else [])]


def evaluate_lidar(
    predictors: Sequence[RayPredictor] = (),
    data: str | Path | None = None,
    towns: int = 4,
    moments: int = 6,
    generated: Sequence[RayPredictor] = (),
    generated_sweeps: int = 0,
) -> list[LidarScores]:
    """Scores of the baselines and of some predictors.

    Args:
        predictors: learned ones, including ablations.
        data: folder written by `datasets.sweeps.make_sweeps`; None to make a small temporary one.
        towns: held-out towns, at most; in a temporary folder, exactly.
        moments: sweeps of each town of a temporary folder.
        generated: LiDARs through generated occupancy, as `generated_occupancy.through_generated` makes them.
        generated_sweeps: how many sweeps these are judged on, each of another town.

    Raises:
        InputError: the folder lacks training or test towns, or a file is damaged.
    """
    with scratch_folder() as own:
        folder = own if data is None else Path(data)
        if data is None:
            make_sweeps(folder, "train", SPLITS["train"][:2], moments)
            make_sweeps(folder, "test", SPLITS["test"][:towns], moments)
        rates, held_out = (
            fit_label_rates(read_all_sweeps(folder / "train", _FITTED)),
            read_all_sweeps(folder / "test", towns),
        )
        rows = score_predictors([*baselines(), *predictors], held_out, rates)
        if generated:
            some = one_sweep_each(held_out, generated_sweeps)
            through_true = [FirstHitBaseline(), *predictors[:1]]
            sets = score_predictors([*through_true, *generated], some, rates, f"generated, {len(some)} sweeps")
            rows += [_as_sets(row) for row in sets]
        return rows


def one_sweep_each(towns: Sequence[TownSweeps], count: int) -> list[TownSweeps]:
    """The first sweeps of `count` towns, of flat and hilly ones in turn as long as there are both."""
    kinds = [[town for town in towns if town.flat == flat] for _, flat in _GROUNDS]
    turns = [town for pair in zip_longest(*kinds) for town in pair if town is not None]
    return [replace(town, sweeps=town.sweeps[:1]) for town in turns[:count]]


def _as_sets(row: LidarScores) -> LidarScores:
    """What compares points as sets: where something else stands, rays are not compared one by one."""
    return LidarScores(row.name, row.data, chamfer_m=row.chamfer_m, mmd=row.mmd, jsd=row.jsd)


def fit_label_rates(towns: Iterable[TownSweeps]) -> LabelRates:
    """Label statistics of training towns."""
    rates: LabelRates = {None: LabelStatistics()}
    hard = FirstHitBaseline()
    for town in towns:
        for sweep in town.sweeps:
            hit = _true_ranges(sweep) < np.inf
            prediction = hard(town, sweep)
            for of in (rates[None], rates.setdefault(_sweep_kind(sweep), LabelStatistics())):
                of.add(prediction.label[hit], prediction.range_m[hit], sweep.intensity[hit], sweep.dropped[hit])
    return rates


def score_predictors(
    predictors: Sequence[RayPredictor], towns: Sequence[TownSweeps], rates: LabelRates, data: str = "test"
) -> list[LidarScores]:
    """Scores of predictors on held-out towns.

    Args:
        predictors: those to compare.
        towns: sweeps with their ground truth.
        rates: label statistics, fitted to training towns.
        data: name of the data in the rows.

    Returns:
        a row of each predictor on all towns; then, if there are both, on the flat and on the hilly ones.
    """
    parts = {data: list(towns)}
    if 0 < sum(town.flat for town in towns) < len(towns):
        parts |= {f"{data}, {name}": [t for t in towns if t.flat == flat] for name, flat in _GROUNDS}
    boards = {part: [_LidarScoreboard() for _ in predictors] for part in parts}
    sweeps = [(town, sweep) for town in towns for sweep in town.sweeps]
    with tqdm(total=len(sweeps) * len(predictors), desc=f"eval {data}", unit="sweep", disable=None) as bar:
        for town, sweep in sweeps:
            for n, predictor in enumerate(predictors):
                start = perf_counter()
                prediction = predictor(town, sweep)
                seconds = perf_counter() - start
                for part, some in parts.items():
                    if any(town is one for one in some):
                        boards[part][n].add(sweep, prediction, rates, seconds)
                bar.update()
    best = {part: _best_drop_auc([sweep for town in some for sweep in town.sweeps]) for part, some in parts.items()}
    return [
        board.row(predictor.name, part, best[part])
        for part, of_part in boards.items()
        for predictor, board in zip(predictors, of_part, strict=True)
    ]


def returning_rays(prediction: RayPredictions, seed: int) -> np.ndarray:
    """Which rays return, bool (R,): hits, sampled by their drop-out probability if it is predicted."""
    returns: np.ndarray = np.isfinite(prediction.range_m)
    if prediction.dropout is not None:
        returns &= np.random.default_rng(seed).random(len(returns)) >= prediction.dropout
    return returns


def _sweep_kind(sweep: GroundTruthSweep) -> SweepKind:
    return sweep.detect_range_m, sweep.weather


def _true_ranges(sweep: GroundTruthSweep) -> np.ndarray:
    """True ranges (R,) m, inf beyond the evaluated range."""
    return np.where(sweep.range_m < min(FAR_M, sweep.max_range_m), sweep.range_m, np.inf)


def _best_drop_auc(sweeps: Sequence[GroundTruthSweep]) -> float:
    hit = [_true_ranges(sweep) < np.inf for sweep in sweeps]
    columns = [[getattr(s, name)[m] for s, m in zip(sweeps, hit, strict=True)] for name in _DROP_COLUMNS]
    kinds = sorted({_sweep_kind(sweep) for sweep in sweeps})
    kind = [np.full(int(m.sum()), kinds.index(_sweep_kind(s))) for s, m in zip(sweeps, hit, strict=True)]
    dropped, label, range_m = (np.concatenate(column) for column in columns)
    return best_auc(dropped, label, range_m, np.concatenate(kind))


_DROP_COLUMNS = ("dropped", "label", "range_m")


class _LidarScoreboard:
    """Accumulates the scores of one predictor."""

    def __init__(self) -> None:
        self.all, self.objects, self.rest = DepthScore(), DepthScore(), DepthScore()
        self.above = BirdsEye()
        self.chamfer, self.seconds = list[float](), list[float]()
        self.bright, self.dropped, self.risk = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()

    def add(self, sweep: GroundTruthSweep, prediction: RayPredictions, rates: LabelRates, seconds: float) -> None:
        truth, far = _true_ranges(sweep), min(FAR_M, sweep.max_range_m)
        guess = np.where(prediction.range_m < far, prediction.range_m, np.inf)
        self.all.add(truth, guess, far)
        self.objects.add(truth[sweep.is_object], guess[sweep.is_object], far)
        self.rest.add(truth[~sweep.is_object], guess[~sweep.is_object], far)
        hit = truth < np.inf
        of = rates.get(_sweep_kind(sweep), rates[None])
        bright = of.intensity(prediction.label) if prediction.intensity is None else prediction.intensity
        risk = of.dropout(prediction.label, prediction.range_m) if prediction.dropout is None else prediction.dropout
        self.bright.append(np.abs(bright - sweep.intensity)[hit & ~sweep.dropped])
        self.dropped.append(sweep.dropped[hit])
        self.risk.append(risk[hit])
        # without a predicted drop-out, every hit returns
        returns = (guess < np.inf) & returning_rays(prediction, len(self.seconds))
        cloud = sweep.direction[returns] * guess[returns, None]
        real = hit & ~sweep.dropped
        true_cloud = sweep.direction[real] * truth[real, None]
        self.above.add(true_cloud, cloud)
        self.chamfer.append(chamfer(true_cloud, cloud))
        self.seconds.append(seconds)

    def row(self, name: str, data: str, best: float) -> LidarScores:
        every, objects, rest = self.all, self.objects, self.rest
        return LidarScores(
            name,
            data,
            every.median,
            every.mean,
            every.within(0.2),
            every.within(0.5),
            objects.median,
            objects.mean,
            objects.within(0.2),
            objects.within(0.5),
            rest.median,
            rest.mean,
            rest.within(0.5),
            every.missed,
            every.ghosts,
            _mean(np.array(self.chamfer)),
            self.above.mmd,
            self.above.jsd,
            _mean(np.concatenate(self.bright)),
            roc_auc(np.concatenate(self.dropped), np.concatenate(self.risk)),
            best,
            float(np.median(self.seconds)),
        )


def _mean(values: np.ndarray) -> float:
    """Mean of values (N,) that are not NaN (as for clouds without points); NaN if there is none."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
