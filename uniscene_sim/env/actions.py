"""Types of actions: each has a space and converts an action into a control."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, Space

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.env.lane_keeping import LaneSides, lane_trajectory, lanes_kept
from uniscene_sim.env.progress import Progress
from uniscene_sim.errors import InputError, shown
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap

__all__ = [
    "ACTIONS",
    "ActionType",
    "Command",
    "ContinuousAction",
    "DiscreteAction",
    "LaneAim",
    "Meta",
    "MetaAction",
    "Situation",
    "WaypointAction",
    "action_type",
]


@dataclass(frozen=True)
class Situation:
    """A world as an action finds it.

    Args:
        frame: the current layout.
        progress: the ego's, along its route.
        map: the static map.
        step_s: how long the action lasts, s.
    """

    frame: LayoutFrame
    progress: Progress
    map: StaticMap
    step_s: float


@dataclass(frozen=True)
class Command:
    """What an action comes to: a control, and what its type keeps in mind until the next action of this world."""

    control: Control | Trajectory
    aim: Any = None


class ActionType(ABC):
    """A space of actions, and the control that an action stands for.

    What a type keeps in mind from action to action, its aim, is a value of its own, so that a world can be saved and
    many worlds can share the type; most types have none.
    """

    space: Space[Any]

    @abstractmethod
    def control(self, action: np.ndarray, frame: LayoutFrame) -> Control | Trajectory:
        """The control for an action, given the current layout.

        Raises:
            InputError: the action is not in the space.
        """

    def first_aim(self, situation: Situation) -> Any:
        """The aim with which an episode begins."""
        return None

    def command(self, action: np.ndarray, situation: Situation, aim: Any) -> Command:
        """The control for an action, and the aim from then on.

        Raises:
            InputError: the action is not in the space.
        """
        return Command(self.control(action, situation.frame))

    def mask(self, situation: Situation, aim: Any) -> np.ndarray | None:
        """Which actions can be taken now, int8 (n,); None of a type whose actions always can."""
        return None


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
        accel, steer = divmod(_number_of(action, self.space), len(self.STEER_RAD))
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


class Meta(IntEnum):
    """Actions of `MetaAction`, numbered as in highway-env."""

    LANE_LEFT = 0
    IDLE = 1
    LANE_RIGHT = 2
    FASTER = 3
    SLOWER = 4


@dataclass(frozen=True)
class LaneAim:
    """The lane and the speed that the driver below meta-actions keeps.

    Args:
        lanes_left: number of lanes to the left of the route's lane; negative: to the right.
        speed_mps: one of `MetaAction.SPEEDS_MPS`.
    """

    lanes_left: int
    speed_mps: float


class MetaAction(ActionType):
    """What to do next, as in highway-env: 0 LANE_LEFT, 1 IDLE, 2 LANE_RIGHT, 3 FASTER, 4 SLOWER.

    A built-in driver keeps the lane and a speed among 0, 3, ... 30 m/s, see `env.lane_keeping`; it heeds neither lights
    nor others. FASTER and SLOWER aim at the set point next to the present speed. What cannot be done, such as a change
    to a lane that is not there, is IDLE; `info["action_mask"]` says what can.
    """

    SPEEDS_MPS = np.arange(0.0, 31.0, 3.0)
    space = Discrete(len(Meta))

    def control(self, action: np.ndarray, frame: LayoutFrame) -> Control | Trajectory:
        raise NotImplementedError("it has an aim: call command()")

    def first_aim(self, situation: Situation) -> LaneAim:
        return LaneAim(0, float(self.SPEEDS_MPS[self._set_point(situation)]))

    def command(self, action: np.ndarray, situation: Situation, aim: LaneAim) -> Command:
        meta, progress = Meta(_number_of(action, self.space)), situation.progress
        if not self.mask(situation, aim)[meta]:
            meta = Meta.IDLE
        lanes, speed = aim.lanes_left + (meta == Meta.LANE_LEFT) - (meta == Meta.LANE_RIGHT), aim.speed_mps
        if meta in (Meta.FASTER, Meta.SLOWER):
            speed = float(self.SPEEDS_MPS[self._set_point(situation) + (1 if meta == Meta.FASTER else -1)])
        aim = LaneAim(self._kept(situation, lanes), speed)
        pose, ego = situation.frame.ego_pose, progress.bodies[0]
        along = ego["s"] - situation.frame.ego_vehicle.rear_axle_to_centre_m
        points = lane_trajectory(
            np.array([pose.x, pose.y, pose.yaw]), max(float(ego["speed"]), 0.0), progress.paths[0], progress.counts[0],
            along, aim.lanes_left, aim.speed_mps, situation.step_s + 2.0, LaneSides.of(situation.map),
        )  # fmt: skip
        return Command(Trajectory(points), aim)

    def mask(self, situation: Situation, aim: LaneAim) -> np.ndarray:
        here, speed = self._kept(situation, aim.lanes_left), self._set_point(situation)
        mask = np.ones(len(Meta), np.int8)
        mask[Meta.LANE_LEFT] = self._kept(situation, here + 1) == here + 1
        mask[Meta.LANE_RIGHT] = self._kept(situation, here - 1) == here - 1
        mask[Meta.FASTER], mask[Meta.SLOWER] = speed < len(self.SPEEDS_MPS) - 1, speed > 0
        return mask

    def _set_point(self, situation: Situation) -> int:
        """Index of the set point nearest to the present speed."""
        return int(np.abs(self.SPEEDS_MPS - situation.progress.motion[0]).argmin())

    def _kept(self, situation: Situation, lanes_left: int) -> int:
        progress, sides = situation.progress, LaneSides.of(situation.map)
        ego = progress.bodies[0]
        return int(lanes_kept(progress.paths[0], progress.counts[0], ego["s"], ego["speed"], lanes_left, sides))


ACTIONS: dict[str, type[ActionType]] = {
    "continuous": ContinuousAction,
    "discrete": DiscreteAction,
    "waypoints": WaypointAction,
    "meta": MetaAction,
}


def action_type(name: str) -> ActionType:
    """The action type with a name.

    Raises:
        InputError: an unknown name.
    """
    if not isinstance(name, str) or name not in ACTIONS:
        raise InputError(f"expected one of {', '.join(ACTIONS)}, got {shown(name)}", field="action")
    return ACTIONS[name]()


def _number_of(action: Any, space: Discrete) -> int:
    number = _as_array(action)
    if number.size != 1 or number.dtype.kind not in "iu" or not 0 <= number.item() < space.n:
        raise InputError(f"must be a whole number below {space.n}, got {shown(action)}", field="action")
    return int(number.item())


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
