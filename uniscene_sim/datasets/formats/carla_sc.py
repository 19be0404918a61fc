"""CarlaSC: voxels of a scene (`cartesian/`), 0.4 x 0.4 x 0.375 m around the LiDAR, as windows.

They come from many LiDARs at once, so that little is hidden; `evaluation/NNNNNN.bin` counts the samples of each voxel,
and what has none was not seen. CARLA's axes are left-handed: y goes to the right, here and in the poses.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.datasets.formats.class_maps import CARLA_SC
from uniscene_sim.datasets.formats.kitti_files import read_poses, read_rows, read_voxel_labels
from uniscene_sim.datasets.formats.voxels import VoxelFrame
from uniscene_sim.errors import InputError, shown
from uniscene_sim.geometry import Pose
from uniscene_sim.storage.input_file import MIB, files_in, is_folder, read_json, reading

__all__ = ["read_carla_frames"]

_MIRROR = np.diag([1.0, -1.0, 1.0, 1.0])
_LIKE_M = 0.4, 0.05  # size of voxels that are ours, and how far off they may be


def read_carla_frames(folder: Path, every: int = 1) -> Iterator[VoxelFrame]:
    """All frames of a scene, or each so many-th.

    Args:
        folder: of the scene, or its `cartesian/`.
        every: see above.

    Raises:
        InputError: a file is missing or damaged, or the grid is another, such as a cylindrical one.
    """
    root = folder / "cartesian" if is_folder(folder / "cartesian") else folder
    shape, low, voxel = _grid(root / "evaluation/params.json")
    poses = _MIRROR @ read_poses(root / "poses.txt") @ _MIRROR
    stamps = np.round(read_rows(root / "times.txt", 1, "times: a number a line")[:, 0] * 1e6).astype(np.int64)
    files = files_in(root / "evaluation", "*.label")
    if not files:
        raise InputError("expected NNNNNN.label", file=root / "evaluation")
    for file in files[::every]:
        if not file.stem.isdecimal() or int(file.stem) >= min(len(poses), len(stamps)):
            raise InputError(f"has no pose; expected a number below {min(len(poses), len(stamps))}", file=file)
        k = int(file.stem)
        labels = CARLA_SC.read(read_voxel_labels(file, shape, "<u4"), file, "labels")[:, ::-1]
        count = read_voxel_labels(file.with_suffix(".bin"), shape, "<f4")[:, ::-1]
        mirrored = low[0], -(low[1] + voxel[1] * shape[1]), low[2]
        yield VoxelFrame(labels, count > 0, voxel, mirrored, Pose.from_matrix(poses[k]), int(stamps[k]))


def _grid(file: Path) -> tuple[tuple[int, int, int], tuple[float, float, float], tuple[float, float, float]]:
    """Shape, lower corner and size of voxels."""
    params: dict[str, Any] = read_json(file, MIB, "parameters of CarlaSC")
    with reading(file, "parameters of CarlaSC"):
        if params["coordinates"] != "cartesian":
            raise InputError(f"expected cartesian, got {shown(params['coordinates'])}", field="coordinates")
        shape, low, high = (np.array(params[name], float) for name in ("grid_size", "min_bound", "max_bound"))
        if shape.shape != (3,) or (shape != np.round(shape)).any() or not (1 <= shape.min() <= shape.max() <= 512):
            raise InputError(f"expected three whole numbers up to 512, got {shown(params['grid_size'])}",
                             field="grid_size")  # fmt: skip
        voxel = (high - low) / shape
        if voxel.shape != (3,) or np.abs(voxel - _LIKE_M[0]).max() > _LIKE_M[1]:
            raise InputError(f"voxels of {shown(voxel.tolist())} m, expected about 0.4", field="max_bound")
        x, y, z = shape.astype(int).tolist()
        return (x, y, z), (low[0], low[1], low[2]), (voxel[0], voxel[1], voxel[2])
