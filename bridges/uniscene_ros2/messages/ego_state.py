"""Messages on the ego: odometry, IMU, GNSS, speed, transforms."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import cos, sin
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped, TransformStamped
from nav_msgs.msg import Odometry
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu, NavSatFix, NavSatStatus
from std_msgs.msg import Header

from uniscene_ros2.messages.geodesy import EarthPlace, Origin
from uniscene_ros2.messages.prefilled import BLANK, BLANK_TIME, PrefilledMessage, blank_header, set_blanks
from uniscene_ros2.messages.stamps import pose_numbers, write_rotation, write_xyz
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rig import BODY_FROM_OPTICAL

__all__ = [
    "clock",
    "ego_transform",
    "gnss_fix",
    "imu",
    "odometry",
    "optical_pose",
    "pose_with_covariance",
    "speed_mps",
    "transform",
]

_GRAVITY = 9.80665


def speed_mps(layout: LayoutFrame) -> float:
    """Speed along the ego's x axis."""
    pose, (vx, vy, vz) = layout.ego_pose, layout.ego_velocity.tolist()
    return float(cos(pose.pitch) * (cos(pose.yaw) * vx + sin(pose.yaw) * vy) - sin(pose.pitch) * vz)


@cache
def _clock() -> PrefilledMessage:
    return PrefilledMessage(Clock(clock=BLANK_TIME))


def clock(stamp_us: int) -> bytes:
    return _clock().fill(stamp_us)


@cache
def _odometry(frame_id: str, base: str) -> PrefilledMessage:
    out = Odometry(header=blank_header(frame_id), child_frame_id=base)
    set_blanks(out.pose.pose.position, out.pose.pose.orientation)
    out.twist.twist.linear.x = out.twist.twist.angular.z = BLANK
    return PrefilledMessage(out)


def odometry(layout: LayoutFrame, stamp_us: int, frame_id: str, base: str) -> bytes:
    """nav_msgs/Odometry, exact, so its covariances are zero.

    Args:
        layout: the ego's state.
        stamp_us: ROS time.
        frame_id: frame of the pose.
        base: the ego's frame, in which the twist is given (REP-105).
    """
    twist = speed_mps(layout), layout.ego_yaw_rate
    return _odometry(frame_id, base).fill(stamp_us, (*pose_numbers(layout.ego_pose), *twist))


@cache
def _imu(frame_id: str) -> PrefilledMessage:
    out = Imu(header=blank_header(frame_id))
    set_blanks(out.orientation, out.linear_acceleration)
    out.angular_velocity.z = BLANK
    return PrefilledMessage(out)


def imu(layout: LayoutFrame, stamp_us: int, frame_id: str, earth: EarthPlace = Origin()) -> bytes:  # noqa: B008 - frozen
    """sensor_msgs/Imu, exact, at base_link; the acceleration includes gravity (9.8 m/s2 upwards at rest).

    Args:
        layout: the ego's state.
        stamp_us: ROS time.
        frame_id: of the IMU.
        earth: where the map lies: the yaw is measured from true east (REP-145).
    """
    pose, rate, g = layout.ego_pose, layout.ego_yaw_rate, _GRAVITY * cos(layout.ego_pose.pitch)
    ax, ay, az = -_GRAVITY * sin(pose.pitch), g * sin(pose.roll), g * cos(pose.roll)
    acceleration = ax + layout.ego_accel, ay + speed_mps(layout) * rate, az
    pose = replace(pose, yaw=pose.yaw + earth.x_axis_yaw(pose.x, pose.y))
    return _imu(frame_id).fill(stamp_us, (*pose_numbers(pose)[3:], rate, *acceleration))


@cache
def _fix(frame_id: str) -> PrefilledMessage:
    out = NavSatFix(header=blank_header(frame_id), latitude=BLANK, longitude=BLANK, altitude=BLANK)
    out.status.status, out.status.service = NavSatStatus.STATUS_FIX, NavSatStatus.SERVICE_GPS
    out.position_covariance_type = NavSatFix.COVARIANCE_TYPE_KNOWN
    return PrefilledMessage(out)


def gnss_fix(layout: LayoutFrame, stamp_us: int, frame_id: str, earth: EarthPlace) -> bytes:
    """sensor_msgs/NavSatFix.

    Args:
        layout: the ego's state.
        stamp_us: ROS time.
        frame_id: of the receiver.
        earth: where the map lies.
    """
    pose = layout.ego_pose
    return _fix(frame_id).fill(stamp_us, earth.locate(pose.x, pose.y, pose.z))


@cache
def _pose_with_covariance(frame_id: str) -> PrefilledMessage:
    out = PoseWithCovarianceStamped(header=blank_header(frame_id))
    set_blanks(out.pose.pose.position, out.pose.pose.orientation)
    return PrefilledMessage(out)


def pose_with_covariance(layout: LayoutFrame, stamp_us: int, frame_id: str) -> bytes:
    return _pose_with_covariance(frame_id).fill(stamp_us, pose_numbers(layout.ego_pose))


@cache
def _motion(kind: Any, parent: str, child: str) -> PrefilledMessage:
    out = TransformStamped(header=blank_header(parent), child_frame_id=child)
    set_blanks(out.transform.translation, out.transform.rotation)
    return PrefilledMessage(kind(transforms=[out]))


def ego_transform(kind: Any, layout: LayoutFrame, stamp_us: int, parent: str, child: str) -> bytes:
    """The ego's pose as tf2_msgs/TFMessage.

    Args:
        kind: the class TFMessage.
        layout: the ego's state.
        stamp_us: ROS time.
        parent: frame of the pose.
        child: the ego's frame.
    """
    return _motion(kind, parent, child).fill(stamp_us, pose_numbers(layout.ego_pose))


def transform(header: Header, child: str, pose: Pose) -> TransformStamped:
    out = TransformStamped(header=header, child_frame_id=child)
    write_xyz(out.transform.translation, pose.x, pose.y, pose.z)
    write_rotation(out.transform.rotation, pose)
    return out


def optical_pose(pose: Pose) -> Pose:
    """Pose of a camera's optical frame (z forward, x right) from the pose of its body axes."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = pose.rotation @ BODY_FROM_OPTICAL, pose.position
    return Pose.from_matrix(matrix)
