"""Batches of clips: a piece of the world that stands still while the ego drives through it and agents move.

The windows of a drive are brought into the axes of one of them, so that a static thing is at one place in all frames,
as on the canvas of `occupancy.temporal.engine`. Where a frame's own window does not reach, nothing is known of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from uniscene_sim.datasets.windows import Windows
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.layout import CONDITION_CHANNELS, without_plan
from uniscene_sim.occupancy.temporal.canvas import columns_at
from uniscene_sim.taxonomy import OccClass

__all__ = ["ClipBatch", "ClipCrops", "ClipPlace", "clips_of", "cut_clip"]

_FREE = int(OccClass.FREE)


@dataclass(frozen=True)
class ClipBatch:
    """B clips of F frames."""

    layout: Tensor  # uint8 (B, F, C, X, Y)
    labels: Tensor  # uint8 (B, F, X, Y, Z), free where they are not known
    observed: Tensor  # bool (B, F, X, Y, Z): where labels are known
    seconds: Tensor  # float (B, F), since the first frame

    def to(self, device: torch.device) -> ClipBatch:
        return ClipBatch(*(each.to(device) for each in (self.layout, self.labels, self.observed, self.seconds)))


@dataclass(frozen=True)
class ClipPlace:
    """F successive windows of a drive."""

    town: int
    first: int
    frames: int


@dataclass(frozen=True)
class Clip:
    """F frames of a piece of the world."""

    layout: np.ndarray  # uint8 (F, C, X, Y), multi-hot over CONDITION_CHANNELS
    labels: np.ndarray  # uint8 (F, X, Y, Z) OccClass
    observed: np.ndarray  # bool (F, X, Y, Z)
    seconds: np.ndarray  # float32 (F,)


def clips_of(windows: Sequence[Windows], frames: int) -> list[ClipPlace]:
    """All runs of `frames` successive windows of one drive."""
    places = []
    for town, of_town in enumerate(windows):
        for first in range(len(of_town) - frames + 1):
            if (of_town.sequence[first : first + frames] == of_town.sequence[first]).all():
                places.append(ClipPlace(town, first, frames))
    return places


def cut_clip(
    town: Windows, place: ClipPlace, height: int, reference: int, area: tuple[slice, slice] = (slice(None),) * 2
) -> Clip:
    """A clip in the axes of one of its windows.

    Args:
        town: of which the clip is.
        place: of the clip.
        height: lowest layers that are kept.
        reference: number of the frame whose window all are brought into.
        area: slices of that window along x and y, by default all of it.
    """
    layouts, labels, observed = [], [], []
    here = _pose(town, place.first + reference)
    channels = np.arange(len(CONDITION_CHANNELS), dtype=np.uint32)[:, None, None]
    layers = np.arange(height, dtype=np.uint32)
    for n in range(place.first, place.first + place.frames):
        at = columns_at(here, GENERATED_GRID, _pose(town, n), GENERATED_GRID, area)
        known = ((at.of(town.observed[n])[..., None] >> layers) & 1).astype(np.bool_)
        layouts.append(((at.of(town.layout[n]) >> channels) & 1).astype(np.uint8))
        labels.append(np.where(known, at.of(town.labels_with_agents(n)[:, :, :height], _FREE), np.uint8(_FREE)))
        observed.append(known)
    stamps = town.stamp_us[place.first : place.first + place.frames]
    seconds = ((stamps - stamps[0]) * 1e-6).astype(np.float32)
    return Clip(np.stack(layouts), np.stack(labels), np.stack(observed), seconds)


def _pose(town: Windows, n: int) -> Pose:
    x, y, z, yaw = town.pose[n].tolist()
    return Pose(x, y, z, yaw=yaw)


class ClipCrops:
    """Endless seeded batches of crops of clips; batch n is the same on every machine.

    Args:
        windows: of each town or recording.
        frames: of a clip.
        cells: side of a crop.
        batch: number of clips per batch.
        seed: of the crops.
        near_agents: share of crops around an agent.
        unplanned: share of clips in which houses, plants and rails are withheld from the layout.
        channels: of the layouts, some of `CONDITION_CHANNELS`.
        height: lowest layers that are kept.

    Raises:
        ValueError: no drive is that long.
    """

    def __init__(
        self,
        windows: Sequence[Windows],
        frames: int,
        cells: int,
        batch: int,
        seed: int,
        near_agents: float,
        unplanned: float,
        channels: Sequence[str],
        height: int,
    ):
        self._windows, self._cells, self._batch, self._seed = windows, cells, batch, seed
        self._near, self._unplanned, self._height = near_agents, unplanned, height
        self._channels = [CONDITION_CHANNELS.index(name) for name in channels]
        self._places = clips_of(windows, frames)
        if not self._places:
            raise ValueError(f"no drive has {frames} windows")

    def __getitem__(self, n: int) -> ClipBatch:
        rng = np.random.default_rng((self._seed, n))
        clips = [self._clip(rng) for _ in range(self._batch)]
        parts = ("layout", "labels", "observed", "seconds")
        return ClipBatch(*(torch.from_numpy(np.stack([getattr(clip, part) for clip in clips])) for part in parts))

    def _clip(self, rng: np.random.Generator) -> Clip:
        place = self._places[rng.integers(len(self._places))]
        town, reference = self._windows[place.town], int(rng.integers(place.frames))
        side = np.array(GENERATED_GRID.shape[:2])
        corner = rng.integers(10_000, size=2) % (side - self._cells + 1)
        n = place.first + reference
        here = slice(*np.searchsorted(town.agents_window, (n, n + 1)))
        if rng.random() < self._near and here.stop > here.start:
            # Of the classes present each is as likely as another: there are many more voxels of cars than of people.
            kinds = town.agents_label[here]
            of_kind = np.flatnonzero(kinds == rng.choice(np.unique(kinds)))
            voxel = town.agents_voxel[here][rng.choice(of_kind)]
            i, j, _ = np.unravel_index(voxel, GENERATED_GRID.shape)
            corner = np.array([i, j]) - rng.integers(self._cells, size=2)
        i, j = np.clip(corner, 0, side - self._cells).tolist()
        clip = cut_clip(town, place, self._height, reference,
                        (slice(i, i + self._cells), slice(j, j + self._cells)))  # fmt: skip
        plan = rng.random() >= self._unplanned
        layout = clip.layout if plan else without_plan(clip.layout)
        layout, labels, observed = layout[:, self._channels], clip.labels, clip.observed
        mirror_x, mirror_y, turn = rng.random(3) < 0.5
        if mirror_x:
            layout, labels, observed = layout[:, :, ::-1], labels[:, ::-1], observed[:, ::-1]
        if mirror_y:
            layout, labels, observed = layout[:, :, :, ::-1], labels[:, :, ::-1], observed[:, :, ::-1]
        if turn:
            layout, labels, observed = layout.swapaxes(2, 3), labels.swapaxes(1, 2), observed.swapaxes(1, 2)
        layout, labels, observed = (np.ascontiguousarray(each) for each in (layout, labels, observed))
        return Clip(layout, labels, observed, clip.seconds)
