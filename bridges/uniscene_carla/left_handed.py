"""CARLA's frame and ours: the only place where one is turned into the other.

CARLA is left-handed: x forward, y right, z up, degrees, yaw clockwise as seen from above, pitch with the nose up. Ours
is right-handed: y left, radians, yaw anticlockwise, pitch with the nose down. Mirroring y turns one into the other:
R = S R_carla S with S = diag(1, -1, 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from uniscene_sim.geometry import Pose

__all__ = ["angle_of", "box_size", "pose_of", "rpy_of", "transform_of", "vectors", "yaw_rate_of"]

_MIRROR = np.array([1.0, -1.0, 1.0])


def vectors(rows: Any) -> np.ndarray:
    """Places, velocities or other vectors (..., 3) of one frame in the other, in the same unit; its own inverse."""
    mirrored: np.ndarray = np.asarray(rows, float) * _MIRROR
    return mirrored


def rpy_of(pitch_yaw_roll_deg: Any) -> np.ndarray:
    """Roll, pitch, yaw (..., 3), rad, of CARLA's rotations (..., 3) of pitch, yaw, roll, degrees."""
    pitch, yaw, roll = np.moveaxis(np.radians(np.asarray(pitch_yaw_roll_deg, float)), -1, 0)
    return np.stack([roll, -pitch, -yaw], axis=-1)


def pose_of(transform: Any) -> Pose:
    """The pose of a `carla.Transform`, or of a `carla.BoundingBox` by its centre."""
    at, turn = transform.location, transform.rotation
    return Pose(at.x, -at.y, at.z, *rpy_of((turn.pitch, turn.yaw, turn.roll)).tolist())


def transform_of(pose: Pose) -> Any:
    """The `carla.Transform` of a pose."""
    import carla

    roll, pitch, yaw = np.degrees((pose.roll, pose.pitch, pose.yaw)).tolist()
    return carla.Transform(carla.Location(pose.x, -pose.y, pose.z), carla.Rotation(-pitch, -yaw, roll))


def yaw_rate_of(angular_velocity: Any) -> float:
    """Yaw rate, rad/s, of a `carla.Vector3D` of degrees per second."""
    return -float(np.radians(angular_velocity.z))


def angle_of(degrees: float) -> float:
    """An angle without a direction, rad."""
    return float(np.radians(degrees))


def box_size(extent: Any) -> tuple[float, float, float]:
    """Length, width, height, m, of a box with half sizes `extent`."""
    return 2.0 * extent.x, 2.0 * extent.y, 2.0 * extent.z
