"""Rigs from YAML files or by preset name."""

from __future__ import annotations

import warnings
from math import radians, tan
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.geometry import Pose
from uniscene_sim.lens import LENSES
from uniscene_sim.rig import RETURNS, BodyPart, CameraSpec, LidarSpec, SensorRig
from uniscene_sim.rigs.calibration import is_calibration, load_calibration
from uniscene_sim.rigs.lidar_makes import LIDAR_MODELS, effects_of_model, ring_fields
from uniscene_sim.rigs.ouster import ouster_beams
from uniscene_sim.rigs.presets import PRESETS
from uniscene_sim.storage.yaml_file import YamlFile

__all__ = ["RIG_SCHEMA", "load_rig"]

_NUMBER = {"type": "number"}
_NOT_NEGATIVE = {"type": "number", "minimum": 0}
_POSITIVE = {"type": "number", "exclusiveMinimum": 0}
_COUNT = {"type": "integer", "minimum": 1}
_THREE = {"type": "array", "items": _NUMBER, "minItems": 3, "maxItems": 3}
_MOUNT = {
    "name": {"type": "string", "minLength": 1},
    "position": _THREE,
    "roll_deg": _NUMBER,
    "pitch_deg": _NUMBER,
    "yaw_deg": _NUMBER,
    "period_ms": _COUNT,
    "phase_ms": {"type": "integer", "minimum": 0},
    "max_range_m": _POSITIVE,
}
_LIDAR_FIELDS = (
    "azimuth_steps", "min_range_m", "clockwise", "range_noise_m", "detect_range_m", "returns", "deskewed",
    "ego_visible", "miss_rate", "dark_miss_rate", "dark_floor", "saturation", "rough_ground", "multipath", "bloom",
    "free_running",
)  # fmt: skip
#: Effects on received power: nothing without a detection range.
_POWER_EFFECTS = (
    "miss_rate", "dark_miss_rate", "dark_floor", "saturation", "rough_ground", "multipath", "bloom",
)  # fmt: skip
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_PART = {
    "type": "object",
    "properties": {"position": _THREE, "size": {**_THREE, "items": _POSITIVE}},
    "required": ["position", "size"],
    "additionalProperties": False,
}
_EFFECTS = {
    "effects": {"enum": ["none", "real"]},
    "ego_visible": {"type": "boolean"},
    "ego_parts": {"type": "array", "items": _PART},
    "miss_rate": _SHARE,
    "dark_miss_rate": _SHARE,
    "dark_floor": _SHARE,
    "saturation": {"type": "number", "exclusiveMinimum": 1},
    "rough_ground": {"type": "boolean"},
    "multipath": {"type": "boolean"},
    "bloom": _SHARE,
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
                    "model": {"enum": list(LIDAR_MODELS)},
                    "beams": {"type": "string", "minLength": 1},
                    "elevation_deg": _BEAMS,
                    "azimuth_offset_deg": {"type": "array", "items": _NUMBER},
                    "firing_us": {"type": "array", "items": _NOT_NEGATIVE},
                    "azimuth_steps": _COUNT,
                    "min_range_m": _NOT_NEGATIVE,
                    "clockwise": {"type": "boolean"},
                    "range_noise_m": _NOT_NEGATIVE,
                    "detect_range_m": _NOT_NEGATIVE,
                    "divergence_mrad": _NOT_NEGATIVE,
                    "returns": {"enum": list(RETURNS)},
                    "deskewed": {"type": "boolean"},
                    **_EFFECTS,
                    "free_running": {"type": "boolean"},
                },
                "required": ["name", "position"],
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}


def load_rig(name_or_path: str) -> SensorRig:
    """A preset by name, a YAML file, or calibration files of nuScenes or KITTI, see `rigs.calibration`.

    Cameras have `fov_deg` across their width, or `intrinsics` fx, fy, cx, cy. LiDARs have `model`, one of
    `rigs.lidar_makes`; or `beams`, an Ouster metadata file relative to the YAML file; or both; or `elevation_deg`, a
    number for each laser or {from, to, beams}, with `azimuth_offset_deg` (counter-clockwise) and `firing_us` in the
    same order; and the other fields of a `LidarSpec`. `effects: real` sets those of real sweeps of the model, which
    the fields may override; `ego_parts` are boxes with position and size.

    Raises:
        InputError: it is none of these, or the file is malformed.
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
        **{f"{key}_us": entry[f"{key}_ms"] * 1000 for key in ("period", "phase") if f"{key}_ms" in entry},
        **({"max_range_m": entry["max_range_m"]} if "max_range_m" in entry else {}),
    }
    try:
        spec = build(file.path.parent, entry, mount)
    except InputError:
        raise  # it names another file
    except ValueError as error:
        raise file.error((kind, i), str(error)) from error
    if isinstance(spec, LidarSpec):
        _warn_of_idle_effects(file, i, spec)
    return spec


def _warn_of_idle_effects(file: YamlFile, i: int, spec: LidarSpec) -> None:
    idle = [name for name in _POWER_EFFECTS if getattr(spec, name) != LidarSpec.__dataclass_fields__[name].default]
    told = f"{', '.join(idle)} without detect_range_m" if idle and not spec.detect_range_m else None
    if spec.ego_parts and not spec.ego_visible:
        told = f"{told}, and ego_parts without ego_visible" if told else "ego_parts without ego_visible"
    if told:
        warnings.warn(f"{file.path}: lidars[{i}]: nothing comes of {told}", InputWarning, stacklevel=4)


def _camera(_: Path, entry: dict[str, Any], mount: dict[str, Any]) -> CameraSpec:
    width, height, model = entry["width"], entry["height"], entry.get("model", "pinhole")
    distortion = tuple(float(k) for k in entry.get("distortion", ()))
    if ("fov_deg" in entry) == ("intrinsics" in entry):
        raise ValueError("expected either fov_deg or intrinsics")
    if "fov_deg" in entry:
        half = radians(entry["fov_deg"]) / 2
        if model != "fisheye" and half >= radians(89.5):
            raise ValueError(f"fov_deg of a {model} camera must be less than 179")
        # For a fisheye, the angle is that of its edge, distortion included; for the others, without distortion.
        edge = float(np.polyval([*distortion[::-1], 1.0], half**2)) * half if model == "fisheye" else tan(half)
        fx = fy = 0.5 * width / edge
        cx, cy = width / 2, height / 2
    else:
        fx, fy, cx, cy = map(float, entry["intrinsics"])
    given = {k: entry[k] for k in ("ego_visible", "exposure_ev", "noise", "shutter_ms") if k in entry}
    return CameraSpec(
        width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy, model=model, distortion=distortion, **given,
        **mount,
    )  # fmt: skip


def _lidar(folder: Path, entry: dict[str, Any], mount: dict[str, Any]) -> LidarSpec:
    """The fields of a model, overridden by the beams of an Ouster file, and these by the table and fields
    of the entry."""
    values: dict[str, Any] = dict(LIDAR_MODELS[entry["model"]]) if "model" in entry else {}
    if "beams" in entry:
        values |= {"firing_us": ()} | ouster_beams(folder / entry["beams"])
    table = entry.get("elevation_deg")
    if isinstance(table, dict):
        table = np.linspace(table["from"], table["to"], table["beams"])
    columns = {key: entry[key] for key in ("azimuth_offset_deg", "firing_us") if key in entry}
    if table is not None:
        for key, column in columns.items():
            if len(column) not in (0, len(table)):
                raise ValueError(f"{key} must have one number for each of the {len(table)} beams, has {len(column)}")
        values |= {"azimuth_offset_rad": (), "firing_us": ()} | ring_fields(table, **columns)
    elif columns:
        raise ValueError(f"{' and '.join(columns)} belong to elevation_deg, which is missing")
    if entry.get("effects") == "real":
        values |= effects_of_model("os1-128" if "beams" in entry else entry.get("model"))
    values |= {key: entry[key] for key in _LIDAR_FIELDS if key in entry}
    if "divergence_mrad" in entry:
        values["divergence_rad"] = entry["divergence_mrad"] * 1e-3
    if "ego_parts" in entry:
        values["ego_parts"] = tuple(BodyPart(*map(float, [*p["position"], *p["size"]])) for p in entry["ego_parts"])
    if "elevation_rad" not in values or "azimuth_steps" not in values:
        raise ValueError("expected a model, beams, or elevation_deg and azimuth_steps")
    return LidarSpec(**(values | mount))
