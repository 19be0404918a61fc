"""Windows of occupancy from labelled voxels of other grids: pooled to ours, and counted from the ground."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from uniscene_sim.datasets.formats.street import UNKNOWN
from uniscene_sim.datasets.formats.window_parts import AGENT_CLASSES, WindowParts, layout_from_above, paint_road
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.occupancy.from_labels.above_grid import GROUND_LAYER
from uniscene_sim.taxonomy import GROUND_CLASSES, OccClass

__all__ = ["SceneFrames", "VoxelFrame", "window_of_voxels"]

_FREE = int(OccClass.FREE)
_RUN = 2  # voxels that ground is thick, at most
_OFF_M = 1.2  # ground that far from what lies around is of something else


@dataclass(frozen=True)
class VoxelFrame:
    """Labelled voxels around the ego, x forward, y left, z up.

    Attributes:
        labels: uint8 (X, Y, Z) OccClass, agents included, or UNKNOWN.
        seen: bool (X, Y, Z).
        voxel_m: (3,), ours or half of it along each axis, or near to ours.
        low: (3,) m, corner of the grid in base_link.
        pose: base_link in the data set's world.
    """

    labels: np.ndarray
    seen: np.ndarray
    voxel_m: tuple[float, float, float]
    low: tuple[float, float, float]
    pose: Pose
    stamp_us: int
    sequence: int = 0


@dataclass(frozen=True)
class SceneFrames:
    """The frames of one drive, read as they are asked for, and channels of the map around a pose where there is one."""

    name: str
    maker: str
    frames: Iterator[VoxelFrame]
    plan: Callable[[Pose], dict[str, np.ndarray]] | None = None


def window_of_voxels(frame: VoxelFrame, plan: Callable[[Pose], dict[str, np.ndarray]] | None = None) -> WindowParts:
    """The window; a voxel of ours takes the most frequent class of those in it, and is seen where one of them was.

    Args:
        frame: the voxels.
        plan: channels of the map around a pose; it paints the road, too, which voxels of others do not.

    Raises:
        InputError: no voxel is labelled as ground.
    """
    columns = _columns(frame)
    out, known = _from_ground_up(frame, columns)
    agents = np.where(np.isin(out, AGENT_CLASSES), out, _FREE).astype(np.uint8)
    static = np.where(agents != _FREE, _FREE, out).astype(np.uint8)
    agents[:, :, :GROUND_LAYER] = _FREE
    ground = static[:, :, GROUND_LAYER]
    is_ground = np.isin(ground, GROUND_CLASSES) & known[:, :, GROUND_LAYER]
    static[:, :, GROUND_LAYER] = np.where(is_ground, ground, _FREE)
    static[:, :, :GROUND_LAYER] = _FREE
    known[:, :, : GROUND_LAYER + 1] = is_ground[:, :, None]
    footprints = {cls.name.lower(): (agents == cls).any(axis=2) for cls in AGENT_CLASSES if (agents == cls).any()}
    pose = Pose(frame.pose.x, frame.pose.y, frame.pose.z, yaw=frame.pose.yaw)
    channels = None if plan is None else plan(pose)
    if channels is not None:
        paint_road(static[:, :, GROUND_LAYER], channels)
    layout = layout_from_above(static[:, :, GROUND_LAYER], footprints, plan=channels)
    return WindowParts(static, known, layout, agents, _components(agents), pose, frame.stamp_us, frame.sequence)


@dataclass(frozen=True)
class _Columns:
    """Voxels side by side that make a column of ours: M of them in each layer of the frame.

    Attributes:
        labels: uint8 (X, Y, Z, M), UNKNOWN where nothing was seen.
        voxel_m: (2,), size of such columns.
        level: int (X, Y), layer of the ground's surface, made up where none is labelled.
    """

    labels: np.ndarray
    voxel_m: np.ndarray
    level: np.ndarray


def _columns(frame: VoxelFrame) -> _Columns:
    voxel = np.array(frame.voxel_m[:2])
    by = _ratio(voxel)
    (x, y), z = (n // b for n, b in zip(frame.labels.shape, by, strict=False)), frame.labels.shape[2]
    known = np.where(frame.seen, frame.labels, np.uint8(UNKNOWN))[: x * by[0], : y * by[1]]
    parts = known.reshape(x, by[0], y, by[1], z).transpose(0, 2, 4, 1, 3).reshape(x, y, z, -1)
    level = _ground_level(np.any(np.isin(parts, GROUND_CLASSES), axis=3), frame.voxel_m[2])
    return _Columns(parts, voxel * by, level)


def _ratio(voxel: np.ndarray) -> np.ndarray:
    out: np.ndarray = np.maximum(np.round(GENERATED_GRID.voxel_m / voxel).astype(int), 1)
    return out


def _from_ground_up(frame: VoxelFrame, columns: _Columns) -> tuple[np.ndarray, np.ndarray]:
    """Labels uint8 (X, Y, Z) of a window, agents included, and what is known of them."""
    grid, labels, level = GENERATED_GRID, columns.labels, columns.level
    i, j = (np.floor((grid.centres(k) - frame.low[k]) / columns.voxel_m[k]).astype(int) for k in (0, 1))
    inside = ((i >= 0) & (i < labels.shape[0]))[:, None] & ((j >= 0) & (j < labels.shape[1]))[None]
    i, j = np.clip(i, 0, labels.shape[0] - 1)[:, None, None], np.clip(j, 0, labels.shape[1] - 1)[None, :, None]
    up = np.round((np.arange(grid.shape[2]) - GROUND_LAYER) * grid.voxel_m / frame.voxel_m[2]).astype(int)
    first = level[i[..., 0], j[..., 0]][..., None] + up
    samples = []
    for more in range(int(_ratio(np.array(frame.voxel_m[2:]))[0])):
        k = first + more
        there = inside[..., None] & (k >= 0) & (k < labels.shape[2])
        found = labels[i, j, np.clip(k, 0, labels.shape[2] - 1)]
        samples.append(np.where(there[..., None], found, np.uint8(UNKNOWN)))
    # The ground's own layer takes what is labelled as ground there, not the feet of what stands on it.
    lowest = samples[0][:, :, GROUND_LAYER]
    stack = np.concatenate(samples, axis=3)
    out = _most_frequent(stack)
    only = np.where(np.isin(lowest, GROUND_CLASSES), lowest, np.uint8(UNKNOWN))
    ground = _most_frequent(only)
    out[:, :, GROUND_LAYER] = np.where(ground == _FREE, out[:, :, GROUND_LAYER], ground)
    return out, (stack != UNKNOWN).any(axis=3)


def _most_frequent(samples: np.ndarray) -> np.ndarray:
    """The class uint8 (...) that most of the samples (..., M) have, free ones apart; FREE if there is none."""
    best, out = np.zeros(samples.shape[:-1], np.uint8), np.full(samples.shape[:-1], _FREE, np.uint8)
    for cls in sorted(set(np.unique(samples).tolist()) - {_FREE, UNKNOWN}):
        count = (samples == cls).sum(axis=-1, dtype=np.uint8)
        out[count > best] = cls
        best = np.maximum(best, count)
    return out


def _ground_level(ground: np.ndarray, voxel_z: float) -> np.ndarray:
    """Layer int (X, Y) of the ground's surface, made up where there is none in bool (X, Y, Z)."""
    any_ground: np.ndarray = np.any(ground, axis=2)
    if not any_ground.any():
        raise InputError("no voxel is labelled as ground; expected streets", field="labels")
    level = ground.argmax(axis=2)
    for _ in range(_RUN - 1):  # on slopes it is two voxels thick: the upper one is the surface
        above = np.minimum(level + 1, ground.shape[2] - 1)
        level = np.where(np.take_along_axis(ground, above[..., None], 2)[..., 0], above, level)
    full = _nearest(level, any_ground)
    off = np.abs(full - ndimage.median_filter(full, 9)) * voxel_z > _OFF_M
    return _nearest(level, any_ground & ~off)


def _nearest(level: np.ndarray, known: np.ndarray) -> np.ndarray:
    at = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    out: np.ndarray = level[tuple(at)]
    return out


def _components(agents: np.ndarray) -> np.ndarray:
    """Instances uint16 (X, Y, Z): voxels of a class that touch are one agent."""
    out, count = np.zeros(agents.shape, np.uint16), 0
    for cls in AGENT_CLASSES:
        parts, found = ndimage.label(agents == cls, np.ones((3, 3, 3)))
        out[parts > 0] = parts[parts > 0] + count
        count += found
    return out
