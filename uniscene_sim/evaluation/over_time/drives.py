"""Held-out drives: layouts at 2 Hz and the true window of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from uniscene_sim.datasets.drives import SPLITS, DriveSample, moment_layout, plan_seed, sample_drives, window_arrays
from uniscene_sim.datasets.windows import SEEDED, Windows
from uniscene_sim.evaluation.remade_maps import Origin
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.layout import CONDITION_CHANNELS, LayoutFrame, Style, without_plan
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.taxonomy import OccClass

__all__ = ["PERIOD_S", "DriveSet", "TestDrive", "make_test_drives"]

PERIOD_S = 0.5
_HEIGHT = DEFAULT_GRID.shape[2]


@dataclass(frozen=True)
class TestDrive:
    """F moments of a drive through a town."""

    seed: int  # of the town, or of its part
    map: StaticMap
    origin: Origin | None  # None where no map was planned: nothing that stands can be made again
    layouts: list[LayoutFrame]  # F, whose egos stand
    windows: Windows  # of F windows
    moments: list[DriveSample] | None = None  # F, that truth can be drawn of anew

    __test__ = False  # no test of pytest's

    def __len__(self) -> int:
        return len(self.layouts)

    def truth(self, n: int) -> np.ndarray:
        """Labels uint8 (200, 200, 16), agents included."""
        return self.windows.labels_with_agents(n)[:, :, :_HEIGHT]

    def observed(self, n: int) -> np.ndarray:
        """Where the truth is known, bool (200, 200, 16)."""
        layers = np.arange(_HEIGHT, dtype=np.uint32)
        seen: np.ndarray = ((self.windows.observed[n][..., None] >> layers) & 1).astype(np.bool_)
        return seen

    def still(self, n: int) -> np.ndarray:
        """Labels uint8 (200, 200, 16) without agents."""
        labels: np.ndarray = self.windows.labels[n]
        return labels[:, :, :_HEIGHT]

    def with_agents(self, n: int, labels: np.ndarray) -> np.ndarray:
        """Labels (200, 200, Z) of a static world with the true agents of a moment drawn in, (200, 200, 16)."""
        whole: np.ndarray = np.full(self.windows.labels.shape[1:], OccClass.FREE, np.uint8)
        height = min(labels.shape[2], whole.shape[2])
        whole[:, :, :height] = labels[:, :, :height]
        here = slice(*np.searchsorted(self.windows.agents_window, (n, n + 1)))
        whole.ravel()[self.windows.agents_voxel[here]] = self.windows.agents_label[here]
        return whole[:, :, :_HEIGHT]

    def condition(self, n: int) -> np.ndarray:
        """Layout uint8 (C, 200, 200) over CONDITION_CHANNELS, without houses and plants."""
        channels = np.arange(len(CONDITION_CHANNELS), dtype=np.uint32)[:, None, None]
        return without_plan(((self.windows.layout[n] >> channels) & 1).astype(np.uint8))

    def grid(self, n: int) -> OccupancyGrid:
        """The true window as an engine gives it."""
        labels = np.ascontiguousarray(self.truth(n))
        frame = self.layouts[n]
        return OccupancyGrid(labels, np.zeros(labels.shape, np.uint16), DEFAULT_GRID, frame.ego_pose, frame.stamp_us)


@dataclass(frozen=True)
class DriveSet:
    """Drives that are judged together."""

    name: str
    drives: list[TestDrive]
    seen: bool = False  # of one street, of which only what was seen is known


def make_test_drives(towns: int, seconds: float, first: int = SPLITS["test"].start) -> DriveSet:
    """A drive through each of some towns.

    Args:
        towns: how many.
        seconds: length of a drive.
        first: seed of the first town, by default that of the test towns.
    """
    frames = round(seconds / PERIOD_S) + 1
    drives = []
    for seed in tqdm(range(first, first + towns), desc="drives", disable=None):
        static_map = make_town(seed)
        samples = list(sample_drives(static_map, seed, frames, sequence=frames))
        arrays: dict[str, Any] = window_arrays(static_map, iter(samples), SEEDED)
        layouts = [moment_layout(one.stamp_us, one.pose, one.agents, seed, Style()) for one in samples]
        arrays.pop("maker")
        windows = Windows(**arrays, maker=SEEDED)
        drives.append(TestDrive(seed, static_map, Origin(seed, plan_seed(seed, 0)), layouts, windows, samples))
    return DriveSet(f"{towns} held-out towns", drives)
