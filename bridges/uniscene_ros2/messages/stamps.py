"""Stamps, headers and poses, used by all messages."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Quaternion, Vector3
from geometry_msgs.msg import Pose as PoseMessage
from std_msgs.msg import Header

from uniscene_sim.geometry import Pose
from uniscene_sim.rigs.ros_conventions import quaternion

__all__ = ["as_header", "as_time", "pose_numbers", "to_us", "write_pose", "write_rotation", "write_xyz"]


def as_time(stamp_us: int) -> Time:
    return Time(sec=stamp_us // 1_000_000, nanosec=stamp_us % 1_000_000 * 1000)


def to_us(time: Time) -> int:
    return int(time.sec * 1_000_000 + time.nanosec // 1000)


def as_header(stamp_us: int, frame_id: str) -> Header:
    return Header(stamp=as_time(stamp_us), frame_id=frame_id)


def pose_numbers(pose: Pose) -> tuple[float, ...]:
    """x, y, z and the quaternion x, y, z, w, as in pose messages."""
    return pose.x, pose.y, pose.z, *quaternion(pose)


def write_rotation(target: Quaternion, pose: Pose) -> None:
    """Write a pose's rotation into a message. (A message's constructor copies its parts, which is slower.)"""
    target.x, target.y, target.z, target.w = quaternion(pose)


def write_xyz(target: Point | Vector3, x: float, y: float, z: float) -> None:
    """Write three numbers into a message.

    Args:
        target: a point or vector of a message, written.
        x, y, z: its components.
    """
    target.x, target.y, target.z = float(x), float(y), float(z)


def write_pose(target: PoseMessage, pose: Pose) -> None:
    """Write a pose into a message."""
    write_xyz(target.position, pose.x, pose.y, pose.z)
    write_rotation(target.orientation, pose)
