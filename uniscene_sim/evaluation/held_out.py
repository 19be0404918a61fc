"""Held-out windows, chosen evenly over files, by who made them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from uniscene_sim.datasets.drives import SPLITS, make_data
from uniscene_sim.datasets.windows import Windows, WindowSample, read_town
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.remade_maps import MapShelf, Origin
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.storage.input_file import files_in
from uniscene_sim.taxonomy import OccClass

__all__ = ["HeldOutWindows", "Place", "choose_windows", "chosen", "evenly", "held_out_folders", "joined",
           "make_held_out", "read_held_out"]  # fmt: skip

_UNPLANNED = CONDITION_CHANNELS.index("unplanned")


@dataclass(frozen=True)
class Place:
    """Where a window is."""

    file: str  # stem of its file's name
    index: int  # in its file
    sequence: int  # which drive
    pose: Pose  # map <- base_link
    origin: Origin | None  # None where the map cannot be made again


@dataclass(frozen=True)
class HeldOutWindows:
    """N held-out windows of one maker, at least two, in the order of their files."""

    data: str  # name of the set: "folder, maker"
    layouts: np.ndarray  # uint8 (N, C, X, Y) of CONDITION_CHANNELS, agents included
    labels: np.ndarray  # uint8 (N, X, Y, Z), free where they are not known
    observed: np.ndarray  # bool (N, X, Y, Z): where they are known
    agents: np.ndarray  # bool (N, X, Y, Z): voxels of agents
    places: tuple[Place, ...]
    others: np.ndarray  # uint8 (M, X, Y, Z): other windows of the same files, which sets are compared with
    other_files: tuple[str, ...]  # stem of the name of the file of each

    @property
    def planned(self) -> bool:
        """Whether their layouts hold houses, plants and rails."""
        return not self.layouts[:, _UNPLANNED].any()


def held_out_folders(folder: str | Path) -> list[Path]:
    """Folders of windows that no training uses: `carla`, and those with `test` in their name, `test` itself first."""
    folders = {path.parent for path in files_in(folder, "*/*.npz")}
    held = [path for path in folders if path.name == "carla" or "test" in path.name.split("_")]
    return sorted(held, key=lambda path: (path.name != "test", path.name))


def choose_windows(folder: str | Path, count: int) -> Iterator[tuple[Path, Windows, list[int]]]:
    """File, windows and chosen indices of each file of a folder, about `count` windows in all, spread evenly.

    Raises:
        InputError: there are no files, or one is damaged.
    """
    files = sorted(files_in(folder, "*.npz"), key=lambda path: (len(path.name), path.name))
    if not files:
        raise InputError("expected windows (*.npz) of towns or recordings", file=folder)
    each, more = divmod(count, len(files))
    for number, path in enumerate(files):
        if share := each + (number < more):
            town = read_town(path)
            yield path, town, evenly(np.arange(len(town)), share)


def read_held_out(folder: str | Path, count: int, maps: MapShelf | None = None) -> list[HeldOutWindows]:
    """About `count` windows of a folder, a set for each maker of maps or recordings.

    Args:
        folder: of files of windows.
        count: of windows.
        maps: where the maps of windows are found; None for nowhere.

    Raises:
        InputError: a maker has fewer than two windows, or one of the files is damaged.
    """
    parts: dict[str, list[HeldOutWindows]] = {}
    for path, town, at in tqdm(list(choose_windows(folder, count)), desc="read", unit="file", disable=None):
        part = chosen(path, town, at, maps)
        parts.setdefault(part.data, []).append(part)
    return [joined(files) for files in parts.values()]


def joined(parts: Sequence[HeldOutWindows]) -> HeldOutWindows:
    """Windows of several files of one maker as one set; InputError if it has fewer than two."""
    arrays = {name: np.concatenate([getattr(part, name) for part in parts])
              for name in ("layouts", "labels", "observed", "agents", "others")}  # fmt: skip
    if len(arrays["labels"]) < 2:
        raise InputError(f"{parts[0].data}: expected at least two windows, got one", field="windows")
    places = tuple(place for part in parts for place in part.places)
    other_files = tuple(file for part in parts for file in part.other_files)
    return HeldOutWindows(parts[0].data, **arrays, places=places, other_files=other_files)


def chosen(path: Path, town: Windows, at: list[int], maps: MapShelf | None = None) -> HeldOutWindows:
    """Some windows of a file, and as many others.

    Args:
        path: the file.
        town: its windows.
        at: indices of the windows.
        maps: where their map is found.
    """
    samples = [town.sample(n, agents=True) for n in at]
    rest = np.setdiff1d(np.arange(len(town)), at)
    others = [town.sample(n, agents=True) for n in evenly(rest, len(at))]
    shelf = MapShelf() if maps is None else maps
    places = [
        Place(path.stem, n, int(town.sequence[n]), _pose(town, n), shelf.origin(path, town, n)) for n in at
    ]  # fmt: skip
    return HeldOutWindows(
        f"{path.parent.name}, {town.maker}",
        np.stack([window.layout for window in samples]),
        np.stack([_known(window) for window in samples]),
        np.stack([window.observed for window in samples]),
        np.stack([window.labels != town.labels[n] for window, n in zip(samples, at, strict=True)]),
        tuple(places),
        np.stack([_known(window) for window in others]) if others else np.zeros((0, *town.labels.shape[1:]), np.uint8),
        (path.stem,) * len(others),
    )


def _pose(town: Windows, n: int) -> Pose:
    x, y, z, yaw = town.pose[n].tolist()
    return Pose(x, y, z, yaw=yaw)


def _known(window: WindowSample) -> np.ndarray:
    """Labels where they were observed, free elsewhere."""
    return np.where(window.observed, window.labels, np.uint8(OccClass.FREE))


def evenly(indices: np.ndarray, count: int) -> list[int]:
    """Up to `count` of some indices, from the first to the last."""
    at = np.linspace(0, len(indices) - 1, min(count, len(indices))).round().astype(int)
    picked: list[int] = indices[sorted(set(at.tolist()))].tolist() if len(indices) else []
    return picked


def make_held_out(folder: str | Path, count: int) -> None:
    """Generate a small data set: at least `count` windows of test towns, and some of training towns."""
    make_data(folder, "train", SPLITS["train"][:4], 12)
    make_data(folder, "test", SPLITS["test"][: max(count // 4, 2)], 8)
