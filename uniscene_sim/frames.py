"""What a tick is asked for and what comes out of it: occupancy, images, sweeps, and the frame that holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

import numpy as np

from uniscene_sim.annotations.records import FrameAnnotations
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.layout import BevLayout, LayoutFrame, LayoutSchema

__all__ = ["CameraFrame", "FrameRequest", "LidarSweep", "OccupancyGrid", "SensorFrame", "digest"]


@dataclass(frozen=True)
class FrameRequest:
    """What a tick is to make; nothing else is computed.

    Attributes:
        sensors: names of the sensors whose records are wanted where they are due, None for all. An engine that is
            `joint` makes all of its sensors' records as soon as it is called.
        window_grid: grid of the occupancy window around the ego, None for no window.
        bev_schema: channels of the layout raster, None for no raster.
        annotations: kinds of annotation, of "flow", "boxes", "lanes".
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

    `stamp_us` is of the moment that it shows, and no part of its digest.
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

    Of a beam with two returns the strongest has number 0 and the other 1; two such points share ring and time. Sensors
    with one return a beam leave `return_number` out. Rain, snow and fog are of `OccClass.OTHERS` and instance 0.
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


@dataclass(frozen=True)
class SensorFrame:
    """All of a tick. Sensors whose period has not come are absent; `digests` names each that is present.

    What an engine with latency made has the stamp of the moment that it shows, which is before `stamp_us`. A kind of
    sensor is a field of its own, which its records name as `kept_in`.
    """

    layout: LayoutFrame
    cameras: dict[str, CameraFrame] = field(default_factory=dict, metadata={"sensors": True})
    sweeps: dict[str, LidarSweep] = field(default_factory=dict, metadata={"sensors": True})
    occupancy: OccupancyGrid | None = None
    bev: BevLayout | None = None
    digests: dict[str, str] = field(default_factory=dict)
    annotations: FrameAnnotations | None = None

    @property
    def stamp_us(self) -> int:
        return self.layout.stamp_us

    @classmethod
    def of(cls, layout: LayoutFrame, records: Mapping[str, Any], **others: Any) -> Self:
        """The frame of a tick from the records of its sensors by name, of any kind."""
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
    """SHA-256 over every array and number of a sensor's record, names and shapes included; None is left out."""
    sha = hashlib.sha256()
    for f in fields(record):
        value = getattr(record, f.name) if f.metadata.get("hashed", True) else None
        if isinstance(value, np.ndarray):
            sha.update(f"{f.name}{value.dtype.str}{value.shape}".encode())
            sha.update(np.ascontiguousarray(value).data)
        elif value is not None:
            sha.update(f"{f.name}{value!r}".encode())
    return sha.hexdigest()
