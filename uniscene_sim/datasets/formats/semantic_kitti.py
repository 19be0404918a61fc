"""SemanticKITTI: voxels of a sequence as windows, and its labelled sweeps as a `SeenStreet`.

A sequence's folder has `voxels/` (256 x 256 x 32 of 0.2 m ahead of the LiDAR), `velodyne/`, `labels/`, `calib.txt`,
`poses.txt` and `times.txt`. Voxels that no sweep saw are `.invalid`; what the first sweep alone did not see is
`.occluded`, and was seen by later ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uniscene_sim.datasets.formats.class_maps import SEMANTIC_KITTI_VOXELS
from uniscene_sim.datasets.formats.kitti_files import (
    BASE_FROM_VELODYNE,
    matrix_of,
    read_calibration,
    read_packed,
    read_poses,
    read_rows,
    read_voxel_labels,
)
from uniscene_sim.datasets.formats.voxels import VoxelFrame
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.storage.input_file import files_in, is_regular

__all__ = ["SHAPE", "SscVoxels", "base_poses", "read_ssc_voxels", "read_voxel_frames"]

SHAPE = (256, 256, 32)
_VOXEL_M = 0.2
_LOW_M = np.array([0.0, -25.6, -2.0])  # in the LiDAR's frame
_UP = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])  # a level world <- the first camera's


@dataclass(frozen=True)
class SscVoxels:
    """The files of a moment, `SHAPE`."""

    labels: np.ndarray  # uint8 OccClass or UNKNOWN
    invalid: np.ndarray  # bool
    occluded: np.ndarray | None  # bool; None where there is no such file


def read_ssc_voxels(file: Path) -> SscVoxels:
    """Voxels of `NNNNNN.label` and the files beside it.

    Raises:
        InputError: one is missing or has another size, or a label is unknown.
    """
    numbers = read_voxel_labels(file, SHAPE, "<u2")
    occluded = file.with_suffix(".occluded")
    return SscVoxels(
        SEMANTIC_KITTI_VOXELS.read(numbers, file, "labels"),
        read_packed(file.with_suffix(".invalid"), SHAPE),
        read_packed(occluded, SHAPE) if is_regular(occluded) else None,
    )


def read_voxel_frames(folder: Path, every: int = 1) -> Iterator[VoxelFrame]:
    """All voxels of a sequence, or each so many-th.

    Raises:
        InputError: there are none, or a file is damaged.
    """
    files = files_in(folder / "voxels", "*.label")
    if not files:
        raise InputError("expected voxels/NNNNNN.label", file=folder)
    poses, stamps = base_poses(folder)
    low = _LOW_M + BASE_FROM_VELODYNE[:3, 3]
    for file in files[::every]:
        if not file.stem.isdecimal() or int(file.stem) >= len(poses):
            raise InputError(f"has no pose; expected a number below {len(poses)}", file=file)
        k, voxels = int(file.stem), read_ssc_voxels(file)
        yield VoxelFrame(voxels.labels, ~voxels.invalid, (_VOXEL_M,) * 3, tuple(low.tolist()), poses[k], stamps[k])


def base_poses(folder: Path) -> tuple[list[Pose], list[int]]:
    """Poses of base_link and stamps, us, of a sequence of the odometry, in the level world of its first frame.

    Raises:
        InputError: calibration, poses or times are missing or damaged, or differ in number.
    """
    file = folder / "calib.txt"
    camera_from_lidar = matrix_of(read_calibration(file), "Tr", file)
    poses = read_poses(folder / "poses.txt")
    times = read_rows(folder / "times.txt", 1, "times: a number a line")[:, 0]
    if len(times) != len(poses):
        raise InputError(f"has {len(times)} times for {len(poses)} poses", file=folder / "times.txt")
    world = _UP @ poses @ camera_from_lidar @ np.linalg.inv(BASE_FROM_VELODYNE)
    return [Pose.from_matrix(matrix) for matrix in world], np.round(times * 1e6).astype(np.int64).tolist()
