"""Occ3D-nuScenes: `gts/SCENE/TOKEN/labels.npz` and `annotations.json` as windows, a scene at a time.

Its grid is ours but for the height: z is that of the ego, not above the ground. What no sweep saw is left out of
`mask_lidar`. With nuScenes' tables and map expansion beside it, layouts come from the map.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from uniscene_sim.datasets.formats.class_maps import OCC3D
from uniscene_sim.datasets.formats.nuscenes_tables import find_tables
from uniscene_sim.datasets.formats.voxels import SceneFrames, VoxelFrame
from uniscene_sim.datasets.logs.nuscenes import matrix_of_row
from uniscene_sim.errors import InputError
from uniscene_sim.export.occ3d import GRID
from uniscene_sim.geometry import Pose
from uniscene_sim.storage.array_file import check_shapes, check_span, read_arrays
from uniscene_sim.storage.input_file import is_regular, read_json, reading

__all__ = ["read_occ3d_scenes"]

_ARRAYS = {name: ("uint8", GRID.shape) for name in ("semantics", "mask_lidar", "mask_camera")}
_MOST_JSON = 2**30
_SAMPLE_US = 500_000


def read_occ3d_scenes(folder: Path, held_out: bool = False, every: int = 1) -> Iterator[SceneFrames]:
    """The scenes of the training split whose labels are there, or those of the validation split.

    Args:
        folder: with `gts/` and `annotations.json`.
        held_out: the validation split.
        every: a frame of each so many.

    Raises:
        InputError: a file is missing or damaged, or has another grid or an unknown class.
    """
    file = folder / "annotations.json"
    data: dict[str, Any] = read_json(file, _MOST_JSON, "annotations of Occ3D")
    tables = find_tables(folder)
    with reading(file, "annotations of Occ3D"):
        names = [str(name) for name in data["val_split" if held_out else "train_split"]]
        scenes = {name: data["scene_infos"][name] for name in names if name in data["scene_infos"]}
    found = {name: frames for name, frames in scenes.items()
             if any(is_regular(_labels(folder, name, token)) for token in frames)}  # fmt: skip
    if not found:
        raise InputError("expected labels.npz of scenes of this split", file=folder / "gts")
    for name, frames in found.items():
        plan = tables.plan(name) if tables is not None else None
        yield SceneFrames(name, "nuScenes/Occ3D", _frames(folder, name, frames, file, every), plan)


def _labels(folder: Path, scene: str, token: str) -> Path:
    return folder / "gts" / scene / token / "labels.npz"


def _frames(folder: Path, scene: str, frames: dict[str, Any], file: Path, every: int) -> Iterator[VoxelFrame]:
    for number, (token, info) in enumerate(frames.items()):
        labels = _labels(folder, scene, token)
        if number % every or not is_regular(labels):
            continue
        with reading(file, "annotations of Occ3D"):
            pose = Pose.from_matrix(matrix_of_row(info["ego_pose"], file))
            stamp = str(info["timestamp"])  # or a token
        arrays = read_arrays(labels, _ARRAYS, "labels of Occ3D")
        check_shapes(arrays, _ARRAYS, labels)
        for name in ("mask_lidar", "mask_camera"):
            check_span(arrays[name], 0, 1, labels, name)
        semantics = OCC3D.read(arrays["semantics"], labels, "semantics")
        stamp_us = int(stamp) if stamp.isdecimal() else number * _SAMPLE_US
        yield VoxelFrame(semantics, arrays["mask_lidar"] > 0, (GRID.voxel_m,) * 3, GRID.origin, pose, stamp_us)
