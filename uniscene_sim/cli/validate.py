"""`uniscene-sim validate`: what is wrong with a file, and what is odd about it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.maps.load import is_map_file, load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.procedural.plan import PlanKind, plan_map
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.scenario import Scenario
from uniscene_sim.scenario_files.read import ScenarioFile, is_branch
from uniscene_sim.storage.input_file import is_folder, read_text, reading
from uniscene_sim.storage.yaml_file import MOST_YAML
from uniscene_sim.world.episode.hidden import hidden_objects
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["check_file"]


def check_file(path: Path) -> None:
    """Check a map, rig or scenario; warns of what is lost, cannot happen or cannot be seen.

    Raises:
        InputError: it cannot be used.
    """
    with reading(path, "a map, a rig or a scenario"):
        _check(path)


def _check(path: Path) -> None:
    if is_folder(path) or is_map_file(path):
        _tell(path, hidden_objects(load_map(path)))
    elif path.suffix in (".yaml", ".yml") and _is_rig(path):
        load_rig(str(path))
    elif is_branch(path):
        ScenarioSource.open(str(path)).reset()
    else:
        file = ScenarioFile(path)
        scenario = file.scenario()
        static_map = load_map(scenario.map)
        for end in file.ends():
            _begin_at(end)
        source = ScenarioSource(scenario, static_map)
        source.reset()
        _tell(path, source.hints(lambda: _houses(static_map, source.seed)))


def _begin_at(end: Scenario) -> None:
    """InputError if a scenario cannot begin where its parameters have the values of an end."""
    try:
        ScenarioSource(end, load_map(end.map)).reset()
    except InputError as error:
        values = ", ".join(f"${name} is {value}" for name, value in end.drawn.items())
        raise InputError(f"{error.message}, where {values}", file=error.file, line=error.line,
                         field=error.field) from None  # fmt: skip


def _tell(path: Path, lines: Iterable[str]) -> None:
    for line in lines:
        warnings.warn(f"{path}: {line}", InputWarning, stacklevel=2)


def _houses(static_map: StaticMap, seed: int) -> np.ndarray:
    """Boxes (N, 5) of all houses, generated ones included."""
    plan = plan_map(static_map, seed)
    houses = plan[plan["kind"] == PlanKind.BUILDING]
    return np.stack([houses[name] for name in ("x", "y", "yaw", "length", "width")], axis=1)


def _is_rig(path: Path) -> bool:
    lines = read_text(path, MOST_YAML, "a scenario or a rig").splitlines()
    return any(line.startswith(("cameras:", "lidars:", "imu:", "gnss:")) for line in lines)
