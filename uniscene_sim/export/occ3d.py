"""Occupancy as Occ3D-nuScenes has it: semantics and what LiDARs and cameras have seen of them.

The grid is 200 x 200 x 16 voxels of 0.4 m from (-40, -40, -1) m in the ego's frame, x ahead. Classes are 0 to 16 as
ours, paint on the road is road, 17 is free.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from uniscene_sim.frames import OccupancyGrid, SensorFrame
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.rig import CameraSpec, LidarSpec
from uniscene_sim.taxonomy import OccClass, PointCause

__all__ = ["CLASSES", "GRID", "TALL_GRID", "write_labels"]

#: Grid of the labels, and that of the window they are cut from: its z is height above ground, so that where the ground
#: lies below the ego more of it is needed.
GRID = DEFAULT_GRID
TALL_GRID = GridSpec(GRID.voxel_m, (*GRID.shape[:2], 2 * GRID.shape[2]), GRID.origin)
#: Occ3D's number of each `OccClass`.
CLASSES = np.array([*range(17), 11, 11, 11, 17], np.uint8)
_FREE = CLASSES[OccClass.FREE]
#: Voxels from point to point of a ray that is followed; how far cameras' rays go, m, and how far apart they are there.
_STEP = 0.25
_FAR_M, _APART_M = 60.0, 0.5


def write_labels(
    path: Path, frame: SensorFrame, static_map: StaticMap, cameras: Iterable[CameraSpec], lidars: Iterable[LidarSpec]
) -> None:
    """Write `labels.npz` of a frame: `semantics`, `mask_lidar` and `mask_camera`, uint8 (200, 200, 16).

    Args:
        path: of the file, in a folder that is made.
        frame: with a window of `TALL_GRID` or `GRID`, images and sweeps.
        static_map: the ground.
        cameras, lidars: sensors that tell what is seen.
    """
    assert frame.occupancy is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    semantics = _in_ego_frame(frame.occupancy, static_map, frame.layout.ego_pose)
    by_lidar, by_camera = (np.zeros(GRID.shape, np.uint8) for _ in range(2))
    for lidar in lidars:
        sweep = frame.sweeps[lidar.name]
        real = sweep.label != OccClass.OTHERS if sweep.cause is None else sweep.cause == PointCause.SURFACE
        _follow(by_lidar, lidar.pose.position, lidar.pose.apply(sweep.xyz[real]))
    for camera in cameras:
        _follow(by_camera, camera.pose.position, _pixels(camera, frame.cameras[camera.name].depth))
    np.savez_compressed(path, semantics=semantics, mask_lidar=by_lidar, mask_camera=by_camera)


def _in_ego_frame(window: OccupancyGrid, static_map: StaticMap, ego: Pose) -> np.ndarray:
    """Occ3D's classes (200, 200, 16): each column of the window, which stands on the ground, at its true height."""
    x, y = (axis.ravel() for axis in np.meshgrid(GRID.centres(0), GRID.centres(1), indexing="ij"))
    plane = ego.apply(np.stack([x, y, np.zeros_like(x)], axis=1))
    ground = static_map.surface_height(plane[:, 0], plane[:, 1], np.full(len(x), ego.z))
    up = np.round((ground - plane[:, 2]) / GRID.voxel_m).astype(int).reshape(*GRID.shape[:2], 1)
    labels = CLASSES[window.labels]
    if not up.any():
        return np.ascontiguousarray(labels[..., : GRID.shape[2]])
    level = np.arange(GRID.shape[2]) - up
    inside = (level >= 0) & (level < labels.shape[2])
    moved = np.take_along_axis(labels, np.clip(level, 0, labels.shape[2] - 1), axis=2)
    return np.where(inside, moved, _FREE)


def _pixels(camera: CameraSpec, depth: np.ndarray) -> np.ndarray:
    """What a camera's pixels show (N, 3), m, in base_link; the sky far away. As many as the grid can tell apart."""
    rows, columns, rays = _rays(camera)
    points: np.ndarray = np.minimum(depth[rows, columns], _FAR_M)[:, None] * rays + camera.pose.position
    return points


class _Rays(NamedTuple):
    rows: np.ndarray  # (N,) of pixels
    columns: np.ndarray
    ways: np.ndarray  # (N, 3) in base_link, of a depth of 1 m


@cache
def _rays(camera: CameraSpec) -> _Rays:
    stride = max(int(_APART_M * camera.fx / _FAR_M), 1)
    v, u = (axis.ravel() for axis in np.mgrid[0 : camera.height : stride, 0 : camera.width : stride])
    rays, seen = camera.unproject(np.stack([u + 0.5, v + 0.5], axis=1))
    u, v, rays = u[seen], v[seen], rays[seen]
    if camera.model != "fisheye":  # depth is along the optical axis
        rays = rays / rays[:, 2:]
    return _Rays(v, u, rays @ camera.rotation_base_from_optical.T)


def _follow(seen: np.ndarray, start: np.ndarray, ends: np.ndarray) -> None:
    """Mark the voxels that rays pass, and those in which they end.

    Args:
        seen: uint8 (X, Y, Z), of `GRID`, written.
        start: (3,), m in base_link.
        ends: (N, 3), m.
    """
    origin, shape = np.array(GRID.origin), np.array(GRID.shape)
    begin, along = (start - origin) / GRID.voxel_m, (ends - start) / GRID.voxel_m  # in voxels
    if ((begin < 0) | (begin >= shape)).any():
        return  # a mast that stands out of the grid
    with np.errstate(divide="ignore", invalid="ignore"):
        walls = np.where(along > 0, shape - begin, -begin) / along
    leave = np.nanmin(np.where(along == 0, np.inf, walls), axis=1) - 1e-6  # as a share of the ray, inside the grid
    reach = np.linalg.norm(along, axis=1)
    last = np.minimum(leave, 1.0) * reach
    way, begin = (along / np.maximum(reach, 1e-9)[:, None]).astype(np.float32), begin.astype(np.float32)
    order = np.argsort(-last)  # the longest first, so that those that go on are the first ones
    way, last = way[order], last[order]
    flat = seen.reshape(-1)
    for at in np.arange(0.0, last.max(initial=0.0), _STEP):
        cells = (begin + np.float32(at) * way[: np.searchsorted(-last, -at)]).astype(np.int32)
        flat[(cells[:, 0] * shape[1] + cells[:, 1]) * shape[2] + cells[:, 2]] = 1
    x, y, z = GRID.index(ends[leave > 1]).T
    seen[x, y, z] = 1
