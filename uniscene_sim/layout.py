"""The state of the world at one time: `LayoutFrame`, its agents, and the BEV raster drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.limits import bounds
from uniscene_sim.limits.bounds import check_numbers

__all__ = [
    "AGENT_CHANNELS",
    "AGENT_DTYPE",
    "CONDITION_CHANNELS",
    "LAYOUT_CHANNELS",
    "PHYSICS_US",
    "PLAN_CHANNELS",
    "STATIC_CHANNELS",
    "WEATHERS",
    "BevLayout",
    "Edit",
    "EgoVehicle",
    "LayoutFrame",
    "LayoutHistory",
    "LayoutSchema",
    "Light",
    "SignalState",
    "Style",
    "without_plan",
]

LAYOUT_CHANNELS: tuple[str, ...] = (
    "drivable_area",
    "ped_crossing",
    "walkway",
    "stop_line",
    "carpark_area",
    "road_divider",
    "lane_divider",
    "road_block",
    "car",
    "truck",
    "construction_vehicle",
    "bus",
    "trailer",
    "barrier",
    "motorcycle",
    "bicycle",
    "pedestrian",
    "traffic_cone",
)
#: Of these, what stays where it is, and what moves or is put somewhere.
STATIC_CHANNELS = LAYOUT_CHANNELS[: LAYOUT_CHANNELS.index("car")]
AGENT_CHANNELS = LAYOUT_CHANNELS[len(STATIC_CHANNELS) :]

#: Footprints of what stands beside roads, which only a map that knows its houses can tell.
PLAN_CHANNELS: tuple[str, ...] = ("building", "vegetation", "guard_rail")

#: Condition of learned occupancy: the layout, the plan, and where no plan is told, which a plan without houses is not.
CONDITION_CHANNELS: tuple[str, ...] = (*LAYOUT_CHANNELS, *PLAN_CHANNELS, "unplanned")


#: Kinds of weather that engines support.
WEATHERS = ("clear", "cloudy", "overcast", "rain", "fog", "snow")

#: Length of a physics step; all events happen at multiples of it.
PHYSICS_US = 10_000

#: Agents as a structure of arrays; every field has shape (N,) or (N, 3). `pos` is the centre of the box's footprint
#: on the ground (m, map frame), `rpy` radians, `size` length, width, height in m, `vel` m/s in the map frame.
#: `gait` is the distance walked or rolled so far in m (drives legs and wheels); `colour` seeds the paint.
AGENT_DTYPE = np.dtype(
    [
        ("id", np.uint16),
        ("cls", np.uint8),  # AgentClass
        ("pos", np.float64, 3),
        ("rpy", np.float64, 3),
        ("size", np.float64, 3),
        ("vel", np.float64, 3),
        ("lights", np.uint8),  # Light bits
        ("gait", np.float64),
        ("colour", np.uint32),
    ]
)


class Light:
    """Bits of an agent's `lights`. A signal head uses RED, YELLOW and GREEN."""

    BRAKE, LEFT, RIGHT, HEAD, RED, YELLOW, GREEN = 1, 2, 4, 8, 16, 32, 64


class SignalState:
    """State of a traffic light in `LayoutFrame.signals`."""

    OFF, RED, YELLOW, GREEN = 0, 1, 2, 3


@dataclass(frozen=True)
class EgoVehicle:
    """Body and limits of the ego; its pose is that of `base_link`, the centre of the rear axle on the ground."""

    name: str = "sedan"
    length_m: float = 4.6
    width_m: float = 1.9
    height_m: float = 1.5
    wheelbase_m: float = 2.8
    rear_axle_to_centre_m: float = 1.35  # base_link to the centre of the box, forward
    max_steer_rad: float = 0.6
    max_steer_rate_rad_s: float = 0.8
    max_accel_mps2: float = 3.5
    max_brake_mps2: float = 8.0
    max_speed_mps: float = 50.0
    steer_lag_s: float = 0.1
    accel_lag_s: float = 0.15

    def __post_init__(self) -> None:
        check_numbers(self, "", **bounds.EGO_VEHICLE)


@dataclass(frozen=True)
class Style:
    """Weather and time of day. `style_of_text` finds both in free text; learned engines may use the text itself."""

    weather: str = "clear"
    time_of_day_h: float = 13.0
    text: str = ""

    def __post_init__(self) -> None:
        check_numbers(self, time_of_day_h=bounds.HOUR_H)


@dataclass(frozen=True)
class Edit:
    """A change of the world while it runs; `uniscene_sim.edit` has the kinds."""


@dataclass(frozen=True)
class LayoutFrame:
    """One moment of the world, a few kilobytes: all that an engine may know besides the `StaticMap`."""

    stamp_us: int
    ego_pose: Pose  # pose_map_from_base
    ego_velocity: np.ndarray  # (3,) m/s, map frame
    ego_yaw_rate: float  # rad/s
    ego_accel: float  # m/s2, forward
    ego_steer: float  # rad at the front wheels
    ego_vehicle: EgoVehicle
    agents: np.ndarray  # (N,) AGENT_DTYPE: what moves, dynamic props and signal heads
    signals: np.ndarray  # (S,) uint8 SignalState, in the order of the map's signals
    route: np.ndarray  # (R, 3) m, map frame: the path ahead
    map_ref: str  # hash of the StaticMap
    seed: int
    style: Style = field(default_factory=Style)
    events: tuple[str, ...] = ()  # what happened since the last frame: "contact:17", "off_road", "action:KIND:ID"
    edits: tuple[Edit, ...] = ()  # in force, in order; some make another map, see `maps.edited_map`


class LayoutHistory(Sequence[LayoutFrame]):
    """Earlier layouts, oldest first. Layouts that a source computes lazily are computed when they are read."""

    def __init__(self, entries: tuple[tuple[Sequence[LayoutFrame], int], ...] = ()):
        self._entries = entries  # a sequence and an index into it, for each layout

    def then(self, frames: Sequence[LayoutFrame], most: int) -> LayoutHistory:
        """This history followed by `frames`, cut to the latest `most` layouts."""
        return LayoutHistory((*self._entries, *((frames, k) for k in range(len(frames))))[-most:])

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, k: int) -> LayoutFrame: ...

    @overload
    def __getitem__(self, k: slice) -> LayoutHistory: ...

    def __getitem__(self, k: int | slice) -> LayoutFrame | LayoutHistory:
        if isinstance(k, slice):
            return LayoutHistory(self._entries[k])
        frames, index = self._entries[k]
        return frames[index]


@dataclass(frozen=True)
class LayoutSchema:
    """Names of the channels of a `BevLayout`, in order."""

    channels: tuple[str, ...] = LAYOUT_CHANNELS

    def index(self, name: str) -> int:
        """Index of a channel by name."""
        return self.channels.index(name)


@dataclass(frozen=True)
class BevLayout:
    """Multi-hot raster, ego-aligned or map-aligned: what generators are conditioned on."""

    data: np.ndarray  # uint8 (C, X, Y)
    schema: LayoutSchema
    resolution_m: float
    pose: Pose  # pose_map_from_raster; cell (0, 0) has its corner at `origin` in that frame
    origin: tuple[float, float]

    def __post_init__(self) -> None:
        check_numbers(self, resolution_m=bounds.VOXEL_M)
        if self.data.ndim != 3 or self.data.shape[0] != len(self.schema.channels):
            raise ValueError(f"layout data must be ({len(self.schema.channels)}, X, Y), got {self.data.shape}")


def without_plan(layout: np.ndarray, channels: Sequence[str] = CONDITION_CHANNELS) -> np.ndarray:
    """A copy of layouts (..., C, X, Y) over `channels` in which houses, plants and rails are withheld as a group."""
    told = layout.copy()
    for name in PLAN_CHANNELS:
        if name in channels:
            told[..., channels.index(name), :, :] = 0
    if "unplanned" in channels:
        told[..., channels.index("unplanned"), :, :] = 1
    return told
