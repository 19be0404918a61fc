"""What viewers draw of a layout and a map: coloured boxes, borders of lanes, and where sensors are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.ros_conventions import optical_pose
from uniscene_sim.taxonomy import AgentClass

__all__ = ["Box", "agent_boxes", "ego_box", "lane_borders", "sensor_poses"]

#: Colours of agents, as nuScenes' tools paint them, and of the ego.
_PEOPLE, _BIKES, _CARS, _LARGE, _PROPS = (0.2, 0.5, 1.0), (0.9, 0.3, 0.3), (1.0, 0.62, 0.0), (1.0, 0.4, 0.0), (0.5,) * 3
_EGO = (0.2, 0.9, 0.3)
_COLOURS = {
    AgentClass.PEDESTRIAN: _PEOPLE,
    AgentClass.BICYCLE: _BIKES,
    AgentClass.MOTORCYCLE: _BIKES,
    AgentClass.CAR: _CARS,
    AgentClass.TRUCK: _LARGE,
    AgentClass.BUS: _LARGE,
}


@dataclass(frozen=True)
class Box:
    """A box in the map frame: its middle, its length, width and height in m, and its colour as red, green, blue."""

    centre: Pose
    size: tuple[float, float, float]
    colour: tuple[float, ...]


def agent_boxes(layout: LayoutFrame) -> Iterator[Box]:
    """The boxes of all agents; each stands on the pose of its footprint's centre."""
    for agent in layout.agents:
        length, width, height = agent["size"].tolist()
        centre = Pose(*agent["pos"].tolist(), *agent["rpy"].tolist()).compose(Pose(z=0.5 * height))
        yield Box(centre, (length, width, height), _COLOURS.get(AgentClass(int(agent["cls"])), _PROPS))


def ego_box(layout: LayoutFrame) -> Box:
    vehicle = layout.ego_vehicle
    centre = layout.ego_pose.compose(Pose(x=vehicle.rear_axle_to_centre_m, z=0.5 * vehicle.height_m))
    return Box(centre, (vehicle.length_m, vehicle.width_m, vehicle.height_m), _EGO)


def lane_borders(static_map: StaticMap) -> Iterator[np.ndarray]:
    """Left and right border (P, 3), m, of each lane."""
    for lane in static_map.lanes:
        across = 0.5 * lane.width[:, None] * np.stack([-np.sin(lane.heading), np.cos(lane.heading)], axis=1)
        for side in (1.0, -1.0):
            yield np.column_stack([lane.centre[:, :2] + side * across, lane.centre[:, 2]])


def sensor_poses(rig: SensorRig) -> dict[str, Pose]:
    """Where each sensor is in base_link, by name; cameras with optical axes."""
    cameras = {camera.name: optical_pose(camera.pose) for camera in rig.cameras}
    return cameras | {lidar.name: lidar.pose for lidar in rig.lidars}
