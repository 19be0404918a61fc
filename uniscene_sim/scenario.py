"""Scenarios: the parts of a driving test, as frozen dataclasses read from validated YAML."""

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
    """A position: absolute (x, y, moved to the nearest lane unless `free`), ahead of another agent along its lane, or
    random.

    On a map without lanes every position is free.
    """

    x: float = 0.0
    y: float = 0.0
    yaw_deg: float | None = None  # chooses between lanes of opposite directions; None takes the nearest lane
    relative_to: str | None = None  # name of an agent, or "ego"
    ahead_m: float = 0.0
    lanes_left: int = 0  # number of lanes to the left of the other agent's (negative: right)
    lateral_m: float = 0.0  # offset to the left of the lane's centre
    opposite: bool = False  # on the oncoming lane, facing the other agent
    free: bool = False  # exactly at x, y with heading yaw_deg (0: along x), not on a lane
    random: bool = False  # ego only: a position on the map that depends on the seed


@dataclass(frozen=True)
class EgoSpec:
    spawn: Spawn
    speed_mps: float  # at the start; limited to a safe speed at a random position
    target_speed_mps: float  # cruise speed of the built-in driver, limited by the lane's speed limit
    goal: tuple[float, float] | None = None  # the route ends on the nearest lane; None: straight on at junctions
    via: tuple[tuple[float, float], ...] = ()
    route_m: float | None = None  # length of a route without a goal; None: as far as the ego can get
    trajectory: tuple[tuple[float, float, float], ...] = ()  # (t s, x m, y m): driven instead of a route
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
    to: tuple[float, float] | None = None  # cross: target position, m
    trajectory: tuple[tuple[float, float, float], ...] = ()  # follow_trajectory


@dataclass(frozen=True)
class Event:
    """Actions that start when the trigger first holds."""

    trigger: Trigger
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class TrafficSpec:
    vehicles_per_km: float = 0.0  # of driving lane around the ego
    pedestrians: int = 0


@dataclass(frozen=True)
class Criterion:
    kind: CriterionKind
    value: float = 0.0  # maximum (collision, off_road s, red_light) or minimum (the others) that is accepted
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
    frame_origin: tuple[float, float] = (0.0, 0.0)  # m: what its places are relative to, in the map's own coordinates

    def begins_anywhere(self, name: str) -> bool:
        """Whether the seed draws where an agent, or the ego, begins."""
        spawns = {"ego": self.ego.spawn} | {agent.name: agent.spawn for agent in self.agents}
        spawn = spawns[name]
        while spawn.relative_to is not None:
            spawn = spawns[spawn.relative_to]
        return spawn.random

    def told(self, x: float, y: float) -> str:
        """A place of the scenario, m, as messages give it: in the map's own coordinates."""
        return f"({round(x + self.frame_origin[0], 2):.12g}, {round(y + self.frame_origin[1], 2):.12g})"
