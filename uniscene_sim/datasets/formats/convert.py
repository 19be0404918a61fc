"""`uniscene-sim train data --from FORMAT FOLDER`: windows of occupancy from what people have recorded."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from uniscene_sim.datasets.formats.pandaset import read_pandaset_street
from uniscene_sim.datasets.formats.street import SeenStreet
from uniscene_sim.datasets.formats.street_windows import street_arrays
from uniscene_sim.datasets.formats.sweep_file import write_seen_sweep
from uniscene_sim.errors import InputError, InputWarning, did_you_mean, shown
from uniscene_sim.storage.array_file import write_arrays
from uniscene_sim.storage.input_file import is_folder
from uniscene_sim.storage.output_file import told

__all__ = ["FORMATS", "convert"]

#: Readers of streets that were swept, by the name of their format.
_STREETS: dict[str, Callable[[Path, bool], SeenStreet]] = {"pandaset": read_pandaset_street}
FORMATS = tuple(_STREETS)


def convert(
    kind: str, folder: Path, data: Path, *, held_out: bool = False, every: int = 2, sweeps: bool = False
) -> list[Path]:
    """Write the windows of a recorded street to `data/train/NAME.npz`, or `data/test/NAME.npz` of what is held out.

    Args:
        kind: of `FORMATS`.
        folder: of the recording.
        data: folder of training data.
        held_out: the part that nothing may learn from, in place of the rest.
        every: a window for every so many moments.
        sweeps: whether to write `data/sweeps/NAME/NNNNNN.npz` too, see `read_seen_sweep`.

    Returns:
        The files of windows.

    Raises:
        InputError: no such format, or the recording cannot be read.
    """
    if kind not in FORMATS:
        raise InputError(f"no format {shown(kind)}{did_you_mean(kind, FORMATS)}, expected one of {', '.join(FORMATS)}",
                         field="--from")  # fmt: skip
    if not is_folder(folder):
        raise InputError("is no folder, expected that of a recording", file=folder, field="--from")
    street = _STREETS[kind](folder, held_out)
    for line in street.losses:
        warnings.warn(InputWarning(f"{folder}: {line}"), stacklevel=2)
    split = data / ("test" if held_out else "train")
    with told(split):
        split.mkdir(parents=True, exist_ok=True)
    name = street.name if street.name.startswith(kind) else f"{kind}_{street.name}"
    path = split / f"{name}.npz"
    write_arrays(path, street_arrays(street, street.moments[::every]))
    if sweeps:
        _write_sweeps(street, data / "sweeps" / name)
    return [path]


def _write_sweeps(street: SeenStreet, folder: Path) -> None:
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for moment in tqdm(street.moments, desc="sweeps", unit="sweep", disable=None):
        sweep = street.sweep(moment)
        if sweep is not None:
            write_seen_sweep(folder / f"{moment.number:06}.npz", moment, sweep)
