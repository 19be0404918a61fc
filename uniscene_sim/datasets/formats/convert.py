"""`uniscene-sim train data --from FORMAT FOLDER`: windows of occupancy from what people have recorded."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

from uniscene_sim.datasets.formats.carla_sc import read_carla_frames
from uniscene_sim.datasets.formats.kitti import read_kitti_street
from uniscene_sim.datasets.formats.nuscenes_occupancy import read_nuscenes_occupancy
from uniscene_sim.datasets.formats.occ3d import read_occ3d_scenes
from uniscene_sim.datasets.formats.pandaset import read_pandaset_street
from uniscene_sim.datasets.formats.semantic_kitti import read_voxel_frames
from uniscene_sim.datasets.formats.street import SeenStreet
from uniscene_sim.datasets.formats.street_windows import street_arrays
from uniscene_sim.datasets.formats.sweep_file import write_seen_sweep
from uniscene_sim.datasets.formats.voxels import SceneFrames, VoxelFrame, window_of_voxels
from uniscene_sim.datasets.formats.window_parts import file_arrays
from uniscene_sim.datasets.windows import REAL_TEST, REAL_TRAIN
from uniscene_sim.errors import InputError, InputWarning, did_you_mean, shown
from uniscene_sim.storage.array_file import write_arrays
from uniscene_sim.storage.input_file import is_folder
from uniscene_sim.storage.output_file import told

__all__ = ["FORMATS", "convert", "read_street"]

#: Readers by the name of their format: of streets that were swept, of scenes of voxels, and of one drive's voxels.
_STREETS: dict[str, Callable[[Path, bool], SeenStreet]] = {
    "pandaset": read_pandaset_street,
    "kitti": read_kitti_street,
}
_SCENES: dict[str, Callable[[Path, bool, int], Iterator[SceneFrames]]] = {
    "occ3d": read_occ3d_scenes,
    "nuscenes-occupancy": read_nuscenes_occupancy,
}
_DRIVES: dict[str, tuple[str, Callable[[Path, int], Iterator[VoxelFrame]]]] = {
    "semantic-kitti": ("SemanticKITTI", read_voxel_frames),
    "carla-sc": ("CarlaSC", read_carla_frames),
}
FORMATS = (*_STREETS, *_SCENES, *_DRIVES)


def convert(
    kind: str, folder: Path, data: Path, *, held_out: bool = False, every: int = 2, sweeps: bool = False
) -> list[Path]:
    """Write the windows of a recorded street to `data/real_train/NAME.npz`, or to `data/real_test/NAME.npz` what is
    held out.

    Args:
        kind: of `FORMATS`.
        folder: of the recording.
        data: folder of training data.
        held_out: the part that nothing may learn from, in place of the rest: PandaSet's frames 60 to 79, Occ3D's
            validation split. Of the other formats, whole sequences are held out, by not being read.
        every: a window for every so many moments.
        sweeps: whether to write `data/sweeps/NAME/NNNNNN.npz` too, see `read_seen_sweep`.

    Returns:
        The files of windows, or of sweeps where points have no classes.

    Raises:
        InputError: no such format, or the recording cannot be read.
    """
    if kind not in FORMATS:
        raise InputError(f"no format {shown(kind)}{did_you_mean(kind, FORMATS)}, expected one of {', '.join(FORMATS)}",
                         argument="kind")  # fmt: skip
    if not is_folder(folder):
        raise InputError("is no folder, expected that of a recording", file=folder, argument="folder")
    if kind in _STREETS:
        return _street(_STREETS[kind](folder, held_out), kind, folder, data, held_out, every, sweeps)
    if sweeps:
        raise InputError(f"{kind} has voxels and no sweeps; expected one of {', '.join(_STREETS)}", argument="sweeps")
    if kind in _DRIVES:
        if held_out:
            why = f"{kind} has no frames that are held out; expected another sequence in place"
            raise InputError(why, argument="held_out")
        maker, read = _DRIVES[kind]
        scenes: Iterator[SceneFrames] = iter([SceneFrames(folder.resolve().name, maker, read(folder, every))])
    else:
        scenes = _SCENES[kind](folder, held_out, every)
    return [_scene(scene, _target(data, kind, scene.name, held_out)) for scene in scenes]


def read_street(kind: str, folder: Path, held_out: bool) -> SeenStreet:
    """A recorded street whose points have classes.

    Args:
        kind: of its format.
        folder: of the recording.
        held_out: the part that nothing learns from, see `convert`.

    Raises:
        InputError: no such format of sweeps, the recording cannot be read, or its points have no classes.
    """
    if kind not in _STREETS:
        raise InputError(f"no format of labelled sweeps {shown(kind)}{did_you_mean(kind, _STREETS)}, expected one of "
                         f"{', '.join(_STREETS)}", argument="kind")  # fmt: skip
    if not is_folder(folder):
        raise InputError("is no folder, expected that of a recording", file=folder, argument="folder")
    street = _STREETS[kind](folder, held_out)
    if not street.labelled:
        raise InputError("points have no classes; expected labels/", file=folder)
    return street


def _target(data: Path, kind: str, name: str, held_out: bool) -> Path:
    split = data / (REAL_TEST if held_out else REAL_TRAIN)
    with told(split):
        split.mkdir(parents=True, exist_ok=True)
    return split / f"{name if name.startswith(kind) else f'{kind}_{name}'}.npz"


def _scene(scene: SceneFrames, path: Path) -> Path:
    shown_frames = tqdm(scene.frames, desc=scene.name, unit="window", disable=None)
    write_arrays(path, file_arrays([window_of_voxels(frame, scene.plan) for frame in shown_frames], scene.maker))
    return path


def _street(
    street: SeenStreet, kind: str, folder: Path, data: Path, held_out: bool, every: int, sweeps: bool
) -> list[Path]:
    if not street.labelled and not sweeps:
        raise InputError("points have no classes, so there are no windows; expected `sweeps`, or labels/", file=folder)
    for line in street.losses:
        warnings.warn(InputWarning(f"{folder}: {line}"), stacklevel=3)
    path = _target(data, kind, street.name, held_out)
    written = []
    if street.labelled:
        write_arrays(path, street_arrays(street, street.moments[::every]))
        written.append(path)
    if sweeps:
        of_street = data / "sweeps" / path.stem
        with told(of_street):
            of_street.mkdir(parents=True, exist_ok=True)
        for moment in tqdm(street.moments, desc="sweeps", unit="sweep", disable=None):
            sweep = street.sweep(moment)
            if sweep is not None:
                write_seen_sweep(of_street / f"{moment.number:06}.npz", moment, sweep)
                written.append(of_street / f"{moment.number:06}.npz")
    return written[:1] if street.labelled else written
