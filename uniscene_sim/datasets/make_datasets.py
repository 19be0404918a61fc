"""`uniscene-sim train data`: the data sets that the shipped models are trained and evaluated on."""

from __future__ import annotations

from pathlib import Path

from uniscene_sim.datasets.drives import SPLITS, make_carla_data, make_data
from uniscene_sim.datasets.sweeps import make_sweeps
from uniscene_sim.errors import InputError
from uniscene_sim.storage.input_file import files_in

__all__ = ["make_all_sweeps", "train_data"]

#: Towns of each split, and windows per town, for occupancy.
TOWNS = {"train": (56, 30), "validation": (8, 12), "test": (10, 12)}
#: Towns of each split, and sweeps per town, for LiDAR.
SWEPT_TOWNS = {"train": (56, 6), "validation": (4, 6), "test": (8, 6)}


def train_data(folder: Path, towns: int | None = None, jobs: int = 1, xodr: Path | None = None) -> None:
    """Write windows of seeded towns; existing files are kept.

    Args:
        folder: of the data.
        towns: number of training towns, by default that of `TOWNS`.
        jobs: processes.
        xodr: folder of OpenDRIVE maps, for a second held-out set.

    Raises:
        InputError: `xodr` has no map.
    """
    if xodr is not None and not files_in(xodr, "**/*.xodr"):  # told before hours of work
        raise InputError("expected .xodr files", file=xodr, field="--xodr")
    for split, (count, windows) in TOWNS.items():
        first = SPLITS[split].start
        wanted = towns if towns is not None and split == "train" else count
        make_data(folder, split, range(first, first + wanted), windows, jobs)
    if xodr is not None:
        make_carla_data(folder, xodr)


def make_all_sweeps(folder: Path) -> None:
    """Write sweeps of seeded towns; existing files are kept."""
    for split, (count, moments) in SWEPT_TOWNS.items():
        first = SPLITS[split].start
        make_sweeps(folder, split, range(first, first + count), moments)
