"""Stamps, headers, poses and bytes: what all messages are made of."""

from __future__ import annotations

from array import array
from math import cos, sin

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Quaternion
from geometry_msgs.msg import Pose as PoseMessage
from std_msgs.msg import Header, MultiArrayDimension, MultiArrayLayout, UInt8MultiArray

from uniscene_sim.geometry import Pose

__all__ = ["as_bytes", "as_header", "as_pose", "as_quaternion", "as_time", "labelled_array", "to_us"]


def as_time(stamp_us: int) -> Time:
    return Time(sec=stamp_us // 1_000_000, nanosec=stamp_us % 1_000_000 * 1000)


def to_us(time: Time) -> int:
    return time.sec * 1_000_000 + time.nanosec // 1000


def as_header(stamp_us: int, frame_id: str) -> Header:
    return Header(stamp=as_time(stamp_us), frame_id=frame_id)


def as_quaternion(pose: Pose) -> Quaternion:
    cr, sr, cp, sp = cos(pose.roll / 2), sin(pose.roll / 2), cos(pose.pitch / 2), sin(pose.pitch / 2)
    cy, sy = cos(pose.yaw / 2), sin(pose.yaw / 2)
    return Quaternion(
        w=cr * cp * cy + sr * sp * sy,
        x=sr * cp * cy - cr * sp * sy,
        y=cr * sp * cy + sr * cp * sy,
        z=cr * cp * sy - sr * sp * cy,
    )


def as_pose(pose: Pose) -> PoseMessage:
    return PoseMessage(
        position=Point(x=float(pose.x), y=float(pose.y), z=float(pose.z)), orientation=as_quaternion(pose)
    )


def as_bytes(values: np.ndarray) -> array:
    """The bytes of an array, as messages take them without looking at each."""
    out = array("B")
    out.frombytes(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    return out


def labelled_array(values: np.ndarray, labels: tuple[str, ...]) -> UInt8MultiArray:
    """An array of uint8 with the name of each of its axes."""
    dim, stride = [], values.size
    for label, size in zip(labels, values.shape, strict=True):
        dim.append(MultiArrayDimension(label=label, size=size, stride=stride))
        stride //= max(size, 1)
    return UInt8MultiArray(layout=MultiArrayLayout(dim=dim, data_offset=0), data=as_bytes(values))
