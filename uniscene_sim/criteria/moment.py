"""What a measure sees: a layout, its map, and the ego as it was at the moment before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import cos, sin
from typing import NamedTuple

import numpy as np

from uniscene_sim.criteria.lane_under import LanePlace, lane_under
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass

__all__ = ["LEVEL_M", "Ego", "Moment"]

#: Bodies whose feet are farther apart in height are on different levels of the road.
LEVEL_M = 3.0


class Ego(NamedTuple):
    """The ego at a moment; x, y are the middle of its body, m, in the map frame, and its speed is positive forward."""

    time_us: int
    x: float
    y: float
    z: float
    yaw: float
    length: float
    width: float
    speed: float
    accel: float
    yaw_rate: float

    @classmethod
    def of(cls, layout: LayoutFrame) -> Ego:
        pose, vehicle = layout.ego_pose, layout.ego_vehicle
        forward = vehicle.rear_axle_to_centre_m
        return cls(
            layout.stamp_us, pose.x + forward * cos(pose.yaw), pose.y + forward * sin(pose.yaw), pose.z, pose.yaw,
            vehicle.length_m, vehicle.width_m, float(layout.ego_velocity @ pose.rotation[:, 0]), layout.ego_accel,
            layout.ego_yaw_rate,
        )  # fmt: skip

    @property
    def box(self) -> np.ndarray:
        """(6,) x, y, yaw, length, width, z."""
        return np.array([self.x, self.y, self.yaw, self.length, self.width, self.z])

    @property
    def front(self) -> tuple[float, float]:
        """The middle of its front, m."""
        return self.x + 0.5 * self.length * cos(self.yaw), self.y + 0.5 * self.length * sin(self.yaw)


@dataclass(frozen=True)
class Moment:
    """A moment of a drive.

    Attributes:
        wanted_accel_mps2: that the rule-keeping driver would choose in the ego's place; None where nobody knows.
        before: the ego at the moment before; None at the first one.
    """

    layout: LayoutFrame
    map: StaticMap
    wanted_accel_mps2: float | None = None
    before: Ego | None = None

    @cached_property
    def ego(self) -> Ego:
        return Ego.of(self.layout)

    @property
    def dt_s(self) -> float:
        """Since the moment before, s; 0 at the first one."""
        return 0.0 if self.before is None else (self.ego.time_us - self.before.time_us) / 1e6

    @cached_property
    def lane(self) -> LanePlace | None:
        """The lane for driving that the ego's middle lies on."""
        ego = self.ego
        return lane_under(self.map, ego.x, ego.y, ego.z, ego.yaw)

    @cached_property
    def users(self) -> np.ndarray:
        """(N,) AGENT_DTYPE: the road users beside the ego, vehicles that stand included."""
        agents = self.layout.agents
        found: np.ndarray = agents[agents["cls"] <= AgentClass.PEDESTRIAN]
        return found

    @cached_property
    def user_boxes(self) -> np.ndarray:
        """(N, 6) x, y, yaw, length, width, z of `users`."""
        users = self.users
        return np.column_stack([users["pos"][:, :2], users["rpy"][:, 2], users["size"][:, :2], users["pos"][:, 2]])
