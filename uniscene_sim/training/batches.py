"""Batches of crops: anywhere in a window or around an agent, turned and mirrored, with their agents or without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import Queue
from threading import Thread

import numpy as np
import torch
from torch import Tensor

from uniscene_sim.training.dataset import Windows

__all__ = ["Batch", "Crops", "ahead"]


@dataclass(frozen=True)
class Batch:
    layout: Tensor  # uint8 (B, C, X, Y)
    labels: Tensor  # uint8 (B, X, Y, Z)

    def to(self, device: torch.device) -> Batch:
        return Batch(self.layout.to(device), self.labels.to(device))


class Crops:
    """Seeded endless batches: the n-th is the same on every machine.

    Args:
        windows: of towns.
        cells: along both sides of a crop.
        near_agents: part of the crops that lie around an agent, all kinds alike.
        without_agents: part of the crops that show the static world alone.
    """

    def __init__(
        self,
        windows: Sequence[Windows],
        cells: int,
        batch: int,
        seed: int,
        near_agents: float = 0.4,
        without_agents: float = 0.0,
    ):
        self._windows, self._cells, self._batch, self._seed = windows, cells, batch, seed
        self._near, self._without = near_agents, without_agents
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
        layouts, labels = zip(*(self._crop(rng) for _ in range(self._batch)), strict=True)
        return Batch(torch.from_numpy(np.stack(layouts)), torch.from_numpy(np.stack(labels)))

    def _crop(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
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
        layout, labels = self._windows[w].sample(int(n), bool(agents), area)
        if rng.random() < 0.5:
            layout, labels = layout[:, ::-1], labels[::-1]
        if rng.random() < 0.5:
            layout, labels = layout[:, :, ::-1], labels[:, ::-1]
        if rng.random() < 0.5:
            layout, labels = layout.transpose(0, 2, 1), labels.transpose(1, 0, 2)
        return np.ascontiguousarray(layout), np.ascontiguousarray(labels)


def ahead(crops: Crops, first: int, last: int) -> Iterator[Batch]:
    """Batches `first` to `last` - 1, made by a thread while the one before is learned from."""
    queue: Queue[Batch] = Queue(maxsize=2)
    Thread(target=lambda: [queue.put(crops[n]) for n in range(first, last)], daemon=True).start()
    for _ in range(first, last):
        yield queue.get()
