"""With whom the ego collides, and whose fault it is."""

from __future__ import annotations

from math import atan2, cos, pi, sin
from typing import NamedTuple

import numpy as np

from uniscene_sim.criteria.boxes import turn_between
from uniscene_sim.criteria.lane_under import lane_under
from uniscene_sim.geometry import box_corners, boxes_overlap
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass

__all__ = ["NO_PARTNERS", "Body", "Partners", "is_at_fault", "partner_of"]

_STANDS_MPS = 0.05  # nuPlan's
_BEHIND_RAD = pi * 5.0 / 6.0  # whoever is farther off the heading, seen from the rear axle, is behind


class Partners(NamedTuple):
    """Number of collisions by type of partner."""

    vehicle: int = 0
    pedestrian: int = 0
    cyclist: int = 0
    static: int = 0

    def plus(self, partner: str) -> Partners:
        return self._replace(**{partner: getattr(self, partner) + 1})


NO_PARTNERS = Partners()


class Body(NamedTuple):
    """A body that collides: its middle, m, heading, rad, size, m, and speed, m/s."""

    x: float
    y: float
    yaw: float
    length: float
    width: float
    speed: float


def partner_of(cls: int) -> str:
    """Type of partner, a field of `Partners`, of an AgentClass."""
    if cls == AgentClass.PEDESTRIAN:
        return "pedestrian"
    if cls == AgentClass.BICYCLE:
        return "cyclist"
    return "vehicle" if cls <= AgentClass.MOTORCYCLE else "static"


def is_at_fault(ego: Body, z: float, rear_axle_m: float, other: Body, static_map: StaticMap) -> bool:
    """Whether the ego could have prevented a collision, after nuPlan's at-fault collisions.

    One that stands is at no fault, and one that drives into somebody who stands is. Of two that move, whoever comes
    from behind is at fault, then the ego if its front touches the other one, and else, sideways, if it is not wholly on
    one lane.

    Args:
        ego: the ego where it touches the other.
        z: of the ground there, m.
        rear_axle_m: from the rear axle to the ego's middle, m.
        other: what it touches.
        static_map: the map.
    """
    if abs(ego.speed) <= _STANDS_MPS:
        return False
    if abs(other.speed) <= _STANDS_MPS:
        return True
    c, s = cos(ego.yaw), sin(ego.yaw)
    towards = atan2(other.y - ego.y + rear_axle_m * s, other.x - ego.x + rear_axle_m * c)
    if turn_between(towards, ego.yaw) > _BEHIND_RAD:
        return False
    front = np.array([ego.x + 0.5 * ego.length * c, ego.y + 0.5 * ego.length * s, ego.yaw, 1e-3, ego.width])
    if boxes_overlap(front, np.array(other[:5])):
        return True
    corners = box_corners(ego.x, ego.y, ego.yaw, ego.length, ego.width)
    under = [lane_under(static_map, x, y, z, ego.yaw) for x, y in corners.tolist()]
    return any(place is None for place in under) or len({place.lane.index for place in under if place}) > 1
