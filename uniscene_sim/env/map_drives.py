"""Episodes on maps: a new town or road for each seed, or any map file.

The seed draws the start and the route, traffic, weather and hour, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from uniscene_sim.compute.last_used import LastUsed
from uniscene_sim.env.settings import SPLIT_SEEDS
from uniscene_sim.env.shared import begun_source, keep_map
from uniscene_sim.errors import InputError, shown
from uniscene_sim.interfaces import LayoutSource
from uniscene_sim.layout import Style
from uniscene_sim.limits import bounds
from uniscene_sim.limits.bounds import Bound
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.towns.blocks import BlockRoad, make_blocks
from uniscene_sim.maps.towns.streets import DRIVABLE
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.scenario import Criterion, EgoSpec, Scenario, Spawn, TrafficSpec
from uniscene_sim.scenario_files.parameters import Parameter

__all__ = ["PARAMETERS", "BlockDrive", "MapDrive", "map_drive"]

TOWNS, LANES = Bound(1, SPLIT_SEEDS, whole=True), Bound(1, 4, whole=True)
_DURATION_S = 150.0
#: What the seed draws of an episode, beside its map, start and route. The settings and options `parameters` narrow it.
PARAMETERS = {
    parameter.name: parameter
    for parameter in (
        Parameter("vehicles_per_km", 4.0, uniform=(0.0, 8.0)),
        Parameter("pedestrians", 6, uniform=(0, 12)),
        Parameter("target_speed_mps", 11.0, uniform=(8.0, 14.0)),
        Parameter("route_m", 275.0, uniform=(200.0, 350.0)),
        Parameter("weather", "clear", choice=("clear", "cloudy", "overcast", "rain", "fog")),
        Parameter("hour", 13.0, uniform=(6.0, 22.0)),
    )
}
_WHOLE = ("pedestrians",)
_BOUNDS = {
    "vehicles_per_km": bounds.VEHICLES_PER_KM,
    "pedestrians": bounds.PEDESTRIANS,
    "target_speed_mps": bounds.CRUISE_MPS,
    "route_m": bounds.ROUTE_M,
    "hour": bounds.HOUR_H,
}
_CRITERIA = (
    Criterion("collision"), Criterion("off_road"), Criterion("red_light"), Criterion("route_completion", 0.95)
)  # fmt: skip
#: Towns used last, by maker and seed: what is worked out of a map is some megabytes, and takes longer than the map.
_towns: LastUsed[StaticMap] = LastUsed(24)
_roads: LastUsed[BlockRoad] = LastUsed(24)


class MapDrive:
    """Drives through maps that a seed makes, with a random start and route, ambient traffic, weather and hour.

    Args:
        name: used in `info`.
        make: the map of a seed.
        count: how many maps there are: further seeds drive on these, too. None for one to each seed.
        given: values or ranges in place of those of `PARAMETERS`.
        made_of: what the maps are made of, the same for equal maps; the name if that says it.
    """

    live = False
    seed = 0
    parameters: Mapping[str, Parameter] = MappingProxyType(PARAMETERS)

    def __init__(
        self,
        name: str,
        make: Callable[[int], StaticMap],
        count: int | None,
        given: Mapping[str, Any] | None = None,
        made_of: str | None = None,
    ):
        self.name, self._make, self._count, self._given = name, make, count, dict(given or {})
        _narrowed(self._given)  # told at once if they will not do
        self._made_of = made_of or name
        self.map_ref = f"{self._made_of}:{count}"

    @property
    def map(self) -> StaticMap:
        """That of seed 0."""
        return self.map_of(0)

    def map_of(self, seed: int) -> StaticMap:
        """The map of an episode."""
        town = self._town(seed)
        return _towns.get((self._made_of, town), lambda: self._make(town))

    def _town(self, seed: int) -> int:
        """Seed of the map of an episode: the first seeds of each split make those that there are."""
        first = seed - seed % SPLIT_SEEDS
        return seed if self._count is None else first + (seed - first) % self._count

    def open(self, seed: int, parameters: Mapping[str, Any] | None = None) -> LayoutSource:
        """The source of an episode; `parameters` has values or ranges in place of those that it draws from."""
        scenario = self.scenario_of(seed, self._given | dict(parameters or {}))
        return begun_source(scenario, keep_map(self.map_of(seed)), seed)

    def scenario_of(self, seed: int, parameters: Mapping[str, Any]) -> Scenario:
        """What happens in an episode."""
        return scenario_of(self.name, seed, parameters)

    def close(self) -> None:
        """Nothing to leave."""


class BlockDrive(MapDrive):
    """Drives through all blocks of a road, which say how long the route is.

    Args:
        sequence: letters of blocks, or how many a seed draws, see `maps.towns.blocks`.
        lanes: in each direction, None for 1 to 3 by the seed.
        count, given: see `MapDrive`.
    """

    parameters = MappingProxyType({name: one for name, one in PARAMETERS.items() if name != "route_m"})

    def __init__(self, sequence: str | int, lanes: int | None, count: int | None, given: Mapping[str, Any] | None):
        name = f"blocks:{sequence}" + (f",{lanes}" if lanes else "")
        super().__init__(name, lambda seed: self._road(seed).map, count, given)
        self._sequence, self._lanes = sequence, lanes
        self._road(0)  # told at once if it cannot be laid

    def _road(self, seed: int) -> BlockRoad:
        return _roads.get((self.name, seed), lambda: make_blocks(seed, self._sequence, self._lanes))

    def scenario_of(self, seed: int, parameters: Mapping[str, Any]) -> Scenario:
        """What happens in an episode: from the beginning of the first block to the end of the last."""
        road, drawn = self._road(self._town(seed)), super().scenario_of(seed, parameters)
        x, y, yaw = road.start
        ego = replace(drawn.ego, spawn=Spawn(x, y, float(np.rad2deg(yaw))), goal=road.goal, route_m=None)
        duration_s = _DURATION_S + 30.0 * len(road.sequence)
        values = {name: drawn.drawn[name] for name in self.parameters}
        return replace(drawn, ego=ego, duration_s=duration_s, drawn=values)


def scenario_of(name: str, seed: int, parameters: Mapping[str, Any] | None = None) -> Scenario:
    """What happens in an episode, drawn by the seed, from the ranges of `parameters` where it has some.

    Raises:
        InputError: a value or range that will not do.
    """
    drawn: dict[str, Any] = {key: one.draw(seed, key in _WHOLE) for key, one in _narrowed(parameters or {}).items()}
    speed = drawn["target_speed_mps"]
    return Scenario(
        name=name,
        map=Path(name),
        seed=seed,
        duration_s=_DURATION_S,
        ego=EgoSpec(Spawn(random=True), min(speed, 8.0), speed, route_m=float(round(drawn["route_m"]))),
        traffic=TrafficSpec(drawn["vehicles_per_km"], drawn["pedestrians"], spread=0.1),
        style=Style(drawn["weather"], drawn["hour"]),
        criteria=_CRITERIA,
        drawn=drawn,
    )


def _narrowed(given: Mapping[str, Any]) -> dict[str, Parameter]:
    """`PARAMETERS` with values or ranges in place of their own.

    Raises:
        InputError: a value or range that will not do.
    """
    found = {}
    for key, own in PARAMETERS.items():
        found[key] = one = own.narrowed(given[key], f"parameters.{key}") if key in given else own
        for end in one.ends if key in _BOUNDS else ():
            _BOUNDS[key].number(end, f"parameters.{key}")
    return found


def map_drive(
    given: Any, towns: int | None, lanes: int | None, parameters: Mapping[str, Any] | None = None
) -> MapDrive:
    """The drive of the settings `map`, `towns`, `lanes` and `parameters`.

    Args:
        given: "town", "blocks:SCXT", "blocks:7", or a map file.
        towns: how many towns or roads there are in each split, None for one to each seed.
        lanes: of roads of blocks, in each direction; None draws them.
        parameters: values or ranges in place of those of `PARAMETERS`; others are passed over.

    Raises:
        InputError: the map is neither, or damaged.
    """
    if not isinstance(given, str | Path) or not str(given):
        raise InputError(f'expected "town", "blocks:..." or a map file, got {shown(given)}', field="map")
    if towns is not None:
        towns = int(TOWNS.number(towns, "towns"))
    blocks = str(given).partition("blocks:")[2] if str(given).startswith("blocks:") else None
    if lanes is not None:
        lanes = int(LANES.number(lanes, "lanes"))
        if blocks is None:
            raise InputError(f'is for map="blocks:...", got it with map={shown(str(given))}', field="lanes")
    if blocks is not None:
        return BlockDrive(int(blocks) if blocks.isdecimal() else blocks, lanes, towns, parameters)
    if given == "town":
        return MapDrive("town", partial(make_town, plan=DRIVABLE), towns, parameters)
    if towns is not None:
        raise InputError(f'is for map="town" or "blocks:...", got it with map={shown(str(given))}', field="towns")
    try:
        found = load_map(given)  # told at once if it cannot be read
    except InputError as error:
        raise InputError(str(error), field="map") from error
    return MapDrive(Path(given).name, lambda _: found, 1, parameters, made_of=found.ref)
