"""Ranges that another model predicts, from files, as a predictor."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from uniscene_sim.datasets.sweeps import GroundTruthSweep, TownSweeps
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.ray_predictors import RayPredictions
from uniscene_sim.storage.array_file import array_names, check_span, read_arrays
from uniscene_sim.storage.input_file import files_in, is_folder
from uniscene_sim.taxonomy import OccClass

__all__ = ["ForeignPredictions"]

_WHAT = "predictions of sweeps"
_HIGHEST = {"range_m": np.inf, "intensity": 1.0, "dropout": 1.0}


class ForeignPredictions:
    """Predictions of towns by files of the names that the towns' own have: `sweeps_<seed>.npz`, and of real sweeps
    those that `real_questions.write_questions` writes.

    Each holds `range_m`, float (R,) m, inf for rays that hit nothing, and may hold `intensity` and `dropout`, 0 to 1,
    of all rays of the town, in the order of its file.

    Args:
        folder: of the files.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(self, folder: str | Path):
        self._folder = Path(folder)
        if not is_folder(self._folder):
            raise InputError("no such folder, expected one of files that are named as the rays' are", file=folder)
        self.name = f"predictions of {self._folder.resolve().name}"
        self._read = lru_cache(maxsize=1)(self._read_file)

    def __call__(self, town: TownSweeps, sweep: GroundTruthSweep) -> RayPredictions:
        """Predictions of one sweep of a town.

        Raises:
            InputError: the town's file is missing or damaged, or has another number of rays.
        """
        path, counts = self._folder / f"{town.name}.npz", [len(s.range_m) for s in town.sweeps]
        arrays = self._read(path)
        at = next(n for n, one in enumerate(town.sweeps) if one is sweep)
        rays = slice(sum(counts[:at]), sum(counts[: at + 1]))
        for name, array in arrays.items():
            if array.shape != (sum(counts),):
                raise InputError(f"has shape {array.shape}, expected ({sum(counts)},)", file=path, field=name)
        far = arrays["range_m"][rays].astype(np.float64)
        label = np.full(len(far), OccClass.FREE, np.uint8)
        return RayPredictions(far, label, *(arrays[k][rays] if k in arrays else None for k in ("intensity", "dropout")))

    def has(self, pattern: str) -> bool:
        """Whether there is a file of a name like `sweeps_*`."""
        return bool(files_in(self._folder, f"{pattern}.npz"))

    @staticmethod
    def _read_file(path: Path) -> dict[str, np.ndarray]:
        names = ["range_m", *(set(array_names(path, _WHAT)) & {"intensity", "dropout"})]
        arrays = read_arrays(path, names, _WHAT)
        for name, array in arrays.items():
            if array.dtype.kind not in "fiu":
                raise InputError(f"expected numbers, got {array.dtype}", file=path, field=name)
            check_span(array, 0.0, _HIGHEST[name], path, name)
        return arrays
