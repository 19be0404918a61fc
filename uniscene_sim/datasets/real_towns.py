"""Windows of real towns, from plans of their streets: whole towns are held out.

A town is taken in squares around places on its roads, each as a map of its own, so that a country costs no more than
the places that are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from uniscene_sim.compute.keyed_random import key_of
from uniscene_sim.datasets.drives import DriveSample, map_arrays, sample_drives, square_arrays, window_arrays
from uniscene_sim.datasets.windows import REAL_TEST, REAL_TRAIN
from uniscene_sim.errors import InputError
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.osm.extract import is_osm
from uniscene_sim.maps.street_plans.crop import cropped
from uniscene_sim.maps.sumo.net import is_sumo
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.storage.array_file import write_arrays
from uniscene_sim.storage.input_file import files_in, is_folder
from uniscene_sim.storage.output_file import told

__all__ = ["TownSquare", "make_real_data", "town_files", "town_name", "town_squares"]

_HALF_M, _RIM_M = 330.0, 60.0  # half of a square's side, and of that how much is too near to its rim for a window
_PER_SQUARE = 18  # windows
_EVERY = 2  # of the windows of a drive one is taken, for they are much alike
_SPARSE_M = 120.0  # places with no house this near count as country
_COUNTRY = 0.15  # of the squares may lie there


@dataclass(frozen=True)
class TownSquare:
    """A part of a town, as a map of its own."""

    part: VectorMap
    x: float  # of its middle, m
    y: float
    seed: int  # of the drives through it

    #: Half of its side, m.
    half_m = _HALF_M

    def arrays(self, maker: str, windows: int) -> dict[str, np.ndarray]:
        """Arrays of some windows."""
        arrays = window_arrays(self.part, self._inside(windows), maker)
        return arrays | square_arrays((self.x, self.y, _HALF_M), self.seed, arrays["sequence"])

    def _inside(self, windows: int) -> Iterator[DriveSample]:
        """Windows of drives, but for those too near to the rim."""
        taken = 0
        for n, moment in enumerate(sample_drives(self.part, self.seed, 4 * _EVERY * windows)):
            away = max(abs(moment.pose.x - self.x), abs(moment.pose.y - self.y))
            if n % _EVERY or away > _HALF_M - _RIM_M:
                continue
            yield moment
            taken += 1
            if taken == windows:
                return


def town_name(path: str | Path) -> str:
    """What a town is called: as its file, up to the first dot; as its folder, if its file is a network that has no name
    of its own, as `osm.net.xml`."""
    path = Path(path)
    stem = path.name.split(".")[0]
    return path.resolve().parent.name if is_sumo(path) and stem.split("_")[0] in ("osm", "net", "map") else stem


def town_files(paths: Sequence[str | Path]) -> list[Path]:
    """Plans of towns among files and in folders.

    Raises:
        InputError: a folder without any, or two towns of one name.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not is_folder(path):
            found.append(path)
            continue
        inside = [file for file in files_in(path, "**/*") if is_osm(file) or is_sumo(file)]
        if not inside:
            raise InputError("expected extracts of OpenStreetMap or nets of SUMO", file=path, argument="maps")
        found += inside
    names = [town_name(path) for path in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"expected towns of different names, got two called {twice!r}", argument="maps")
    return found


def make_real_data(out: str | Path, paths: Sequence[str | Path], held_out: Sequence[str], windows: int = 80) -> None:
    """Write windows of towns to `out/real_train/NAME.npz`, of those held out to `out/real_test`; existing files are
    kept.

    Args:
        out: folder of the data.
        paths: files of towns, and folders that hold some.
        held_out: names of towns that nothing may be learned from.
        windows: of each town.

    Raises:
        InputError: a file that is no such plan, or a name that no town has.
    """
    files = {town_name(path): path for path in town_files(paths)}
    if unknown := next((name for name in held_out if name not in files), None):
        raise InputError(f"no town {unknown!r}, expected one of {', '.join(files)}", argument="held_out")
    todo = {}
    for name, file in files.items():
        path = Path(out) / (REAL_TEST if name in held_out else REAL_TRAIN) / f"{name}.npz"
        if not path.exists():
            todo[path] = file
    for path, file in tqdm(todo.items(), desc="towns", unit="town", disable=None):
        with told(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        town = load_map(file)
        if not isinstance(town, VectorMap):
            raise InputError("expected a map with lanes", file=file, argument="maps")
        maker = "SUMO" if is_sumo(file) else "OpenStreetMap"
        squares = town_squares(town, town_name(file), -(-windows // _PER_SQUARE))
        parts = [square.arrays(maker, min(_PER_SQUARE, windows - k * _PER_SQUARE)) for k, square in enumerate(squares)]
        write_arrays(path, _joined(parts) | {"maker": np.array(maker)} | map_arrays(file.name, town.ref))


def town_squares(town: VectorMap, name: str, count: int) -> Iterator[TownSquare]:
    """Parts of a town around places on its roads, the same ones each time.

    Args:
        town: all of it.
        name: of the town.
        count: of parts.
    """
    rng = np.random.default_rng([int(key_of("real town", name)) % 2**32, 9])
    for x, y in _middles(town, rng, count):
        yield TownSquare(cropped(town, x, y, _HALF_M), x, y, int(rng.integers(2**20)))


def _middles(town: VectorMap, rng: np.random.Generator, squares: int) -> list[tuple[float, float]]:
    """Middles of squares on roads of a town, most of them where houses are."""
    from scipy.spatial import cKDTree

    points = town.road_points()
    houses = np.array([o.position[:2] for o in town.objects if o.kind == "building"]).reshape(-1, 2)
    weight = np.ones(len(points))
    if len(houses):
        among = cKDTree(houses).query(points)[0] < _SPARSE_M
        weight = np.where(among, (1 - _COUNTRY) / max(among.sum(), 1), _COUNTRY / max((~among).sum(), 1))
    chosen = rng.choice(len(points), squares, p=weight / weight.sum())
    return [(float(x), float(y)) for x, y in points[chosen]]


def _joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays of one file from those of its squares."""
    windows = np.cumsum([0] + [len(part["labels"]) for part in parts])
    drives = np.cumsum([0] + [int(part["sequence"].max()) + 1 for part in parts])
    for part, window, drive in zip(parts, windows, drives, strict=False):
        part["agents_window"] = (part["agents_window"] + window).astype(np.int32)
        part["sequence"] = (part["sequence"] + drive).astype(np.int32)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if parts[0][name].ndim}
