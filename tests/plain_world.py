"""The ego's step and what it touches, plainly, one thing after the other: what `world.physics` is held to."""

from __future__ import annotations

from dataclasses import replace
from math import cos, sin, tan

import numpy as np

from uniscene_sim.geometry import box_corners, boxes_overlap, wrap_angle
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.ego import Control, EgoState, Trajectory, pure_pursuit, settle
from uniscene_sim.world.map import Surface

_SEAM_M = 0.1  # strips of adjoining roads may leave cracks up to this wide; a crack is not off the road


def step_ego(
    ego: EgoState, control: Control | Trajectory, vehicle: EgoVehicle, surface: Surface, dt: float
) -> EgoState:
    """One step of dt seconds, exact along the arc that a constant steering angle drives."""
    if isinstance(control, Trajectory):
        control = _follow(ego, control, vehicle)
    want_steer = min(max(control.steer_rad, -vehicle.max_steer_rad), vehicle.max_steer_rad)
    want_accel = min(max(control.accel_mps2, -vehicle.max_brake_mps2), vehicle.max_accel_mps2)
    rate = (want_steer - ego.steer) / max(vehicle.steer_lag_s, dt)
    steer = ego.steer + dt * min(max(rate, -vehicle.max_steer_rate_rad_s), vehicle.max_steer_rate_rad_s)
    accel = ego.accel + (want_accel - ego.accel) * min(dt / max(vehicle.accel_lag_s, dt), 1.0)
    # Braking ends at standstill; it never drives backwards.
    speed = min(max(ego.speed + accel * dt, 0.0), vehicle.max_speed_mps)
    distance = 0.5 * (ego.speed + speed) * dt
    turn = distance * tan(steer) / vehicle.wheelbase_m
    chord = distance * (sin(turn / 2) / (turn / 2) if abs(turn) > 1e-9 else 1.0)
    pose, yaw = ego.pose, ego.pose.yaw + turn
    x, y = pose.x + chord * cos(pose.yaw + turn / 2), pose.y + chord * sin(pose.yaw + turn / 2)
    pose = settle(x, y, pose.z, float(wrap_angle(yaw)), vehicle, surface)
    moved = 0.0 if speed == 0.0 and ego.speed == 0.0 else accel
    return EgoState(pose, speed, moved, steer, turn / dt)


def _follow(ego: EgoState, trajectory: Trajectory, vehicle: EgoVehicle) -> Control:
    t, x, y = trajectory.points.T
    horizon = min(max(0.5, 0.2 + 4.0 / max(ego.speed, 4.0)), max(float(t[-1]), 0.1))
    tx, ty = np.interp(horizon, t, x), np.interp(horizon, t, y)
    along = cos(ego.pose.yaw) * (tx - ego.pose.x) + sin(ego.pose.yaw) * (ty - ego.pose.y)
    accel = 2.0 * (along / horizon - ego.speed) / horizon
    target = replace(ego, speed=0.0)
    steer = pure_pursuit(target, np.array([[tx, ty]]), 0, vehicle) if along > 0.1 else 0.0
    return Control(steer, float(np.clip(accel, -vehicle.max_brake_mps2, vehicle.max_accel_mps2)))


def ego_box(ego: EgoState, vehicle: EgoVehicle) -> np.ndarray:
    """x, y, yaw, length, width of the ego's body."""
    c, s, forward = cos(ego.pose.yaw), sin(ego.pose.yaw), vehicle.rear_axle_to_centre_m
    return np.array(
        [ego.pose.x + c * forward, ego.pose.y + s * forward, ego.pose.yaw, vehicle.length_m, vehicle.width_m]
    )


def contacts_with_agents(ego: EgoState, vehicle: EgoVehicle, agents: np.ndarray) -> list[int]:
    """Ids of agents (N,) AGENT_DTYPE whose boxes overlap the ego's, in height too."""
    box = ego_box(ego, vehicle)
    reach = 0.5 * np.hypot(vehicle.length_m, vehicle.width_m) + 0.5 * np.hypot(
        agents["size"][:, 0], agents["size"][:, 1]
    )
    gap = np.hypot(agents["pos"][:, 0] - box[0], agents["pos"][:, 1] - box[1])
    level = (agents["pos"][:, 2] < ego.pose.z + vehicle.height_m) & (
        agents["pos"][:, 2] + agents["size"][:, 2] > ego.pose.z + 0.1
    )
    found = []
    for agent in agents[(gap < reach) & level & (agents["cls"] != AgentClass.SIGNAL_HEAD)]:
        other = np.array([*agent["pos"][:2], agent["rpy"][2], *agent["size"][:2]])
        if boxes_overlap(box, other):
            found.append(int(agent["id"]))
    return found


def off_road(ego: EgoState, vehicle: EgoVehicle, surface: Surface) -> bool:
    """Whether a corner of the ego's body is over no lane that cars may use."""
    corners = box_corners(*ego_box(ego, vehicle))
    return not on_road(surface, corners[:, 0], corners[:, 1], np.full(4, ego.pose.z)).all()


def on_road(surface: Surface, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Whether places (N,) lie on a lane that cars may use, or in a crack between two such lanes: bool (N,)."""
    on = surface.drivable(x, y, z)
    for k in np.flatnonzero(~on):
        around_x, around_y = x[k] + _SEAM_M * np.array([1, -1, 0, 0]), y[k] + _SEAM_M * np.array([0, 0, 1, -1])
        a, b, c, d = surface.drivable(around_x, around_y, np.full(4, z[k]))
        on[k] = (a and b) or (c and d)
    return on
