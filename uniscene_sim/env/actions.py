"""Types of actions: each has a space and converts an action into a control."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, Space

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError, shown
from uniscene_sim.layout import LayoutFrame

__all__ = ["ACTIONS", "ActionType", "ContinuousAction", "DiscreteAction", "WaypointAction", "action_type"]


class ActionType(ABC):
    """A space of actions, and the control that an action stands for."""

    space: Space[Any]

    @abstractmethod
    def control(self, action: np.ndarray, frame: LayoutFrame) -> Control | Trajectory:
        """The control for an action, given the current layout.

        Raises:
            InputError: the action is not in the space.
        """


class ContinuousAction(ActionType):
    """Steering (left positive) and acceleration in [-1, 1], as shares of the vehicle's limits: 1 is full throttle, -1
    full braking. Values outside are clipped."""

    space = Box(-1.0, 1.0, (2,), np.float32)

    def control(self, action: np.ndarray, frame: LayoutFrame) -> Control:
        vehicle = frame.ego_vehicle
        steer, accel = _clipped(action, self.space)
        limit = vehicle.max_accel_mps2 if accel > 0.0 else vehicle.max_brake_mps2
        return Control(float(steer) * vehicle.max_steer_rad, float(accel) * limit)


class DiscreteAction(ActionType):
    """5 steering angles (-0.2, -0.05, 0, 0.05, 0.2 rad), the faster index, times 3 accelerations (-4, 0, 2 m/s2)."""

    STEER_RAD = (-0.2, -0.05, 0.0, 0.05, 0.2)
    ACCEL_MPS2 = (-4.0, 0.0, 2.0)
    space = Discrete(len(STEER_RAD) * len(ACCEL_MPS2))

    def control(self, action: np.ndarray, frame: LayoutFrame) -> Control:
        number = _as_array(action)
        if number.size != 1 or number.dtype.kind not in "iu" or not 0 <= number.item() < self.space.n:
            raise InputError(f"must be a whole number below {self.space.n}, got {shown(action)}", field="action")
        accel, steer = divmod(int(number.item()), len(self.STEER_RAD))
        return Control(self.STEER_RAD[steer], self.ACCEL_MPS2[accel])


class WaypointAction(ActionType):
    """Positions of base_link in 0.5, 1, ... 3 s, relative to the current base_link: x forward and y left, in [-1, 1].

    For a waypoint in t seconds, x stands for (1 + x) / 2 * 30 t m and y for y * 5 t m; x = -1 for all stops the ego.
    """

    TIMES_S = np.arange(1, 7) * 0.5
    FORWARD_MPS, LATERAL_MPS = 30.0, 5.0
    space = Box(-1.0, 1.0, (6, 2), np.float32)

    def control(self, action: np.ndarray, frame: LayoutFrame) -> Trajectory:
        share = _clipped(action, self.space)
        points = np.zeros((len(self.TIMES_S) + 1, 3))
        points[1:, 0] = 0.5 * (1.0 + share[:, 0]) * self.FORWARD_MPS * self.TIMES_S
        points[1:, 1] = share[:, 1] * self.LATERAL_MPS * self.TIMES_S
        in_map = frame.ego_pose.apply(points)
        return Trajectory(np.column_stack([[0.0, *self.TIMES_S], in_map[:, :2]]))


ACTIONS: dict[str, type[ActionType]] = {
    "continuous": ContinuousAction,
    "discrete": DiscreteAction,
    "waypoints": WaypointAction,
}


def action_type(name: str) -> ActionType:
    """The action type with a name.

    Raises:
        InputError: an unknown name.
    """
    if not isinstance(name, str) or name not in ACTIONS:
        raise InputError(f"expected one of {', '.join(ACTIONS)}, got {shown(name)}", field="action")
    return ACTIONS[name]()


def _clipped(action: np.ndarray, space: Box) -> np.ndarray:
    values = _as_array(action, np.float64)
    if values.shape != space.shape or not np.isfinite(values).all():
        raise InputError(f"must be {space.shape} finite numbers in [-1, 1], got {shown(action)}", field="action")
    clipped: np.ndarray = np.clip(values, -1.0, 1.0)
    return clipped


def _as_array(action: Any, dtype: Any = None) -> np.ndarray:
    """An action as an array; one that fits no space if it is none."""
    try:
        array: np.ndarray = np.asarray(action, dtype)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    return array
