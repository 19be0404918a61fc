"""`LoggedDrive`: a real drive as its data set has it, in the set's own world frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from uniscene_sim.layout import EgoVehicle
from uniscene_sim.rig import SensorRig
from uniscene_sim.taxonomy import AgentClass

__all__ = ["GroundPoints", "LoggedDrive", "LoggedImage", "Track"]


@dataclass(frozen=True)
class Track:
    """One object's boxes over time.

    Attributes:
        name: of the object in the data set.
        times_s: (K,) rising, since the drive began.
        places: (K, 3) m, middle of the box's footprint.
        yaws: (K,) rad.
        size: length, width, height, m.
        still: labelled as never moving.
    """

    name: str
    cls: AgentClass
    times_s: np.ndarray
    places: np.ndarray
    yaws: np.ndarray
    size: tuple[float, float, float]
    still: bool = False


@dataclass(frozen=True)
class GroundPoints:
    """LiDAR points (N, 3), m, that say what a place is, with the painted channel of each, -1 for plain ground."""

    xyz: np.ndarray
    channel: np.ndarray  # int8 (N,), index into `CHANNELS`

    CHANNELS = ("drivable_area", "walkway", "building", "vegetation")


@dataclass(frozen=True)
class LoggedImage:
    """A picture that a camera took.

    Attributes:
        pose: float64 (4, 4), world <- optical frame (x right, y down, z ahead), when it was taken.
        frame: number of the moment in the data set.
    """

    camera: str
    time_s: float
    file: Path
    pose: np.ndarray
    frame: int


@dataclass(frozen=True)
class LoggedDrive:
    """A drive.

    Attributes:
        times_s: (N,) of the poses, from 0 on.
        poses: (N, 6) base_link in the world: x, y, z, m, and roll, pitch, yaw, rad, without jumps of a whole turn.
        rig: the real sensors; cameras have the size of the pictures that are there.
        ground: None where no points are labelled.
        losses: what of the data set is left out, a line each.
    """

    name: str
    vehicle: EgoVehicle
    times_s: np.ndarray
    poses: np.ndarray
    tracks: tuple[Track, ...]
    rig: SensorRig
    ground: GroundPoints | None = None
    images: tuple[LoggedImage, ...] = ()
    losses: tuple[str, ...] = field(default=())
