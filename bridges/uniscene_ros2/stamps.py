"""Stamps, headers, poses and bytes: what all messages are made of."""

from __future__ import annotations

from array import array
from math import cos, sin

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Quaternion, Vector3
from geometry_msgs.msg import Pose as PoseMessage
from std_msgs.msg import Header, MultiArrayDimension, MultiArrayLayout, UInt8MultiArray

from uniscene_sim.geometry import Pose

__all__ = ["as_bytes", "as_header", "as_time", "labelled_array", "move", "place", "to_us", "turn"]


def as_time(stamp_us: int) -> Time:
    return Time(sec=stamp_us // 1_000_000, nanosec=stamp_us % 1_000_000 * 1000)


def to_us(time: Time) -> int:
    return time.sec * 1_000_000 + time.nanosec // 1000


def as_header(stamp_us: int, frame_id: str) -> Header:
    return Header(stamp=as_time(stamp_us), frame_id=frame_id)


def turn(target: Quaternion, pose: Pose) -> None:
    """Write a pose's rotation into a message. (A message's constructor makes all parts anew, given ones too.)"""
    cr, sr, cp, sp = cos(pose.roll / 2), sin(pose.roll / 2), cos(pose.pitch / 2), sin(pose.pitch / 2)
    cy, sy = cos(pose.yaw / 2), sin(pose.yaw / 2)
    target.w, target.x = cr * cp * cy + sr * sp * sy, sr * cp * cy - cr * sp * sy
    target.y, target.z = cr * sp * cy + sr * cp * sy, cr * cp * sy - sr * sp * cy


def move(target: Point | Vector3, x: float, y: float, z: float) -> None:
    """Write three numbers into a message."""
    target.x, target.y, target.z = float(x), float(y), float(z)


def place(target: PoseMessage, pose: Pose) -> None:
    """Write a pose into a message."""
    move(target.position, pose.x, pose.y, pose.z)
    turn(target.orientation, pose)


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
