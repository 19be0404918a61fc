"""What a drive took place in: the map and the ego's body, as the scenario has them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from uniscene_sim.errors import InputError
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.regression.results import Batch
from uniscene_sim.scenario_files.read import load_scenario

__all__ = ["Scene", "scenes_of"]


@dataclass(frozen=True)
class Scene:
    """Map and ego of a scenario."""

    static_map: StaticMap
    vehicle: EgoVehicle


def scenes_of(batch: Batch) -> Mapping[Path, Scene]:
    """The scenes of a batch by scenario file; one whose scenario or map cannot be read has none."""
    scenes = {}
    for file in dict.fromkeys(result.case.file for result in batch.results if len(result.series)):
        with suppress(InputError):  # it has told so as an ERROR, or has gone since
            scenario = load_scenario(file)
            scenes[file] = Scene(load_map(scenario.map), scenario.ego.vehicle)
    return scenes
