"""`imu` and `gnss` of a rig file: place and errors of the sensors of the ego's own motion."""

from __future__ import annotations

from math import radians
from typing import Any

from uniscene_sim.limits import bounds
from uniscene_sim.rig import GnssSpec, ImuSpec
from uniscene_sim.rigs.mount import MOUNT_FIELDS, mount_pose
from uniscene_sim.storage.yaml_file import YamlFile

__all__ = ["MOTION_SENSOR_FIELDS", "read_motion_sensors"]

_NOISE = bounds.NOISE.schema
_BIAS = {"type": "array", "items": bounds.BIAS.schema, "minItems": 3, "maxItems": 3}

#: JSON Schema of the two fields.
MOTION_SENSOR_FIELDS: dict[str, Any] = {
    "imu": {
        "type": "object",
        "properties": {
            **MOUNT_FIELDS,
            **dict.fromkeys(("gyro_noise", "gyro_walk", "accel_noise", "accel_walk"), _NOISE),
            "gyro_bias": _BIAS,
            "accel_bias": _BIAS,
            "orientation_noise_deg": bounds.TILT_NOISE_DEG.schema,
        },
        "additionalProperties": False,
    },
    "gnss": {
        "type": "object",
        "properties": {**MOUNT_FIELDS, "horizontal_noise_m": _NOISE, "vertical_noise_m": _NOISE, "bias_m": _BIAS},
        "additionalProperties": False,
    },
}


def read_motion_sensors(file: YamlFile) -> dict[str, Any]:
    """The specs of both by the fields of a rig, exact and at base_link where the file says nothing."""
    return {"imu": ImuSpec(**_values(file.data.get("imu", {}))), "gnss": GnssSpec(**_values(file.data.get("gnss", {})))}


def _values(entry: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in entry.items() if name not in MOUNT_FIELDS
    }
    if "orientation_noise_deg" in values:
        values["orientation_noise_rad"] = radians(values.pop("orientation_noise_deg"))
    return values | {"pose": mount_pose(entry)}
