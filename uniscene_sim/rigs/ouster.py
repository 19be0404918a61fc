"""Beam tables of Ouster units, from the metadata JSON of a sensor, flat (firmware 2) or nested (later)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.rigs.lidar_makes import ring_fields
from uniscene_sim.storage.input_file import MIB, read_json, reading

__all__ = ["ouster_beams"]

_MODE = re.compile(r"([0-9]{1,5})x([0-9]{1,3})")
_WHAT = "Ouster metadata"


def ouster_beams(path: str | Path) -> dict[str, Any]:
    """Rings, `azimuth_steps` and `period_us` of an Ouster metadata file, as fields of a `LidarSpec`.

    Ring 0 is the lowest beam, the last row of Ouster's images.

    Raises:
        InputError: it cannot be read, or a field is missing or malformed; names the file and the field.
    """
    path = Path(path)
    with reading(path, _WHAT):
        return _beams(path, read_json(path, MIB, _WHAT))


def _beams(path: Path, data: Any) -> dict[str, Any]:
    up = _angles(path, data, "beam_altitude_angles")
    clockwise = _angles(path, data, "beam_azimuth_angles")
    if len(up) != len(clockwise):
        raise InputError(f"expected {len(up)} numbers as in beam_altitude_angles, has {len(clockwise)}",
                         file=path, field="beam_azimuth_angles")  # fmt: skip
    mode = _field(path, data, ("config_params", "lidar_data_format"), "lidar_mode")
    match = _MODE.fullmatch(mode) if isinstance(mode, str) else None
    if match is None or not int(match[1]) or not int(match[2]):
        raise InputError(f"expected columns x Hz as '1024x10', got {shown(mode)}", file=path, field="lidar_mode")
    return {
        **ring_fields(up, -clockwise),
        "azimuth_steps": int(match[1]),
        "period_us": round(1e6 / int(match[2])),
    }


def _field(path: Path, data: Any, sections: tuple[str, ...], key: str) -> Any:
    """A field, at the root as in old files, or in one of the sections of new ones."""
    for place in (data, *(data.get(s) for s in sections if isinstance(data, dict))):
        if isinstance(place, dict) and key in place:
            return place[key]
    raise InputError("is missing; expected Ouster metadata", file=path, field=key)


def _angles(path: Path, data: Any, key: str) -> np.ndarray:
    value = _field(path, data, ("beam_intrinsics",), key)
    try:
        degrees = np.array(value)
    except (TypeError, ValueError, OverflowError):
        degrees = np.array(np.nan)
    if degrees.dtype.kind not in "iuf" or degrees.ndim != 1 or not degrees.size or not (np.abs(degrees) < 360).all():
        raise InputError("expected a list of angles in degrees", file=path, field=key)
    return degrees.astype(np.float64)
