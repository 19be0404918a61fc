"""Sensors on the ego: `CameraSpec`, `LidarSpec` and the `SensorRig` that carries them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.layout import PHYSICS_US
from uniscene_sim.lens import LENSES, lens_array, project_points, unproject_pixels

__all__ = ["BODY_FROM_OPTICAL", "RETURNS", "BodyPart", "CameraSpec", "LidarSpec", "SensorRig"]

#: Which echoes of a beam a LiDAR reports.
RETURNS = ("strongest", "last", "dual")

#: Optical axes (x right, y down, z forward) as columns in body axes (x forward, y left, z up).
BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class CameraSpec:
    """A camera. `pose` places its body axes (x along the optical axis) in `base_link`; `lens` describes the models.

    Depth is along the optical axis, but along the ray for fisheyes, whose field of view may exceed 180 degrees.
    """

    slot: ClassVar[str] = "camera"  # kind of engine that renders it
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
    model: Literal["pinhole", "brown_conrady", "fisheye"] = "pinhole"
    distortion: tuple[float, ...] = ()  # brown_conrady: k1, k2, p1, p2, k3; fisheye: k1, k2, k3, k4; last ones optional
    ego_visible: bool = False  # whether the ego's body is rendered and casts shadows; not in cameras inside it
    exposure_ev: float = 0.0  # stops brighter than the engine's own exposure
    noise: float = 0.0  # standard deviation of shot noise at white, of full scale
    shutter_ms: float = 0.0  # how long the shutter is open, which blurs what moves

    def __post_init__(self) -> None:
        if self.model not in LENSES:
            raise ValueError(f"camera {self.name}: no lens model {self.model!r}, expected one of {', '.join(LENSES)}")
        most = LENSES[self.model][1]
        if len(self.distortion) > most or not np.isfinite(self.distortion).all():
            raise ValueError(f"camera {self.name}: {self.model} takes up to {most} finite distortion coefficients")
        if self.width <= 0 or self.height <= 0 or self.fx <= 0 or self.fy <= 0:
            raise ValueError(f"camera {self.name}: size and focal lengths must be positive")
        if not (abs(self.exposure_ev) <= 16 and 0 <= self.noise <= 1 and 0 <= self.shutter_ms <= 1000):
            raise ValueError(f"camera {self.name}: needs |exposure_ev| <= 16, noise in [0, 1], shutter_ms in [0, 1000]")
        _check_timing(self)

    @cached_property
    def lens(self) -> np.ndarray:
        """The lens, float64 (11,), see `lens.lens_array`."""
        return lens_array(self.model, self.fx, self.fy, self.cx, self.cy, self.distortion)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Image points (N, 2), px, of points (N, 3), m, in the optical frame, and whether the lens images each: bool
        (N,). They may lie outside the image."""
        pixels, before_lens = project_points(self.lens, np.ascontiguousarray(points, dtype=np.float64))
        return pixels, before_lens

    def unproject(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unit rays (N, 3) in the optical frame of image points (N, 2), px, and whether the lens has one there: bool
        (N,)."""
        rays, seen = unproject_pixels(self.lens, np.ascontiguousarray(pixels, dtype=np.float64))
        return rays, seen

    def scaled(self, factor: float) -> CameraSpec:
        """The same view with `factor` times as many pixels across."""
        width, height = max(round(self.width * factor), 1), max(round(self.height * factor), 1)
        a, b = width / self.width, height / self.height
        return replace(self, width=width, height=height, fx=self.fx * a, fy=self.fy * b, cx=self.cx * a, cy=self.cy * b)

    @property
    def rotation_base_from_optical(self) -> np.ndarray:
        """Rotation (3, 3), base_link <- optical frame."""
        rotation: np.ndarray = self.pose.rotation @ BODY_FROM_OPTICAL
        return rotation


@dataclass(frozen=True)
class BodyPart:
    """A box on the ego that LiDARs see beside its body, upright in `base_link`: a bar of a roof rack, a mount."""

    x: float  # m, its middle
    y: float
    z: float
    length: float  # m, along x
    width: float
    height: float

    def __post_init__(self) -> None:
        if not np.isfinite([self.x, self.y, self.z]).all() or not min(self.length, self.width, self.height) > 0:
            raise ValueError("a part of the ego's body needs a finite position and a positive size")


@dataclass(frozen=True)
class LidarSpec:
    """A spinning LiDAR, by its beam table. A revolution starts at the rear (azimuth -pi) and ends at the stamp.

    Measurement effects are off by default: every beam that hits something within range returns its exact range, with
    albedo times cosine of incidence as intensity. `rigs.lidar_makes` has the numbers of real sensors.

    A column has one beam for each ring; the last of them fires as the column ends. With `detect_range_m`, received
    power decides what returns: a diffuse target of 10 % reflectivity that faces the sensor in clear air at that range
    returns half of the time. Intensity is then calibrated as Velodyne and Ouster do it (`lidar.raycast.receiver`), and
    weather attenuates.

    The rest is what real sweeps have beside range and noise, each off by default. All but the ego's body need
    `detect_range_m`. `PointCause` says of each point what it is of, where the ego's body or
    ghosts are on.
    """

    slot: ClassVar[str] = "lidar"
    name: str
    pose: Pose  # pose_base_from_lidar
    elevation_rad: tuple[float, ...]  # one for each ring, ring 0 lowest
    azimuth_steps: int
    period_us: int = 100_000
    phase_us: int = 0
    min_range_m: float = 1.0
    max_range_m: float = 100.0
    clockwise: bool = True
    azimuth_offset_rad: tuple[float, ...] = ()  # one for each ring, counter-clockwise from its column; empty: none
    firing_us: tuple[float, ...] = ()  # one for each ring, after the first of its column; empty: all at once
    range_noise_m: float = 0.0  # standard deviation
    detect_range_m: float = 0.0  # 0: every hit returns
    divergence_rad: float = 0.0  # full angle of a beam; 0: no beam is split by an edge
    returns: Literal["strongest", "last", "dual"] = "strongest"  # dual: both, where an edge splits the beam
    deskewed: bool = True  # False: points in the sensor frame at the time of each one
    ego_visible: bool = False  # whether beams meet the ego's body; not of sensors inside it
    ego_parts: tuple[BodyPart, ...] = ()  # on the ego, seen if `ego_visible`
    miss_rate: float = 0.0  # share of detectable echoes that are lost all the same
    dark_miss_rate: float = 0.0  # as much again of echoes without any brightness, fading out at an intensity of 1/255
    dark_floor: float = 0.0  # apparent reflectivity that is subtracted before it is reported: darker surfaces read 0
    saturation: float = 100.0  # apparent reflectivity that reads 255/255; white is 1
    rough_ground: bool = False  # whether dry ground returns at grazing incidence too, as real asphalt does
    multipath: bool = False  # ghosts behind glass, glossy paint and puddles, which mirror other surfaces
    bloom: float = 0.0  # share of a retro-reflector's power that leaks into the beams around it
    free_running: bool = False  # firings not locked to azimuth: each sweep's columns begin anywhere within a step

    def __post_init__(self) -> None:
        if not self.elevation_rad or self.azimuth_steps <= 0 or not 0 <= self.min_range_m < self.max_range_m:
            raise ValueError(f"lidar {self.name}: needs beams, azimuth_steps > 0 and min_range_m < max_range_m")
        for field in ("azimuth_offset_rad", "firing_us"):
            if len(getattr(self, field)) not in (0, len(self.elevation_rad)):
                raise ValueError(f"lidar {self.name}: {field} must have one number for each of the "
                                 f"{len(self.elevation_rad)} rings, has {len(getattr(self, field))}")  # fmt: skip
        column_us = self.period_us / self.azimuth_steps
        if self.firing_us and not 0 <= min(self.firing_us) <= max(self.firing_us) <= column_us:
            raise ValueError(f"lidar {self.name}: firing_us must lie in a column of {column_us:.4g} us")
        if min(self.range_noise_m, self.detect_range_m, self.divergence_rad) < 0:
            raise ValueError(f"lidar {self.name}: noise, detection range and divergence must not be negative")
        if not 0 <= min(self.miss_rate, self.dark_miss_rate) <= self.miss_rate + self.dark_miss_rate <= 1:
            raise ValueError(f"lidar {self.name}: miss_rate and dark_miss_rate must add up to at most 1")
        if not (0 <= self.dark_floor < 1 < self.saturation and 0 <= self.bloom < 1):
            raise ValueError(f"lidar {self.name}: needs dark_floor and bloom in [0, 1) and saturation above 1")
        if self.returns not in RETURNS:
            raise ValueError(f"lidar {self.name}: returns must be one of {', '.join(RETURNS)}, is {self.returns!r}")
        _check_timing(self)

    @property
    def tells_causes(self) -> bool:
        """Whether points may be of the ego's body or ghosts, so that a sweep says what each of them is."""
        return self.ego_visible or self.multipath or self.bloom > 0


def _check_timing(spec: CameraSpec | LidarSpec) -> None:
    whole = spec.period_us % PHYSICS_US == 0 and spec.phase_us % PHYSICS_US == 0
    if not whole or not 0 <= spec.phase_us < spec.period_us:
        raise ValueError(f"{spec.name}: period_us and phase_us must be multiples of the 10 ms physics step")


@dataclass(frozen=True)
class SensorRig:
    """Sensors by kind, one field each; a spec names the slot of the engines that render it."""

    name: str
    cameras: tuple[CameraSpec, ...] = ()
    lidars: tuple[LidarSpec, ...] = ()

    def __post_init__(self) -> None:
        names = [s.name for s in self.sensors]
        if len(set(names)) != len(names):
            raise ValueError(f"rig {self.name}: sensor names must differ, got {names}")

    @property
    def sensors(self) -> tuple[Any, ...]:
        """Specs of all kinds."""
        return tuple(s for f in fields(self) if f.name != "name" for s in getattr(self, f.name))

    def of(self, slot: str) -> tuple[Any, ...]:
        """Specs that the engines of a slot render."""
        return tuple(s for s in self.sensors if s.slot == slot)

    def scaled(self, factor: float) -> SensorRig:
        """The rig with all its cameras scaled."""
        return replace(self, cameras=tuple(c.scaled(factor) for c in self.cameras))

    @property
    def max_range_m(self) -> float:
        return max((s.max_range_m for s in self.sensors), default=0.0)
