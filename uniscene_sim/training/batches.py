"""Batches of crops of windows, anywhere or around an agent, with random flips and transposition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import Queue
from threading import Thread

import numpy as np
import torch
from torch import Tensor

from uniscene_sim.datasets.windows import Windows
from uniscene_sim.errors import InputError

__all__ = ["Batch", "Crops", "prefetch_batches"]


@dataclass(frozen=True)
class Batch:
    """B crops, or B / F clips of F frames, whose frames are consecutive."""

    layout: Tensor  # uint8 (B, C, X, Y)
    labels: Tensor  # uint8 (B, X, Y, Z)

    def to(self, device: torch.device) -> Batch:
        return Batch(self.layout.to(device), self.labels.to(device))


class Crops:
    """Endless seeded batches by index; batch n is the same on every machine.

    Args:
        windows: of each town.
        cells: side of a crop.
        batch: number of crops, or of clips, per batch.
        seed: of the crops.
        near_agents: share of crops around an agent, of classes drawn uniformly.
        without_agents: share of crops of the static world alone.
        frames: of a clip, consecutive windows of one drive.
    """

    def __init__(
        self,
        windows: Sequence[Windows],
        cells: int,
        batch: int,
        seed: int,
        near_agents: float = 0.4,
        without_agents: float = 0.0,
        frames: int = 1,
    ):
        self._windows, self._cells, self._batch, self._seed = windows, cells, batch, seed
        self._near, self._without, self._frames = near_agents, without_agents, frames
        #: First window of each window's clip, by town.
        self._first = [_first_of_clips(town.sequence, frames) for town in windows]
        self._all = [(w, n) for w, first in enumerate(self._first) for n in np.unique(first).tolist()]
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
        layouts, labels = zip(*(frame for _ in range(self._batch) for frame in self._clip(rng)), strict=True)
        return Batch(torch.from_numpy(np.stack(layouts)), torch.from_numpy(np.stack(labels)))

    def _clip(self, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        agents = rng.random() >= self._without
        if agents and self._agents and rng.random() < self._near:
            rows = self._agents[rng.integers(len(self._agents))]
            w, n, i, j = rows[rng.integers(len(rows))]
            n, corner = self._first[w][n], np.array([i, j]) - rng.integers(self._cells, size=2)
        else:
            w, n = self._all[rng.integers(len(self._all))]
            corner = rng.integers(10_000, size=2) % (np.array(self._windows[w].labels.shape[1:3]) - self._cells + 1)
        i, j = np.clip(corner, 0, np.array(self._windows[w].labels.shape[1:3]) - self._cells).tolist()
        area = slice(i, i + self._cells), slice(j, j + self._cells)
        mirror_x, mirror_y, turn = rng.random(3) < 0.5
        made = []
        for frame in range(self._frames):
            layout, labels = self._windows[w].sample(int(n) + frame, bool(agents), area)
            if mirror_x:
                layout, labels = layout[:, ::-1], labels[::-1]
            if mirror_y:
                layout, labels = layout[:, :, ::-1], labels[:, ::-1]
            if turn:
                layout, labels = layout.transpose(0, 2, 1), labels.transpose(1, 0, 2)
            made.append((np.ascontiguousarray(layout), np.ascontiguousarray(labels)))
        return made


def _first_of_clips(sequence: np.ndarray, frames: int) -> np.ndarray:
    """First window, int64 (N,), of a clip of `frames` windows of one drive that contains each window or is near it."""
    begins = np.r_[0, np.flatnonzero(np.diff(sequence)) + 1]
    ends = np.r_[begins[1:], len(sequence)]
    begin, end = (np.repeat(edge, ends - begins) for edge in (begins, ends))
    if (end - begin).min() < frames:
        raise InputError(f"a drive has {(end - begin).min()} windows, expected at least {frames}", field="frames")
    at = begin + (np.arange(len(sequence)) - begin) // frames * frames
    first: np.ndarray = np.minimum(at, end - frames)
    return first


def prefetch_batches(crops: Crops, first: int, last: int) -> Iterator[Batch]:
    """Batches `first` to `last` - 1, made by a background thread during training on the previous one."""
    queue: Queue[Batch] = Queue(maxsize=2)

    def make() -> None:
        for n in range(first, last):
            queue.put(crops[n])

    Thread(target=make, daemon=True).start()
    for _ in range(first, last):
        yield queue.get()
