"""What the ego touches: agents and placed objects by exact boxes, generated voxels by samples, the road by polygons."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import cos, sin

import numpy as np

from uniscene_sim.geometry import box_corners, boxes_overlap
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.ego import EgoState
from uniscene_sim.world.map import Surface

__all__ = ["contacts_with_agents", "ego_box", "off_road", "on_road", "touches_voxels"]

_SEAM_M = 0.1  # strips of adjoining roads may leave cracks up to this wide; a crack is not off the road


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


def touches_voxels(ego: EgoState, vehicle: EgoVehicle, solid: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Whether generated voxels reach into the ego's body; `solid` maps points (N, 3) to bool (N,)."""
    x, y, yaw, length, width = ego_box(ego, vehicle)
    c, s = cos(yaw), sin(yaw)
    turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    points = _body_points(length, width, vehicle.height_m) @ turn + np.array([x, y, ego.pose.z])
    return bool(solid(points).any())


@cache
def _body_points(length: float, width: float, height: float) -> np.ndarray:
    """Points (N, 3) all over a body, m, from the middle of its foot."""
    u, v = np.linspace(-0.5 * length, 0.5 * length, 12), np.linspace(-0.5 * width, 0.5 * width, 6)
    return np.stack(np.meshgrid(u, v, np.linspace(0.4, height, 4), indexing="ij"), axis=-1).reshape(-1, 3)
