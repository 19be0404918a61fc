"""The ego: its state, and how a path is followed; `world.physics` moves it.

On roads that bend gently it steers by pure pursuit. That cuts sharp bends, and swings wide where they end, so there it
steers by the law of Stanley (Hoffmann et al. 2007, "Autonomous automobile trajectory tracking for off-road driving",
section III): wheels along the path, and towards it by the distance from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, cos, hypot, sin, tan

import numpy as np

from uniscene_sim.compute.rounding import fixed
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.geometry import Pose, wrap_angle
from uniscene_sim.layout import EgoVehicle, LayoutFrame
from uniscene_sim.maps.static_map import Surface
from uniscene_sim.world.path_columns import YAW, X, Y
from uniscene_sim.world.physics import VehicleParameters, track_trajectory

__all__ = ["EgoState", "follow_trajectory", "pose_on_ground", "pure_pursuit", "remaining_trajectory", "steer_along"]

_STAND_S = 5.0
_AHEAD_S = 10.0
_GENTLE_RAD, _SHARP_RAD = 0.25, 0.5  # a bend within reach below the one is gentle, above the other sharp
_GUIDED_SHARE = 0.8  # of the wheelbase: where the path leads a car, so that it needs the least room in bends
_WHEELS_S = 0.2  # until wheels have turned
_TOWARDS_PER_S = 1.5  # speed towards the path for each metre beside it
_CRAWL_MPS = 2.0


def remaining_trajectory(rows: Sequence[tuple[float, float, float]] | np.ndarray, now_s: float) -> Trajectory:
    """The next ten seconds of a trajectory (t s, x m, y m); it ends with some seconds at its last point."""
    t, x, y = np.asarray(rows, float).T
    begin, end = np.searchsorted(t, (now_s + 1e-6, now_s + _AHEAD_S), side="right")
    ahead = slice(begin, end + 1)
    here = [0.0, np.interp(now_s, t, x), np.interp(now_s, t, y)]
    points = np.vstack([here, np.column_stack([t[ahead] - now_s, x[ahead], y[ahead]])])
    if end >= len(t):
        points = np.vstack([points, [max(t[-1] - now_s, 0.0) + _STAND_S, x[-1], y[-1]]])
    return Trajectory(points)


@dataclass(frozen=True)
class EgoState:
    """`pose` is base_link in the map frame; speed along its x axis, m/s."""

    pose: Pose
    speed: float = 0.0
    accel: float = 0.0
    steer: float = 0.0
    yaw_rate: float = 0.0


def pose_on_ground(x: float, y: float, z_hint: float, yaw: float, vehicle: EgoVehicle, surface: Surface) -> Pose:
    """Pose of base_link on the ground: height at the rear axle, pitch and roll from the wheels' contact.

    Args:
        x, y: of the rear axle, m.
        z_hint: about how high the ground is, m: it picks the road where one leads over another.
        yaw: rad.
        vehicle: whose wheelbase and width count.
        surface: the ground.
    """
    c, s, base, half = cos(yaw), sin(yaw), vehicle.wheelbase_m, 0.5 * vehicle.width_m
    xs = np.array([x, x + base * c, x - half * s, x + half * s])
    ys = np.array([y, y + base * s, y + half * c, y - half * c])
    z = surface.height(xs, ys, np.full(4, z_hint))
    pitch, roll = -atan2(z[1] - z[0], base), atan2(z[2] - z[3], 2 * half)
    return Pose(*fixed(np.array([x, y, z[0], roll, pitch, yaw])).tolist())


def pure_pursuit(ego: EgoState, path: np.ndarray, at: int, vehicle: EgoVehicle) -> float:
    """Front-wheel angle, rad, towards a point ahead on a path.

    Args:
        ego: now.
        path: (R, >=2) x, y, a point each metre; it goes straight on beyond its ends.
        at: the point nearest to the ego, below 0 before the path and R or more past it.
        vehicle: whose wheelbase counts.
    """
    x, y = _place_on(path, at + _reach_m(ego))
    dx, dy = x - ego.pose.x, y - ego.pose.y
    reach = max(hypot(dx, dy), 1.0)
    alpha = float(wrap_angle(atan2(dy, dx) - ego.pose.yaw))
    return atan2(2 * vehicle.wheelbase_m * sin(alpha), reach)


def steer_along(ego: EgoState, path: np.ndarray, at: int, vehicle: EgoVehicle) -> float:
    """Front-wheel angle, rad, that follows a path: `pure_pursuit`, but for sharp bends.

    Args:
        ego: now.
        path: (R, 10), see `world.path_columns`; it goes straight on beyond its ends.
        at: the point nearest to the ego, below 0 before the path and R or more past it.
        vehicle: whose wheelbase counts.
    """
    low, high = min(max(at - 3, 0), len(path) - 1), max(at + _reach_m(ego) + 1, 1)
    bend = float(np.ptp(path[low:high, YAW]))
    share = min(max((bend - _GENTLE_RAD) / (_SHARP_RAD - _GENTLE_RAD), 0.0), 1.0)
    gentle = pure_pursuit(ego, path, at, vehicle)
    return gentle if share == 0.0 else (1.0 - share) * gentle + share * _stanley(ego, path, at, vehicle)


def _reach_m(ego: EgoState) -> int:
    return round(4.0 + 0.7 * ego.speed)


def _place_on(path: np.ndarray, k: int) -> np.ndarray:
    """x and y, m, of point `k` of a path (R, >=2), which goes straight on beyond its ends."""
    on = min(max(k, 0), len(path) - 1)
    before, after = (max(on - 1, 0), on) if k > on else (on, min(on + 1, len(path) - 1))
    place: np.ndarray = path[on, :2] + (k - on) * (path[after, :2] - path[before, :2])
    return place


def _stanley(ego: EgoState, path: np.ndarray, at: int, vehicle: EgoVehicle) -> float:
    """Front-wheel angle, rad, that leads a point between the axles along a path, from where it will be once the wheels
    have turned."""
    base, guided = vehicle.wheelbase_m, _GUIDED_SHARE * vehicle.wheelbase_m
    way = ego.speed * _WHEELS_S
    turn = way * tan(ego.steer) / base
    yaw, between = ego.pose.yaw + turn, ego.pose.yaw + 0.5 * turn
    x = ego.pose.x + way * cos(between) + guided * cos(yaw)
    y = ego.pose.y + way * sin(between) + guided * sin(yaw)
    low = max(at - 3, 0)
    near = path[low : max(at, 0) + 12]
    k = low + int(np.argmin(np.hypot(near[:, X] - x, near[:, Y] - y)))
    along = cos(path[k, YAW]) * (x - path[k, X]) + sin(path[k, YAW]) * (y - path[k, Y])
    following = path[min(max(k + (1 if along > 0.0 else -1), 0), len(path) - 1)]
    on_x, on_y, on_yaw = path[k, [X, Y, YAW]] + min(abs(along), 1.0) * (following - path[k])[[X, Y, YAW]]
    left = cos(on_yaw) * (y - on_y) - sin(on_yaw) * (x - on_x)
    heading = float(wrap_angle(on_yaw - yaw)) - atan2(_TOWARDS_PER_S * left, max(ego.speed, _CRAWL_MPS))
    return atan2(base * tan(min(max(heading, -1.2), 1.2)), guided)


def follow_trajectory(trajectory: Trajectory, layout: LayoutFrame, driven_s: float = 0.0) -> Control:
    """The control that `world.physics` would give along a trajectory.

    Args:
        trajectory: the way, with times since it was given.
        layout: where the ego is.
        driven_s: seconds of the trajectory that are over.
    """
    pose = layout.ego_pose
    speed = float(layout.ego_velocity @ pose.rotation[:, 0])
    ego = np.array([pose.x, pose.y, pose.z, pose.roll, pose.pitch, pose.yaw, speed, layout.ego_accel,
                    layout.ego_steer, layout.ego_yaw_rate])  # fmt: skip
    steer, accel = track_trajectory(ego, trajectory.points, driven_s, VehicleParameters.of(layout.ego_vehicle))
    return Control(float(steer), float(accel))
