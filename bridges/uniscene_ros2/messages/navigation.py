"""Messages of the IMU and of the satellite receiver, with the errors of the rig and their covariances.

The covariances are those of the white noise: a bias is for the stack to find out. Of exact readings they are zero,
which ROS reads as unknown.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import cos, sin

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from sensor_msgs.msg import Imu, NavSatFix, NavSatStatus

from uniscene_ros2.messages.geodesy import EarthPlace
from uniscene_ros2.messages.prefilled import BLANK, PrefilledMessage, blank_header, set_blanks
from uniscene_ros2.messages.stamps import pose_numbers
from uniscene_ros2.motion import Motion
from uniscene_ros2.sensor_errors import ImuVariances, gnss_error, imu_errors, imu_variances
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rig import GnssSpec, ImuSpec

__all__ = ["gnss_fix", "imu", "map_error", "pose_with_covariance"]

_GRAVITY = 9.80665
_BASE = Pose()


@cache
def _imu(frame_id: str, variances: ImuVariances) -> PrefilledMessage:
    out = Imu(header=blank_header(frame_id))
    set_blanks(out.orientation, out.angular_velocity, out.linear_acceleration)
    out.orientation_covariance = _diagonal(variances.orientation)
    out.angular_velocity_covariance = _diagonal(variances.rates)
    out.linear_acceleration_covariance = _diagonal(variances.acceleration)
    return PrefilledMessage(out)


def imu(
    layout: LayoutFrame, motion: Motion, stamp_us: int, frame_id: str, earth: EarthPlace, spec: ImuSpec
) -> bytes:  # fmt: skip
    """sensor_msgs/Imu; the acceleration includes gravity (9.8 m/s2 upwards at rest).

    Args:
        layout: the ego's state.
        motion: of the IMU.
        stamp_us: ROS time.
        frame_id: of the IMU.
        earth: where the map lies: the yaw is measured from true east (REP-145).
        spec: its place and errors.
    """
    errors, base = imu_errors(spec, layout.seed, layout.stamp_us), layout.ego_pose
    pose = replace(base, yaw=base.yaw + earth.x_axis_yaw(base.x, base.y))
    for inner in (spec.pose, Pose(0.0, 0.0, 0.0, *errors.orientation.tolist())):
        pose = pose if inner == _BASE else pose.compose(inner)
    rates, acceleration = motion.rates + errors.rates, motion.acceleration + _GRAVITY * motion.up + errors.acceleration
    return _imu(frame_id, imu_variances(spec)).fill(stamp_us, (*pose_numbers(pose)[3:], *rates, *acceleration))


@cache
def _fix(frame_id: str, spec: GnssSpec) -> PrefilledMessage:
    out = NavSatFix(header=blank_header(frame_id), latitude=BLANK, longitude=BLANK, altitude=BLANK)
    out.status.status, out.status.service = NavSatStatus.STATUS_FIX, NavSatStatus.SERVICE_GPS
    out.position_covariance = np.diag(_variances(spec)).ravel()
    out.position_covariance_type = (
        NavSatFix.COVARIANCE_TYPE_KNOWN if any(_variances(spec)) else NavSatFix.COVARIANCE_TYPE_UNKNOWN
    )
    return PrefilledMessage(out)


def gnss_fix(layout: LayoutFrame, stamp_us: int, frame_id: str, earth: EarthPlace, spec: GnssSpec) -> bytes:
    """sensor_msgs/NavSatFix of the antenna.

    Args:
        layout: the ego's state.
        stamp_us: ROS time.
        frame_id: of the receiver.
        earth: where the map lies.
        spec: its place and errors.
    """
    x, y, z = layout.ego_pose.apply(spec.pose.position) + map_error(layout, earth, spec)
    return _fix(frame_id, spec).fill(stamp_us, earth.locate(x, y, z))


def map_error(layout: LayoutFrame, earth: EarthPlace, spec: GnssSpec) -> np.ndarray:
    """Error (3,), m, of a fix along the axes of the map.

    Args:
        layout: the ego's state.
        earth: where the map lies.
        spec: the receiver's errors.
    """
    (east, north, up), pose = gnss_error(spec, layout.seed, layout.stamp_us), layout.ego_pose
    yaw = earth.x_axis_yaw(pose.x, pose.y)
    return np.array([cos(yaw) * east + sin(yaw) * north, cos(yaw) * north - sin(yaw) * east, up])


@cache
def _pose_with_covariance(frame_id: str, spec: GnssSpec) -> PrefilledMessage:
    out = PoseWithCovarianceStamped(header=blank_header(frame_id))
    set_blanks(out.pose.pose.position, out.pose.pose.orientation)
    out.pose.covariance = np.diag([*_variances(spec), 0.0, 0.0, 0.0]).ravel()
    return PrefilledMessage(out)


def pose_with_covariance(
    layout: LayoutFrame, error: np.ndarray, stamp_us: int, frame_id: str, spec: GnssSpec
) -> bytes:  # fmt: skip
    """geometry_msgs/PoseWithCovarianceStamped of base_link, as a receiver's node makes it.

    Args:
        layout: the ego's state.
        error: of the fix, see `map_error`.
        stamp_us: ROS time.
        frame_id: of the map.
        spec: the receiver's errors.
    """
    x, y, z, *rotation = pose_numbers(layout.ego_pose)
    return _pose_with_covariance(frame_id, spec).fill(stamp_us, (*(np.array([x, y, z]) + error), *rotation))


def _variances(spec: GnssSpec) -> tuple[float, float, float]:
    return spec.horizontal_noise_m**2, spec.horizontal_noise_m**2, spec.vertical_noise_m**2


def _diagonal(variance: float) -> np.ndarray:
    return variance * np.eye(3).ravel()
