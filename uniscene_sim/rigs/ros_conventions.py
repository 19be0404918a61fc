"""What ROS, and Foxglove after it, make of a rig: quaternions, optical frames, intrinsics, names of topics and frames.

Shared by the node, by recordings and by exports, so that a stack finds the same in each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import cos, sin
from typing import NamedTuple

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.rig import BODY_FROM_OPTICAL, CameraSpec

__all__ = ["OPTICAL_FRAME", "TOPICS", "Intrinsics", "Quaternion", "intrinsics", "optical_pose", "plain", "quaternion"]

#: Topics of sensors by content, and the frame of a camera's optical axes, as the node's profile `plain` has them.
TOPICS = {
    "image": "/camera/{sensor}/image_raw",
    "camera_info": "/camera/{sensor}/camera_info",
    "cloud": "/lidar/{sensor}/points",
    "tf": "/tf",
    "tf_static": "/tf_static",
}
OPTICAL_FRAME = "{sensor}_optical"
#: Name and number of coefficients of each lens model.
_LENSES = {"pinhole": ("plumb_bob", 5), "brown_conrady": ("plumb_bob", 5), "fisheye": ("equidistant", 4)}


class Quaternion(NamedTuple):
    x: float
    y: float
    z: float
    w: float


@dataclass(frozen=True)
class Intrinsics:
    """A lens as `CameraInfo` has it: in ROS the centre of the first pixel is at (0, 0), in rigs at (0.5, 0.5)."""

    model: str
    d: list[float]  # as many coefficients as the model has
    k: list[float]  # 3 x 3, row by row
    r: list[float]  # 3 x 3
    p: list[float]  # 3 x 4


def quaternion(pose: Pose) -> Quaternion:
    """The rotation of a pose."""
    cr, sr, cp, sp = cos(pose.roll / 2), sin(pose.roll / 2), cos(pose.pitch / 2), sin(pose.pitch / 2)
    cy, sy = cos(pose.yaw / 2), sin(pose.yaw / 2)
    x, y = sr * cp * cy - cr * sp * sy, cr * sp * cy + sr * cp * sy
    return Quaternion(x, y, cr * cp * sy - sr * sp * cy, cr * cp * cy + sr * sp * sy)


def optical_pose(pose: Pose) -> Pose:
    """Pose of a camera's optical frame (z forward, x right) from the pose of its body axes."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = pose.rotation @ BODY_FROM_OPTICAL, pose.position
    return Pose.from_matrix(matrix)


def intrinsics(spec: CameraSpec) -> Intrinsics:
    """The lens of a camera."""
    model, count = _LENSES[spec.model]
    cx, cy = spec.cx - 0.5, spec.cy - 0.5
    return Intrinsics(
        model,
        d=[*map(float, spec.distortion), *[0.0] * (count - len(spec.distortion))],
        k=[spec.fx, 0.0, cx, 0.0, spec.fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[spec.fx, 0.0, cx, 0.0, 0.0, spec.fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def plain(name: str) -> str:
    """A name of the letters, digits and underscores that ROS allows."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)
