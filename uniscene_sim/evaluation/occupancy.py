"""`uniscene-sim eval occupancy`: generated occupancy, scored on held-out towns.

All rows are scored on the same windows, agents included. The upper bound of a generator is the VAE (the truth encoded
and decoded); the lower bounds are the decoder with mean latents and the mean column. `procedural` is the same map
planned with another seed: as plausible as the truth but another world, so its 3D scores show how much of the world the
layout leaves open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from tqdm import tqdm

from uniscene_sim.evaluation.held_out import HeldOutWindows, choose_windows, make_held_out, read_held_out, town_files
from uniscene_sim.evaluation.mean_column import MeanColumnBaseline
from uniscene_sim.evaluation.published import PUBLISHED
from uniscene_sim.evaluation.score_table import OccupancyScores
from uniscene_sim.evaluation.seams import seam_ratios
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.metrics.occupancy import AGENT_CHANNELS, MAP_CHANNELS, Confusion, LayoutScore
from uniscene_sim.occupancy.learned.interface import OccupancyGenerator
from uniscene_sim.storage.output_file import scratch_folder
from uniscene_sim.taxonomy import OccClass

__all__ = ["evaluate_occupancy", "score_generator", "window_noise"]

_BATCH = 4
_TOWNS = 4  # for seams: a single town's ratio varies by a quarter with the places of its houses
_TRAINING = 64  # windows that the mean column is fitted to
TRUTH, FLOW, PROCEDURAL = "truth", "flow", "procedural, another seed"


def evaluate_occupancy(
    model: OccupancyGenerator,
    data: str | Path | None = None,
    windows: int = 32,
    steps: int | None = None,
    guidance: float | None = None,
    seed: int = 0,
) -> list[OccupancyScores]:
    """All rows: held-out towns, CARLA's towns if `data` has them, and published figures.

    Args:
        model: the generator.
        data: folder written by `train data`; None to make a small temporary one.
        windows: about how many held-out windows of each set.
        steps: Euler steps of the flow.
        guidance: weight of classifier-free guidance.
        seed: of the noise.

    Raises:
        InputError: the folder lacks training or test towns, or a file is damaged.
    """
    with scratch_folder() as own:
        folder = own if data is None else Path(data)
        if data is None:
            make_held_out(folder, windows)
        mean = MeanColumnBaseline(CONDITION_CHANNELS, GENERATED_GRID.shape[2])
        for _, town, at in choose_windows(folder / "train", _TRAINING):
            for n in at:
                window = town.sample(n, agents=True)
                mean.add(window.layout, window.labels)
        rows = []
        for held_out in (folder / "test", folder / "carla"):
            if held_out.name == "test" or held_out.is_dir():
                rows += score_generator(model, read_held_out(held_out, windows), mean, steps, guidance, seed)
        towns = [town for town, _ in town_files(folder / "test")][:_TOWNS]
    seams = dict(zip((TRUTH, FLOW), seam_ratios(model, towns, seed), strict=True))
    return [replace(row, seam=seams.get(row.name)) if row.data == "test" else row for row in rows] + [*PUBLISHED]


def score_generator(
    model: OccupancyGenerator,
    scenes: HeldOutWindows,
    mean: MeanColumnBaseline,
    steps: int | None = None,
    guidance: float | None = None,
    seed: int = 0,
) -> list[OccupancyScores]:
    """Rows of a model and its baselines on held-out windows.

    Args:
        model: the generator.
        scenes: N windows, at least two.
        mean: baseline, fitted to training windows.
        steps: Euler steps of the flow.
        guidance: weight of classifier-free guidance.
        seed: of the noise, together with the index of the window.
    """
    count = len(scenes.labels)
    layouts = scenes.layouts[:, [CONDITION_CHANNELS.index(name) for name in model.channels]]
    noise = np.stack([window_noise(model, scenes.labels.shape[1:], seed, k) for k in range(count)])

    def vae(at: np.ndarray, with_layout: bool) -> np.ndarray:
        return model.decode(model.encode(scenes.labels[at], layouts[at]), layouts[at] if with_layout else None)

    def flow(at: np.ndarray) -> np.ndarray:
        return model.decode(model.generate(layouts[at], noise[at], steps=steps, guidance=guidance), layouts[at])

    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        TRUTH: lambda at: scenes.labels[at],
        "VAE ceiling": lambda at: vae(at, True),
        "VAE without layout": lambda at: vae(at, False),
        "decoder alone": lambda at: model.decode(np.zeros_like(noise[at]), layouts[at]),
        "mean column": lambda at: mean(scenes.layouts[at]),
        FLOW: flow,
    }
    if (replanned := scenes.replanned) is not None:
        ways[PROCEDURAL] = lambda at: replanned[at]
    scoreboards = {name: _OccupancyScoreboard() for name in ways}
    with tqdm(total=count * len(ways), desc=f"eval {scenes.data}", unit="window", disable=None) as bar:
        for at in np.array_split(np.arange(count), -(-count // _BATCH)):
            # Windows are in the order of towns, so the one half of them away is another place.
            others = scenes.layouts[(at + count // 2) % count]
            for name, make in ways.items():
                start = perf_counter()
                made = make(at)
                scoreboards[name].seconds.append((perf_counter() - start) / len(at))
                for windows in zip(scenes.layouts[at], others, scenes.labels[at], made, strict=True):
                    scoreboards[name].add(*windows)
                bar.update(len(at))
    truth = scoreboards[TRUTH].swapped.mean()
    return [
        scoreboard.row(name, scenes.data, truth, name not in (TRUTH, PROCEDURAL))
        for name, scoreboard in scoreboards.items()
    ]


def window_noise(model: OccupancyGenerator, shape: tuple[int, ...], seed: int, window: int) -> np.ndarray:
    """Noise of latents for a window.

    Args:
        model: the generator, for patch and channels.
        shape: (X, Y, Z) of the window's labels.
        seed: of the noise.
        window: index of the window.

    Returns:
        float32 (channels, X / patch, Y / patch).
    """
    nx, ny = (n // model.patch for n in shape[:2])
    return np.random.default_rng([seed, window]).standard_normal((model.latent_channels, nx, ny), np.float32)


class _OccupancyScoreboard:
    """Accumulates the scores of one method."""

    def __init__(self) -> None:
        self.voxels, self.seconds = Confusion(), list[float]()
        self.own, self.swapped = LayoutScore(CONDITION_CHANNELS), LayoutScore(CONDITION_CHANNELS)

    def add(self, layout: np.ndarray, other: np.ndarray, truth: np.ndarray, made: np.ndarray) -> None:
        self.voxels.add(truth, made)
        self.own.add(layout, made)
        self.swapped.add(other, made)

    def row(self, name: str, data: str, swapped_truth: float, timed: bool) -> OccupancyScores:
        return OccupancyScores(
            name,
            data,
            self.voxels.miou,
            self.voxels.iou,
            self.own.mean(),
            self.own.mean(MAP_CHANNELS),
            self.own.mean(AGENT_CHANNELS),
            self.swapped.mean(),
            swapped_truth,
            self.voxels.volume_ratio(OccClass.MANMADE),
            self.voxels.volume_ratio(OccClass.VEGETATION),
            seconds=float(np.median(self.seconds)) if timed else None,
        )
