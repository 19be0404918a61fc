"""Meta-actions, as in highway-env: what to do next, for a built-in driver that keeps its lane and speed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from gymnasium.spaces import Discrete

from uniscene_sim.control import Trajectory
from uniscene_sim.env.action_type import ActionType, Command, Intention, Situation, alternating, control_now, number_of
from uniscene_sim.env.lane_keeping import ACCEL_MPS2, BRAKE_MPS2, LaneSides, lane_trajectory, lanes_kept
from uniscene_sim.layout import LayoutFrame

__all__ = ["LaneAim", "Meta", "MetaAction"]


class Meta(IntEnum):
    """Actions of `MetaAction`, numbered as in highway-env."""

    LANE_LEFT = 0
    IDLE = 1
    LANE_RIGHT = 2
    FASTER = 3
    SLOWER = 4


_BY_ACCEL = (Meta.SLOWER, Meta.IDLE, Meta.FASTER)


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

    def first_aim(self, situation: Situation) -> LaneAim:
        return LaneAim(0, float(self.SPEEDS_MPS[self._set_point(situation)]))

    def command(self, action: np.ndarray, situation: Situation, aim: LaneAim) -> Command:
        meta, progress = Meta(number_of(action, self.space)), situation.progress
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

    def action_of(self, intention: Intention, frame: LayoutFrame) -> np.int64:
        """SLOWER, IDLE or FASTER, so that their mean acceleration is the wanted one."""
        wanted = control_now(intention, frame).accel_mps2
        return np.int64(_BY_ACCEL[alternating((-BRAKE_MPS2, 0.0, ACCEL_MPS2), wanted, frame.stamp_us)])

    def _set_point(self, situation: Situation) -> int:
        """Index of the set point nearest to the present speed."""
        return int(np.abs(self.SPEEDS_MPS - situation.progress.motion[0]).argmin())

    def _kept(self, situation: Situation, lanes_left: int) -> int:
        progress, sides = situation.progress, LaneSides.of(situation.map)
        ego = progress.bodies[0]
        return int(lanes_kept(progress.paths[0], progress.counts[0], ego["s"], ego["speed"], lanes_left, sides))
