"""The fixed part of the tree of frames: where sensors are on the ego, and what stands still in the map."""

from __future__ import annotations

from dataclasses import dataclass

from uniscene_ros2.profiles import Profile, fill_name
from uniscene_sim.geometry import Pose
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.ros_conventions import optical_pose

__all__ = ["FixedFrame", "fixed_frames", "frame_of_clouds"]


@dataclass(frozen=True)
class FixedFrame:
    parent: str
    name: str
    pose: Pose  # pose_parent_from_frame


def fixed_frames(profile: Profile, rig: SensorRig, role: str, frame_origin: tuple[float, float]) -> list[FixedFrame]:
    """All frames of a run that do not move in their parents.

    Args:
        profile: names of frames.
        rig: sensors.
        role: of the ego.
        frame_origin: see `StaticMap`.
    """
    out = [FixedFrame(parent, name, Pose()) for name, parent in profile.fixed.items()]
    if any(frame_origin):
        out.append(FixedFrame(profile.map, frame_of_clouds(profile.map, frame_origin), Pose(*frame_origin)))
    on_ego = [(profile.imu, "", rig.imu.pose), (profile.gnss, "", rig.gnss.pose)]
    on_ego += [(profile.camera, camera.name, optical_pose(camera.pose)) for camera in rig.cameras]
    on_ego += [(profile.lidar, lidar.name, lidar.pose) for lidar in rig.lidars]
    base = fill_name(profile.base, role)
    return out + [FixedFrame(base, fill_name(name, role, sensor), pose) for name, sensor, pose in on_ego]


def frame_of_clouds(world: str, frame_origin: tuple[float, float]) -> str:
    """Frame for points in single precision: on maps far away not the map's own, but one near the ego."""
    return f"{world}_near" if any(frame_origin) else world
