"""Poses of frames in their parents: as tf2_msgs/TFMessage, and, where that is not installed, as markers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from geometry_msgs.msg import TransformStamped
from visualization_msgs.msg import Marker, MarkerArray

from uniscene_ros2.fixed_frames import FixedFrame
from uniscene_ros2.messages.prefilled import PrefilledMessage, blank_header, set_blanks
from uniscene_ros2.messages.stamps import as_header, pose_numbers, write_pose, write_rotation, write_xyz
from uniscene_sim.layout import LayoutFrame

__all__ = ["ego_transform", "extrinsics", "fixed_transforms"]


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


def fixed_transforms(kind: Any, frames: Sequence[FixedFrame], stamp_us: int) -> Any:
    """Fixed frames as tf2_msgs/TFMessage, whose class is `kind`."""
    out = []
    for frame in frames:
        transform = TransformStamped(header=as_header(stamp_us, frame.parent), child_frame_id=frame.name)
        write_xyz(transform.transform.translation, *frame.pose.position)
        write_rotation(transform.transform.rotation, frame.pose)
        out.append(transform)
    return kind(transforms=out)


def extrinsics(frames: Sequence[FixedFrame], stamp_us: int) -> MarkerArray:
    """Fixed frames as markers: the parent in the header, the frame's name as namespace, its pose as pose. They show as
    arrows along its x axis."""
    out = MarkerArray()
    for number, frame in enumerate(frames):
        marker = Marker(header=as_header(stamp_us, frame.parent), ns=frame.name, id=number, type=Marker.ARROW)
        write_pose(marker.pose, frame.pose)
        write_xyz(marker.scale, 0.3, 0.05, 0.05)
        marker.color.g = marker.color.a = 1.0
        out.markers.append(marker)
    return out
