"""Sensors on the ego: `CameraSpec`, `LidarSpec`, `ImuSpec`, `GnssSpec` and the `SensorRig` that carries them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import PHYSICS_US
from uniscene_sim.lens import LENSES, lens_array, project_points, unproject_pixels
from uniscene_sim.limits import bounds
from uniscene_sim.limits.bounds import check_numbers
from uniscene_sim.limits.memory import require_memory

__all__ = [
    "BODY_FROM_OPTICAL",
    "RETURNS",
    "BodyPart",
    "CameraSpec",
    "GnssSpec",
    "ImuSpec",
    "LidarSpec",
    "SensorRig",
]

_Vector = tuple[float, float, float]
_ZERO = (0.0, 0.0, 0.0)

#: Memory that a frame takes while it is made, of each pixel and beam; of pixels of the image that is being blurred.
_PIXEL_BYTES, _BLUR_BYTES, _BEAM_BYTES = 24, 128, 400

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
        of = f"camera {self.name}: "
        if self.model not in LENSES:
            raise InputError(f"{of}no lens model {shown(self.model)}, expected one of {', '.join(LENSES)}")
        check_numbers(
            self, of, width=bounds.PIXELS, height=bounds.PIXELS, fx=bounds.FOCAL_PX, fy=bounds.FOCAL_PX,
            cx=bounds.CENTRE_PX, cy=bounds.CENTRE_PX, max_range_m=bounds.RANGE_M, distortion=bounds.DISTORTION,
            exposure_ev=bounds.EXPOSURE_EV, noise=bounds.SHARE, shutter_ms=bounds.SHUTTER_MS,
        )  # fmt: skip
        most = LENSES[self.model][1]
        if len(self.distortion) > most:
            raise InputError(f"{of}{self.model} takes up to {most} distortion coefficients, got {len(self.distortion)}")
        _check_mount(self, of)

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
        check_numbers(self, "ego part ", **dict.fromkeys(("x", "y", "z"), bounds.MOUNT_M))
        check_numbers(self, "ego part ", **dict.fromkeys(("length", "width", "height"), bounds.SIZE_M))


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
    `detect_range_m`. `PointCause` says of each point what it is of, where the ego's body,
    ghosts or panes that are seen through are on.
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
    ego_visible: bool = False  # whether beams meet the ego: its parts, or its body; not of sensors inside it
    ego_parts: tuple[BodyPart, ...] = ()  # all that is seen of the ego, if any are given
    miss_rate: float = 0.0  # share of detectable echoes that are lost all the same
    dark_miss_rate: float = 0.0  # as much again of echoes without any brightness, fading out at an intensity of 1/255
    dark_floor: float = 0.0  # apparent reflectivity that is subtracted before it is reported: darker surfaces read 0
    saturation: float = 100.0  # apparent reflectivity that reads 255/255; white is 1
    rough_ground: bool = False  # whether dry ground returns at grazing incidence too, as real asphalt does
    multipath: bool = False  # ghosts behind glass, glossy paint and puddles, which mirror other surfaces
    see_through: float = 0.0  # share of beams that pass panes and gaps between leaves
    bloom: float = 0.0  # share of a retro-reflector's power that leaks into the beams around it
    free_running: bool = False  # firings not locked to azimuth: each sweep's columns begin anywhere within a step

    def __post_init__(self) -> None:
        of = f"lidar {self.name}: "
        check_numbers(
            self, of, elevation_rad=bounds.ELEVATION_RAD, azimuth_steps=bounds.COLUMNS, min_range_m=bounds.NEAREST_M,
            max_range_m=bounds.RANGE_M, azimuth_offset_rad=bounds.AZIMUTH_RAD, firing_us=bounds.FIRING_US,
            range_noise_m=bounds.RANGE_NOISE_M, detect_range_m=bounds.DETECT_RANGE_M,
            divergence_rad=bounds.DIVERGENCE_RAD, miss_rate=bounds.SHARE, dark_miss_rate=bounds.SHARE,
            dark_floor=bounds.SHARE, saturation=bounds.SATURATION, see_through=bounds.SHARE, bloom=bounds.SHARE,
        )  # fmt: skip
        _check_mount(self, of)
        rings = len(self.elevation_rad)
        if not bounds.BEAMS.holds(rings):
            raise InputError(f"{of}expected {bounds.BEAMS}, got {rings}", field="elevation_rad")
        if self.min_range_m >= self.max_range_m:
            raise InputError(f"{of}needs min_range_m < max_range_m, got {self.min_range_m:g} and {self.max_range_m:g}")
        for field in ("azimuth_offset_rad", "firing_us"):
            if (has := len(getattr(self, field))) not in (0, rings):
                raise InputError(f"{of}{field} must have one number for each of the {rings} rings, has {has}")
        column_us = self.period_us / self.azimuth_steps
        if self.firing_us and max(self.firing_us) > column_us:
            raise InputError(f"{of}firing_us must lie in a column of {column_us:.4g} us")
        if self.miss_rate + self.dark_miss_rate > 1:
            raise InputError(f"{of}miss_rate and dark_miss_rate must add up to at most 1")
        if self.dark_floor == 1 or self.bloom == 1:
            raise InputError(f"{of}needs dark_floor and bloom below 1")
        if self.returns not in RETURNS:
            raise InputError(f"{of}returns must be one of {', '.join(RETURNS)}, is {shown(self.returns)}")

    @property
    def tells_causes(self) -> bool:
        """Whether points may be of the ego's body, ghosts or rooms, so that a sweep says what each of them is."""
        return self.ego_visible or self.multipath or self.see_through > 0 or self.bloom > 0


def _check_mount(spec: CameraSpec | LidarSpec, of: str) -> None:
    """Name, place and timing of a sensor."""
    if not isinstance(spec.name, str) or not spec.name:
        raise InputError(f"a {spec.slot} needs a name as text, got {shown(spec.name)}", field="name")
    if "/" in spec.name or spec.name in (".", "..") or not spec.name.isprintable():
        # It is a topic's part, a frame and a folder.
        why = f"a {spec.slot}'s name must be printable, without /, got {shown(spec.name)}"
        raise InputError(why, field="name")
    bounds.MOUNT_M.row(spec.pose.position.tolist(), f"{of}position")
    check_numbers(spec, of, period_us=bounds.PERIOD_US, phase_us=bounds.PHASE_US)
    if spec.period_us % PHYSICS_US or spec.phase_us % PHYSICS_US or spec.phase_us >= spec.period_us:
        raise InputError(f"{of}period_us and phase_us must be multiples of the 10 ms physics step, the phase below the "
                         f"period, got {spec.period_us} and {spec.phase_us}")  # fmt: skip


@dataclass(frozen=True)
class ImuSpec:
    """An inertial measurement unit, exact by default. Its errors are those of data sheets, the same for each axis:
    white noise by its density, a constant bias, and a bias that walks at random, by the density of its rate."""

    pose: Pose = Pose()  # noqa: RUF009 - frozen; pose_base_from_imu
    gyro_noise: float = 0.0  # rad/s/sqrt(Hz)
    gyro_bias: _Vector = _ZERO  # rad/s
    gyro_walk: float = 0.0  # rad/s2/sqrt(Hz)
    accel_noise: float = 0.0  # m/s2/sqrt(Hz)
    accel_bias: _Vector = _ZERO  # m/s2
    accel_walk: float = 0.0  # m/s3/sqrt(Hz)
    orientation_noise_rad: float = 0.0  # standard deviation about each axis

    def __post_init__(self) -> None:
        noises = dict.fromkeys(("gyro_noise", "gyro_walk", "accel_noise", "accel_walk"), bounds.NOISE)
        check_numbers(self, "imu.", **noises, orientation_noise_rad=bounds.TILT_NOISE_RAD)
        _check_place_and_bias(self, "imu.", "gyro_bias", "accel_bias")

    @cached_property
    def is_exact(self) -> bool:
        """Whether it has no errors."""
        return not any((*self._noises, *self.gyro_bias, *self.accel_bias))

    @property
    def _noises(self) -> tuple[float, ...]:
        return self.gyro_noise, self.gyro_walk, self.accel_noise, self.accel_walk, self.orientation_noise_rad


@dataclass(frozen=True)
class GnssSpec:
    """A satellite receiver, exact by default: place of its antenna, white noise and a constant bias of its fixes."""

    pose: Pose = Pose()  # noqa: RUF009 - frozen; pose_base_from_gnss
    horizontal_noise_m: float = 0.0  # standard deviation, east and north each
    vertical_noise_m: float = 0.0
    bias_m: _Vector = _ZERO  # east, north, up

    def __post_init__(self) -> None:
        check_numbers(self, "gnss.", horizontal_noise_m=bounds.NOISE, vertical_noise_m=bounds.NOISE)
        _check_place_and_bias(self, "gnss.", "bias_m")


def _check_place_and_bias(spec: ImuSpec | GnssSpec, of: str, *biases: str) -> None:
    bounds.MOUNT_M.row(spec.pose.position.tolist(), f"{of}position")
    check_numbers(spec, of, **dict.fromkeys(biases, bounds.BIAS))
    for name in biases:
        if len(getattr(spec, name)) != 3:
            raise InputError(f"expected three numbers, got {shown(getattr(spec, name))}", field=of + name)


@dataclass(frozen=True)
class SensorRig:
    """Sensors by kind, one field each; a spec names the slot of the engines that render it. `imu` and `gnss` have no
    engines: they measure the ego's own motion."""

    name: str
    cameras: tuple[CameraSpec, ...] = ()
    lidars: tuple[LidarSpec, ...] = ()
    _: KW_ONLY
    imu: ImuSpec = ImuSpec()
    gnss: GnssSpec = GnssSpec()

    def __post_init__(self) -> None:
        for kind in ("cameras", "lidars"):
            if (has := len(getattr(self, kind))) > bounds.SENSORS:
                raise InputError(f"rig {self.name}: expected at most {bounds.SENSORS}, got {has}", field=kind)
        names = [s.name for s in self.sensors]
        if len(set(names)) != len(names):
            raise InputError(f"rig {self.name}: sensor names must differ, got {names}")
        require_memory(self.frame_bytes, self._told_size, field="rig")

    @property
    def sensors(self) -> tuple[Any, ...]:
        """Specs of all kinds that engines render."""
        return tuple(s for f in fields(self) if isinstance(specs := getattr(self, f.name), tuple) for s in specs)

    def of(self, slot: str) -> tuple[Any, ...]:
        """Specs that the engines of a slot render."""
        return tuple(s for s in self.sensors if s.slot == slot)

    @property
    def frame_bytes(self) -> int:
        """What a frame of all sensors takes while it is made, estimated."""
        pixels = [c.width * c.height for c in self.cameras]
        blurred = max((c.width * c.height for c in self.cameras if c.shutter_ms or c.noise), default=0)
        beams = sum(s.azimuth_steps * len(s.elevation_rad) for s in self.lidars)
        return _PIXEL_BYTES * sum(pixels) + _BLUR_BYTES * blurred + _BEAM_BYTES * beams

    @property
    def _told_size(self) -> str:
        """Its largest sensors, for messages."""
        told = []
        if self.cameras:
            most = max(self.cameras, key=lambda c: c.width * c.height)
            told.append(f"{len(self.cameras)} cameras of up to {most.width} x {most.height} px")
        if self.lidars:
            beams = max(self.lidars, key=lambda s: s.azimuth_steps * len(s.elevation_rad))
            told.append(f"{len(self.lidars)} LiDARs of up to {len(beams.elevation_rad)} x {beams.azimuth_steps} beams")
        return ", ".join(told)

    def scaled(self, factor: float) -> SensorRig:
        """The rig with all its cameras scaled."""
        return replace(self, cameras=tuple(c.scaled(factor) for c in self.cameras))

    @property
    def max_range_m(self) -> float:
        return max((s.max_range_m for s in self.sensors), default=0.0)
