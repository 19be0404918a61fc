"""Rigs from YAML files, or from a preset's name."""

from __future__ import annotations

from math import radians, tan
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.lens import LENSES
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.rig_calibration import is_calibration, load_calibration
from uniscene_sim.rig_presets import PRESETS
from uniscene_sim.yaml_file import YamlFile

__all__ = ["RIG_SCHEMA", "load_rig"]

_NUMBER = {"type": "number"}
_POSITIVE = {"type": "number", "exclusiveMinimum": 0}
_COUNT = {"type": "integer", "minimum": 1}
_MOUNT = {
    "name": {"type": "string", "minLength": 1},
    "position": {"type": "array", "items": _NUMBER, "minItems": 3, "maxItems": 3},
    "roll_deg": _NUMBER,
    "pitch_deg": _NUMBER,
    "yaw_deg": _NUMBER,
    "period_ms": _COUNT,
    "phase_ms": {"type": "integer", "minimum": 0},
    "max_range_m": _POSITIVE,
}
_BEAMS = {
    "oneOf": [
        {"type": "array", "items": _NUMBER, "minItems": 1},
        {
            "type": "object",
            "properties": {"from": _NUMBER, "to": _NUMBER, "beams": _COUNT},
            "required": ["from", "to", "beams"],
            "additionalProperties": False,
        },
    ]
}

#: JSON Schema of rig files.
RIG_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "cameras": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    **_MOUNT,
                    "width": _COUNT,
                    "height": _COUNT,
                    "fov_deg": {"type": "number", "exclusiveMinimum": 0, "maximum": 360},
                    "intrinsics": {"type": "array", "items": _POSITIVE, "minItems": 4, "maxItems": 4},
                    "model": {"enum": list(LENSES)},
                    "distortion": {"type": "array", "items": _NUMBER, "maxItems": 5},
                    "ego_visible": {"type": "boolean"},
                    "exposure_ev": {"type": "number", "minimum": -16, "maximum": 16},
                    "noise": {"type": "number", "minimum": 0, "maximum": 1},
                    "shutter_ms": {"type": "number", "minimum": 0, "maximum": 1000},
                },
                "required": ["name", "width", "height", "position"],
                "additionalProperties": False,
            },
        },
        "lidars": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    **_MOUNT,
                    "elevation_deg": _BEAMS,
                    "azimuth_steps": _COUNT,
                    "min_range_m": {"type": "number", "minimum": 0},
                    "clockwise": {"type": "boolean"},
                },
                "required": ["name", "position", "elevation_deg", "azimuth_steps"],
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}


def load_rig(name_or_path: str) -> SensorRig:
    """A preset by name, a YAML file (cameras take `fov_deg` across their width, or `intrinsics` fx, fy, cx, cy), or
    calibration files of nuScenes or KITTI, see `rig_calibration`.

    Raises:
        InputError: neither; or the file is malformed.
    """
    if name_or_path in PRESETS:
        return PRESETS[name_or_path]()
    if is_calibration(Path(name_or_path)):
        return load_calibration(Path(name_or_path))
    if not name_or_path.endswith((".yaml", ".yml")):
        raise InputError(
            f"no rig {name_or_path!r}; presets: {', '.join(PRESETS)}; or a .yaml file, or calibration files of "
            "nuScenes or KITTI", field="--rig",
        )  # fmt: skip
    file = YamlFile(name_or_path, RIG_SCHEMA)
    cameras = tuple(_read(file, "cameras", i, _camera) for i in range(len(file.data.get("cameras", ()))))
    lidars = tuple(_read(file, "lidars", i, _lidar) for i in range(len(file.data.get("lidars", ()))))
    try:
        return SensorRig(file.data.get("name", Path(name_or_path).stem), cameras, lidars)
    except ValueError as error:
        raise InputError(str(error), file=name_or_path) from error


def _read(file: YamlFile, kind: str, i: int, build: Any) -> Any:
    entry = file.data[kind][i]
    mount = {
        "name": entry["name"],
        "pose": Pose(
            *(float(v) for v in entry["position"]),
            **{axis: radians(entry.get(f"{axis}_deg", 0.0)) for axis in ("roll", "pitch", "yaw")},
        ),
        "period_us": entry.get("period_ms", 100) * 1000,
        "phase_us": entry.get("phase_ms", 0) * 1000,
        **{key: entry[key] for key in ("max_range_m", "min_range_m", "clockwise") if key in entry},
    }
    try:
        return build(entry, mount)
    except ValueError as error:
        raise file.error((kind, i), str(error)) from error


def _camera(entry: dict[str, Any], mount: dict[str, Any]) -> CameraSpec:
    width, height, model = entry["width"], entry["height"], entry.get("model", "pinhole")
    distortion = tuple(float(k) for k in entry.get("distortion", ()))
    if ("fov_deg" in entry) == ("intrinsics" in entry):
        raise ValueError("expected either fov_deg or intrinsics")
    if "fov_deg" in entry:
        half = radians(entry["fov_deg"]) / 2
        if model != "fisheye" and half >= radians(89.5):
            raise ValueError(f"fov_deg of a {model} camera must be less than 179")
        # Of a fisheye the angle is what its edge sees, distortion included; of the others what it would see without.
        edge = float(np.polyval([*distortion[::-1], 1.0], half**2)) * half if model == "fisheye" else tan(half)
        fx = fy = 0.5 * width / edge
        cx, cy = width / 2, height / 2
    else:
        fx, fy, cx, cy = map(float, entry["intrinsics"])
    asked = {k: entry[k] for k in ("ego_visible", "exposure_ev", "noise", "shutter_ms") if k in entry}
    return CameraSpec(
        width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy, model=model, distortion=distortion, **asked,
        **mount,
    )  # fmt: skip


def _lidar(entry: dict[str, Any], mount: dict[str, Any]) -> LidarSpec:
    beams = entry["elevation_deg"]
    degrees = np.linspace(beams["from"], beams["to"], beams["beams"]) if isinstance(beams, dict) else np.array(beams)
    elevation = tuple(float(e) for e in np.sort(np.radians(degrees)))
    return LidarSpec(elevation_rad=elevation, azimuth_steps=entry["azimuth_steps"], **mount)
