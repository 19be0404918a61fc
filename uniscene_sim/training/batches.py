"""Batches of crops of windows, anywhere or around an agent, with random flips and transposition, with or without the
plan of houses and plants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from uniscene_sim.datasets.windows import Windows, WindowSample
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.layout import CONDITION_CHANNELS, without_plan
from uniscene_sim.taxonomy import OccClass

__all__ = ["Batch", "Crops"]

_FREE = np.uint8(OccClass.FREE)


@dataclass(frozen=True)
class Batch:
    """B crops."""

    layout: Tensor  # uint8 (B, C, X, Y)
    labels: Tensor  # uint8 (B, X, Y, Z), free where they are not known
    observed: Tensor  # bool (B, X, Y, Z): where labels are known

    def to(self, device: torch.device) -> Batch:
        return Batch(self.layout.to(device), self.labels.to(device), self.observed.to(device))


class Crops:
    """Endless seeded batches by index; batch n is the same on every machine.

    Args:
        windows: of each town or recording.
        cells: side of a crop.
        batch: number of crops per batch.
        seed: of the crops.
        near_agents: share of crops around an agent, of classes drawn uniformly.
        without_agents: share of crops of the static world alone.
        unplanned: share of crops in which houses, plants and rails are withheld from the layout.
        channels: of the layouts, some of `CONDITION_CHANNELS`.
        height: lowest layers of labels that are kept.
    """

    def __init__(
        self,
        windows: Sequence[Windows],
        cells: int,
        batch: int,
        seed: int,
        near_agents: float = 0.4,
        without_agents: float = 0.0,
        unplanned: float = 0.0,
        channels: Sequence[str] = CONDITION_CHANNELS,
        height: int = GENERATED_GRID.shape[2],
    ):
        self._windows, self._cells, self._batch, self._seed = windows, cells, batch, seed
        self._near, self._without, self._unplanned = near_agents, without_agents, unplanned
        self._channels, self._height = [CONDITION_CHANNELS.index(name) for name in channels], height
        self._all = [(w, n) for w, town in enumerate(windows) for n in range(len(town))]
        shape = windows[0].labels.shape[1:]
        by_label: dict[int, list[np.ndarray]] = {}
        for w, town in enumerate(windows):
            for label in np.unique(town.agents_label):
                at = np.flatnonzero(town.agents_label == label)
                i, j, _ = np.unravel_index(town.agents_voxel[at], shape)
                rows = np.stack([np.full(len(at), w), town.agents_window[at], i, j], axis=1)
                by_label.setdefault(int(label), []).append(rows)
        self._agents = [np.concatenate(rows) for _, rows in sorted(by_label.items())]

    def __getitem__(self, n: int) -> Batch:
        rng = np.random.default_rng((self._seed, n))
        crops = [self._crop(rng) for _ in range(self._batch)]
        parts = ("layout", "labels", "observed")
        return Batch(*(torch.from_numpy(np.stack([getattr(crop, part) for crop in crops])) for part in parts))

    def _crop(self, rng: np.random.Generator) -> WindowSample:
        agents = rng.random() >= self._without
        if agents and self._agents and rng.random() < self._near:
            rows = self._agents[rng.integers(len(self._agents))]
            w, n, i, j = rows[rng.integers(len(rows))]
            corner = np.array([i, j]) - rng.integers(self._cells, size=2)
        else:
            w, n = self._all[rng.integers(len(self._all))]
            corner = rng.integers(10_000, size=2) % (np.array(self._windows[w].labels.shape[1:3]) - self._cells + 1)
        i, j = np.clip(corner, 0, np.array(self._windows[w].labels.shape[1:3]) - self._cells).tolist()
        area = slice(i, i + self._cells), slice(j, j + self._cells)
        mirror_x, mirror_y, turn = rng.random(3) < 0.5
        window = self._windows[w].sample(int(n), bool(agents), area)
        layout = without_plan(window.layout) if rng.random() < self._unplanned else window.layout
        layout = layout[self._channels]
        labels, observed = window.labels[:, :, : self._height], window.observed[:, :, : self._height]
        if mirror_x:
            layout, labels, observed = layout[:, ::-1], labels[::-1], observed[::-1]
        if mirror_y:
            layout, labels, observed = layout[:, :, ::-1], labels[:, ::-1], observed[:, ::-1]
        if turn:
            layout, labels, observed = layout.transpose(0, 2, 1), labels.swapaxes(0, 1), observed.swapaxes(0, 1)
        return WindowSample(layout, np.where(observed, labels, _FREE), observed)
