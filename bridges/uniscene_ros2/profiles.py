"""Profiles: names of topics and frames that existing stacks use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from uniscene_sim.rigs.ros_conventions import OPTICAL_FRAME, TOPICS, plain

__all__ = ["PROFILES", "Profile", "fill_name"]


@dataclass(frozen=True)
class Profile:
    """Topic names by content; {role}, {sensor} and {place} (LIDAR_TOP: top) are filled in. A topic that a profile does
    not name is not published."""

    topics: Mapping[str, str]
    clouds: Mapping[str, str]  # topic -> layout, "" for the one that the parameter `cloud_layout` names
    map: str = "map"
    odom: str = "odom"
    base: str = "base_link"
    camera: str = OPTICAL_FRAME
    lidar: str = "{sensor}"
    imu: str = "imu_link"
    gnss: str = "gnss_link"
    odometry_in: str = "odom"  # frame of odometry
    fixed: Mapping[str, str] = field(default_factory=dict)  # the rest of the tree, child -> parent, all identity
    reliability: str = "best_effort"  # of sensors and the clock, or "reliable"
    latched: frozenset[str] = frozenset()  # topics of every tick whose last message late subscribers get

    def topic(self, what: str, role: str, sensor: str = "") -> str | None:
        name = self.topics.get(what)
        return None if name is None else fill_name(name, role, sensor)


def fill_name(name: str, role: str, sensor: str = "") -> str:
    """A name with its placeholders filled; ROS allows letters, digits and underscores."""
    place = re.sub(r"^lidar_|_lidar$", "", plain(sensor).lower())
    return name.format(role=plain(role), sensor=plain(sensor), place=place)


_PLAIN = {
    **{what: topic for what, topic in TOPICS.items() if what != "cloud"},
    "clock": "/clock",
    "depth": "/camera/{sensor}/depth",
    "semantic": "/camera/{sensor}/semantic",
    "odometry": "/odom",
    "imu": "/imu/data",
    "gnss": "/gnss/fix",
    "speed": "/vehicle/speed",
    "steering": "/vehicle/steering",
    "objects": "/objects",
    "detections": "/objects/detections",
    "route": "/route",
    "map": "/map/opendrive",
    "signals": "/signals",
    "occupancy_points": "/occupancy/points",
    "occupancy_labels": "/occupancy/labels",
    "layout": "/layout",
    "extrinsics": "/extrinsics",
    "diagnostics": "/diagnostics",
    "status": "/scenario/status",
    "twist_cmd": "/cmd_vel",
    "twist_stamped_cmd": "/cmd_vel_stamped",
    "ackermann_cmd": "/ackermann_cmd",
    "autoware_cmd": "/control/command/control_cmd",
    "path_cmd": "/trajectory",
}

_CARLA = {
    **_PLAIN,
    "image": "/carla/{role}/{sensor}/image",
    "depth": "/carla/{role}/{sensor}/depth",
    "semantic": "/carla/{role}/{sensor}/semantic",
    "camera_info": "/carla/{role}/{sensor}/camera_info",
    "odometry": "/carla/{role}/odometry",
    "imu": "/carla/{role}/imu",
    "gnss": "/carla/{role}/gnss",
    "speed": "/carla/{role}/speedometer",
    "steering": "/carla/{role}/steering",
    "carla_status": "/carla/{role}/vehicle_status",
    "objects": "/carla/markers",
    "carla_objects": "/carla/{role}/objects",
    "route": "/carla/{role}/waypoints",
    "map": "/carla/map",
    "signals": "/carla/traffic_lights/states",
    "occupancy_points": "/carla/{role}/occupancy/points",
    "occupancy_labels": "/carla/{role}/occupancy/labels",
    "layout": "/carla/{role}/layout",
    "extrinsics": "/carla/{role}/extrinsics",
    "status": "/carla/{role}/scenario_status",
    "twist_cmd": "/carla/{role}/twist",
    "twist_stamped_cmd": "/carla/{role}/twist_stamped",
    "ackermann_cmd": "/carla/{role}/ackermann_cmd",
    "carla_cmd": "/carla/{role}/vehicle_control_cmd",
    "path_cmd": "/carla/{role}/trajectory",
    "carla_control": "/carla/control",
}
del _CARLA["autoware_cmd"]

_AUTOWARE = {
    **_PLAIN,
    "image": "/sensing/camera/{sensor}/image_raw",
    "depth": "/sensing/camera/{sensor}/depth",
    "semantic": "/sensing/camera/{sensor}/semantic",
    "camera_info": "/sensing/camera/{sensor}/camera_info",
    "odometry": "/localization/kinematic_state",
    "imu": "/sensing/imu/tamagawa/imu_raw",
    "gnss_pose": "/sensing/gnss/pose_with_covariance",
    "gnss": "/sensing/gnss/nav_sat_fix",
    "autoware_velocity": "/vehicle/status/velocity_status",
    "autoware_steering": "/vehicle/status/steering_status",
    "autoware_control_mode": "/vehicle/status/control_mode",
    "autoware_gear": "/vehicle/status/gear_status",
    "autoware_signals": "/perception/traffic_light_recognition/traffic_signals",
    "route": "/planning/scenario/route",
    "path_cmd": "/planning/scenario/path",
    "autoware_trajectory_cmd": "/planning/scenario_planning/trajectory",
}

PROFILES: dict[str, Profile] = {
    "plain": Profile(_PLAIN, {TOPICS["cloud"]: ""}, fixed={"odom": "map"}),
    "carla": Profile(
        _CARLA,
        {"/carla/{role}/{sensor}": ""},
        odom="map",
        base="{role}",
        camera="{role}/{sensor}",
        lidar="{role}/{sensor}",
        imu="{role}/imu",
        gnss="{role}/gnss",
        odometry_in="map",
        reliability="reliable",  # all that carla-ros-bridge publishes
        latched=frozenset({"route"}),  # as carla-waypoint-publisher's
    ),
    "autoware": Profile(
        _AUTOWARE,
        {
            "/sensing/lidar/{place}/pointcloud_before_sync": "XYZIRC",
            "/sensing/lidar/{place}/pointcloud_raw_ex": "XYZIRCAEDT",
        },
        odom="map",
        camera="{sensor}/camera_optical_link",
        lidar="{sensor}",
        imu="tamagawa/imu_link",
        odometry_in="map",
    ),
}
