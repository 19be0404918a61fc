"""What an agent may do: each kind of action is a space, and what an action in it means for the vehicle."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, Space

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError
from uniscene_sim.layout import LayoutFrame

__all__ = ["ACTIONS", "ActionType", "ContinuousAction", "DiscreteAction", "WaypointAction", "action_type"]


class ActionType(ABC):
    space: Space[Any]

    @abstractmethod
    def control(self, action: np.ndarray, frame: LayoutFrame) -> Control | Trajectory:
        """What an action asks of the vehicle at a moment.

        Raises:
            InputError: it is not one of the space.
        """


class ContinuousAction(ActionType):
    """Steering (left positive) and acceleration in [-1, 1], of the vehicle's limits: 1 is full throttle, -1 full
    braking. What lies outside is clipped."""

    space = Box(-1.0, 1.0, (2,), np.float32)

    def control(self, action: np.ndarray, frame: LayoutFrame) -> Control:
        vehicle = frame.ego_vehicle
        steer, accel = _clipped(action, self.space)
        limit = vehicle.max_accel_mps2 if accel > 0.0 else vehicle.max_brake_mps2
        return Control(float(steer) * vehicle.max_steer_rad, float(accel) * limit)


class DiscreteAction(ActionType):
    """One of 5 x 3: steering by -0.2, -0.05, 0, 0.05 or 0.2 rad, fastest, and acceleration of -4, 0 or 2 m/s2."""

    STEER_RAD = (-0.2, -0.05, 0.0, 0.05, 0.2)
    ACCEL_MPS2 = (-4.0, 0.0, 2.0)
    space = Discrete(len(STEER_RAD) * len(ACCEL_MPS2))

    def control(self, action: np.ndarray, frame: LayoutFrame) -> Control:
        number = np.asarray(action)
        if number.size != 1 or number.dtype.kind not in "iu" or not self.space.contains(np.int64(number.item())):
            raise InputError(f"must be a whole number below {self.space.n}, got {action!r}", field="action")
        accel, steer = divmod(int(number.item()), len(self.STEER_RAD))
        return Control(self.STEER_RAD[steer], self.ACCEL_MPS2[accel])


class WaypointAction(ActionType):
    """Where base_link is to be in 0.5, 1, ... 3 s: x forward and y left in base_link now, in [-1, 1] each.

    Of a waypoint in t seconds x is (1 + a) / 2 of 30 t m, and y a times 5 t m; a = -1 in every x brings it to a stand.
    """

    TIMES_S = np.arange(1, 7) * 0.5
    FASTEST_MPS, ASIDE_MPS = 30.0, 5.0
    space = Box(-1.0, 1.0, (6, 2), np.float32)

    def control(self, action: np.ndarray, frame: LayoutFrame) -> Trajectory:
        share = _clipped(action, self.space)
        points = np.zeros((len(self.TIMES_S) + 1, 3))
        points[1:, 0] = 0.5 * (1.0 + share[:, 0]) * self.FASTEST_MPS * self.TIMES_S
        points[1:, 1] = share[:, 1] * self.ASIDE_MPS * self.TIMES_S
        places = frame.ego_pose.apply(points)
        return Trajectory(np.column_stack([[0.0, *self.TIMES_S], places[:, :2]]))


ACTIONS: dict[str, type[ActionType]] = {
    "continuous": ContinuousAction,
    "discrete": DiscreteAction,
    "waypoints": WaypointAction,
}


def action_type(name: str) -> ActionType:
    """The kind of action of a name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in ACTIONS:
        raise InputError(f"expected one of {', '.join(ACTIONS)}, got {name!r}", field="action")
    return ACTIONS[name]()


def _clipped(action: np.ndarray, space: Box) -> np.ndarray:
    values = np.asarray(action, np.float64)
    if values.shape != space.shape or not np.isfinite(values).all():
        raise InputError(f"must be {space.shape} finite numbers in [-1, 1], got {action!r}", field="action")
    return np.clip(values, -1.0, 1.0)
