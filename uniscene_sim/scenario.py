"""Scenarios: the parts of a driving test, as frozen dataclasses read from validated YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from uniscene_sim.control import NORMAL, Manners
from uniscene_sim.errors import InputError
from uniscene_sim.layout import Edit, EgoVehicle, Style
from uniscene_sim.limits import bounds
from uniscene_sim.limits.bounds import check_numbers

__all__ = ["Action", "AgentSpec", "Criterion", "EgoSpec", "Event", "Scenario", "Spawn", "TestPlan", "TrafficSpec",
           "Trigger"]  # fmt: skip

AGENT_CLASSES = (
    "car", "truck", "construction_vehicle", "bus", "trailer", "motorcycle", "bicycle", "pedestrian", "barrier",
    "traffic_cone",
)  # fmt: skip
TriggerKind = Literal["time", "distance", "time_gap", "ttc", "reach"]
ActionKind = Literal["speed", "brake", "lane_change", "cut_in", "cross", "follow_trajectory", "stop"]
CriterionKind = Literal[
    "collision", "off_road", "red_light", "route_completion", "driven_distance", "min_ttc", "wrong_lane", "stop_line",
    "min_pet", "min_headway", "comfort", "speed_limit", "blocked",
]  # fmt: skip
CRITERION_KINDS: tuple[str, ...] = get_args(CriterionKind)
Partner = Literal["vehicle", "pedestrian", "cyclist", "static"]
PARTNERS: tuple[str, ...] = get_args(Partner)
#: All names that results of criteria have: their kinds, and those of collisions with one type of partner.
CRITERION_NAMES: tuple[str, ...] = (*CRITERION_KINDS, *(f"collision_{partner}" for partner in PARTNERS))
_AT_LEAST = ("route_completion", "driven_distance", "min_ttc", "min_pet", "min_headway", "comfort")


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

    def __post_init__(self) -> None:
        check_numbers(
            self, x=bounds.MAP_FRAME_M, y=bounds.MAP_FRAME_M, yaw_deg=bounds.ANGLE_DEG, ahead_m=bounds.AHEAD_M,
            lanes_left=bounds.LANES, lateral_m=bounds.ASIDE_M,
        )  # fmt: skip


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
    manners: Manners = NORMAL  # of the built-in driver

    def __post_init__(self) -> None:
        check_numbers(
            self, speed_mps=bounds.EGO_SPEED_MPS, target_speed_mps=bounds.CRUISE_MPS, route_m=bounds.ROUTE_M
        )  # fmt: skip
        _keep(self, goal=_place(self.goal, "goal"), trajectory=_rows(self.trajectory))
        _keep(self, via=tuple(_place(via, f"via[{i}]") for i, via in enumerate(self.via)))


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
    manners: Manners = NORMAL  # of behaviour "traffic"

    def __post_init__(self) -> None:
        check_numbers(self, speed_mps=bounds.SPEED_MPS)
        _keep(self, goal=_place(self.goal, "goal"), trajectory=_rows(self.trajectory))
        if self.size is not None:
            _keep(self, size=_several(self.size, 3, bounds.SIZE_M, "size"))


@dataclass(frozen=True)
class Trigger:
    kind: TriggerKind
    value: float  # time: s; distance: m; time_gap, ttc: s; reach: radius m
    agent: str = "ego"
    other: str = "ego"
    x: float = 0.0
    y: float = 0.0

    def __post_init__(self) -> None:
        value = bounds.DISTANCE_M if self.kind in ("distance", "reach") else bounds.TIME_S
        check_numbers(self, value=value, x=bounds.MAP_FRAME_M, y=bounds.MAP_FRAME_M)


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

    def __post_init__(self) -> None:
        check_numbers(
            self, speed_mps=bounds.SPEED_MPS, decel_mps2=bounds.DECEL_MPS2, duration_s=bounds.LANE_CHANGE_S
        )  # fmt: skip
        _keep(self, to=_place(self.to, "to"), trajectory=_rows(self.trajectory))
        if self.kind == "cross" and self.to is None:
            raise InputError("cross needs `to: [x, y]`")
        if self.kind == "follow_trajectory" and not self.trajectory:
            raise InputError("follow_trajectory needs `trajectory`")


@dataclass(frozen=True)
class Event:
    """Actions and edits that start when the trigger first holds."""

    trigger: Trigger
    actions: tuple[Action, ...] = ()
    edits: tuple[Edit, ...] = ()  # of `uniscene_sim.edit`; they happen before the actions


@dataclass(frozen=True)
class TrafficSpec:
    vehicles_per_km: float = 0.0  # of driving lane around the ego
    pedestrians: int = 0
    manners: Manners = NORMAL  # of the vehicles
    spread: float = 0.0  # share by which each vehicle's numbers of manners differ from these at most, by the seed

    def __post_init__(self) -> None:
        check_numbers(
            self, vehicles_per_km=bounds.VEHICLES_PER_KM, pedestrians=bounds.PEDESTRIANS, spread=bounds.SPREAD
        )  # fmt: skip


@dataclass(frozen=True)
class Criterion:
    """What a drive must satisfy; `docs/criteria.md` has the kinds, their units and their definitions."""

    kind: CriterionKind
    value: float = 0.0  # the most or the least that is accepted, see `at_least`
    optional: bool = False
    partner: Partner | None = None  # of collisions, `with` in files: the only ones that count; None: all

    def __post_init__(self) -> None:
        check_numbers(self, value=bounds.SHARE if self.kind == "comfort" else bounds.THRESHOLD)
        if self.partner is not None and self.kind != "collision":
            raise InputError(f"goes with collision alone, not with {self.kind}", field="with")

    @property
    def name(self) -> str:
        """Of its result, one of `CRITERION_NAMES`."""
        return self.kind if self.partner is None else f"{self.kind}_{self.partner}"

    @property
    def at_least(self) -> bool:
        """Whether the value is the least that is accepted; else it is the most."""
        return self.kind in _AT_LEAST


@dataclass(frozen=True)
class TestPlan:
    """How a scenario is tested, beside its criteria.

    Attributes:
        tags: words to choose scenarios by.
        expect: statuses that are accepted of a driver, by its name; of any other SUCCESS and ACCEPTABLE.
        seeds: that draw the parameters, each a test; without any the parameters have their nominal values.
        sets: values of parameters, by the name of the set, each a test of each seed.
        repetitions: of each test; all must give the same digest.
        time_limit_s: wall-clock time for one drive, s.
    """

    __test__ = False  # pytest would take it for a class of tests

    tags: tuple[str, ...] = ()
    expect: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    seeds: tuple[int, ...] = ()
    sets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    repetitions: int = 1
    time_limit_s: float = 300.0


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
    drawn: Mapping[str, float | str] = field(default_factory=dict, hash=False)  # values of the file's parameters
    test: TestPlan = field(default_factory=TestPlan)

    def __post_init__(self) -> None:
        check_numbers(self, seed=bounds.WORLD_SEED, duration_s=bounds.SCENARIO_S)

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


def _keep(noun: Any, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(noun, name, value)


def _several(values: Any, count: int, bound: bounds.Bound, field: str) -> tuple[Any, ...]:
    row = bound.row(values, field)
    if len(row) != count:
        raise InputError(f"expected {count} numbers, got {len(row)}", field=field)
    return row


def _place(place: Any, field: str) -> Any:
    return None if place is None else _several(place, 2, bounds.MAP_FRAME_M, field)


def _rows(rows: Any) -> tuple[tuple[float, float, float], ...]:
    """A trajectory's rows of t (s), x, y (m) as plain floats, none if there is none; an InputError says which row is
    none."""
    if isinstance(rows, tuple | list) and not rows:
        return ()
    try:
        table = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        table = np.zeros(0)
    if table.ndim != 2 or table.shape[1] != 3 or not 2 <= len(table) <= bounds.ROWS:
        raise InputError(f"expected 2 to {bounds.ROWS:,} rows of t, x, y", field="trajectory")
    for k, bound in enumerate((bounds.ROW_S, bounds.MAP_FRAME_M, bounds.MAP_FRAME_M)):
        out = np.flatnonzero(~((table[:, k] >= bound.least) & (table[:, k] <= bound.most)))
        if len(out):
            raise InputError(f"expected {'txy'[k]} of {bound}, got {table[out[0], k]:g}", field=f"trajectory[{out[0]}]")
    took = np.diff(table[:, 0])
    if (took <= 0).any():
        row = int(np.argmax(took <= 0)) + 1
        raise InputError(f"times must rise from row to row, got {table[row, 0]:g}", field=f"trajectory[{row}]")
    if table[-1, 0] <= 0:
        raise InputError(
            f"is over before it begins: expected a last time above 0, got {table[-1, 0]:g}", field="trajectory"
        )
    steps = np.hypot(*np.diff(table[:, 1:], axis=0).T)
    fast = steps > bounds.STEP_MPS.most * took
    if fast.any():
        row, most = int(np.argmax(fast)) + 1, bounds.STEP_MPS.most
        raise InputError(f"expected at most {most:g} m/s since the row before", field=f"trajectory[{row}]")
    if steps.sum() > bounds.WAY_M.most:
        why = f"expected a way of at most {bounds.WAY_M.most / 1e3:g} km, got {steps.sum() / 1e3:.0f}"
        raise InputError(why, field="trajectory")
    return tuple(zip(*table.T.tolist(), strict=True))
