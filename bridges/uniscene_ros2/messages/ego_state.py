"""Messages on the ego: clock, odometry, speed."""

from __future__ import annotations

from functools import cache
from math import cos, sin

from nav_msgs.msg import Odometry
from rosgraph_msgs.msg import Clock

from uniscene_ros2.messages.prefilled import BLANK_TIME, PrefilledMessage, blank_header, set_blanks
from uniscene_ros2.messages.stamps import pose_numbers
from uniscene_ros2.motion import Motion
from uniscene_sim.layout import LayoutFrame

__all__ = [
    "clock",
    "odometry",
    "speed_mps",
]


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
    set_blanks(out.pose.pose.position, out.pose.pose.orientation, out.twist.twist.linear, out.twist.twist.angular)
    return PrefilledMessage(out)


def odometry(layout: LayoutFrame, motion: Motion, stamp_us: int, frame_id: str, base: str) -> bytes:
    """nav_msgs/Odometry, exact, so its covariances are zero.

    Args:
        layout: the ego's state.
        motion: of the ego's frame, in which the twist is given (REP-105).
        stamp_us: ROS time.
        frame_id: frame of the pose.
        base: the ego's frame.
    """
    return _odometry(frame_id, base).fill(stamp_us, (*pose_numbers(layout.ego_pose), *motion.velocity, *motion.rates))
