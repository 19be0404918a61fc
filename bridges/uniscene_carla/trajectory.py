"""How a trajectory is followed where the ego is moved elsewhere: by the control that `world.physics` would give."""

from __future__ import annotations

import numpy as np

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.world.physics import VehicleParameters, track_trajectory

__all__ = ["follow_trajectory"]


def follow_trajectory(trajectory: Trajectory, layout: LayoutFrame, driven_s: float) -> Control:
    """The control along a trajectory.

    Args:
        trajectory: the way, with times since it was given.
        layout: where the ego is.
        driven_s: seconds of the trajectory that are over.
    """
    pose = layout.ego_pose
    speed = float(layout.ego_velocity @ pose.rotation[:, 0])
    ego = np.array([pose.x, pose.y, pose.z, pose.roll, pose.pitch, pose.yaw, speed, layout.ego_accel,
                    layout.ego_steer, layout.ego_yaw_rate])  # fmt: skip
    steer, accel = track_trajectory(ego, trajectory.points, driven_s, VehicleParameters.of(layout.ego_vehicle))
    return Control(float(steer), float(accel))
