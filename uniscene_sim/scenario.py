"""Scenario files: what a driving test is made of, as frozen dataclasses read from validated YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from uniscene_sim.layout import EgoVehicle, Style

__all__ = ["Action", "AgentSpec", "Criterion", "EgoSpec", "Event", "Scenario", "Spawn", "TrafficSpec", "Trigger"]

AGENT_CLASSES = (
    "car", "truck", "construction_vehicle", "bus", "trailer", "motorcycle", "bicycle", "pedestrian", "barrier",
    "traffic_cone",
)  # fmt: skip
TriggerKind = Literal["time", "distance", "time_gap", "ttc", "reach"]
ActionKind = Literal["speed", "brake", "lane_change", "cut_in", "cross", "follow_trajectory", "stop"]
CriterionKind = Literal["collision", "off_road", "red_light", "route_completion", "driven_distance", "min_ttc"]


@dataclass(frozen=True)
class Spawn:
    """A place: absolute (x, y, snapped to the nearest lane unless `free`), ahead of another agent along its lane, or
    anywhere.

    On a map without lanes every place is free.
    """

    x: float = 0.0
    y: float = 0.0
    yaw_deg: float | None = None  # tells lanes of two directions apart; None takes the nearest
    relative_to: str | None = None  # name of an agent, or "ego"
    ahead_m: float = 0.0
    lanes_left: int = 0  # how many lanes to the left of the other agent's (negative: right)
    lateral_m: float = 0.0  # offset to the left of the lane's centre
    opposite: bool = False  # on the lane of the other direction, facing the other agent
    free: bool = False  # not on a lane: who is there stands where he is put, heading yaw_deg (0: along x)
    random: bool = False  # of the ego alone: somewhere on the map, as the seed says; see `world.episode.random_spawn`


@dataclass(frozen=True)
class EgoSpec:
    spawn: Spawn
    speed_mps: float  # at the start; at a random place no more than is safe there
    target_speed_mps: float  # cruise of the built-in driver; the lane's limit caps it
    goal: tuple[float, float] | None = None  # the route ends on the lane nearest to it; None: as straight as it goes
    via: tuple[tuple[float, float], ...] = ()
    route_m: float | None = None  # length of a route without a goal, done at its end; None: as far as the ego can come
    trajectory: tuple[tuple[float, float, float], ...] = ()  # (t s, x m, y m): what the built-in driver drives instead
    vehicle: EgoVehicle = field(default_factory=EgoVehicle)


@dataclass(frozen=True)
class AgentSpec:
    name: str
    cls: str  # one of AGENT_CLASSES
    spawn: Spawn
    speed_mps: float = 0.0
    behaviour: Literal["traffic", "constant", "walk", "parked", "trajectory"] = "traffic"
    goal: tuple[float, float] | None = None
    trajectory: tuple[tuple[float, float, float], ...] = ()  # (t s, x m, y m)
    size: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Trigger:
    kind: TriggerKind
    value: float  # time: s; distance: m; time_gap, ttc: s; reach: radius m
    agent: str = "ego"
    other: str = "ego"
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class Action:
    kind: ActionKind
    agent: str
    speed_mps: float = 0.0  # speed, cross
    decel_mps2: float = 6.0  # brake, stop
    direction: Literal["left", "right"] = "left"  # lane_change, cut_in
    duration_s: float = 3.0  # lane_change, cut_in
    to: tuple[float, float] | None = None  # cross: where to
    trajectory: tuple[tuple[float, float, float], ...] = ()  # follow_trajectory


@dataclass(frozen=True)
class Event:
    """Its actions start, once, when its trigger first holds."""

    trigger: Trigger
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class TrafficSpec:
    vehicles_per_km: float = 0.0  # of driving lane within reach of the ego
    pedestrians: int = 0


@dataclass(frozen=True)
class Criterion:
    kind: CriterionKind
    value: float = 0.0  # most (collision, off_road s, red_light) or least (the others) that is accepted
    optional: bool = False


@dataclass(frozen=True)
class Scenario:
    name: str
    map: Path
    seed: int
    duration_s: float
    ego: EgoSpec
    style: Style = field(default_factory=Style)
    agents: tuple[AgentSpec, ...] = ()
    events: tuple[Event, ...] = ()
    traffic: TrafficSpec = field(default_factory=TrafficSpec)
    criteria: tuple[Criterion, ...] = ()
    file: Path | None = None
