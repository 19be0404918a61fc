"""Types of actions: each has a space and converts an action into a control."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box, Discrete

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.env.action_type import (
    ActionType,
    DirectAction,
    Intention,
    alternating,
    clipped_action,
    control_now,
    number_of,
)
from uniscene_sim.env.meta_actions import MetaAction
from uniscene_sim.errors import InputError, shown
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame

__all__ = [
    "ACTIONS",
    "ActionType",
    "ContinuousAction",
    "DiscreteAction",
    "Intention",
    "MetaAction",
    "ReversingAction",
    "WaypointAction",
    "action_type",
]

_JOINS_M = 6.0  # way on which what separates a body from its path falls to a third


class ContinuousAction(DirectAction):
    """Steering (left positive) and acceleration in [-1, 1], as shares of the vehicle's limits: 1 is full throttle, -1
    full braking. Values outside are clipped."""

    space = Box(-1.0, 1.0, (2,), np.float32)

    def control(self, action: np.ndarray, frame: LayoutFrame) -> Control:
        vehicle = frame.ego_vehicle
        steer, accel = clipped_action(action, self.space)
        limit = vehicle.max_accel_mps2 if accel > 0.0 else vehicle.max_brake_mps2
        return Control(float(steer) * vehicle.max_steer_rad, float(accel) * limit)

    def action_of(self, intention: Intention, frame: LayoutFrame) -> np.ndarray:
        """The same control, but for what lies beyond the vehicle's limits."""
        vehicle, control = frame.ego_vehicle, control_now(intention, frame)
        limit = vehicle.max_accel_mps2 if control.accel_mps2 > 0.0 else vehicle.max_brake_mps2
        share = np.array([control.steer_rad / vehicle.max_steer_rad, control.accel_mps2 / limit], np.float32)
        return share.clip(-1.0, 1.0)


class ReversingAction(DirectAction):
    """Steering (left positive) and acceleration in [-1, 1], as shares of the vehicle's limits, forwards and backwards:
    what is below 0 brakes, and drives backwards once the ego stands. Values outside are clipped."""

    space = Box(-1.0, 1.0, (2,), np.float32)

    def control(self, action: np.ndarray, frame: LayoutFrame) -> Control:
        steer, accel = clipped_action(action, self.space)
        vehicle = frame.ego_vehicle
        return Control(
            float(steer) * vehicle.max_steer_rad, abs(float(accel)) * vehicle.max_accel_mps2, bool(accel < 0)
        )

    def action_of(self, intention: Intention, frame: LayoutFrame) -> np.ndarray:
        """The same control, but for what lies beyond the vehicle's limits."""
        vehicle, control = frame.ego_vehicle, control_now(intention, frame)
        accel = -control.accel_mps2 if control.reverse else control.accel_mps2
        share = np.array([control.steer_rad / vehicle.max_steer_rad, accel / vehicle.max_accel_mps2], np.float32)
        return share.clip(-1.0, 1.0)


class DiscreteAction(DirectAction):
    """5 steering angles (-0.3, -0.05, 0, 0.05, 0.3 rad), the faster index, times 3 accelerations (-4, 0, 2 m/s2).

    The largest angles turn a sedan on 9 m, as junctions need.
    """

    STEER_RAD = (-0.3, -0.05, 0.0, 0.05, 0.3)
    ACCEL_MPS2 = (-4.0, 0.0, 2.0)
    space = Discrete(len(STEER_RAD) * len(ACCEL_MPS2))

    def control(self, action: np.ndarray, frame: LayoutFrame) -> Control:
        accel, steer = divmod(number_of(action, self.space), len(self.STEER_RAD))
        return Control(self.STEER_RAD[steer], self.ACCEL_MPS2[accel])

    def action_of(self, intention: Intention, frame: LayoutFrame) -> np.int64:
        """The nearest acceleration, and of the angles on either side of the wanted one now this and now that, so that
        their mean is the wanted one: the nearest would leave the lane in a bend. Time chooses, so that equal layouts
        give equal actions."""
        control = control_now(intention, frame)
        steer = alternating(self.STEER_RAD, control.steer_rad, frame.stamp_us)
        accel = int(np.argmin(np.abs(np.array(self.ACCEL_MPS2) - control.accel_mps2)))
        return np.int64(accel * len(self.STEER_RAD) + steer)


class WaypointAction(DirectAction):
    """Positions of base_link in 0.5, 1, ... 3 s, relative to the current base_link: x forward and y left, in [-1, 1].

    For a waypoint in t seconds, x stands for (1 + x) / 2 * 30 t m and y for y * 5 t m; x = -1 for all stops the ego.
    """

    TIMES_S = np.arange(1, 7) * 0.5
    FORWARD_MPS, LATERAL_MPS = 30.0, 5.0
    space = Box(-1.0, 1.0, (6, 2), np.float32)

    def control(self, action: np.ndarray, frame: LayoutFrame) -> Trajectory:
        share = clipped_action(action, self.space)
        points = np.zeros((len(self.TIMES_S) + 1, 3))
        points[1:, 0] = 0.5 * (1.0 + share[:, 0]) * self.FORWARD_MPS * self.TIMES_S
        points[1:, 1] = share[:, 1] * self.LATERAL_MPS * self.TIMES_S
        in_map = frame.ego_pose.apply(points)
        return Trajectory(np.column_stack([[0.0, *self.TIMES_S], in_map[:, :2]]))

    def action_of(self, intention: Intention, frame: LayoutFrame) -> np.ndarray:
        """Points on the way at the times that the acceleration gives, as if it stayed; points of a trajectory."""
        pose, control = frame.ego_pose, intention.control
        if isinstance(control, Trajectory):
            t, x, y = control.points.T
            points = np.column_stack([np.interp(self.TIMES_S, t, x), np.interp(self.TIMES_S, t, y)])
        else:
            speed = float(frame.ego_velocity @ pose.rotation[:, 0])
            braked = max(speed, 0.0) / max(-control.accel_mps2, 1e-9)  # it stands from then on
            t = np.minimum(self.TIMES_S, braked)
            points = _points_ahead(intention.path, pose, speed * t + 0.5 * control.accel_mps2 * t * t)
        c, s = np.cos(pose.yaw), np.sin(pose.yaw)
        dx, dy = points[:, 0] - pose.x, points[:, 1] - pose.y
        forward, left = (c * dx + s * dy) / self.TIMES_S, (c * dy - s * dx) / self.TIMES_S
        share = np.column_stack([2.0 * forward / self.FORWARD_MPS - 1.0, left / self.LATERAL_MPS])
        return share.clip(-1.0, 1.0).astype(np.float32)


ACTIONS: dict[str, type[ActionType]] = {
    "continuous": ContinuousAction,
    "discrete": DiscreteAction,
    "waypoints": WaypointAction,
    "meta": MetaAction,
    "reversing": ReversingAction,
}


def action_type(name: str) -> ActionType:
    """The action type with a name.

    Raises:
        InputError: an unknown name.
    """
    if not isinstance(name, str) or name not in ACTIONS:
        raise InputError(f"expected one of {', '.join(ACTIONS)}, got {shown(name)}", field="action")
    return ACTIONS[name]()


def _points_ahead(path: np.ndarray, pose: Pose, driven: np.ndarray) -> np.ndarray:
    """Points (K, 2), m, after some ways (K,), m, of a body that joins a path and goes on beyond its end straight on."""
    here = np.array([pose.x, pose.y])
    if len(path) < 2:
        straight: np.ndarray = here + driven[:, None] * (np.cos(pose.yaw), np.sin(pose.yaw))
        return straight
    steps = np.diff(path, axis=0)
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    s = np.r_[0.0, np.cumsum(lengths)]
    at = min(int(np.argmin(np.hypot(*(path - here).T))), len(steps) - 1)
    tangent = steps[at] / lengths[at]
    begin = s[at] + float((here - path[at]) @ tangent)
    reached = begin + driven
    on_path = np.column_stack([np.interp(reached, s, path[:, k]) for k in range(2)])
    beyond = np.maximum(reached - s[-1], 0.0)[:, None] * (steps[-1] / lengths[-1])
    aside = (here - path[at]) - (begin - s[at]) * tangent
    points: np.ndarray = on_path + beyond + np.exp(-driven / _JOINS_M)[:, None] * aside
    return points
