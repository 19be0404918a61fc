"""Sensors on the ego: `CameraSpec`, `LidarSpec` and the `SensorRig` that carries them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uniscene_sim.geometry import Pose

__all__ = ["CameraSpec", "LidarSpec", "SensorRig"]

#: Optical axes (x right, y down, z forward) as columns in body axes (x forward, y left, z up).
BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class CameraSpec:
    """A pinhole camera. `pose` places its body axes (x along the view) in `base_link`."""

    name: str
    width: int
    height: int
    fx: float  # px
    fy: float
    cx: float  # px; the centre of the first pixel is (0.5, 0.5)
    cy: float
    pose: Pose  # pose_base_from_camera
    period_us: int = 100_000
    phase_us: int = 0
    max_range_m: float = 150.0

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0 or self.fx <= 0 or self.fy <= 0:
            raise ValueError(f"camera {self.name}: size and focal lengths must be positive")
        _check_timing(self)

    @property
    def rotation_base_from_optical(self) -> np.ndarray:
        return self.pose.rotation @ BODY_FROM_OPTICAL


@dataclass(frozen=True)
class LidarSpec:
    """A spinning LiDAR by beam table. A revolution starts behind (azimuth -pi) and ends at the stamp."""

    name: str
    pose: Pose  # pose_base_from_lidar
    elevation_rad: tuple[float, ...]  # one a ring, ring 0 lowest
    azimuth_steps: int
    period_us: int = 100_000
    phase_us: int = 0
    min_range_m: float = 1.0
    max_range_m: float = 100.0
    clockwise: bool = True

    def __post_init__(self) -> None:
        if not self.elevation_rad or self.azimuth_steps <= 0 or not 0 <= self.min_range_m < self.max_range_m:
            raise ValueError(f"lidar {self.name}: needs beams, azimuth_steps > 0 and min_range_m < max_range_m")
        _check_timing(self)


def _check_timing(spec: CameraSpec | LidarSpec) -> None:
    whole = spec.period_us % 10_000 == 0 and spec.phase_us % 10_000 == 0
    if not whole or not 0 <= spec.phase_us < spec.period_us:
        raise ValueError(f"{spec.name}: period_us and phase_us must be multiples of the 10 ms physics step")


@dataclass(frozen=True)
class SensorRig:
    name: str
    cameras: tuple[CameraSpec, ...] = ()
    lidars: tuple[LidarSpec, ...] = ()

    def __post_init__(self) -> None:
        names = [s.name for s in self.sensors]
        if len(set(names)) != len(names):
            raise ValueError(f"rig {self.name}: sensor names must differ, got {names}")

    @property
    def sensors(self) -> tuple[CameraSpec | LidarSpec, ...]:
        return (*self.cameras, *self.lidars)

    @property
    def max_range_m(self) -> float:
        return max((s.max_range_m for s in self.sensors), default=0.0)
