"""Scenarios from YAML files, validated field by field."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from uniscene_sim.errors import InputError
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.maps.painted.files import is_painted
from uniscene_sim.scenario import Action, AgentSpec, Criterion, EgoSpec, Event, Scenario, Spawn, TrafficSpec, Trigger
from uniscene_sim.scenario_files.schema import scenario_json_schema
from uniscene_sim.scenario_files.style_text import style_of_text
from uniscene_sim.storage.data_folders import data_dir, scenario_names
from uniscene_sim.storage.yaml_file import YamlFile

__all__ = ["find_scenario", "load_scenario"]


def find_scenario(name_or_path: str) -> Path:
    """The file at a path, or a scenario of the library by name.

    Raises:
        InputError: it is neither; the message lists the library.
    """
    path = Path(name_or_path)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return path
    library = data_dir("scenarios")
    if (library / f"{name_or_path}.yaml").is_file():
        return library / f"{name_or_path}.yaml"
    known = ", ".join(scenario_names())
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
