"""Rigs from YAML files or by preset name."""

from __future__ import annotations

import warnings
from math import radians, tan
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError, InputWarning, shown
from uniscene_sim.lens import LENSES
from uniscene_sim.limits import bounds
from uniscene_sim.rig import RETURNS, BodyPart, CameraSpec, LidarSpec, SensorRig
from uniscene_sim.rigs.calibration import is_calibration, load_calibration
from uniscene_sim.rigs.lidar_makes import LIDAR_MODELS, effects_of_model, ring_fields
from uniscene_sim.rigs.motion_sensors import MOTION_SENSOR_FIELDS, read_motion_sensors
from uniscene_sim.rigs.mount import MOUNT_FIELDS, PLACE_FIELD, mount_pose
from uniscene_sim.rigs.ouster import ouster_beams
from uniscene_sim.rigs.presets import PRESETS
from uniscene_sim.storage.input_file import reading
from uniscene_sim.storage.yaml_file import YamlFile

__all__ = ["RIG_SCHEMA", "load_rig"]

_MOUNT = {
    "name": {"type": "string", "minLength": 1},
    **MOUNT_FIELDS,
    "period_ms": bounds.PERIOD_MS.schema,
    "phase_ms": bounds.PHASE_MS.schema,
    "max_range_m": bounds.RANGE_M.schema,
}
_LIDAR_FIELDS = (
    "azimuth_steps", "min_range_m", "clockwise", "range_noise_m", "detect_range_m", "returns", "deskewed",
    "ego_visible", "miss_rate", "dark_miss_rate", "dark_floor", "saturation", "rough_ground", "multipath",
    "see_through", "bloom", "free_running",
)  # fmt: skip
#: Effects on received power: nothing without a detection range.
_POWER_EFFECTS = (
    "miss_rate", "dark_miss_rate", "dark_floor", "saturation", "rough_ground", "multipath", "see_through",
    "bloom",
)  # fmt: skip
_SHARE = bounds.SHARE.schema
_PART = {
    "type": "object",
    "properties": {"position": PLACE_FIELD, "size": {**PLACE_FIELD, "items": bounds.SIZE_M.schema}},
    "required": ["position", "size"],
    "additionalProperties": False,
}
_EFFECTS = {
    "effects": {"enum": ["none", "real"]},
    "ego_visible": {"type": "boolean"},
    "ego_parts": {"type": "array", "items": _PART, "maxItems": bounds.EGO_PARTS},
    "miss_rate": _SHARE,
    "dark_miss_rate": _SHARE,
    "dark_floor": _SHARE,
    "saturation": bounds.SATURATION.schema,
    "rough_ground": {"type": "boolean"},
    "multipath": {"type": "boolean"},
    "see_through": _SHARE,
    "bloom": _SHARE,
}


def _row(bound: bounds.Bound) -> dict[str, Any]:
    return {"type": "array", "items": bound.schema, "maxItems": bounds.BEAMS.most}


_BEAMS = {
    "oneOf": [
        _row(bounds.ELEVATION_DEG) | {"minItems": 1},
        {
            "type": "object",
            "properties": {
                "from": bounds.ELEVATION_DEG.schema,
                "to": bounds.ELEVATION_DEG.schema,
                "beams": bounds.BEAMS.schema,
            },
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
            "maxItems": bounds.SENSORS,
            "items": {
                "type": "object",
                "properties": {
                    **_MOUNT,
                    "width": bounds.PIXELS.schema,
                    "height": bounds.PIXELS.schema,
                    "fov_deg": bounds.FIELD_DEG.schema,
                    "intrinsics": {
                        "type": "array",
                        "prefixItems": [bounds.FOCAL_PX.schema] * 2 + [bounds.CENTRE_PX.schema] * 2,
                        "minItems": 4,
                        "maxItems": 4,
                        "description": "fx, fy, cx, cy",
                    },
                    "model": {"enum": list(LENSES)},
                    "distortion": {"type": "array", "items": bounds.DISTORTION.schema, "maxItems": 5},
                    "ego_visible": {"type": "boolean"},
                    "exposure_ev": bounds.EXPOSURE_EV.schema,
                    "noise": _SHARE,
                    "shutter_ms": bounds.SHUTTER_MS.schema,
                },
                "required": ["name", "width", "height", "position"],
                "additionalProperties": False,
            },
        },
        "lidars": {
            "type": "array",
            "maxItems": bounds.SENSORS,
            "items": {
                "type": "object",
                "properties": {
                    **_MOUNT,
                    "model": {"enum": list(LIDAR_MODELS)},
                    "beams": {"type": "string", "minLength": 1},
                    "elevation_deg": _BEAMS,
                    "azimuth_offset_deg": _row(bounds.AZIMUTH_DEG),
                    "firing_us": _row(bounds.FIRING_US),
                    "azimuth_steps": bounds.COLUMNS.schema,
                    "min_range_m": bounds.NEAREST_M.schema,
                    "clockwise": {"type": "boolean"},
                    "range_noise_m": bounds.RANGE_NOISE_M.schema,
                    "detect_range_m": bounds.DETECT_RANGE_M.schema,
                    "divergence_mrad": bounds.DIVERGENCE_MRAD.schema,
                    "returns": {"enum": list(RETURNS)},
                    "deskewed": {"type": "boolean"},
                    **_EFFECTS,
                    "free_running": {"type": "boolean"},
                },
                "required": ["name", "position"],
                "additionalProperties": False,
            },
        },
        **MOTION_SENSOR_FIELDS,
    },
    "additionalProperties": False,
}


def load_rig(name_or_path: str | Path) -> SensorRig:
    """A preset by name, a YAML file, or calibration files of nuScenes or KITTI, see `rigs.calibration`.

    Cameras have `fov_deg` across their width, or `intrinsics` fx, fy, cx, cy. LiDARs have `model`, one of
    `rigs.lidar_makes`; or `beams`, an Ouster metadata file relative to the YAML file; or both; or `elevation_deg`, a
    number for each laser or {from, to, beams}, with `azimuth_offset_deg` (counter-clockwise) and `firing_us` in the
    same order; and the other fields of a `LidarSpec`. `effects: real` sets those of real sweeps of the model, which
    the fields may override; `ego_parts` are boxes with position and size. `imu` and `gnss` have their place and the
    errors of `ImuSpec` and `GnssSpec`.

    Raises:
        InputError: it is none of these, or the file is malformed.
    """
    if not isinstance(name_or_path, str | Path):
        raise InputError(f"expected a preset or a file, got {shown(name_or_path)}", field="rig")
    name_or_path = str(name_or_path)
    if name_or_path in PRESETS:
        return PRESETS[name_or_path]()
    if is_calibration(Path(name_or_path)):
        return load_calibration(Path(name_or_path))
    if not name_or_path.endswith((".yaml", ".yml")):
        raise InputError(
            f"no rig {shown(name_or_path)}; presets: {', '.join(PRESETS)}; or a .yaml file, or calibration files of "
            "nuScenes or KITTI", field="rig",
        )  # fmt: skip
    with reading(name_or_path, "a rig"):
        return _rig(name_or_path)


def _rig(name_or_path: str) -> SensorRig:
    file = YamlFile(name_or_path, RIG_SCHEMA, "a rig")
    cameras = tuple(_read(file, "cameras", i, _camera) for i in range(len(file.data.get("cameras", ()))))
    lidars = tuple(_read(file, "lidars", i, _lidar) for i in range(len(file.data.get("lidars", ()))))
    of_motion = read_motion_sensors(file)
    try:
        return SensorRig(file.data.get("name", Path(name_or_path).stem), cameras, lidars, **of_motion)
    except ValueError as error:
        raise InputError(str(error), file=name_or_path) from error


def _read(file: YamlFile, kind: str, i: int, build: Any) -> Any:
    entry = file.data[kind][i]
    mount = {
        "name": entry["name"],
        "pose": mount_pose(entry),
        **{f"{key}_us": 1000 * entry[f"{key}_ms"] for key in ("period", "phase") if f"{key}_ms" in entry},
        **({"max_range_m": entry["max_range_m"]} if "max_range_m" in entry else {}),
    }
    try:
        spec = build(file.path.parent, entry, mount)
    except ValueError as error:
        if isinstance(error, InputError) and error.file is not None:
            raise  # it names another file
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
        table = np.linspace(table["from"], table["to"], int(table["beams"]))
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
