"""The request for a tick and its result: occupancy, images, sweeps, annotations, and the frame that holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

import numpy as np

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.layout import BevLayout, LayoutFrame, LayoutSchema

__all__ = [
    "ANNOTATION_KINDS",
    "BOX_DTYPE",
    "CAMERA_BOX_DTYPE",
    "CameraAnnotations",
    "CameraBuffers",
    "CameraFrame",
    "FrameAnnotations",
    "FrameRequest",
    "LaneLine",
    "LidarAnnotations",
    "LidarSweep",
    "OccupancyGrid",
    "SensorFrame",
    "digest",
]


@dataclass(frozen=True)
class FrameRequest:
    """What a frame is to hold; nothing else is computed.

    Attributes:
        sensors: names of the sensors to simulate when they are due, None for all. A `joint` engine that is called
            simulates all of its sensors.
        window_grid: grid of the occupancy window around the ego, None for no window.
        bev_schema: channels of the layout raster, None for no raster.
        annotations: kinds of annotation, of "flow", "boxes", "lanes", "buffers".
        digests: whether the sensors' records are hashed.
    """

    sensors: frozenset[str] | None = None
    window_grid: GridSpec | None = DEFAULT_GRID
    bev_schema: LayoutSchema | None = LayoutSchema()  # noqa: RUF009 - frozen
    annotations: frozenset[str] = frozenset()
    digests: bool = True

    def wants(self, sensor: str) -> bool:
        return self.sensors is None or sensor in self.sensors


@dataclass(frozen=True)
class OccupancyGrid:
    """Semantic occupancy of a window; z is height above ground, instance 0 is none.

    `stamp_us` is the time of the layout that it shows; it is not part of the digest.
    """

    labels: np.ndarray  # uint8 (X, Y, Z), OccClass
    instances: np.ndarray  # uint16 (X, Y, Z)
    grid: GridSpec
    pose: Pose  # pose_map_from_grid
    stamp_us: int = field(default=0, metadata={"hashed": False})


@dataclass(frozen=True)
class CameraFrame:
    """One camera's images at one stamp; depth is along the optical axis in metres, inf where nothing was hit."""

    kept_in: ClassVar[str] = "cameras"  # field of `SensorFrame`
    rgb: np.ndarray  # uint8 (H, W, 3)
    depth: np.ndarray  # float32 (H, W)
    semantic: np.ndarray  # uint8 (H, W), OccClass; FREE is sky
    instance: np.ndarray  # uint16 (H, W)
    stamp_us: int


@dataclass(frozen=True)
class LidarSweep:
    """One sweep; points are in the sensor frame at `stamp_us`, the sweep's end, or, of a LiDAR that is not `deskewed`,
    each in the sensor frame at its own time.

    The stronger of two returns of a beam has number 0 and the other one 1; the two points share ring and time. Sensors
    with one return a beam have no `return_number`. Rain, snow, fog and ghosts have `OccClass.OTHERS` and instance 0.
    The ego's body has `OccClass.CAR` and `EGO_ID`, and its points are never compensated for the ego's motion. Sensors
    that see neither the ego, nor ghosts, nor rooms behind windows have no `cause`.
    """

    kept_in: ClassVar[str] = "sweeps"
    xyz: np.ndarray  # float32 (N, 3) m
    intensity: np.ndarray  # float32 (N,) 0..1
    ring: np.ndarray  # uint16 (N,)
    time_s: np.ndarray  # float32 (N,), <= 0, firing time before `stamp_us`
    label: np.ndarray  # uint8 (N,), OccClass
    instance: np.ndarray  # uint16 (N,)
    stamp_us: int
    return_number: np.ndarray | None = None  # uint8 (N,)
    cause: np.ndarray | None = None  # uint8 (N,), PointCause


#: Kinds of annotation that may be requested.
ANNOTATION_KINDS = ("flow", "boxes", "lanes", "buffers")

_BOX = [
    ("id", np.uint16),
    ("cls", np.uint8),  # AgentClass
    ("centre", np.float64, 3),  # of the box, m
    ("rotation", np.float64, (3, 3)),  # frame <- box: its axes forward, left, up as columns
    ("size", np.float64, 3),  # length, width, height, m
    ("velocity", np.float64, 3),  # over the ground, m/s, along the frame's axes
    ("num_lidar_pts", np.int32),  # points of the object, by instance
    ("visibility", np.float32),  # visible pixels over those that it would have alone; 0 where it would have none
    ("visibility_level", np.uint8),  # as nuScenes: 1 up to 40 %, 2 up to 60, 3 up to 80, 4 above; 0: none alone
]
#: A box in a frame: `base_link`, a LiDAR's axes or a camera's optical axes. Visibility is over all cameras of the
#: frame, for a camera its own; points are of all LiDARs, for a LiDAR its own.
BOX_DTYPE = np.dtype(_BOX)
#: A box in one camera's optical frame and image. Image boxes are left, top, right, bottom in px; the first pixel spans
#: 0 to 1.
CAMERA_BOX_DTYPE = np.dtype(
    [
        *_BOX,
        ("bbox", np.float32, 4),  # tight around the visible pixels, NaN where none is
        ("bbox_amodal", np.float32, 4),  # of the projected 3D box, clipped to the image
        ("num_pixels", np.int32),  # visible
        ("num_pixels_alone", np.int32),  # were there nothing but the object
        ("truncation", np.float32),  # share of the unoccluded object's solid angle that is outside the image
    ]
)


@dataclass(frozen=True)
class LaneLine:
    """A visible piece of a lane's centre or border, in the lane's direction of travel."""

    lane: int  # index in the map's lanes
    kind: Literal["centre", "left", "right"]
    mark: str  # what is painted there: none, solid, broken, solid_solid, ...; "-yellow" appended when yellow
    pixels: np.ndarray  # float32 (P, 2) px, P >= 2
    xyz: np.ndarray  # float32 (P, 3) m in the optical frame


@dataclass(frozen=True)
class CameraBuffers:
    """What generators of images are conditioned on and judged by (UniScene; AnyScene, 3.3; X-Scene, 3.2): exact, of
    the ray through each pixel's centre, whatever made the image.

    `depth`, `semantic` and `instance` are as in `CameraFrame`. `material` is what the ray met, finer than its class; on
    a voxel of an occupancy window it is the class. `paint` is the material that the layout paints there, wherever the
    ray ends on ground, also on that of a window, whose voxels are too coarse for a line. So `taxonomy.MATERIAL_LABEL
    [paint]` has the road's dividers and crossings, and `taxonomy.IS_ROAD_MARKING[paint]` marks stop lines, arrows and
    edge lines, too, whose class is the road's.

    `coordinates` are where the ray ends, along the axes of the map from `origin`: the corner of a cube of 64 m
    around the ego, so the numbers are small enough that float32 rounds them by less than 20 micrometres, and what
    stands still keeps them while the ego drives on in that cube. They follow from `depth`.

    `normals` are of the surfaces as they are traced, so of cells and voxels those of their faces, along the axes of the
    map, where up is the same for all cameras, and never point away from the camera.

    `rays` are Plücker coordinates (d, o x d) of the ray in `base_link`, where they depend on the calibration alone: its
    unit direction, then its moment about the rear axle, in the order of Sitzmann et al. (2021), "Light field networks".

    `motion` is the optical flow back to this camera's previous image, as `CameraAnnotations.optical_flow`, of these
    depths and instances; None where no earlier moment is known.

    Where nothing is hit, depth is inf, coordinates are NaN, normals 0, semantic FREE, material and paint NONE; where
    the lens has no ray, rays are 0 too.
    """

    depth: np.ndarray  # float32 (H, W) m
    semantic: np.ndarray  # uint8 (H, W), OccClass
    instance: np.ndarray  # uint16 (H, W)
    material: np.ndarray  # uint8 (H, W), Material
    paint: np.ndarray  # uint8 (H, W), Material; NONE where there is no ground
    normals: np.ndarray  # float32 (H, W, 3)
    coordinates: np.ndarray  # float32 (H, W, 3) m, from `origin`
    rays: np.ndarray  # float32 (H, W, 6), and m
    origin: np.ndarray  # float64 (3,) m, map frame, whole multiples of 64
    stamp_us: int
    motion: np.ndarray | None = None  # float32 (H, W, 2) px


@dataclass(frozen=True)
class CameraAnnotations:
    """Annotations of one camera's image; those not requested are None.

    `optical_flow` points back in time: the point at pixel (u, v) was at (u, v) + flow in this camera's previous image,
    so `previous[v + flow[1], u + flow[0]]` shows the same point as `now[v, u]`. `scene_flow` is the point's position in
    the previous optical frame minus its position in this one, the camera's own motion included; projected, it gives
    `optical_flow`. The sky is infinitely far away, so only the camera's rotation moves it. NaN means undefined: all of
    a camera's first image, objects that did not exist yet, points outside the lens's field of view, and the scene flow
    of the sky. Bodies are rigid boxes, so a pedestrian's legs move with the body. `occluded` marks what the previous
    image did not show: points outside of it or, by its depth, behind something.
    """

    optical_flow: np.ndarray | None = None  # float32 (H, W, 2) px
    scene_flow: np.ndarray | None = None  # float32 (H, W, 3) m
    occluded: np.ndarray | None = None  # bool (H, W)
    boxes: np.ndarray | None = None  # (B,) CAMERA_BOX_DTYPE in the optical frame: agents in the image, occluded or not
    lanes: tuple[LaneLine, ...] | None = None
    buffers: CameraBuffers | None = None


@dataclass(frozen=True)
class LidarAnnotations:
    """Annotations of one sweep; those not requested are None.

    `scene_flow` is each point's own velocity over the ground when its beam fired, along the sensor's axes at the
    stamp (as in Waymo's scene flow): zero on everything static.
    """

    scene_flow: np.ndarray | None = None  # float32 (N, 3) m/s
    boxes: np.ndarray | None = None  # (B,) BOX_DTYPE in the sensor's frame: agents within its range


@dataclass(frozen=True)
class FrameAnnotations:
    """Annotations of all sensors that fired, by name."""

    boxes: np.ndarray | None = None  # (B,) BOX_DTYPE in base_link: agents within the rig's range
    cameras: dict[str, CameraAnnotations] = field(default_factory=dict)
    sweeps: dict[str, LidarAnnotations] = field(default_factory=dict)


@dataclass(frozen=True)
class SensorFrame:
    """The output of a tick. Sensors that are not due are absent; `digests` has an entry for each that is present.

    Records of an engine with latency keep their own stamp, which is before `stamp_us`. Each kind of sensor has a field,
    which its records name as `kept_in`. `steps` are the layouts since the frame before, one every 10 ms, `layout` last;
    `control` moved the ego there, None in the first frame of a run.
    """

    layout: LayoutFrame
    cameras: dict[str, CameraFrame] = field(default_factory=dict, metadata={"sensors": True})
    sweeps: dict[str, LidarSweep] = field(default_factory=dict, metadata={"sensors": True})
    occupancy: OccupancyGrid | None = None
    bev: BevLayout | None = None
    digests: dict[str, str] = field(default_factory=dict)
    annotations: FrameAnnotations | None = None
    steps: Sequence[LayoutFrame] = ()
    control: Control | Trajectory | None = None

    @property
    def stamp_us(self) -> int:
        return self.layout.stamp_us

    @classmethod
    def of(cls, layout: LayoutFrame, records: Mapping[str, Any], **others: Any) -> Self:
        """A frame from the records of its sensors, of any kind, by name."""
        kinds: dict[str, dict[str, Any]] = {}
        for name, record in records.items():
            kinds.setdefault(record.kept_in, {})[name] = record
        return cls(layout, **kinds, **others)  # type: ignore[arg-type]

    @property
    def records(self) -> dict[str, Any]:
        """The records of all sensors by name."""
        kinds = (getattr(self, f.name) for f in fields(self) if f.metadata.get("sensors"))
        return {name: record for kind in kinds for name, record in kind.items()}


def digest(record: Any) -> str:
    """SHA-256 over all arrays and numbers of a sensor's record, with names and shapes; None is skipped."""
    sha = hashlib.sha256()
    for f in fields(record):
        value = getattr(record, f.name) if f.metadata.get("hashed", True) else None
        if isinstance(value, np.ndarray):
            sha.update(f"{f.name}{value.dtype.str}{value.shape}".encode())
            sha.update(np.ascontiguousarray(value).data)
        elif value is not None:
            sha.update(f"{f.name}{value!r}".encode())
    return sha.hexdigest()
