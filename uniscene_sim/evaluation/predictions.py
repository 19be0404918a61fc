"""Occupancy that others predicted, as files of Occ3D's format, for held-out windows.

A prediction for window n of the file `NAME.npz` is `NAME_n.npz`, with `semantics` uint8 (200, 200, 16) of Occ3D's
classes and the masks of its kind, `mask_lidar` and `mask_camera`. The masks say what a predictor's own sensors saw;
what is judged is what the windows hold as observed, so that nothing is gained by masking. z is height above ground, as
in windows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from uniscene_sim.datasets.windows import read_town
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.held_out import HeldOutWindows, chosen, evenly, held_out_folders, joined
from uniscene_sim.evaluation.methods import Method
from uniscene_sim.export.occ3d import CLASSES, GRID
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.storage.array_file import check_shapes, check_span, read_arrays
from uniscene_sim.storage.input_file import files_in
from uniscene_sim.taxonomy import OccClass

__all__ = ["PredictedWindows", "as_occ3d", "read_predictions"]

_NAME = re.compile(r"(?P<file>.+)_(?P<window>\d{1,6})")
_ARRAYS = {name: ("uint8", GRID.shape) for name in ("semantics", "mask_lidar", "mask_camera")}
#: Our class of each of Occ3D's: paint is road, and 17 is free.
_OURS = np.array([*range(17), OccClass.FREE], np.uint8)
_PAINT = ("ped_crossing", "road_divider", "lane_divider")  # channels that Occ3D's classes cannot show


@dataclass(frozen=True)
class PredictedWindows:
    """Held-out windows for which there are predictions."""

    scenes: HeldOutWindows  # as they are
    judged: HeldOutWindows  # as Occ3D has them
    method: Method  # the predictions

    def view(self, method: Method) -> Method:
        """Another method, as Occ3D would have what it makes."""
        return replace(method, make=_viewed(method.make), variant=None, mosaic=None)


def read_predictions(data: Path, predictions: Path, count: int) -> list[PredictedWindows]:
    """The held-out windows that predictions are for, at most about `count` of each folder, by maker.

    Args:
        data: folder of folders of windows.
        predictions: folder of `NAME_n.npz`.
        count: number of windows.

    Raises:
        InputError: there are no predictions, one is for no held-out window, or a file is damaged.
    """
    wanted: dict[str, dict[int, Path]] = {}
    for path in files_in(predictions, "*.npz"):
        match = _NAME.fullmatch(path.stem)
        wanted.setdefault(match["file"] if match else path.stem, {})[int(match["window"]) if match else -1] = path
    if not wanted:
        raise InputError("expected predictions (*.npz)", file=predictions, argument="predictions")
    sets: dict[str, list[HeldOutWindows]] = {}
    for folder in held_out_folders(data):
        files = {path.stem: path for path in files_in(folder, "*.npz") if path.stem in wanted}
        each = -(-count // max(len(files), 1))
        for stem, path in sorted(files.items()):
            numbers = wanted.pop(stem)
            town = read_town(path)
            if foreign := [n for n in numbers if not 0 <= n < len(town)]:
                raise InputError(f"expected the number of a window of {stem}.npz, 0 to {len(town) - 1}",
                                 file=numbers[foreign[0]])  # fmt: skip
            part = chosen(path, town, evenly(np.array(sorted(numbers)), each))
            sets.setdefault(part.data, []).append(part)
    if wanted:
        strange = next(iter(next(iter(wanted.values())).values()))
        expected = "expected FILE_N.npz for window N of FILE.npz"
        raise InputError(f"is for no window held out in {data}, {expected}", file=strange)
    return [_predicted(joined(parts), predictions) for parts in sets.values()]


def _predicted(scenes: HeldOutWindows, folder: Path) -> PredictedWindows:
    paths = [folder / f"{place.file}_{place.index}.npz" for place in scenes.places]
    labels = np.stack([_read(path) for path in paths])
    layers = GRID.shape[2]
    layouts = scenes.layouts.copy()
    layouts[:, [CONDITION_CHANNELS.index(name) for name in _PAINT]] = 0
    judged = replace(
        scenes, data=f"{scenes.data}, as Occ3D", layouts=layouts, labels=as_occ3d(scenes.labels),
        observed=scenes.observed[..., :layers], agents=scenes.agents[..., :layers], others=as_occ3d(scenes.others),
    )  # fmt: skip
    method = Method("predictions", lambda at: labels[at], np.arange(len(paths)), timed=False)
    return PredictedWindows(scenes, judged, method)


def _read(path: Path) -> np.ndarray:
    """Our labels uint8 (200, 200, 16) of a file."""
    arrays = read_arrays(path, _ARRAYS, "occupancy of Occ3D's format")
    check_shapes(arrays, _ARRAYS, path)
    check_span(arrays["semantics"], 0, len(_OURS) - 1, path, "semantics")
    labels: np.ndarray = _OURS[arrays["semantics"]]
    return labels


def as_occ3d(labels: np.ndarray) -> np.ndarray:
    """Labels uint8 (..., Z) as Occ3D would have them, in our classes: (..., 16), without paint on roads."""
    shown: np.ndarray = _OURS[CLASSES[labels[..., : GRID.shape[2]]]]
    return shown


def _viewed(make: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda at: as_occ3d(make(at))
