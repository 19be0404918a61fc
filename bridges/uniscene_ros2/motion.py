"""How a point fixed to the ego moves, from the poses of successive physics steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, cos, sin, sqrt

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.layout import PHYSICS_US, LayoutFrame

__all__ = ["BEFORE", "Motion", "motion_of"]

#: Earlier layouts that a motion is made of.
BEFORE = 3
_STEP_S = 1e-6 * PHYSICS_US
_BASE = Pose()
_Vector = tuple[float, float, float]
_Matrix = tuple[Sequence[float], Sequence[float], Sequence[float]]  # rows


@dataclass(frozen=True)
class Motion:
    """The motion of a frame fixed to the ego, in its own axes.

    What integrates the rates and accelerations of the steps gets back the orientations and velocities: they are the
    mean ones of the last step, as an inertial measurement unit's are of its sampling interval. In the first steps of a
    run, the ego is taken to have come with its speed, acceleration and yaw rate.
    """

    velocity: np.ndarray  # (3,) m/s, now
    rates: np.ndarray  # (3,) rad/s, in the last step
    acceleration: np.ndarray  # (3,) m/s2, in the last step, without gravity
    up: np.ndarray  # (3,) unit vector against gravity


def motion_of(frame: Pose, layouts: Sequence[LayoutFrame]) -> Motion:
    """The motion of a frame.

    Args:
        frame: pose_base_from_frame.
        layouts: up to `BEFORE` earlier ones, 10 ms apart, and the current one last.
    """
    poses = [layout.ego_pose for layout in layouts[-BEFORE - 1 :]]
    missing = BEFORE + 1 - len(poses)
    poses = [_pose_before(layouts[:2], _STEP_S * k) for k in range(missing, 0, -1)] + poses
    # In plain Python: numpy takes several times as long for three numbers, and this is done every 10 ms.
    turns = [_turn(pose) for pose in poses[-2:]]
    if frame == _BASE:
        places, (earlier, now) = [(pose.x, pose.y, pose.z) for pose in poses], turns
    else:
        lever, axes = (frame.x, frame.y, frame.z), _turn(frame)
        places = [_placed(lever, pose, _turn(pose)) for pose in poses]
        earlier, now = (_composed(turn, axes) for turn in turns)
    # Second-order differences, so that neither velocity lags by half a step.
    steps = list(zip(*places, strict=True))
    velocity = [(3 * last - 4 * third + second) / (2 * _STEP_S) for _, second, third, last in steps]
    before = [(3 * third - 4 * second + first) / (2 * _STEP_S) for first, second, third, _ in steps]
    gained = [(v - u) / _STEP_S for u, v in zip(before, velocity, strict=True)]
    rates = _rotation_vector(_composed(_inverse(earlier), now))
    return Motion(
        velocity=np.array(_seen_from(now, velocity)),
        rates=np.array([angle / _STEP_S for angle in rates]),
        acceleration=np.array(_seen_from(now, gained)),
        up=np.array(now[2]),
    )


def _pose_before(first: Sequence[LayoutFrame], seconds: float) -> Pose:
    """Where the ego was some time before the first layouts of a run."""
    pose, velocity = first[0].ego_pose, first[0].ego_velocity
    if len(first) > 1:  # the way of the first step tells more exactly
        step = first[1].ego_pose.position - pose.position
        velocity = step / _STEP_S - 0.5 * _STEP_S * _acceleration(first[1])
    x, y, z = pose.position - seconds * velocity + 0.5 * seconds**2 * _acceleration(first[0])
    return Pose(float(x), float(y), float(z), pose.roll, pose.pitch, pose.yaw - first[0].ego_yaw_rate * seconds)


def _acceleration(layout: LayoutFrame) -> np.ndarray:
    """Of base_link (3,), m/s2, by what the layout says of it: forward, and towards the centre of a turn."""
    forward, left = layout.ego_pose.rotation[:, 0], layout.ego_pose.rotation[:, 1]
    out: np.ndarray = layout.ego_accel * forward + float(layout.ego_velocity @ forward) * layout.ego_yaw_rate * left
    return out


def _turn(pose: Pose) -> _Matrix:
    """The rotation of a pose, as `Pose.rotation`."""
    cr, sr, cp, sp = cos(pose.roll), sin(pose.roll), cos(pose.pitch), sin(pose.pitch)
    cy, sy = cos(pose.yaw), sin(pose.yaw)
    return (
        (cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr),
        (sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr),
        (-sp, cp * sr, cp * cr),
    )


def _placed(point: _Vector, pose: Pose, turn: _Matrix) -> _Vector:
    x, y, z = (a * point[0] + b * point[1] + c * point[2] for a, b, c in turn)
    return pose.x + x, pose.y + y, pose.z + z


def _seen_from(turn: _Matrix, vector: Sequence[float]) -> list[float]:
    x, y, z = vector
    return [a * x + b * y + c * z for a, b, c in zip(*turn, strict=True)]


def _composed(first: _Matrix, second: _Matrix) -> _Matrix:
    columns = list(zip(*second, strict=True))
    rows = [[a * x + b * y + c * z for x, y, z in columns] for a, b, c in first]
    return rows[0], rows[1], rows[2]


def _inverse(turn: _Matrix) -> _Matrix:
    x, y, z = zip(*turn, strict=True)
    return x, y, z


def _rotation_vector(m: _Matrix) -> _Vector:
    """Axis times angle, rad, of a rotation by less than half a turn."""
    x, y, z = 0.5 * (m[2][1] - m[1][2]), 0.5 * (m[0][2] - m[2][0]), 0.5 * (m[1][0] - m[0][1])
    sine = sqrt(x * x + y * y + z * z)
    scale = atan2(sine, 0.5 * (m[0][0] + m[1][1] + m[2][2] - 1.0)) / sine if sine > 1e-12 else 1.0
    return x * scale, y * scale, z * scale
