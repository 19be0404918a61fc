"""nuScenes-Occupancy: `scene_TOKEN/occupancy/TOKEN.npy` as windows, a scene at a time, with nuScenes' tables.

A file lists the voxels of 0.2 m that are occupied, as z, y, x and class (or z, y, x, velocity, class), in the frame of
the LiDAR, whose y is ahead; the second token is that of its sweep. What is free is not told from what nobody saw: seen
is what is occupied, and what the LiDAR sees past it from where it is.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from uniscene_sim.datasets.formats.class_maps import NUSCENES_OCCUPANCY
from uniscene_sim.datasets.formats.nuscenes_tables import NuScenesTables, find_tables
from uniscene_sim.datasets.formats.rays import look_around
from uniscene_sim.datasets.formats.street import UNKNOWN
from uniscene_sim.datasets.formats.voxels import SceneFrames, VoxelFrame
from uniscene_sim.errors import InputError, shown
from uniscene_sim.geometry import Pose
from uniscene_sim.storage.input_file import MIB, files_in, read_input, reading
from uniscene_sim.taxonomy import OccClass

__all__ = ["SHAPE", "read_nuscenes_occupancy"]

SHAPE = (512, 512, 40)
_VOXEL_M, _LOW_M = 0.2, np.array([-51.2, -51.2, -5.0])
_FRONT_FROM_LIDAR = np.array([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
_MOST = 256 * MIB


def read_nuscenes_occupancy(folder: Path, held_out: bool = False, every: int = 1) -> Iterator[SceneFrames]:
    """All scenes that are there.

    Args:
        folder: with `scene_TOKEN/occupancy/`; nuScenes' `v1.0-*` is in it or beside it.
        held_out: the set has no file that says what is held out; only whole scenes are, by not being read.
        every: a frame of each so many.

    Raises:
        InputError: `held_out`, no tables, or a file is missing or damaged, or has an unknown class or another grid.
    """
    if held_out:
        why = "nuScenes-Occupancy does not say which scenes are held out; expected a folder of those alone"
        raise InputError(why, argument="held_out")
    tables = find_tables(folder)
    if tables is None:
        raise InputError("expected nuScenes' tables v1.0-*/ in it or beside it, which have the poses", file=folder)
    scenes = files_in(folder, "scene_*")
    if not scenes:
        raise InputError("expected scene_TOKEN/occupancy/TOKEN.npy", file=folder)
    for scene in scenes:
        name = tables.scene_name(scene.name.removeprefix("scene_"))
        yield SceneFrames(name, "nuScenes-Occupancy", _frames(scene, tables, every), tables.plan(name))


def _frames(scene: Path, tables: NuScenesTables, every: int) -> Iterator[VoxelFrame]:
    files = files_in(scene / "occupancy", "*.npy")
    if not files:
        raise InputError("expected occupancy/TOKEN.npy", file=scene)
    placed = sorted(((tables.lidar(file.stem), file) for file in files), key=lambda one: one[0][2])
    for (world, mount, stamp_us), file in placed[::every]:
        labels = _labels(file)
        solid = labels != OccClass.FREE
        seen = solid & (labels != UNKNOWN)
        look_around(solid, seen, -_LOW_M / _VOXEL_M)
        # Ahead is x of ours, which is their y; ours is as level as their LiDAR.
        base_from_front = np.eye(4)
        base_from_front[:3, 3] = mount[:3, 3]
        pose = Pose.from_matrix(world @ np.linalg.inv(base_from_front @ _FRONT_FROM_LIDAR))
        low = _LOW_M + mount[:3, 3]
        yield VoxelFrame(_ahead(labels), _ahead(seen), (_VOXEL_M,) * 3, (low[0], low[1], low[2]), pose, stamp_us)


def _ahead(array: np.ndarray) -> np.ndarray:
    """Voxels (X, Y, Z) of the LiDAR's axes in those of a base that looks along its y."""
    return np.ascontiguousarray(array.transpose(1, 0, 2)[:, ::-1])


def _labels(file: Path) -> np.ndarray:
    rows = _rows(file)
    zyx = rows[:, :3].astype(np.int64)
    if ((zyx < 0) | (zyx >= SHAPE[::-1])).any():
        raise InputError(f"a voxel outside {' x '.join(map(str, SHAPE))}, expected z, y, x, class", file=file)
    out = np.full(SHAPE, OccClass.FREE, np.uint8)
    out[zyx[:, 2], zyx[:, 1], zyx[:, 0]] = NUSCENES_OCCUPANCY.read(rows[:, -1].astype(np.int64), file, "class")
    return out


def _rows(file: Path) -> np.ndarray:
    """Numbers (N, 4 or 7); their header is checked before its array is made."""
    what = "voxels of nuScenes-Occupancy as .npy"
    body = io.BytesIO(read_input(file, _MOST, what))
    with reading(file, what):
        version = np.lib.format.read_magic(body)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(body)
        size = len(body.getvalue()) - body.tell()
        if dtype.kind not in "iuf" or len(shape) != 2 or shape[1] not in (4, 7) or not shape[0]:
            raise InputError(f"expected rows of z, y, x, class, got {shown(dtype.str)} {shown(shape)}")
        if dtype.itemsize * math.prod(shape) != size:
            raise InputError(f"states {shown(shape)} of {shown(dtype.str)}, but has {size} bytes")
        body.seek(0)
        rows: np.ndarray = np.lib.format.read_array(body, allow_pickle=False)
    if not np.isfinite(rows).all():
        raise InputError("expected finite numbers", file=file)
    return rows
