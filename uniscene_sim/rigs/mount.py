"""Where a sensor of a rig file is on the ego: fields that all kinds have."""

from __future__ import annotations

from math import radians
from typing import Any

from uniscene_sim.geometry import Pose
from uniscene_sim.limits import bounds

__all__ = ["MOUNT_FIELDS", "PLACE_FIELD", "mount_pose"]

_ANGLES = ("roll", "pitch", "yaw")

#: JSON Schema of a place on the ego, and of the fields of a mount.
PLACE_FIELD: dict[str, Any] = {"type": "array", "items": bounds.MOUNT_M.schema, "minItems": 3, "maxItems": 3}
MOUNT_FIELDS = {"position": PLACE_FIELD, **{f"{axis}_deg": bounds.ANGLE_DEG.schema for axis in _ANGLES}}


def mount_pose(entry: dict[str, Any]) -> Pose:
    """The pose in base_link of what stands in these fields, at its origin and along its axes by default."""
    place = map(float, entry.get("position", (0.0, 0.0, 0.0)))
    return Pose(*place, **{axis: radians(entry.get(f"{axis}_deg", 0.0)) for axis in _ANGLES})
