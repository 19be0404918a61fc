"""Scenarios from YAML files, validated field by field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from uniscene_sim.edit import CloseLane, MoveAgent, RemoveAgent
from uniscene_sim.errors import InputError, shown
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.maps.load import MAP_SUFFIXES
from uniscene_sim.maps.painted.files import is_painted
from uniscene_sim.scenario import Action, Criterion, EgoSpec, Event, Scenario, Spawn, TrafficSpec, Trigger
from uniscene_sim.scenario_files.parts import agent_of, edit_of, made, manners_of
from uniscene_sim.scenario_files.schema import scenario_json_schema
from uniscene_sim.scenario_files.style_text import style_of_text
from uniscene_sim.storage.data_folders import data_dir, scenario_names
from uniscene_sim.storage.input_file import is_regular, read_text, reading
from uniscene_sim.storage.yaml_file import MOST_YAML, YamlFile

__all__ = ["find_scenario", "is_branch", "load_scenario"]


_SOURCE = re.compile(r"""^(?:[^#\n]*[{,])?[ \t]*["']?source["']?[ \t]*:""", re.MULTILINE)


def find_scenario(name_or_path: str) -> Path:
    """The file at a path, or a scenario of the library by name.

    Raises:
        InputError: it is neither; the message lists the library.
    """
    path = Path(name_or_path)
    if is_regular(path) or path.suffix in (".yaml", ".yml"):
        return path
    library = data_dir("scenarios")
    if is_regular(library / f"{name_or_path}.yaml"):
        return library / f"{name_or_path}.yaml"
    known = ", ".join(scenario_names())
    raise InputError(f"no scenario {shown(name_or_path)}; expected a .yaml file or one of {known}", field="scenario")


def is_branch(path: str | Path) -> bool:
    """Whether a file begins a scenario from a recording: it has a field `source`, in YAML's block or flow style."""
    return is_regular(path) and _SOURCE.search(read_text(path, MOST_YAML, "a scenario")) is not None


def load_scenario(path: str | Path) -> Scenario:
    """A validated scenario.

    Raises:
        InputError: names file, line, field and what was expected.
    """
    with reading(path, "a scenario"):
        return _scenario(path)


def _scenario(path: str | Path) -> Scenario:
    file = YamlFile(path, scenario_json_schema(), "a scenario")
    data = file.data
    ego = data["ego"]
    if "trajectory" in ego and ("goal" in ego or "via" in ego):
        raise file.error(("ego", "trajectory"), "a trajectory takes the place of goal and via, expected one of the two")
    if "route_m" in ego and ("goal" in ego or "trajectory" in ego):
        raise file.error(("ego", "route_m"), "a goal or a trajectory says how long the route is, expected one of these")
    if "random" in ego["spawn"] and ("via" in ego or "trajectory" in ego):
        other = "via" if "via" in ego else "trajectory"
        raise file.error(("ego", other), "a random spawn has no fixed way, expected goal or route_m")
    if "relative_to" in ego["spawn"]:
        raise file.error(("ego", "spawn", "relative_to"), "the ego begins before all others, expected x and y")
    agents = tuple(agent_of(file, ("agents", i)) for i in range(len(data.get("agents", ()))))
    names = ["ego", *(a.name for a in agents)]
    for i, agent in enumerate(agents):
        if names.index(agent.name) != i + 1:
            raise file.error(("agents", i, "name"), f"{shown(agent.name)} is taken")
        if agent.spawn.relative_to is not None and agent.spawn.relative_to not in names[: i + 1]:
            known = ", ".join(names[: i + 1])
            why = f"{shown(agent.spawn.relative_to)} is none of those before: {known}"
            raise file.error(("agents", i, "spawn", "relative_to"), why)
    return made(
        file,
        (),
        Scenario,
        name=Path(path).stem,
        map=_map_path(file),
        seed=data.get("seed", 0),
        duration_s=data["duration_s"],
        style=replace(style_of_text(data.get("style", {}).get("text", "")), **data.get("style", {})),
        ego=_ego(file),
        agents=agents,
        events=tuple(_event(file, i, names) for i in range(len(data.get("events", ())))),
        traffic=made(file, ("traffic",), TrafficSpec, **_with_manners(data.get("traffic", {}))),
        criteria=tuple(made(file, ("criteria", i), Criterion, **c) for i, c in enumerate(data.get("criteria", ()))),
        file=Path(path),
    )


def _map_path(file: YamlFile) -> Path:
    name = file.data["map"]
    folders: list[Path] = [file.path.parent, file.path.parent / "maps", data_dir("scenarios") / "maps"]
    for folder in folders:
        candidate: Path
        for candidate in (folder / name, *(folder / f"{name}{suffix}" for suffix in MAP_SUFFIXES)):
            if is_regular(candidate) or is_painted(candidate):
                return candidate
    raise file.error(
        ("map",),
        f"{shown(name)} not found; expected a map file ({', '.join(MAP_SUFFIXES)}), or the folder of a painted map, "
        "beside the scenario or in scenarios/maps",
    )


def _ego(file: YamlFile) -> EgoSpec:
    entry = _with_manners(file.data["ego"])
    speed = entry.pop("speed_mps", 0.0)
    return made(
        file,
        ("ego",),
        EgoSpec,
        spawn=made(file, ("ego", "spawn"), Spawn, **entry.pop("spawn")),
        speed_mps=speed,
        target_speed_mps=entry.pop("target_speed_mps", max(speed, 8.0)),
        vehicle=made(file, ("ego", "vehicle"), EgoVehicle, **entry.pop("vehicle", {})),
        **entry,
    )


def _with_manners(entry: dict[str, Any]) -> dict[str, Any]:
    return entry | ({"manners": manners_of(entry["manners"])} if "manners" in entry else {})


def _event(file: YamlFile, i: int, names: list[str]) -> Event:
    """An event; its trigger speaks of the names given, the rest also of what edits of the file add."""
    entry = file.data["events"][i]

    def check(name: str, *where: str | int) -> None:
        if name not in names:
            raise file.error(("events", i, *where), f"no agent {shown(name)}; expected one of {', '.join(names)}")

    trigger = made(file, ("events", i, "trigger"), Trigger, **entry["trigger"])
    check(trigger.agent, "trigger", "agent")
    check(trigger.other, "trigger", "other")
    edits = tuple(edit_of(file, ("events", i, "edits", k)) for k in range(len(entry.get("edits", ()))))
    names = [*names, *_added(file)]
    for k, edit in enumerate(edits):
        if isinstance(edit, RemoveAgent | MoveAgent) and not edit.name.startswith("#"):
            check(edit.name, "edits", k, "name")
    actions = []
    for k, raw in enumerate(entry.get("actions", ())):
        check(raw["agent"], "actions", k, "agent")
        actions.append(made(file, ("events", i, "actions", k), Action, **raw))
    return Event(trigger, tuple(actions), edits)


def _added(file: YamlFile) -> Iterator[str]:
    """Names that edits of a scenario file give."""
    for event in file.data["events"]:
        for edit in event.get("edits", ()):
            if edit["kind"] == "add":
                yield edit["agent"]["name"]
            elif edit["kind"] == "close_lane":
                yield edit.get("name", CloseLane.name)
