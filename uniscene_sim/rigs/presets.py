"""Rigs by name: `nuscenes`, `nuscenes-small`, `kitti`, `pandaset`, `rl`."""

from __future__ import annotations

from collections.abc import Callable
from math import radians, tan

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.rig import BodyPart, CameraSpec, LidarSpec, SensorRig
from uniscene_sim.rigs.lidar_makes import REAL_EFFECTS, lidar_model

__all__ = ["PRESETS"]

#: Mounts of the nuScenes cameras in base_link: x, y, z (m), yaw (degrees), focal length (px) at 1600 px width.
_NUSCENES_CAMERAS = {
    "CAM_FRONT_LEFT": (1.52, 0.49, 1.51, 55.0, 1257.0),
    "CAM_FRONT": (1.70, 0.0, 1.51, 0.0, 1266.0),
    "CAM_FRONT_RIGHT": (1.55, -0.49, 1.50, -55.0, 1257.0),
    "CAM_BACK_LEFT": (1.03, 0.48, 1.56, 110.0, 1257.0),
    "CAM_BACK": (0.03, 0.0, 1.58, 180.0, 809.0),
    "CAM_BACK_RIGHT": (1.01, -0.48, 1.56, -110.0, 1257.0),
}


#: What PandaSet's Pandar64 sees of the rack below it, fitted to frames 0 to 55 of sequence 002: middle, relative to the
#: sensor, and size, m. The roof gives it no returns.
_RACK = (
    (-0.89, 0.0, -0.453, 0.10, 0.96, 0.08),  # the rear bar
    *((-0.79, y, -0.385, 0.10, 0.20, 0.23) for y in (-0.41, 0.41)),  # its ends
    (-1.18, 0.31, -0.42, 0.08, 0.10, 0.08),
    (-1.18, -0.35, -0.42, 0.08, 0.06, 0.08),
    (-1.02, -0.19, -0.295, 0.06, 0.09, 0.09),  # an antenna
    (0.70, 0.60, -0.31, 0.04, 0.03, 0.10),
    (0.70, -0.60, -0.36, 0.04, 0.03, 0.20),
    (0.02, 0.62, -0.25, 0.02, 0.03, 0.14),
    (-0.25, -0.54, -0.28, 0.02, 0.03, 0.10),
)


def _nuscenes(name: str, width: int, height: int) -> SensorRig:
    scale = width / 1600.0
    cameras = tuple(
        CameraSpec(
            camera,
            width,
            height,
            fx=focal * scale,
            fy=focal * scale,
            cx=width / 2,
            cy=height / 2,
            pose=Pose(x, y, z, yaw=radians(yaw)),
        )
        for camera, (x, y, z, yaw, focal) in _NUSCENES_CAMERAS.items()
    )
    # about as many columns as at 20 Hz, as in nuScenes
    lidar = lidar_model("hdl-32e", "LIDAR_TOP", Pose(0.94, 0.0, 1.84), azimuth_steps=1090)
    return SensorRig(name, cameras, (lidar,))


def _kitti() -> SensorRig:
    """Colour camera 2 (1242 x 375) and the HDL-64E, with base_link 0.81 m behind the Velodyne."""
    camera = CameraSpec("image_02", 1242, 375, 721.5, 721.5, 609.6, 172.9, Pose(1.08, 0.06, 1.65))
    return SensorRig("kitti", (camera,), (lidar_model("hdl-64e", "velodyne", Pose(0.81, 0.0, 1.73)),))


def _pandaset() -> SensorRig:
    """The Pandar64 and the front camera on the roof of a minivan of 1.77 m, with the effects of its real sweeps.

    The sensor is on a roof rack, of which it sees bars and mounts.
    """
    at = Pose(1.45, 0.0, 2.24)
    rack = tuple(BodyPart(at.x + x, at.y + y, at.z + z, *size) for x, y, z, *size in _RACK)
    lidar = lidar_model("pandar64", "pandar64", at, ego_parts=rack, **REAL_EFFECTS)
    camera = CameraSpec("front_camera", 1920, 1080, 1970.0, 1970.0, 970.0, 483.3, Pose(1.52, 0.0, 2.19))
    return SensorRig("pandaset", (camera,), (lidar,))


def _rl() -> SensorRig:
    """A camera of 84 x 84 pixels and 90 degrees, and a 16 x 360 LiDAR without noise or drop-out."""
    focal = 42.0 / tan(radians(45.0))
    camera = CameraSpec("front", 84, 84, focal, focal, 42.0, 42.0, Pose(1.7, 0.0, 1.5), max_range_m=80.0)
    beams = tuple(float(e) for e in np.radians(np.linspace(-15.0, 15.0, 16)))
    lidar = LidarSpec("lidar", Pose(0.9, 0.0, 1.8), beams, azimuth_steps=360, max_range_m=60.0)
    return SensorRig("rl", (camera,), (lidar,))


PRESETS: dict[str, Callable[[], SensorRig]] = {
    "nuscenes": lambda: _nuscenes("nuscenes", 1600, 900),
    "nuscenes-small": lambda: _nuscenes("nuscenes-small", 400, 224),
    "kitti": _kitti,
    "pandaset": _pandaset,
    "rl": _rl,
}
