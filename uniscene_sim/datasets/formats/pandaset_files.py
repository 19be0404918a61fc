"""Files of a sequence of PandaSet, as they are published and as JSON and NPZ.

Published are pickled tables: `lidar/NN.pkl.gz` (x, y, z in the world, i, t, d), `annotations/semseg/NN.pkl.gz` (class)
with `classes.json`, `annotations/cuboids/NN.pkl.gz`; some copies are not gzipped. The other layout has `lidar/NN.npz`
with labels, `cuboids/NN.json` with the same rows, and `classes.json`. Poses, times and pictures are the same in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.datasets.formats.class_maps import PANDASET, PANDASET_NAMES
from uniscene_sim.datasets.formats.pandas_pickle import read_table
from uniscene_sim.errors import InputError, shown
from uniscene_sim.storage.array_file import check_shapes, read_arrays
from uniscene_sim.storage.input_file import MIB, files_in, is_folder, is_regular, read_json, reading

__all__ = ["LabelledPoints", "PandaSetFiles"]

_MOST_JSON, _MOST_SWEEP = 16 * MIB, 64 * MIB
_ARRAYS = {
    "xyz_2cm": ("int16", ("N", 3)),
    "origin": ("float64", (3,)),
    "intensity": ("uint8", ("N",)),
    "t0": ("float64", ()),
    "t_100us": ("uint16", ("N",)),
    "label": ("uint8", ("N",)),
    "sensor": ("uint8", ("N",)),
}


@dataclass(frozen=True)
class LabelledPoints:
    """N points of both LiDARs."""

    xyz: np.ndarray  # float64 (N, 3) m, world
    time: np.ndarray  # float64 (N,) s
    intensity: np.ndarray  # float32 (N,) 0 to 1
    number: np.ndarray  # uint8 (N,) PandaSet's class: 0, or a place in `PANDASET_NAMES` and one more
    sensor: np.ndarray  # uint8 (N,): 0 spins, 1 looks ahead

    @property
    def label(self) -> np.ndarray:
        """uint8 (N,) OccClass or UNKNOWN."""
        out: np.ndarray = PANDASET.to_ours[self.number]
        return out


class PandaSetFiles:
    """The files of a sequence by frame.

    Args:
        folder: of the sequence.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._published = is_folder(folder / "annotations")

    def has_boxes(self, k: int) -> bool:
        """Whether there are boxes of a frame."""
        if self._published:
            return _pickle(self.folder / "annotations/cuboids", k) is not None
        return is_regular(self.folder / f"cuboids/{k:02d}.json")

    def has(self, k: int) -> bool:
        """Whether there is a labelled sweep of a frame."""
        if self._published:
            return all(_pickle(self.folder / name, k) is not None for name in ("lidar", "annotations/semseg"))
        return is_regular(self.folder / f"lidar/{k:02d}.npz")

    def sweep(self, k: int) -> LabelledPoints:
        """The points of a frame; InputError if a file is missing or damaged, or a class unknown."""
        return self._pickled_sweep(k) if self._published else self._array_sweep(k)

    def boxes(self, k: int) -> tuple[Path, list[dict[str, Any]]]:
        """Rows of the boxes of a frame by column, and their file; InputError if it is missing or damaged."""
        if not self._published:
            file = self.folder / f"cuboids/{k:02d}.json"
            return file, read_json(file, _MOST_JSON, "boxes of PandaSet")
        file = _required(self.folder / "annotations/cuboids", k)
        table = read_table(file)
        columns = {name: column.tolist() for name, column in table.items()}
        return file, [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def images(self, k: int) -> dict[str, Path]:
        """Pictures of a frame by camera: beside its poses, or in a folder of smaller ones."""
        found = [*files_in(self.folder, f"images_*/*/{k:02d}.jpg"), *files_in(self.folder, f"camera/*/{k:02d}.jpg")]
        return {file.parent.name: file for file in found}

    @cached_property
    def _numbers(self) -> np.ndarray:
        """Our numbering of PandaSet's classes by the sequence's own, -1 where it has none."""
        file = self.folder / ("annotations/semseg/classes.json" if self._published else "classes.json")
        out = np.full(256, -1, np.int64)
        out[0] = 0
        if not is_regular(file):
            out[1 : len(PANDASET_NAMES) + 1] = np.arange(1, len(PANDASET_NAMES) + 1)
            return out
        names = read_json(file, MIB, "classes of PandaSet")
        with reading(file, "classes of PandaSet: names by number"):
            for number, name in names.items():
                if name not in PANDASET_NAMES:
                    raise InputError(f"unknown class {shown(name)}, expected one of PandaSet's", field=number)
                out[int(number)] = PANDASET_NAMES.index(name) + 1
        return out

    def _classes(self, numbers: np.ndarray, file: Path, field: str) -> np.ndarray:
        known = (numbers >= 0) & (numbers < len(self._numbers))
        ours = np.where(known, self._numbers[np.where(known, numbers, 0)], -1)
        if (ours < 0).any():
            wrong = int(numbers[ours < 0][0])
            raise InputError(f"unknown label id {wrong}, expected one of PandaSet's 0 to 42", file=file, field=field)
        return ours.astype(np.uint8)

    def _array_sweep(self, k: int) -> LabelledPoints:
        file = self.folder / f"lidar/{k:02d}.npz"
        a = read_arrays(file, _ARRAYS, "a labelled sweep of PandaSet", _MOST_SWEEP)
        check_shapes(a, _ARRAYS, file)
        return LabelledPoints(
            a["xyz_2cm"] * 0.02 + a["origin"],
            a["t0"] + a["t_100us"] * 1e-4,
            a["intensity"].astype(np.float32) / 255,
            self._classes(a["label"].astype(np.int64), file, "label"),
            a["sensor"],
        )

    def _pickled_sweep(self, k: int) -> LabelledPoints:
        file = _required(self.folder / "lidar", k)
        a = _numbers_of(read_table(file), ("x", "y", "z", "i", "t", "d"), file)
        labels = _required(self.folder / "annotations/semseg", k)
        number = _numbers_of(read_table(labels), ("class",), labels)["class"]
        if len(number) != len(a["x"]):
            raise InputError(f"has {len(number)} labels, expected {len(a['x'])}: one for each point", file=labels)
        return LabelledPoints(
            np.stack([a["x"], a["y"], a["z"]], axis=1),
            a["t"],
            (np.clip(a["i"], 0, 255) / 255).astype(np.float32),
            self._classes(number.astype(np.int64), labels, "class"),
            np.clip(a["d"], 0, 1).astype(np.uint8),
        )


def _pickle(folder: Path, k: int) -> Path | None:
    return next((file for end in ("pkl.gz", "pkl") if is_regular(file := folder / f"{k:02d}.{end}")), None)


def _required(folder: Path, k: int) -> Path:
    return _pickle(folder, k) or folder / f"{k:02d}.pkl.gz"  # which then cannot be read


def _numbers_of(table: dict[str, np.ndarray], names: tuple[str, ...], file: Path) -> dict[str, np.ndarray]:
    """Columns of finite numbers, float64; classes may be written as text."""
    out = {}
    with reading(file, "a table of PandaSet"):
        for name in names:
            if name not in table:
                raise InputError(f"not there, expected columns {', '.join(names)}", field=name)
            out[name] = table[name].astype(np.float64)
            if not np.isfinite(out[name]).all():
                raise InputError("expected finite numbers", field=name)
    return out
