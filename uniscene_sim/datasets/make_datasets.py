"""`uniscene-sim train data`: the data sets that the shipped models are trained and evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from uniscene_sim.datasets.drives import SPLITS, make_carla_data, make_data
from uniscene_sim.datasets.images import make_images
from uniscene_sim.datasets.sweeps import make_sweeps
from uniscene_sim.errors import InputError
from uniscene_sim.rig import CameraSpec
from uniscene_sim.storage.input_file import files_in

__all__ = ["image_data", "make_all_sweeps", "train_data"]

#: Towns of each split, and windows per town, for occupancy.
TOWNS = {"train": (56, 30), "validation": (8, 12), "test": (10, 12)}
#: Towns of each split, and sweeps per town, for LiDAR.
SWEPT_TOWNS = {"train": (56, 6), "validation": (4, 6), "test": (8, 6)}
#: Towns of each split, and drives per town, for images.
IMAGED_TOWNS = {"train": (56, 2), "validation": (4, 2), "test": (8, 2)}


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
        raise InputError("expected .xodr files", file=xodr, argument="xodr")
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


def image_data(folder: Path, cameras: Sequence[CameraSpec], towns: int | None = None, jobs: int = 1) -> None:
    """Write images of seeded towns with their exact buffers; existing files are kept.

    Args:
        folder: of the data.
        cameras: of the rig.
        towns: number of training towns, by default that of `IMAGED_TOWNS`.
        jobs: processes.

    Raises:
        InputError: no cameras, or the folder cannot be written to.
    """
    for split, (count, drives) in IMAGED_TOWNS.items():
        first = SPLITS[split].start
        wanted = towns if towns is not None and split == "train" else count
        make_images(folder, split, range(first, first + wanted), cameras, drives, jobs)
