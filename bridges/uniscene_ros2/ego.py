"""What the ego knows of itself: odometry, IMU, GNSS, speed, transforms."""

from __future__ import annotations

from math import cos, sin

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped, TransformStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Imu, NavSatFix, NavSatStatus
from std_msgs.msg import Header

from uniscene_ros2.geodesy import Origin
from uniscene_ros2.stamps import as_header, move, place, turn
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rig import BODY_FROM_OPTICAL

__all__ = ["fix", "imu", "odometry", "optical", "pose_with_covariance", "speed_mps", "transform"]

_GRAVITY = 9.80665


def speed_mps(layout: LayoutFrame) -> float:
    """Along the ego's x axis."""
    pose, (vx, vy, vz) = layout.ego_pose, layout.ego_velocity.tolist()
    return cos(pose.pitch) * (cos(pose.yaw) * vx + sin(pose.yaw) * vy) - sin(pose.pitch) * vz


def odometry(layout: LayoutFrame, header: Header, base: str) -> Odometry:
    """Pose in the header's frame; twist in `base`, as REP-105 has it. Exact: the covariances stay zero."""
    out = Odometry(header=header, child_frame_id=base)
    place(out.pose.pose, layout.ego_pose)
    out.twist.twist.linear.x = speed_mps(layout)
    out.twist.twist.angular.z = float(layout.ego_yaw_rate)
    return out


def imu(layout: LayoutFrame, header: Header) -> Imu:
    """Of an exact IMU at base_link: what it feels of gravity is in its acceleration (9.8 upwards at rest)."""
    pose, g = layout.ego_pose, _GRAVITY * cos(layout.ego_pose.pitch)
    ax, ay, az = -_GRAVITY * sin(pose.pitch), g * sin(pose.roll), g * cos(pose.roll)
    out = Imu(header=header)
    turn(out.orientation, pose)
    out.angular_velocity.z = float(layout.ego_yaw_rate)
    move(out.linear_acceleration, ax + layout.ego_accel, ay + speed_mps(layout) * layout.ego_yaw_rate, az)
    return out


def fix(layout: LayoutFrame, header: Header, origin: Origin) -> NavSatFix:
    pose = layout.ego_pose
    lat, lon, alt = origin.locate(pose.x, pose.y, pose.z)
    out = NavSatFix(header=header, latitude=lat, longitude=lon, altitude=alt)
    out.status.status, out.status.service = NavSatStatus.STATUS_FIX, NavSatStatus.SERVICE_GPS
    out.position_covariance_type = NavSatFix.COVARIANCE_TYPE_KNOWN
    return out


def pose_with_covariance(layout: LayoutFrame, header: Header) -> PoseWithCovarianceStamped:
    out = PoseWithCovarianceStamped(header=header)
    place(out.pose.pose, layout.ego_pose)
    return out


def transform(stamp_us: int, parent: str, child: str, pose: Pose) -> TransformStamped:
    out = TransformStamped(header=as_header(stamp_us, parent), child_frame_id=child)
    move(out.transform.translation, pose.x, pose.y, pose.z)
    turn(out.transform.rotation, pose)
    return out


def optical(pose: Pose) -> Pose:
    """Pose of a camera's optical axes (z forward, x right) from that of its body axes."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = pose.rotation @ BODY_FROM_OPTICAL, pose.position
    return Pose.from_matrix(matrix)
