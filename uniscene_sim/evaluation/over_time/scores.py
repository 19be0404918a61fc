"""What is measured of a row over a drive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation

from uniscene_sim.evaluation.over_time.drives import TestDrive
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.layout import LAYOUT_CHANNELS, STATIC_CHANNELS
from uniscene_sim.occupancy.temporal.canvas import columns_at
from uniscene_sim.taxonomy import OccClass

__all__ = ["OVER_TIME_TABLES", "OverTimeScores", "Steadiness"]

_STILL = (OccClass.OTHERS, OccClass.MANMADE, OccClass.VEGETATION)
_AGENT_ROWS = slice(len(STATIC_CHANNELS), len(LAYOUT_CHANNELS))
_MARGIN = 3  # cells around agents that are not compared


@dataclass(frozen=True)
class OverTimeScores:
    """Scores of one row, as fractions; None where not applicable."""

    name: str
    data: str
    told: str = ""  # besides the layouts
    minutes: float | None = None  # of training, VAE included
    rec_miou: float | None = None  # of the VAE: labels encoded and decoded
    rec_iou: float | None = None
    layout_1s: float | None = None  # IoU with the layout from above, after so long a roll-out from nothing
    layout_10s: float | None = None
    layout_60s: float | None = None
    agents_10s: float | None = None  # of the agents' channels
    swapped: float | None = None  # IoU with another drive's layout
    manmade_1s: float | None = None  # voxels over the truth's
    manmade_60s: float | None = None
    vegetation_1s: float | None = None
    vegetation_60s: float | None = None
    steady: float | None = None  # IoU of what stands, in one window and the next, under ego motion
    pairwise: float | None = None  # IoU of houses and plants of two noises on one layout
    found: float | None = None  # share of agents that are found again
    edit_plain: float | None = None  # share of voxels outside an edit that it changes, see `editing`
    edit_held: float | None = None
    edit_done: float | None = None
    seconds: float | None = None  # a window
    mib: float | None = None  # most memory that a roll-out took, its weights left out; None but on Linux
    miou_1s: float | None = None  # of forecasts from two true windows
    miou_2s: float | None = None
    miou_3s: float | None = None
    iou_1s: float | None = None
    iou_2s: float | None = None
    iou_3s: float | None = None
    precision_3d: float | None = None
    recall_3d: float | None = None
    f_3d: float | None = None
    fid_3d: float | None = None
    kid_3d: float | None = None
    is_3d: float | None = None
    precision_2d: float | None = None
    recall_2d: float | None = None
    f_2d: float | None = None
    fid_2d: float | None = None
    kid_2d: float | None = None
    is_2d: float | None = None


#: Columns of the tables: roll-outs, forecasts, sets.
OVER_TIME_TABLES = (
    ("told", "minutes", "rec_miou", "rec_iou", "seconds", "mib"),
    ("layout_1s", "layout_10s", "layout_60s", "agents_10s", "swapped", "found"),
    ("manmade_1s", "manmade_60s", "vegetation_1s", "vegetation_60s", "steady", "pairwise"),
    ("edit_plain", "edit_held", "edit_done"),
    ("miou_1s", "miou_2s", "miou_3s", "iou_1s", "iou_2s", "iou_3s"),
    ("precision_3d", "recall_3d", "f_3d", "fid_3d", "kid_3d", "is_3d"),
    ("precision_2d", "recall_2d", "f_2d", "fid_2d", "kid_2d", "is_2d"),
)


class Steadiness:
    """IoU of the voxels of what stands beside roads, in two successive windows brought into the axes of the later one,
    where both windows are and neither has an agent."""

    def __init__(self) -> None:
        self._both, self._either = 0, 0

    def add(self, drive: TestDrive, n: int, before: np.ndarray, now: np.ndarray) -> None:
        """Add the windows (X, Y, Z) of the moments n - 1 and n of a drive."""
        at = columns_at(drive.layouts[n].ego_pose, DEFAULT_GRID, drive.layouts[n - 1].ego_pose, DEFAULT_GRID)
        moved = at.of(before, int(OccClass.FREE))
        judged = at.inside & ~at.of(_near_agents(drive, n - 1)) & ~_near_agents(drive, n)
        was, stands = np.isin(moved, _STILL), np.isin(now, _STILL)
        self._both += int((was & (moved == now))[judged].sum())
        self._either += int((was | stands)[judged].sum())

    @property
    def iou(self) -> float:
        return self._both / self._either if self._either else float("nan")


def _near_agents(drive: TestDrive, n: int) -> np.ndarray:
    """Columns bool (X, Y) at agents of a moment, and near them."""
    there = drive.condition(n)[_AGENT_ROWS].any(axis=0)
    near: np.ndarray = binary_dilation(there, iterations=_MARGIN)
    return near
