"""`uniscene-sim eval occupancy`: how good generated occupancy is on towns that no training has seen.

Every row is scored on the same held-out windows, agents included. What bounds a generator from above is the VAE's
ceiling (its own windows, encoded and decoded); what it has to beat is the decoder alone, which sees the layout but only
mean latents, and the mean column over such ground. `procedural` is the same map planned with another seed: as right as
the truth, and another world, so its 3D scores show how much of a world a layout leaves open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from tqdm import tqdm

from uniscene_sim.evaluation.mean import MeanColumns
from uniscene_sim.evaluation.model import OccupancyGenerator
from uniscene_sim.evaluation.mosaic import TILE, mosaic
from uniscene_sim.evaluation.rows import Row
from uniscene_sim.metrics.occupancy import AGENT_CHANNELS, MAP_CHANNELS, Confusion, LayoutScore, Seams
from uniscene_sim.taxonomy import CONDITION_CHANNELS, OccClass

__all__ = ["Scenes", "noise_of", "score"]

_BATCH = 4
_MOSAICS = 8  # windows whose seams are measured, at most


@dataclass(frozen=True)
class Scenes:
    """Held-out windows, of at least two places far apart."""

    data: str  # what they are of
    layouts: np.ndarray  # uint8 (N, C, X, Y) of CONDITION_CHANNELS
    labels: np.ndarray  # uint8 (N, X, Y, Z)
    replanned: np.ndarray | None = None  # labels of `procedural` with another seed


def score(
    model: OccupancyGenerator, scenes: Scenes, mean: MeanColumns, steps: int = 4, guidance: float = 1.5, seed: int = 0
) -> list[Row]:
    """Rows of a model on held-out windows.

    Args:
        model: the generator.
        scenes: N windows, at least two.
        mean: fitted to the training windows.
        steps: Euler steps of the flow.
        guidance: weight of the condition.
        seed: of the noise, with the number of the window.
    """
    count = len(scenes.labels)
    layouts = scenes.layouts[:, [CONDITION_CHANNELS.index(name) for name in model.channels]]
    noise = np.stack([noise_of(model, scenes.labels.shape[1:], seed, k) for k in range(count)])

    def vae(at: np.ndarray, told: bool) -> np.ndarray:
        return model.decode(model.encode(scenes.labels[at], layouts[at]), layouts[at] if told else None)

    def flow(at: np.ndarray) -> np.ndarray:
        return model.decode(model.generate(layouts[at], noise[at], steps=steps, guidance=guidance), layouts[at])

    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "truth": lambda at: scenes.labels[at],
        "VAE ceiling": lambda at: vae(at, True),
        "VAE without layout": lambda at: vae(at, False),
        "decoder alone": lambda at: model.decode(np.zeros_like(noise[at]), layouts[at]),
        "mean column": lambda at: mean(scenes.layouts[at]),
        "flow": flow,
    }
    if (replanned := scenes.replanned) is not None:
        ways["procedural, another seed"] = lambda at: replanned[at]
    boards = {name: _Board() for name in ways}
    with tqdm(total=count * len(ways), desc=f"eval {scenes.data}", unit="window", disable=None) as bar:
        for at in np.array_split(np.arange(count), -(-count // _BATCH)):
            # Windows are in the order of towns, so half of them away is another place.
            others = scenes.layouts[(at + count // 2) % count]
            for name, make in ways.items():
                start = perf_counter()
                made = make(at)
                boards[name].seconds.append((perf_counter() - start) / len(at))
                for windows in zip(scenes.layouts[at], others, scenes.labels[at], made, strict=True):
                    boards[name].add(*windows)
                bar.update(len(at))

    # In tiles the static world is made, without agents.
    still = layouts * np.array([name not in AGENT_CHANNELS for name in model.channels], np.uint8)[:, None, None]
    seams = {name: Seams(TILE * model.patch, 2 * model.patch) for name in ("truth", "flow")}
    few = np.unique(np.linspace(0, count - 1, _MOSAICS).round().astype(int))
    for k in tqdm(few, desc=f"tiles {scenes.data}", unit="window", disable=None):
        seams["truth"].add(scenes.labels[k])
        seams["flow"].add(mosaic(model, still[k], noise[k], steps, guidance))
    truth = boards["truth"].swapped.mean()
    return [
        board.row(name, scenes.data, truth, seams[name].ratio if name in seams else None)
        for name, board in boards.items()
    ]


def noise_of(model: OccupancyGenerator, shape: tuple[int, ...], seed: int, window: int) -> np.ndarray:
    """Noise float32 (c, x, y) for a window of labels of a shape (X, Y, Z), by its number."""
    nx, ny = (n // model.patch for n in shape[:2])
    return np.random.default_rng([seed, window]).standard_normal((model.latent_channels, nx, ny), np.float32)


class _Board:
    """Scores of one way to make occupancy while windows come in."""

    def __init__(self) -> None:
        self.voxels, self.seconds = Confusion(), list[float]()
        self.own, self.swapped = LayoutScore(CONDITION_CHANNELS), LayoutScore(CONDITION_CHANNELS)

    def add(self, layout: np.ndarray, other: np.ndarray, truth: np.ndarray, made: np.ndarray) -> None:
        self.voxels.add(truth, made)
        self.own.add(layout, made)
        self.swapped.add(other, made)

    def row(self, name: str, data: str, swapped_truth: float, seam: float | None) -> Row:
        return Row(
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
            seam,
            float(np.median(self.seconds)),
        )
