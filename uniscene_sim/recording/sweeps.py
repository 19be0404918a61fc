"""Sweeps without loss: Foxglove's point cloud holds what viewers show, and `SweepColumns` the rest of the record.

The rest is coded by beam: points of a ring follow each other in time, so differences between neighbours are small, and
equal bytes of them lie side by side for the compression of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from foxglove_schemas_protobuf.PointCloud_pb2 import PointCloud

from uniscene_sim.errors import InputError
from uniscene_sim.frames import LidarSweep
from uniscene_sim.recording.byte_planes import coded, decoded
from uniscene_sim.recording.foxglove import POINT, stamp_us_of
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.wire.uniscene.v1.run_pb2 import SweepColumns

__all__ = ["rounded", "sweep_columns", "sweeps"]

#: Step of rounded coordinates, m: a power of two, so that rounded numbers end in zeros.
STEP_M = 1 / 512
_COLUMNS = {"time_s": np.float32, "instance": np.uint16, "return_number": np.uint8, "cause": np.uint8}


def rounded(record: LidarSweep) -> LidarSweep:
    """A sweep with coordinates rounded to `STEP_M` and intensities to 1/255, which take two thirds of the space."""
    xyz = (np.rint(record.xyz / np.float32(STEP_M)) * np.float32(STEP_M)).astype(np.float32)
    return replace(record, xyz=xyz, intensity=np.rint(255 * record.intensity).astype(np.float32) / np.float32(255))


def sweep_columns(record: LidarSweep, sensor: str, step_m: float = 0.0) -> SweepColumns:
    """What a sweep has beside its point cloud.

    Args:
        record: the sweep, of N points.
        sensor: its LiDAR.
        step_m: what its coordinates are rounded to, 0 if they are exact.
    """
    message = SweepColumns(sensor=sensor, stamp_us=record.stamp_us, step_m=step_m)
    order = np.argsort(record.ring, kind="stable")
    for name, dtype in _COLUMNS.items():
        column = getattr(record, name)
        if column is not None:
            message.columns[name] = coded(column.astype(dtype, copy=False)[order])
    return message


def sweeps(recording: Recording, lidar: str) -> Iterator[LidarSweep]:
    """The sweeps of a LiDAR, to the last bit unless they were rounded; none if the recording has none.

    Args:
        recording: the run.
        lidar: name of the LiDAR.

    Raises:
        InputError: a sweep is damaged.
    """
    topic, columns = f"/{lidar}/points", dict[int, SweepColumns]()
    for one in recording.messages("/uniscene/frame", topic):
        if one.topic == topic:
            at_us = stamp_us_of(one.message.timestamp)
            if at_us not in columns:
                why = "has point clouds alone, expected exact or rounded sweeps"
                raise InputError(why, file=recording.path, field=topic)
            try:
                yield _sweep(one.message, columns[at_us], at_us)
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(f"damaged sweep ({error})", file=recording.path, field=topic) from None
        else:
            columns = {sent.stamp_us: sent for sent in one.message.sweeps if sent.sensor == lidar}


def _sweep(cloud: PointCloud, sent: SweepColumns, stamp_us: int) -> LidarSweep:
    points = np.frombuffer(cloud.data, POINT)
    order = np.argsort(points["ring"], kind="stable")
    columns = {}
    for name, data in sent.columns.items():
        columns[name] = np.empty(len(points), _COLUMNS[name])
        columns[name][order] = decoded(data, np.dtype(_COLUMNS[name]), len(points))
    xyz = np.stack([points[axis] for axis in "xyz"], axis=1)
    shown = {name: np.ascontiguousarray(points[name]) for name in ("intensity", "ring", "label")}
    return LidarSweep(xyz=xyz, **shown, **columns, stamp_us=stamp_us)
