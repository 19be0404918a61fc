"""Scenarios from YAML files, validated field by field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from uniscene_sim.edit import CloseLane, MoveAgent, RemoveAgent
from uniscene_sim.errors import InputError, did_you_mean, shown
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.maps.load import MAP_SUFFIXES
from uniscene_sim.maps.painted.files import is_painted
from uniscene_sim.scenario import Action, EgoSpec, Event, Scenario, Spawn, TestPlan, TrafficSpec, Trigger
from uniscene_sim.scenario_files.parameters import Parameter, Value, fill, parameters_of, parameters_schema
from uniscene_sim.scenario_files.parts import agent_of, criterion_of, edit_of, made, manners_of
from uniscene_sim.scenario_files.schema import scenario_json_schema, whole_fields
from uniscene_sim.scenario_files.style_text import style_of_text
from uniscene_sim.scenario_files.test_plan import plan_of, plan_schema
from uniscene_sim.storage.data_folders import data_dir, scenario_names
from uniscene_sim.storage.input_file import is_regular, read_text, reading
from uniscene_sim.storage.yaml_file import MOST_YAML, YamlFile, dotted

__all__ = ["ScenarioFile", "find_scenario", "is_branch", "is_scenario", "load_scenario"]

#: What holds of a file whatever its parameters are.
_OUTER = {"type": "object", "properties": {"parameters": parameters_schema(), **plan_schema()}}
_WHOLE = whole_fields(scenario_json_schema())

#: A field by its name, in YAML's block or flow style.
_SOURCE, _EGO, _DURATION = (
    re.compile(rf"""^(?:[^#\n]*[{{,])?[ \t]*["']?{name}["']?[ \t]*:""", re.MULTILINE)
    for name in ("source", "ego", "duration_s")
)


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


def is_scenario(path: str | Path) -> bool:
    """Whether a file means to be a scenario, valid or not: it has the fields `ego` and `duration_s`."""
    if not is_regular(path):
        return False
    text = read_text(path, MOST_YAML, "a scenario")
    return _EGO.search(text) is not None and _DURATION.search(text) is not None


def load_scenario(path: str | Path, seed: int | None = None, parameters: Mapping[str, Any] | None = None) -> Scenario:
    """A validated scenario.

    Args:
        path: the file.
        seed: in place of the file's; it draws the parameters, which have the values that the file gives without one.
        parameters: values or ranges in place of the file's, by name.

    Raises:
        InputError: names file, line, field and what was expected.
    """
    return ScenarioFile(path).scenario(seed, parameters)


class ScenarioFile:
    """A scenario file, from which a scenario is drawn for each seed. It is valid without one, and at both ends of what
    its parameters may be.

    Args:
        path: the file.
        parameters: values or ranges in place of the file's, by name.

    Raises:
        InputError: names file, line, field and what was expected.

    Attributes:
        parameters: by name, as the file has them.
        fields: the first field that each of them stands in, as `agents[0].spawn.ahead_m`.
        whole: names of those that are whole numbers.
    """

    def __init__(self, path: str | Path, parameters: Mapping[str, Any] | None = None):
        with reading(path, "a scenario"):
            self._file = YamlFile(path, _OUTER, f"a scenario with {', '.join(scenario_json_schema()['required'])}")
            self.parameters = parameters_of(self._file)
            self._drawn_from = self.parameters | self._narrowed(parameters)
            nominal = {name: one.value for name, one in self._drawn_from.items()}
            _, used = fill(self._file, nominal)
            if unused := [name for name in self.parameters if name not in used.values()]:
                why = f"is not used; expected a field that is ${unused[0]}"
                raise self._file.error(("parameters", unused[0]), why)
            self.whole = {name for field, name in used.items() if field[-1] in _WHOLE}
            self.fields = {name: dotted(field) for field, name in reversed(used.items())}
            self._nominal = self._scenario(nominal, scenario_json_schema())
            for _ in self.ends():
                pass
            for name, values in self.test.sets.items():
                self._check_set(name, values)

    @property
    def test(self) -> TestPlan:
        """How the scenario is tested."""
        return self._nominal.test

    @property
    def nominal(self) -> Scenario:
        """The scenario with each parameter as the file gives its value."""
        return self._nominal

    def scenario(self, seed: int | None = None, parameters: Mapping[str, Any] | None = None) -> Scenario:
        """The scenario of a seed; None has each parameter as the file gives its value.

        Raises:
            InputError: an unknown parameter, or a value that its fields do not take.
        """
        one = self._nominal
        if parameters or (self.parameters and seed is not None):
            drawn_from = self._drawn_from | self._narrowed(parameters)
            values = {
                name: parameter.value if seed is None else parameter.draw(seed, whole=name in self.whole)
                for name, parameter in drawn_from.items()
            }
            one = self._scenario(values, scenario_json_schema() if parameters else None)
        return one if seed is None else replace(one, seed=seed)

    def ends(self) -> Iterator[Scenario]:
        """The scenario with all parameters at their least, at their most, and at each further choice.

        Raises:
            InputError: a field does not take the value.
        """
        ends = {name: one.ends for name, one in self._drawn_from.items()}
        for k in range(max(map(len, ends.values()), default=0)):
            yield self._scenario({name: some[k % len(some)] for name, some in ends.items()}, scenario_json_schema())

    def _check_set(self, name: str, values: Mapping[str, Any]) -> None:
        try:
            self.scenario(None, values)
        except InputError as error:
            raise self._file.error(("cases", "sets", name), f"{error.field}: {error.message}") from None

    def _narrowed(self, given: Mapping[str, Any] | None) -> dict[str, Parameter]:
        """The given parameters, each with what is given in place of what the file says."""
        if not isinstance(given, Mapping | None):
            raise InputError(f"expected values by name, got {shown(given)}", field="parameters")
        for name in given or {}:
            if name not in self.parameters:
                known = f"one of {', '.join(self.parameters)}" if self.parameters else "none, for the scenario has none"
                hint = did_you_mean(name, self.parameters)
                raise InputError(f"no parameter {shown(name)}{hint}; expected {known}", field="parameters")
        values = (given or {}).items()
        return {name: self.parameters[name].narrowed(value, f"parameters.{name}") for name, value in values}

    def _scenario(self, values: dict[str, Value], schema: dict[str, Any] | None) -> Scenario:
        data, used = fill(self._file, values)
        try:
            return replace(_scenario(self._file.with_data(data, schema)), drawn=values)
        except InputError as error:
            of = [name for field, name in used.items() if error.field and dotted(field).startswith(error.field)]
            if not of:
                raise
            told = ", ".join(f"${name} is {values[name]}" for name in dict.fromkeys(of))
            raise InputError(f"{error.message}, where {told}", file=error.file, line=error.line,
                             field=error.field) from None  # fmt: skip


def _scenario(file: YamlFile) -> Scenario:
    path, data = file.path, file.data
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
        name=path.stem,
        map=_map_path(file),
        seed=data.get("seed", 0),
        duration_s=data["duration_s"],
        style=replace(style_of_text(data.get("style", {}).get("text", "")), **data.get("style", {})),
        ego=_ego(file),
        agents=agents,
        events=tuple(_event(file, i, names) for i in range(len(data.get("events", ())))),
        traffic=made(file, ("traffic",), TrafficSpec, **_with_manners(data.get("traffic", {}))),
        criteria=tuple(criterion_of(file, ("criteria", i)) for i in range(len(data.get("criteria", ())))),
        file=path,
        test=plan_of(file),
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
