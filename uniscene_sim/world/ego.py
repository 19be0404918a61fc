"""The ego: what drives it and how it stands; `world.physics` moves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, cos, hypot, isfinite, sin

import numpy as np

from uniscene_sim.compute.rounding import fixed
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose, wrap_angle
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.maps.static_map import Surface

__all__ = ["Control", "EgoState", "Trajectory", "pose_on_ground", "pure_pursuit", "remaining_trajectory"]

_STAND_S = 5.0


@dataclass(frozen=True)
class Control:
    """Front-wheel angle (rad, left positive) and acceleration (m/s2); clipped to the vehicle's limits.

    Raises:
        InputError: NaN, infinite, or absurdly large (over 10 rad or 1,000 m/s2), which is a unit mistake.
    """

    steer_rad: float = 0.0
    accel_mps2: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (("steer_rad", 10.0), ("accel_mps2", 1000.0)):
            value = getattr(self, name)
            if not isfinite(value) or abs(value) > most:
                raise InputError(f"must be a finite number within +-{most:g}, got {value}", field=f"control.{name}")


@dataclass(frozen=True)
class Trajectory:
    """Points (N, 3) of t (s from now), x, y (m, map frame) to be driven; t rises."""

    points: np.ndarray

    def __post_init__(self) -> None:
        points = np.asarray(self.points, float)
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2 or not np.isfinite(points).all():
            raise InputError("must be finite rows of t, x, y, at least two", field="control.trajectory")
        if (np.diff(points[:, 0]) <= 0).any() or np.abs(points[:, 1:]).max() > 1e6:
            raise InputError("times must rise and places lie within 1,000 km", field="control.trajectory")
        object.__setattr__(self, "points", points)

    def later(self, seconds: float) -> Trajectory:
        """The same trajectory as of so many seconds from now."""
        return Trajectory(self.points - np.array([seconds, 0.0, 0.0]))


def remaining_trajectory(rows: Sequence[tuple[float, float, float]], now_s: float) -> Trajectory:
    """What is left of a trajectory (t s, x m, y m) at a time; at its end it stands."""
    t, x, y = np.array(rows).T
    ahead = np.flatnonzero(t - now_s > 1e-6)
    here = [0.0, np.interp(now_s, t, x), np.interp(now_s, t, y)]
    end = [max(t[-1] - now_s, 0.0) + _STAND_S, x[-1], y[-1]]
    return Trajectory(np.vstack([here, np.column_stack([t - now_s, x, y])[ahead], end]))


@dataclass(frozen=True)
class EgoState:
    """`pose` is base_link in the map frame; speed along its x axis, m/s."""

    pose: Pose
    speed: float = 0.0
    accel: float = 0.0
    steer: float = 0.0
    yaw_rate: float = 0.0


def pose_on_ground(x: float, y: float, z_hint: float, yaw: float, vehicle: EgoVehicle, surface: Surface) -> Pose:
    """Pose of base_link on the ground: height at the rear axle, pitch and roll from the wheels' contact."""
    c, s, base, half = cos(yaw), sin(yaw), vehicle.wheelbase_m, 0.5 * vehicle.width_m
    xs = np.array([x, x + base * c, x - half * s, x + half * s])
    ys = np.array([y, y + base * s, y + half * c, y - half * c])
    z = surface.height(xs, ys, np.full(4, z_hint))
    pitch, roll = -atan2(z[1] - z[0], base), atan2(z[2] - z[3], 2 * half)
    return Pose(*fixed(np.array([x, y, z[0], roll, pitch, yaw])).tolist())


def pure_pursuit(ego: EgoState, path: np.ndarray, at: int, vehicle: EgoVehicle) -> float:
    """Steering angle towards a point ahead on a path (R, >=2) with a point each metre, `at` the nearest one."""
    ahead = path[min(at + round(4.0 + 0.7 * ego.speed), len(path) - 1)]
    dx, dy = ahead[0] - ego.pose.x, ahead[1] - ego.pose.y
    reach = max(hypot(dx, dy), 1.0)
    alpha = float(wrap_angle(atan2(dy, dx) - ego.pose.yaw))
    return atan2(2 * vehicle.wheelbase_m * sin(alpha), reach)
