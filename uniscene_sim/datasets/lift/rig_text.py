"""The sensors that recorded a drive, as a rig file."""

from __future__ import annotations

from typing import Any

import numpy as np
import yaml

from uniscene_sim.geometry import Pose
from uniscene_sim.rig import SensorRig

__all__ = ["rig_text"]

_MODELS = {"PandaSet": "pandar64", "nuScenes": "hdl-32e"}


def rig_text(rig: SensorRig, maker: str) -> str:
    """YAML of a rig of pinhole cameras and of the LiDARs that a maker of data sets has. All fire at once, so that each
    tick has a picture of each."""
    body: dict[str, Any] = {"name": rig.name}
    body["cameras"] = [
        {
            "name": camera.name,
            **_mount(camera.pose),
            "width": camera.width,
            "height": camera.height,
            "intrinsics": [round(float(v), 4) for v in (camera.fx, camera.fy, camera.cx, camera.cy)],
            "period_ms": camera.period_us / 1000,
        }
        for camera in rig.cameras
    ]
    body["lidars"] = [
        {"name": lidar.name, **_mount(lidar.pose), "model": _MODELS[maker]} for lidar in rig.lidars if maker in _MODELS
    ]
    return yaml.safe_dump({k: v for k, v in body.items() if v}, sort_keys=False, default_flow_style=None, width=110)


def _mount(pose: Pose) -> dict[str, Any]:
    angles = {f"{axis}_deg": round(float(np.degrees(getattr(pose, axis))), 4) for axis in ("roll", "pitch", "yaw")}
    return {"position": [round(float(v), 4) for v in pose.position], **angles}
