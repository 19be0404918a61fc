"""Files of occupancy windows, of seeded towns and of recorded streets, for training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.layout import CONDITION_CHANNELS, LAYOUT_CHANNELS, STATIC_CHANNELS
from uniscene_sim.storage.array_file import array_names, check_shapes, check_span, read_arrays
from uniscene_sim.storage.input_file import files_in
from uniscene_sim.taxonomy import OccClass

__all__ = ["REAL_TEST", "REAL_TRAIN", "SEEDED", "CutFrom", "WindowSample", "Windows", "class_frequencies",
           "read_split", "read_town"]  # fmt: skip

#: Folders of windows of real places: for training, beside seeded towns in `train`; and held out.
REAL_TRAIN, REAL_TEST = "real_train", "real_test"
#: `Windows.maker` of towns that can be made again by their seed.
SEEDED = "seeded town"

_SHAPE = GENERATED_GRID.shape
_CELLS = int(np.prod(_SHAPE))
_FARTHEST_M = 1e7  # of a place from the origin of its map
_WHAT = "windows of a town or a recording"
_AGENT_BITS = np.uint32(sum(1 << k for k in range(len(STATIC_CHANNELS), len(LAYOUT_CHANNELS))))
#: Arrays of a file: dtype, and shape with N windows and K agents' voxels.
_ARRAYS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "labels": ("uint8", ("N", *_SHAPE)),
    "layout": ("uint32", ("N", *_SHAPE[:2])),
    "agents_window": ("int32", ("K",)),
    "agents_voxel": ("int32", ("K",)),
    "agents_label": ("uint8", ("K",)),
    "pose": ("float64", ("N", 4)),
    "sequence": ("int32", ("N",)),
    "stamp_us": ("int64", ("N",)),
    "observed": ("uint32", ("N", *_SHAPE[:2])),
    "maker": ("str", ()),
}
#: Arrays of a file whose windows were cut from a map that has a file of its own.
_MAP_ARRAYS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "map_name": ("str", ()),
    "map_ref": ("str", ()),
    "map_square": ("float64", ("N", 3)),
    "plan_seed": ("int64", ("N",)),
}


@dataclass(frozen=True)
class WindowSample:
    """One window, or a part of it."""

    layout: np.ndarray  # uint8 (C, X, Y), multi-hot over CONDITION_CHANNELS
    labels: np.ndarray  # uint8 (X, Y, Z) OccClass
    observed: np.ndarray  # bool (X, Y, Z): where the labels are known


@dataclass(frozen=True)
class CutFrom:
    """The map that N windows were cut from, and all it takes to make it again."""

    map_name: str  # name of its file
    map_ref: str  # identity of the whole map: the content of its files, and what the reader makes of them
    map_square: np.ndarray  # float64 (N, 3), m: middle and half side of the part that was planned; 0 for all of the map
    plan_seed: np.ndarray  # int64 (N,): of its houses and plants


@dataclass(frozen=True)
class Windows:
    """N windows of one map or recording, whose agents occupy K voxels."""

    labels: np.ndarray  # uint8 (N, 200, 200, 32) OccClass, cells of GENERATED_GRID, without agents
    layout: np.ndarray  # uint32 (N, 200, 200): bit k is channel k of CONDITION_CHANNELS, agents included
    agents_window: np.ndarray  # int32 (K,), index of the window, non-decreasing
    agents_voxel: np.ndarray  # int32 (K,) flat index into (200, 200, 32)
    agents_label: np.ndarray  # uint8 (K,) OccClass
    pose: np.ndarray  # float64 (N, 4) x, y, z (m), yaw (rad) of base_link in the map frame
    sequence: np.ndarray  # int32 (N,): which drive
    stamp_us: np.ndarray  # int64 (N,)
    observed: np.ndarray  # uint32 (N, 200, 200): bit k is whether the voxel of layer k was seen; all where made
    maker: str  # of the file: `SEEDED`, "OpenStreetMap", "PandaSet", ...
    cut_from: CutFrom | None = None  # None of seeded towns and recordings

    def __len__(self) -> int:
        return len(self.labels)

    def sample(self, n: int, agents: bool, area: tuple[slice, slice] = (slice(None), slice(None))) -> WindowSample:
        """One window.

        Args:
            n: index of the window.
            agents: whether to include its agents.
            area: slices along x and y, by default the whole window.
        """
        layout, labels = self.layout[n][area], self.labels_with_agents(n) if agents else self.labels[n]
        if not agents:
            layout = layout & ~_AGENT_BITS
        channels = np.arange(len(CONDITION_CHANNELS), dtype=np.uint32)[:, None, None]
        layers = np.arange(_SHAPE[2], dtype=np.uint32)
        seen = (self.observed[n][area][..., None] >> layers) & 1
        drawn = (layout >> channels) & 1
        return WindowSample(drawn.astype(np.uint8), labels[area].copy(), seen.astype(np.bool_))

    def labels_with_agents(self, n: int) -> np.ndarray:
        """Labels uint8 (200, 200, 32) of one window, a new array."""
        labels: np.ndarray = self.labels[n].copy()
        here = slice(*np.searchsorted(self.agents_window, (n, n + 1)))
        labels.ravel()[self.agents_voxel[here]] = self.agents_label[here]
        return labels


def read_town(path: str | Path) -> Windows:
    """The windows of one file.

    Raises:
        InputError: it is missing, damaged, or not such a file.
    """
    path = Path(path)
    wanted = _ARRAYS | (_MAP_ARRAYS if "map_name" in array_names(path, _WHAT) else {})
    arrays = read_arrays(path, wanted, _WHAT)
    if not check_shapes(arrays, wanted, path)["N"]:
        raise InputError("expected at least one window", file=path, field="labels")
    maker = str(arrays.pop("maker"))
    cut_from = _cut_from({name: arrays.pop(name) for name in wanted if name in _MAP_ARRAYS}, path)
    windows = Windows(**arrays, maker=maker, cut_from=cut_from)
    for name, end in (("labels", len(OccClass)), ("agents_label", len(OccClass)), ("agents_voxel", _CELLS),
                      ("agents_window", len(windows))):  # fmt: skip
        check_span(arrays[name], 0, end - 1, path, name)
    if (np.diff(windows.agents_window) < 0).any():
        raise InputError("expected rising numbers of windows", file=path, field="agents_window")
    return windows


def _cut_from(arrays: dict[str, np.ndarray], path: Path) -> CutFrom | None:
    if not arrays:
        return None
    check_span(arrays["map_square"], -_FARTHEST_M, _FARTHEST_M, path, "map_square")
    check_span(arrays["map_square"][:, 2], 0.0, _FARTHEST_M, path, "map_square")
    check_span(arrays["plan_seed"], 0, 2**40, path, "plan_seed")
    return CutFrom(str(arrays["map_name"]), str(arrays["map_ref"]), arrays["map_square"], arrays["plan_seed"])


def read_split(folder: str | Path) -> list[Windows]:
    """All files of a folder, by name.

    Raises:
        InputError: there are none, or one is damaged.
    """
    files = sorted(files_in(folder, "*.npz"), key=lambda p: (len(p.name), p.name))
    if not files:
        raise InputError("expected windows (*.npz) of towns or recordings", file=folder)
    return [read_town(file) for file in files]


def class_frequencies(towns: Sequence[Windows], agents: bool = True) -> np.ndarray:
    """Share of each class among all voxels that were observed, float64 (21,)."""
    count = np.zeros(len(OccClass), dtype=np.int64)
    for town in towns:
        for n in range(len(town)):
            window = town.sample(n, agents)
            count += np.bincount(window.labels[window.observed], minlength=len(OccClass))
    share: np.ndarray = count / count.sum()
    return share
