"""`uniscene-sim train data`: what models learn from and are judged on, as their recipes have it."""

from __future__ import annotations

from pathlib import Path

from uniscene_sim.datasets.drives import SPLITS, make_carla_data, make_data
from uniscene_sim.datasets.sweeps import make_sweeps
from uniscene_sim.errors import InputError

__all__ = ["make_all_sweeps", "train_data"]

#: Towns of each split and windows of each of them.
TOWNS = {"train": (56, 30), "validation": (8, 12), "test": (10, 12)}
#: The same of those that LiDARs learn from, with their sweeps.
SWEPT_TOWNS = {"train": (56, 6), "validation": (4, 6), "test": (8, 6)}


def train_data(folder: Path, towns: int | None = None, jobs: int = 1, xodr: Path | None = None) -> None:
    """Write windows of seeded towns; files that are there stay as they are.

    Args:
        towns: for training, in place of those of the recipe.
        xodr: folder of OpenDRIVE maps, a second held-out set.

    Raises:
        InputError: a folder of maps that has none.
    """
    for split, (count, windows) in TOWNS.items():
        first = SPLITS[split].start
        wanted = towns if towns is not None and split == "train" else count
        make_data(folder, split, range(first, first + wanted), windows, jobs)
    if xodr is not None:
        if not any(xodr.rglob("*.xodr")):
            raise InputError("expected .xodr files", file=xodr, field="--xodr")
        make_carla_data(folder, xodr)


def make_all_sweeps(folder: Path) -> None:
    """Write sweeps of seeded towns; files that are there stay as they are."""
    for split, (count, moments) in SWEPT_TOWNS.items():
        first = SPLITS[split].start
        make_sweeps(folder, split, range(first, first + count), moments)
