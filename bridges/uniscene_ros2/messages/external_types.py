"""Messages of Autoware, CARLA and vision_msgs, written after their definitions; used if their packages are installed.

Functions get the message's class, since nothing here may import a package that may be missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from std_msgs.msg import Header

from uniscene_ros2.messages.ego_state import speed_mps
from uniscene_ros2.messages.stamps import write_pose, write_rotation, write_xyz
from uniscene_ros2.messages.surroundings import box_pose, objects_near
from uniscene_sim.layout import LayoutFrame, SignalState
from uniscene_sim.taxonomy import AgentClass

__all__ = [
    "carla_objects",
    "carla_status",
    "control_mode",
    "detections",
    "gear",
    "steering_report",
    "traffic_lights",
    "velocity_report",
]

_AUTONOMOUS, _DRIVE = 1, 2
#: autoware_perception_msgs/TrafficLightElement: RED 1, AMBER 2, GREEN 3; CIRCLE 1; SOLID_ON 2, SOLID_OFF 1.
_COLOURS = {SignalState.RED: 1, SignalState.YELLOW: 2, SignalState.GREEN: 3}
#: derived_object_msgs/Object classifications.
_DERIVED = {
    AgentClass.CAR: 6,
    AgentClass.TRUCK: 7,
    AgentClass.CONSTRUCTION_VEHICLE: 7,
    AgentClass.BUS: 7,
    AgentClass.TRAILER: 7,
    AgentClass.MOTORCYCLE: 8,
    AgentClass.BICYCLE: 5,
    AgentClass.PEDESTRIAN: 4,
    AgentClass.BARRIER: 10,
    AgentClass.TRAFFIC_CONE: 10,
}


def velocity_report(kind: Any, layout: LayoutFrame, header: Header) -> Any:
    """autoware_vehicle_msgs/VelocityReport."""
    return kind(header=header, longitudinal_velocity=speed_mps(layout), heading_rate=float(layout.ego_yaw_rate))


def steering_report(kind: Any, layout: LayoutFrame, header: Header) -> Any:
    """autoware_vehicle_msgs/SteeringReport."""
    return kind(stamp=header.stamp, steering_tire_angle=float(layout.ego_steer))


def control_mode(kind: Any, layout: LayoutFrame, header: Header) -> Any:
    """autoware_vehicle_msgs/ControlModeReport."""
    return kind(stamp=header.stamp, mode=_AUTONOMOUS)


def gear(kind: Any, layout: LayoutFrame, header: Header) -> Any:
    """autoware_vehicle_msgs/GearReport."""
    return kind(stamp=header.stamp, report=_DRIVE)


def traffic_lights(kind: Any, layout: LayoutFrame, header: Header) -> Any:
    """autoware_perception_msgs/TrafficLightGroupArray; a group's id is the index of the map's signal."""
    messages = import_module("autoware_perception_msgs.msg")
    groups = []
    for index, state in enumerate(layout.signals.tolist()):
        lamp = messages.TrafficLightElement(
            color=_COLOURS.get(state, 0), shape=1, status=2 if state in _COLOURS else 1, confidence=1.0
        )
        groups.append(messages.TrafficLightGroup(traffic_light_group_id=index, elements=[lamp]))
    return kind(stamp=header.stamp, traffic_light_groups=groups)


def carla_status(kind: Any, layout: LayoutFrame, header: Header) -> Any:
    """carla_msgs/CarlaEgoVehicleStatus; steering is a share of the largest angle, positive to the right."""
    out = kind(header=header, velocity=speed_mps(layout))
    write_rotation(out.orientation, layout.ego_pose)
    out.acceleration.linear.x = float(layout.ego_accel)
    vehicle, control = layout.ego_vehicle, out.control
    control.header, control.gear = header, 1
    control.throttle = max(float(layout.ego_accel), 0.0) / vehicle.max_accel_mps2
    control.brake = max(-float(layout.ego_accel), 0.0) / vehicle.max_brake_mps2
    control.steer = -float(layout.ego_steer) / vehicle.max_steer_rad
    return out


def carla_objects(kind: Any, layout: LayoutFrame, header: Header) -> Any:
    """derived_object_msgs/ObjectArray."""
    object_type = import_module("derived_object_msgs.msg").Object
    box = import_module("shape_msgs.msg").SolidPrimitive
    out = kind(header=header)
    for agent in objects_near(layout):
        item = object_type(header=header, id=int(agent["id"]), object_classified=True)
        write_pose(item.pose, box_pose(agent))
        item.shape = box(type=box.BOX, dimensions=agent["size"].tolist())
        item.classification = _DERIVED[AgentClass(agent["cls"])]
        write_xyz(item.twist.linear, *agent["vel"])
        out.objects.append(item)
    return out


def detections(kind: Any, layout: LayoutFrame, header: Header) -> Any:
    """vision_msgs/Detection3DArray."""
    messages = import_module("vision_msgs.msg")
    out = kind(header=header)
    for agent in objects_near(layout):
        item = messages.Detection3D(header=header, id=str(agent["id"]))
        write_pose(item.bbox.center, box_pose(agent))
        write_xyz(item.bbox.size, *agent["size"])
        hypothesis = messages.ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = AgentClass(agent["cls"]).name.lower(), 1.0
        item.results.append(hypothesis)
        out.detections.append(item)
    return out
