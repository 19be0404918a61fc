"""Sweeps as `PointCloud2`, in the field layouts that drivers and stacks use."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from uniscene_ros2.messages.prefilled import DATA, PrefilledMessage, blank_header
from uniscene_sim.compute.compiled import njit
from uniscene_sim.frames import LidarSweep, OccupancyGrid
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rig import LidarSpec
from uniscene_sim.taxonomy import OccClass

__all__ = ["LAYOUTS", "occupied_points", "sweep_points", "sweep_start_us"]


def _layout(step: int, **fields: tuple[int, str]) -> np.dtype:
    names, places = list(fields), list(fields.values())
    return np.dtype(
        {"names": names, "offsets": [o for o, _ in places], "formats": [f for _, f in places], "itemsize": step}
    )


_XYZ = {"x": (0, "<f4"), "y": (4, "<f4"), "z": (8, "<f4")}
_XYZIRC = {**_XYZ, "intensity": (12, "u1"), "return_type": (13, "u1"), "channel": (14, "<u2")}
_POLAR = {"azimuth": (16, "<f4"), "elevation": (20, "<f4"), "distance": (24, "<f4"), "time_stamp": (28, "<u4")}
#: Layouts by name. Intensity is 0..255. `time` is in s, relative to the stamp, which is the end of the sweep.
#: `time_stamp` is in ns, relative to the stamp, which is then the start of the sweep.
LAYOUTS = {
    "XYZI": _layout(16, **_XYZ, intensity=(12, "<f4")),
    "XYZIRT": _layout(22, **_XYZ, intensity=(12, "<f4"), ring=(16, "<u2"), time=(18, "<f4")),
    "XYZIRC": _layout(16, **_XYZIRC),
    "XYZIRCAEDT": _layout(32, **_XYZIRC, **_POLAR),
}
_OCCUPIED = _layout(16, **_XYZ, label=(12, "u1"), instance=(14, "<u2"))
_NUMBERS = {
    "u1": PointField.UINT8,
    "u2": PointField.UINT16,
    "u4": PointField.UINT32,
    "f4": PointField.FLOAT32,
}
_FREE = np.uint8(OccClass.FREE)
#: Autoware's return types.
_STRONGEST, _LAST, _STRONGEST_FIRST, _STRONGEST_LAST, _WEAK_FIRST, _WEAK_LAST, _ONLY = 1, 2, 3, 4, 5, 6, 7


def sweep_start_us(layout: str, spec: LidarSpec) -> int:
    """Time from the stamp of a message in this layout to the end of the sweep, us."""
    return spec.period_us if "time_stamp" in (LAYOUTS[layout].names or ()) else 0


def sweep_points(
    sweep: LidarSweep, spec: LidarSpec, layout: str, layouts: Sequence[LayoutFrame], stamp_us: int, frame_id: str
) -> bytes:
    """A sweep as `PointCloud2`.

    Args:
        sweep: N points.
        spec: of the LiDAR.
        layout: one of `LAYOUTS`.
        layouts: of the ego, from the beginning of the sweep to its end.
        stamp_us: `sweep_start_us` before the end of the sweep.
        frame_id: of the sensor.
    """
    kind = LAYOUTS[layout]
    names = kind.names or ()
    xyz = sweep.xyz
    if spec.deskewed and "time_stamp" in names:
        xyz = _in_start_frame(sweep, spec, layouts)
    points = np.empty(len(xyz), kind)
    points["x"], points["y"], points["z"] = xyz[:, 0], xyz[:, 1], xyz[:, 2]
    scaled = np.float32(255.0) * sweep.intensity
    points["intensity"] = scaled if kind["intensity"].kind == "f" else np.minimum(scaled + 0.5, 255.0)
    if "ring" in names:
        points["ring"], points["time"] = sweep.ring, sweep.time_s
    if "channel" in names:
        points["channel"], points["return_type"] = sweep.ring, _return_types(sweep, spec)
    if "time_stamp" in names:
        horizontal = np.hypot(xyz[:, 0], xyz[:, 1])
        points["azimuth"], points["elevation"] = np.arctan2(xyz[:, 1], xyz[:, 0]), np.arctan2(xyz[:, 2], horizontal)
        points["distance"] = np.hypot(horizontal, xyz[:, 2])
        points["time_stamp"] = np.maximum(1e9 * sweep.time_s.astype(np.float64) + 1e3 * spec.period_us, 0.0)
    return _message(points, stamp_us, frame_id)


def occupied_points(occupancy: OccupancyGrid, stamp_us: int, frame_id: str) -> bytes:
    """Centres of the voxels that are not free, in the map frame, with label and instance, as `PointCloud2`."""
    matrix, grid = occupancy.pose.matrix, occupancy.grid
    buffer = _point_buffer(occupancy.labels.size)
    first = matrix[:3, :3] @ (np.array(grid.origin) + 0.5 * grid.voxel_m) + matrix[:3, 3]
    step = grid.voxel_m * matrix[:3, :3]
    # Label and instance are the last of four 32-bit numbers of each point.
    numbers = buffer.view(np.float32).reshape(-1, 4), buffer.view(np.uint32).reshape(-1, 4)
    count = _occupied(occupancy.labels, occupancy.instances, first, step, *numbers)
    return _message(buffer[:count], stamp_us, frame_id)


@lru_cache(1)
def _point_buffer(size: int) -> np.ndarray:
    """A buffer that is reused, since allocating it costs as much as filling it."""
    return np.empty(size, _OCCUPIED)


@njit(cache=True)
def _occupied(labels, instances, first, step, places, names):
    """Write the voxels that are not free, in the order of the grid, and count them.

    Args:
        labels, instances: (X, Y, Z).
        first: centre (3,) of the first voxel in the map frame, m.
        step: (3, 3), the offset to the next voxel along each axis as columns, m.
        places, names: the points (N, 4) viewed as float32 and uint32, written.
    """
    n = 0
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            x = first[0] + i * step[0, 0] + j * step[0, 1]
            y = first[1] + i * step[1, 0] + j * step[1, 1]
            z = first[2] + i * step[2, 0] + j * step[2, 1]
            for k in range(labels.shape[2]):
                label = labels[i, j, k]
                if label != _FREE:
                    places[n, 0] = x + k * step[0, 2]
                    places[n, 1] = y + k * step[1, 2]
                    places[n, 2] = z + k * step[2, 2]
                    names[n, 3] = np.uint32(label) | np.uint32(instances[i, j, k]) << np.uint32(16)
                    n += 1
    return n


def _in_start_frame(sweep: LidarSweep, spec: LidarSpec, layouts: Sequence[LayoutFrame]) -> np.ndarray:
    """Points (N, 3), m, in the sensor frame at the start of the sweep; for the first sweep of a run, without earlier
    layouts, as if the ego stood still."""
    end = layouts[-1].ego_pose.compose(spec.pose)
    earlier = [layout for layout in layouts if layout.stamp_us <= sweep.stamp_us - spec.period_us]
    start = (earlier[-1] if earlier else layouts[0]).ego_pose.compose(spec.pose)
    start_from_end = start.inverse().compose(end).matrix.astype(np.float32)
    return sweep.xyz @ start_from_end[:3, :3].T + start_from_end[:3, 3]


def _return_types(sweep: LidarSweep, spec: LidarSpec) -> np.ndarray | int:
    if sweep.return_number is None or spec.returns != "dual":
        return _LAST if spec.returns == "last" else _STRONGEST
    # Two returns of a beam share ring and time.
    beam = np.rec.fromarrays([sweep.ring, sweep.time_s, sweep.return_number])
    order = np.argsort(beam, kind="stable")
    ring, time, number = sweep.ring[order], sweep.time_s[order], sweep.return_number[order]
    first = np.flatnonzero((ring[1:] == ring[:-1]) & (time[1:] == time[:-1]) & (number[1:] > number[:-1]))
    distance = np.linalg.norm(sweep.xyz[order], axis=1)
    nearer = distance[first] < distance[first + 1]
    kinds = np.full(len(order), _ONLY, np.uint8)
    kinds[first] = np.where(nearer, _STRONGEST_FIRST, _STRONGEST_LAST)
    kinds[first + 1] = np.where(nearer, _WEAK_LAST, _WEAK_FIRST)
    out = np.empty_like(kinds)
    out[order] = kinds
    return out


def _message(points: np.ndarray, stamp_us: int, frame_id: str) -> bytes:
    kind = points.dtype
    places: Any = kind.fields or {}
    fields = [
        PointField(name=name, offset=places[name][1], datatype=_NUMBERS[kind[name].str[1:]], count=1)
        for name in kind.names or ()
    ]  # fmt: skip
    message = PrefilledMessage(
        PointCloud2(
            header=blank_header(frame_id),
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=False,
            point_step=kind.itemsize,
            row_step=kind.itemsize * len(points),
            data=DATA,
            is_dense=True,
        )
    )
    return message.fill(stamp_us, data=points)
