"""Metrics of generated occupancy: voxel IoU, IoU with the layout from above, volumes, and seams at tile borders.

Labels are uint8 (X, Y, Z) of `OccClass`; layouts uint8 (C, X, Y), multi-hot. Scores accumulate over scenes, so IoUs are
of all scenes together, not means over scenes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.layout import AGENT_CHANNELS
from uniscene_sim.taxonomy import OccClass

__all__ = [
    "AGENT_CHANNELS",
    "GIVEN_CLASSES",
    "INVENTED_CLASSES",
    "LAYOUT_15",
    "MAP_CHANNELS",
    "Confusion",
    "LayoutScore",
    "Seams",
    "layout_from_above",
]

_FREE = int(OccClass.FREE)
_CLASSES = len(OccClass)

#: AnyScene's 15 layout channels (arXiv 2605.26113: five map elements and ten agent classes): those of our 18 that have
#: an occupancy class. Stop lines and car parks are labelled as road.
MAP_CHANNELS = ("drivable_area", "ped_crossing", "walkway", "road_divider", "lane_divider")
LAYOUT_15 = (*MAP_CHANNELS, *AGENT_CHANNELS)

#: Classes of a channel, where it is not the class of the same name. Crossings and dividers lie on the road.
_SHOWN_BY = {
    "drivable_area": (
        OccClass.DRIVEABLE_SURFACE,
        OccClass.PED_CROSSING,
        OccClass.ROAD_DIVIDER,
        OccClass.LANE_DIVIDER,
    ),
    "walkway": (OccClass.SIDEWALK,),
}


def _bits(channel: str) -> int:
    return sum(1 << label for label in _SHOWN_BY.get(channel) or (OccClass[channel.upper()],))


_BITS = np.array([_bits(name) for name in LAYOUT_15], dtype=np.uint32)


#: Classes that a channel of the layout tells, and those that a generator has to find a place for.
GIVEN_CLASSES = tuple(label for label in range(_FREE) if (_BITS >> np.uint32(label) & 1).any())
INVENTED_CLASSES = tuple(label for label in range(_FREE) if label not in GIVEN_CLASSES)


class Confusion:
    """Confusion matrix of voxels: rows by true class, columns by generated class."""

    def __init__(self) -> None:
        self.counts = np.zeros((_CLASSES, _CLASSES), np.int64)

    def add(self, truth: np.ndarray, guess: np.ndarray, observed: np.ndarray | None = None) -> None:
        """Add true and generated labels, uint8 of one shape; of the voxels that `observed`, bool, says, or of all."""
        if truth.shape != guess.shape:
            raise ValueError(f"expected labels of one shape, got {truth.shape} and {guess.shape}")
        if observed is not None:
            truth, guess = truth[observed], guess[observed]
        pair = truth.astype(np.uint16) * np.uint16(_CLASSES) + guess
        self.counts += np.bincount(pair.ravel(), minlength=_CLASSES**2).reshape(_CLASSES, _CLASSES)

    @property
    def miou(self) -> float:
        """Mean IoU of the occupied classes that occur in the truth."""
        return self.miou_of(range(_FREE))

    def miou_of(self, classes: Sequence[int]) -> float:
        """Mean IoU of those of some classes that occur in the truth."""
        return _mean([self.class_iou(label) for label in classes if self.counts[label].any()])

    def class_iou(self, label: int) -> float:
        """IoU of the voxels of a class."""
        both = self.counts[label, label]
        return _ratio(both, self.counts[label].sum() + self.counts[:, label].sum() - both)

    @property
    def iou(self) -> float:
        """IoU of occupied voxels, whatever their class."""
        both = self.counts[:_FREE, :_FREE].sum()
        return _ratio(both, self.counts.sum() - self.counts[_FREE, _FREE])

    def volume_ratio(self, label: int) -> float:
        """Generated voxels of a class over true ones."""
        return _ratio(self.counts[:, label].sum(), self.counts[label].sum())


def layout_from_above(labels: np.ndarray) -> np.ndarray:
    """Channels of `LAYOUT_15` in occupancy (X, Y, Z), from above: bool (15, X, Y).

    A channel is set where any voxel of the column has one of its classes, even in mid-air.
    """
    column = np.bitwise_or.reduce(np.uint32(1) << labels, axis=-1)
    layout: np.ndarray = column & _BITS[:, None, None] > 0
    return layout


class LayoutScore:
    """IoU of layouts with occupancy from above, by channel.

    Agents replace the ground voxels below them, so map channels are compared only where the layout has no agent: a
    generator gains nothing by leaving out a car. A road block is a row of barriers. Means leave out the channels that
    occur in no layout.

    Args:
        channels: names of the layouts' channels, in order; `LAYOUT_15` are among them.
    """

    def __init__(self, channels: Sequence[str]):
        self._rows = [channels.index(name) for name in LAYOUT_15]
        self._barrier, self._block = LAYOUT_15.index("barrier"), channels.index("road_block")
        self._map = np.array([name in MAP_CHANNELS for name in LAYOUT_15])[:, None, None]
        self._drawn, self._both, self._either = np.zeros((3, len(LAYOUT_15)), np.int64)

    def add(self, layout: np.ndarray, labels: np.ndarray, columns: np.ndarray | None = None) -> None:
        """Add a layout uint8 (C, X, Y) and labels uint8 (X, Y, Z); only the columns, bool (X, Y), that count."""
        drawn, seen = layout[self._rows] > 0, layout_from_above(labels)
        drawn[self._barrier] |= layout[self._block] > 0
        hidden = self._map & (drawn & ~self._map).any(axis=0)
        if columns is not None:
            hidden = hidden | ~columns
        drawn, seen = drawn & ~hidden, seen & ~hidden
        self._drawn += drawn.sum(axis=(1, 2))
        self._both += (drawn & seen).sum(axis=(1, 2))
        self._either += (drawn | seen).sum(axis=(1, 2))

    @property
    def by_channel(self) -> dict[str, float]:
        return {
            name: float(both / either)
            for name, drawn, both, either in zip(LAYOUT_15, self._drawn, self._both, self._either, strict=True)
            if drawn
        }

    def mean(self, channels: Sequence[str] = LAYOUT_15) -> float:
        """Mean IoU of those channels that occur."""
        return _mean([iou for name, iou in self.by_channel.items() if name in channels])


class Seams:
    """Ratio of the rates at which classes change across tile borders and across other borders of latent cells.

    A decoder changes classes less often inside a latent cell than between two, so tile borders are compared with the
    other multiples of `phase_cells`. A rate is the number of voxels whose class changes over the number of pairs of
    neighbouring columns of which one is not free.

    Args:
        tile_cells: edge of a tile, a multiple of `phase_cells`.
        phase_cells: edge of a latent cell, times the generator's patch.
    """

    def __init__(self, tile_cells: int, phase_cells: int = 4):
        if tile_cells % phase_cells or tile_cells == phase_cells:
            raise ValueError(f"expected a tile of several times {phase_cells} cells, got {tile_cells}")
        self.tile_cells, self.phase_cells = tile_cells, phase_cells
        self._changes, self._pairs = np.zeros((2, 2), np.int64)  # inside, across a border

    def add(self, labels: np.ndarray) -> None:
        """Add a mosaic uint8 (X, Y, Z) whose first tile begins at cell (0, 0)."""
        for axis in (0, 1):
            at = np.arange(self.phase_cells, labels.shape[axis], self.phase_cells)
            here, there = np.take(labels, at, axis), np.take(labels, at - 1, axis)
            changes = (here != there).sum(axis=(1 - axis, 2))
            pairs = ((here != _FREE) | (there != _FREE)).any(axis=2).sum(axis=1 - axis)
            border = (at % self.tile_cells == 0).astype(int)
            np.add.at(self._changes, border, changes)
            np.add.at(self._pairs, border, pairs)

    @property
    def ratio(self) -> float:
        """About 1 where borders are invisible."""
        inside, border = self._changes / np.maximum(self._pairs, 1)
        return _ratio(border, inside)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
