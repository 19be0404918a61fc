"""Poses, angles and exact overlap of boxes and polygons, in right-handed frames (x forward, y left, z up)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.errors import InputError, shown
from uniscene_sim.limits.bounds import MAP_FRAME_M

__all__ = ["Pose", "box_corners", "boxes_overlap", "point_in_polygon", "rotation_from_rpy", "wrap_angle"]

#: Sums of what places and angles can be, NaN apart.
_FARTHEST_M, _MOST_TURN = 3.0 * MAP_FRAME_M.most, 1e9


def wrap_angle(angle_rad: float | np.ndarray) -> Any:
    """An angle, or an array of them, wrapped to [-pi, pi): a number or an array of the same shape."""
    return (np.asarray(angle_rad) + np.pi) % (2 * np.pi) - np.pi


def rotation_from_rpy(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """Rotation matrix (3, 3) = Rz(yaw) Ry(pitch) Rx(roll), the fixed-axis convention of REP-103."""
    cr, sr, cp, sp, cy, sy = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


@dataclass(frozen=True)
class Pose:
    """Pose of a child frame in a parent frame: position in metres, fixed-axis roll, pitch, yaw in radians.

    With REP-103 axes a positive pitch points the nose down.

    Raises:
        InputError: a number that is not finite, or a place that is none on earth.
    """

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0

    def __post_init__(self) -> None:
        reach, turns = abs(self.x) + abs(self.y) + abs(self.z), abs(self.roll) + abs(self.pitch) + abs(self.yaw)
        if not (reach <= _FARTHEST_M and turns <= _MOST_TURN):
            raise InputError(f"expected finite numbers and a place on earth, got {shown(self, 200)}", field="pose")

    @property
    def position(self) -> np.ndarray:
        """Position (3,), m."""
        return np.array([self.x, self.y, self.z])

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3), child axes as columns in the parent frame."""
        return rotation_from_rpy(self.roll, self.pitch, self.yaw)

    @property
    def matrix(self) -> np.ndarray:
        """Homogeneous (4, 4): parent <- child."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.rotation, self.position
        return matrix

    @classmethod
    def from_matrix(cls, matrix: np.ndarray) -> Pose:
        """The pose of a homogeneous matrix (4, 4), parent <- child."""
        r = matrix[:3, :3]
        pitch = np.arctan2(-r[2, 0], np.hypot(r[0, 0], r[1, 0]))
        x, y, z = (float(v) for v in matrix[:3, 3])
        return cls(
            x,
            y,
            z,
            roll=float(np.arctan2(r[2, 1], r[2, 2])),
            pitch=float(pitch),
            yaw=float(np.arctan2(r[1, 0], r[0, 0])),
        )

    def compose(self, child: Pose) -> Pose:
        """parent <- self <- child."""
        return Pose.from_matrix(self.matrix @ child.matrix)

    def inverse(self) -> Pose:
        return Pose.from_matrix(np.linalg.inv(self.matrix))

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) of the child frame, in the parent frame."""
        moved: np.ndarray = np.asarray(points) @ self.rotation.T + self.position
        return moved


@njit(cache=True)
def box_corners(x: float, y: float, yaw: float, length: float, width: float) -> np.ndarray:
    """Corners (4, 2), m, anticlockwise, of an oriented rectangle.

    Args:
        x, y: its centre, m.
        yaw: direction of its length, rad.
        length, width: m.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    out = np.empty((4, 2))
    for i in range(4):
        dx = 0.5 * length if i in (0, 3) else -0.5 * length
        dy = 0.5 * width if i in (0, 1) else -0.5 * width
        out[i, 0] = x + c * dx - s * dy
        out[i, 1] = y + s * dx + c * dy
    return out


@njit(cache=True)
def boxes_overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two oriented rectangles (5,) of x, y, yaw, length, width (m, rad) share area, by the separating-axis
    test."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    for k in range(4):
        yaw = a[2] if k < 2 else b[2]
        ux, uy = np.cos(yaw), np.sin(yaw)
        if k % 2 == 1:
            ux, uy = -uy, ux
        reach = 0.0
        for q in range(2):
            box = a if q == 0 else b
            c, s = np.cos(box[2]), np.sin(box[2])
            reach += 0.5 * box[3] * abs(c * ux + s * uy) + 0.5 * box[4] * abs(-s * ux + c * uy)
        if abs(dx * ux + dy * uy) >= reach:
            return False
    return True


@njit(cache=True)
def point_in_polygon(x: float, y: float, polygon: np.ndarray) -> bool:
    """Whether a point (m) lies inside a simple polygon (N, >=2), by crossing number."""
    inside = False
    j = polygon.shape[0] - 1
    for i in range(polygon.shape[0]):
        yi, yj = polygon[i, 1], polygon[j, 1]
        if (yi > y) != (yj > y):
            if x < (polygon[j, 0] - polygon[i, 0]) * (y - yi) / (yj - yi) + polygon[i, 0]:
                inside = not inside
        j = i
    return inside
