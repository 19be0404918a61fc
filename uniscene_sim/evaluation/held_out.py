"""Held-out windows, chosen evenly over towns, and the same windows with another plan of houses and plants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from uniscene_sim.datasets.drives import SPLITS, make_data
from uniscene_sim.datasets.windows import Windows, read_town
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.occupancy.dense_labels import window_labels
from uniscene_sim.occupancy.procedural.plan import plan_map
from uniscene_sim.storage.input_file import files_in

__all__ = ["HeldOutWindows", "choose_windows", "make_held_out", "read_held_out", "town_files"]

_ANOTHER_PLAN = 999_999_937  # added to a town's seed, for a plan that its data does not use


@dataclass(frozen=True)
class HeldOutWindows:
    """At least two held-out windows, in the order of their towns."""

    data: str  # name of the set
    layouts: np.ndarray  # uint8 (N, C, X, Y) of CONDITION_CHANNELS, agents included
    labels: np.ndarray  # uint8 (N, X, Y, Z)
    observed: np.ndarray  # bool (N, X, Y, Z): where they are known
    replanned: np.ndarray | None = None  # labels of `procedural` with another seed


def town_files(folder: str | Path) -> list[tuple[int, Path]]:
    """Seed and file of each town in a folder, by seed.

    Raises:
        InputError: there are none.
    """
    named = [(path.stem.removeprefix("town_"), path) for path in files_in(folder, "town_*.npz")]
    files = [(int(seed), path) for seed, path in named if seed.isdecimal()]
    if not files:
        raise InputError("expected files town_<seed>.npz", file=folder)
    return sorted(files)


def choose_windows(folder: str | Path, count: int) -> Iterator[tuple[int, Windows, list[int]]]:
    """Seed, windows and chosen indices of each town, about `count` windows in all, spread evenly."""
    towns = town_files(folder)
    each, more = divmod(count, len(towns))
    for number, (seed, path) in enumerate(towns):
        if share := each + (number < more):
            town = read_town(path)
            at = np.linspace(0, len(town) - 1, min(share, len(town))).round().astype(int)
            yield seed, town, sorted(set(at.tolist()))


def read_held_out(folder: str | Path, count: int) -> HeldOutWindows:
    """About `count` windows of a folder, and for seeded towns the same windows with another plan.

    Raises:
        InputError: the folder has fewer than two windows, or one of its files is damaged.
    """
    layouts: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    observed: list[np.ndarray] = []
    replanned: list[np.ndarray] = []
    seeds = SPLITS.get(Path(folder).name, ())  # of maps that can be generated again
    for seed, town, at in tqdm(list(choose_windows(folder, count)), desc="read", unit="town", disable=None):
        here = [town.sample(n, agents=True) for n in at]
        layouts += [window.layout for window in here]
        labels += [window.labels for window in here]
        observed += [window.observed for window in here]
        if seed in seeds:
            replanned += _replanned(seed, town, at, [window.labels for window in here])
    if len(labels) < 2:
        raise InputError("expected at least two windows", file=folder)
    return HeldOutWindows(
        Path(folder).name,
        np.stack(layouts),
        np.stack(labels),
        np.stack(observed),
        np.stack(replanned) if replanned else None,
    )


def _replanned(seed: int, town: Windows, at: list[int], truths: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Windows of a town with the same map and agents, but other houses and plants."""
    static_map = make_town(seed)
    objects = plan_map(static_map, seed + _ANOTHER_PLAN)
    for n, truth in zip(at, truths, strict=True):
        x, y, z, yaw = town.pose[n]
        labels = window_labels(objects, static_map, Pose(x, y, z, yaw=yaw), GENERATED_GRID)
        agents = truth != town.labels[n]
        labels[agents] = truth[agents]
        yield labels


def make_held_out(folder: str | Path, count: int) -> None:
    """Generate a small data set: at least `count` windows of test towns, and some of training towns."""
    make_data(folder, "train", SPLITS["train"][:4], 12)
    make_data(folder, "test", SPLITS["test"][: max(count // 4, 2)], 4)
