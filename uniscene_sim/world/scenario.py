"""Scenario files: what a driving test is made of, as frozen dataclasses read from validated YAML."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from uniscene_sim.errors import InputError
from uniscene_sim.layout import EgoVehicle, Style
from uniscene_sim.paths import data_dir
from uniscene_sim.style_text import WEATHERS, style_of_text
from uniscene_sim.world.painted_file import is_painted
from uniscene_sim.yaml_file import YamlFile

__all__ = [
    "Action",
    "AgentSpec",
    "Criterion",
    "EgoSpec",
    "Event",
    "Scenario",
    "Spawn",
    "TrafficSpec",
    "Trigger",
    "find_scenario",
    "load_scenario",
    "scenario_json_schema",
]

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
    random: bool = False  # of the ego alone: somewhere on the map, as the seed says; see `world.random_spawn`


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


def _object(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def scenario_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of scenario files."""
    number, text = {"type": "number"}, {"type": "string", "minLength": 1}
    positive, least_zero = {"type": "number", "exclusiveMinimum": 0}, {"type": "number", "minimum": 0}
    point = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    timed = {"type": "array", "items": number, "minItems": 3, "maxItems": 3}
    trajectory = {"type": "array", "items": timed, "minItems": 2, "description": "rows of t (s), x, y (m)"}
    spawn = _object(
        {
            "x": number,
            "y": number,
            "yaw_deg": number,
            "relative_to": text,
            "ahead_m": number,
            "lanes_left": {"type": "integer"},
            "lateral_m": number,
            "opposite": {"type": "boolean"},
            "free": {"type": "boolean"},
        }
    )
    anywhere = _object({"random": {"const": True, "description": "chosen by the seed"}}, ("random",))
    vehicle = _object({name: positive for name in EgoVehicle.__dataclass_fields__ if name != "name"} | {"name": text})
    trigger = _object(
        {
            "kind": {"enum": list(TriggerKind.__args__)},  # type: ignore[attr-defined]
            "value": least_zero,
            "agent": text,
            "other": text,
            "x": number,
            "y": number,
        },
        ("kind", "value"),
    )
    action = _object(
        {
            "kind": {"enum": list(ActionKind.__args__)},  # type: ignore[attr-defined]
            "agent": text,
            "speed_mps": {"type": "number", "minimum": 0, "maximum": 80},
            "decel_mps2": {"type": "number", "exclusiveMinimum": 0, "maximum": 12},
            "direction": {"enum": ["left", "right"]},
            "duration_s": positive,
            "to": point,
            "trajectory": trajectory,
        },
        ("kind", "agent"),
    )
    agent = _object(
        {
            "name": text,
            "class": {"enum": list(AGENT_CLASSES)},
            "spawn": spawn,
            "speed_mps": {"type": "number", "minimum": 0, "maximum": 80},
            "behaviour": {"enum": ["traffic", "constant", "walk", "parked", "trajectory"]},
            "goal": point,
            "trajectory": trajectory,
            "size": {"type": "array", "items": positive, "minItems": 3, "maxItems": 3},
        },
        ("name", "class", "spawn"),
    )
    criterion = _object(
        {
            "kind": {"enum": list(CriterionKind.__args__)},  # type: ignore[attr-defined]
            "value": least_zero,
            "optional": {"type": "boolean"},
        },
        ("kind",),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "uniscene_sim scenario",
        **_object(
            {
                "map": {**text, "description": "OpenDRIVE, .npz or painted map, beside this file or in scenarios/maps"},
                "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
                "duration_s": {"type": "number", "exclusiveMinimum": 0, "maximum": 3600},
                "style": _object(
                    {
                        "weather": {"enum": list(WEATHERS)},
                        "time_of_day_h": {"type": "number", "minimum": 0, "exclusiveMaximum": 24},
                        "text": {"type": "string"},
                    }
                ),
                "ego": _object(
                    {
                        "spawn": {"if": {"required": ["random"]}, "then": anywhere, "else": spawn},
                        "speed_mps": {"type": "number", "minimum": 0, "maximum": 60},
                        "target_speed_mps": {"type": "number", "exclusiveMinimum": 0, "maximum": 60},
                        "goal": point,
                        "via": {"type": "array", "items": point},
                        "route_m": {"type": "number", "minimum": 20, "maximum": 20000},
                        "trajectory": trajectory,
                        "vehicle": vehicle,
                    },
                    ("spawn",),
                ),
                "agents": {"type": "array", "items": agent},
                "events": {
                    "type": "array",
                    "items": _object(
                        {"trigger": trigger, "actions": {"type": "array", "items": action, "minItems": 1}},
                        ("trigger", "actions"),
                    ),
                },
                "traffic": _object(
                    {
                        "vehicles_per_km": {"type": "number", "minimum": 0, "maximum": 60},
                        "pedestrians": {"type": "integer", "minimum": 0, "maximum": 200},
                    }
                ),
                "criteria": {"type": "array", "items": criterion},
            },
            ("map", "duration_s", "ego"),
        ),
    }


def find_scenario(name_or_path: str) -> Path:
    """A file as it is, or one of the library by name.

    Raises:
        InputError: neither; lists the library.
    """
    path = Path(name_or_path)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return path
    library = data_dir("scenarios")
    if (library / f"{name_or_path}.yaml").is_file():
        return library / f"{name_or_path}.yaml"
    known = ", ".join(sorted(p.stem for p in library.glob("*.yaml")))
    raise InputError(f"no scenario {name_or_path!r}; expected a .yaml file or one of {known}", field="scenario")


def load_scenario(path: str | Path) -> Scenario:
    """A validated scenario.

    Raises:
        InputError: names file, line, field and what was expected.
    """
    file = YamlFile(path, scenario_json_schema())
    data = file.data
    ego = data["ego"]
    speed = float(ego.get("speed_mps", 0.0))
    if "trajectory" in ego and ("goal" in ego or "via" in ego):
        raise file.error(("ego", "trajectory"), "a trajectory takes the place of goal and via, expected one of the two")
    if "route_m" in ego and ("goal" in ego or "trajectory" in ego):
        raise file.error(("ego", "route_m"), "a goal or a trajectory says how long the route is, expected one of these")
    if "random" in ego["spawn"] and ("via" in ego or "trajectory" in ego):
        other = "via" if "via" in ego else "trajectory"
        raise file.error(("ego", other), "a random spawn has no fixed way, expected goal or route_m")
    agents = tuple(_agent(file, i) for i in range(len(data.get("agents", ()))))
    names = ["ego", *(a.name for a in agents)]
    for i, agent in enumerate(agents):
        if names.index(agent.name) != i + 1:
            raise file.error(("agents", i, "name"), f"{agent.name!r} is taken")
        if agent.spawn.relative_to is not None and agent.spawn.relative_to not in names[: i + 1]:
            known = ", ".join(names[: i + 1])
            raise file.error(
                ("agents", i, "spawn", "relative_to"), f"{agent.spawn.relative_to!r} is none of those before: {known}"
            )
    return Scenario(
        name=Path(path).stem,
        map=_map_path(file),
        seed=data.get("seed", 0),
        duration_s=float(data["duration_s"]),
        style=replace(style_of_text(data.get("style", {}).get("text", "")), **data.get("style", {})),
        ego=EgoSpec(
            spawn=Spawn(**ego["spawn"]),
            speed_mps=speed,
            target_speed_mps=float(ego.get("target_speed_mps", max(speed, 8.0))),
            goal=tuple(ego["goal"]) if "goal" in ego else None,
            via=tuple(tuple(p) for p in ego.get("via", ())),
            route_m=ego.get("route_m"),
            trajectory=_trajectory(file, ("ego", "trajectory"), ego.get("trajectory", ())),
            vehicle=EgoVehicle(**ego.get("vehicle", {})),
        ),
        agents=agents,
        events=tuple(_event(file, i, names) for i in range(len(data.get("events", ())))),
        traffic=TrafficSpec(**data.get("traffic", {})),
        criteria=tuple(Criterion(**c) for c in data.get("criteria", ())),
        file=Path(path),
    )


def _map_path(file: YamlFile) -> Path:
    name = file.data["map"]
    folders = [file.path.parent, file.path.parent / "maps", data_dir("scenarios") / "maps"]
    for folder in folders:
        for candidate in (folder / name, folder / f"{name}.xodr", folder / f"{name}.npz"):
            if candidate.is_file() or is_painted(candidate):
                return candidate
    raise file.error(
        ("map",),
        f"{name!r} not found; expected an .xodr or .npz file, or the folder of a painted map, beside the scenario or "
        "in scenarios/maps",
    )


def _agent(file: YamlFile, i: int) -> AgentSpec:
    entry = dict(file.data["agents"][i])
    behaviour = entry.setdefault("behaviour", "walk" if entry["class"] == "pedestrian" else "traffic")
    if (behaviour == "trajectory") != ("trajectory" in entry):
        raise file.error(("agents", i), "a trajectory goes with behaviour: trajectory, and only with it")
    return AgentSpec(
        cls=entry.pop("class"),
        spawn=Spawn(**entry.pop("spawn")),
        trajectory=_trajectory(file, ("agents", i, "trajectory"), entry.pop("trajectory", ())),
        goal=tuple(entry.pop("goal")) if "goal" in entry else None,
        size=tuple(entry.pop("size")) if "size" in entry else None,
        **entry,
    )


def _trajectory(file: YamlFile, field_path: tuple[str | int, ...], rows: Any) -> tuple[tuple[float, float, float], ...]:
    times = [row[0] for row in rows]
    if any(b <= a for a, b in pairwise(times)):
        raise file.error(field_path, "times must rise from row to row")
    return tuple((float(t), float(x), float(y)) for t, x, y in rows)


def _event(file: YamlFile, i: int, names: list[str]) -> Event:
    entry = file.data["events"][i]

    def check(name: str, *where: str | int) -> None:
        if name not in names:
            raise file.error(("events", i, *where), f"no agent {name!r}; expected one of {', '.join(names)}")

    trigger = Trigger(**entry["trigger"])
    check(trigger.agent, "trigger", "agent")
    check(trigger.other, "trigger", "other")
    actions = []
    for k, raw in enumerate(entry["actions"]):
        check(raw["agent"], "actions", k, "agent")
        if raw["kind"] == "cross" and "to" not in raw:
            raise file.error(("events", i, "actions", k), "cross needs `to: [x, y]`")
        if raw["kind"] == "follow_trajectory" and "trajectory" not in raw:
            raise file.error(("events", i, "actions", k), "follow_trajectory needs `trajectory`")
        trajectory = _trajectory(file, ("events", i, "actions", k, "trajectory"), raw.get("trajectory", ()))
        given = {key: value for key, value in raw.items() if key not in ("trajectory", "to")}
        actions.append(Action(**given, to=tuple(raw["to"]) if "to" in raw else None, trajectory=trajectory))
    return Event(trigger, tuple(actions))
