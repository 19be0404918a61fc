"""Models of real LiDARs by name: beam tables, spin patterns, and their data-sheet range, noise and divergence.

Tables are the nominal ones of the manuals (HDL-32E, HDL-64E S2, VLP-16, Pandar64); the calibration of a unit differs by
tenths of a degree. Ouster prints no nominal table: in `os1-128`, rings are evenly spaced over 45 degrees and azimuth
offsets repeat every four beams, as in the files of its units, which `rigs.ouster` reads.

Velodyne and Hesai fire by the clock, so the phase of their columns differs from revolution to revolution (in packets of
a VLP-16, a VLP-32 and a Pandar40P it is spread over the whole step). Ouster fires by the encoder, at fixed azimuths.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.rig import LidarSpec

__all__ = ["LIDAR_MODELS", "REAL_EFFECTS", "effects_of_model", "lidar_model", "ring_fields"]

#: What sweeps of a Pandar64 on a car have beside range and noise, see `LidarSpec`; read from PandaSet's.
REAL_EFFECTS: dict[str, Any] = {
    "ego_visible": True, "miss_rate": 0.004, "dark_miss_rate": 0.06, "dark_floor": 0.02, "saturation": 1.2,
    "rough_ground": True,
    "multipath": True, "bloom": 0.002, "see_through": 0.03,
}  # fmt: skip


def ring_fields(elevation_deg: Any, azimuth_offset_deg: Any = (), firing_us: Any = ()) -> dict[str, tuple[float, ...]]:
    """Fields of a `LidarSpec` from a table with a row for each laser, in any order: ring 0 is the lowest.

    Args:
        elevation_deg: (R,) degrees, upwards.
        azimuth_offset_deg: (R,) degrees, counter-clockwise from the azimuth of the column; empty for none.
        firing_us: (R,) us, after the first laser of the column; empty for none.
    """
    order = np.argsort(elevation_deg, kind="stable")
    columns = {
        "elevation_rad": np.radians(elevation_deg),
        "azimuth_offset_rad": np.radians(azimuth_offset_deg),
        "firing_us": np.asarray(firing_us, dtype=np.float64),
    }
    return {k: tuple(float(x) for x in v[order]) for k, v in columns.items() if len(v)}


def _vlp16() -> dict[str, Any]:
    """Lasers fire one after the other every 2.304 us, alternately from the lower and the upper half, 55.296 us per
    column."""
    elevation = np.column_stack([np.arange(-15, 0, 2), np.arange(1, 16, 2)]).ravel()
    return ring_fields(elevation, firing_us=2.304 * np.arange(16)) | {
        "free_running": True, "azimuth_steps": 1808, "min_range_m": 0.5, "max_range_m": 100.0, "range_noise_m": 0.015,
        "detect_range_m": 60.0, "divergence_rad": 3.0e-3,
    }  # fmt: skip


def _hdl32e() -> dict[str, Any]:
    """Like the VLP-16, every 1.152 us, 46.08 us per column: 2170 columns at 10 Hz, 1085 at nuScenes' 20 Hz."""
    elevation = -30.67 + 41.34 / 31 * np.column_stack([np.arange(16), np.arange(16, 32)]).ravel()
    return ring_fields(elevation, firing_us=1.152 * np.arange(32)) | {
        "free_running": True, "azimuth_steps": 2170, "min_range_m": 1.0, "max_range_m": 100.0, "range_noise_m": 0.015,
        "detect_range_m": 60.0, "divergence_rad": 2.8e-3,
    }  # fmt: skip


def _hdl64e() -> dict[str, Any]:
    """Two blocks of 32 lasers, spaced a third and half a degree; 48 us per column."""
    elevation = np.concatenate([np.linspace(2.0, -8.33, 32), np.linspace(-8.83, -24.33, 32)])
    return ring_fields(elevation) | {
        "free_running": True, "azimuth_steps": 2083, "min_range_m": 0.9, "max_range_m": 120.0, "range_noise_m": 0.015,
        "detect_range_m": 50.0, "divergence_rad": 2.0e-3,
    }  # fmt: skip


#: Pairs of Pandar64's lasers in firing order; the first of these are 1.968 us apart, the rest 1.304 us.
_PANDAR64_PAIRS = (
    (11, 39), (17, 37), (10, 25), (16, 31), (7, 22), (13, 28), (19, 34), (12, 27), (18, 33), (9, 24), (15, 30),
    (21, 36), (14, 29), (20, 35), (26, 41), (23, 32), (0, 43), (1, 45), (2, 51), (3, 49), (4, 47), (5, 53), (40, 57),
    (46, 61), (52, 63), (6, 55), (42, 58), (48, 62), (8, 54), (38, 56), (44, 59), (50, 60),
)  # fmt: skip
_PANDAR64_SLOW = 16  # pairs that are 1.968 us apart


def _pandar64() -> dict[str, Any]:
    """Dense near the horizon; 55.56 us per column of 0.2 degrees."""
    elevation = [
        14.882, 11.032, 8.059, 5.057, 3.04, 2.028, 1.86, 1.688, 1.522, 1.351, 1.184, 1.013, 0.846, 0.675, 0.508, 0.337,
        0.169, 0.0, -0.169, -0.337, -0.508, -0.675, -0.845, -1.013, -1.184, -1.351, -1.522, -1.688, -1.86, -2.028,
        -2.198, -2.365, -2.536, -2.7, -2.873, -3.04, -3.21, -3.375, -3.548, -3.712, -3.884, -4.05, -4.221, -4.385,
        -4.558, -4.72, -4.892, -5.057, -5.229, -5.391, -5.565, -5.726, -5.898, -6.061, -7.063, -8.059, -9.06, -9.885,
        -11.032, -12.006, -12.974, -13.93, -18.889, -24.897,
    ]  # fmt: skip
    # clockwise as in the manual: lasers 7 to 54 are in six columns, those above and below in one of them
    clockwise = np.concatenate([np.full(6, -1.042), np.tile([1.042, 3.125, 5.208, -5.208, -3.125, -1.042], 8),
                                np.full(10, -1.042)])  # fmt: skip
    step = np.arange(32)
    slow = np.minimum(step, _PANDAR64_SLOW)
    firing = np.empty(64)
    firing[np.array(_PANDAR64_PAIRS)] = (1.968 * slow + 1.304 * (step - slow))[:, None]
    return ring_fields(elevation, -clockwise, firing) | {
        "free_running": True, "azimuth_steps": 1800, "min_range_m": 0.3, "max_range_m": 200.0, "range_noise_m": 0.02,
        "detect_range_m": 200.0, "divergence_rad": 1.5e-3,
    }  # fmt: skip


def _os1_128() -> dict[str, Any]:
    """All beams of a column fire at once; four azimuth offsets, 2.8 degrees apart."""
    clockwise = np.tile([4.23, 1.41, -1.41, -4.23], 32)
    return ring_fields(np.linspace(22.5, -22.5, 128), -clockwise) | {
        "azimuth_steps": 1024, "min_range_m": 0.5, "max_range_m": 170.0, "range_noise_m": 0.015,
        "detect_range_m": 90.0, "divergence_rad": 3.1e-3,
    }  # fmt: skip


#: Fields of a `LidarSpec` besides name and pose, by model.
LIDAR_MODELS: dict[str, dict[str, Any]] = {
    "hdl-32e": _hdl32e(),
    "hdl-64e": _hdl64e(),
    "os1-128": _os1_128(),
    "pandar64": _pandar64(),
    "vlp-16": _vlp16(),
}


def effects_of_model(model: str | None) -> dict[str, Any]:
    """Effects of real sweeps of a model: of Ousters and the Pandar64 as measured; others are taken for a Pandar64."""
    # Ousters tell 1 % from nothing, and retro-reflectors from each other; they lose as many echoes.
    return REAL_EFFECTS | ({"dark_floor": 0.005, "saturation": 50.0} if model == "os1-128" else {})


def lidar_model(model: str, name: str, pose: Pose, **changes: Any) -> LidarSpec:
    """A real LiDAR at 10 Hz, mounted at `pose`.

    Args:
        model: one of `LIDAR_MODELS`.
        name: of the sensor in its rig.
        pose: pose_base_from_lidar.
        changes: fields of `LidarSpec` that override those of the model.

    Raises:
        ValueError: there is no such model, or a change is invalid.
    """
    if model not in LIDAR_MODELS:
        raise ValueError(f"no LiDAR model {model!r}, expected one of {', '.join(LIDAR_MODELS)}")
    return LidarSpec(name=name, pose=pose, **(LIDAR_MODELS[model] | changes))
