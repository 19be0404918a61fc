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
from uniscene_sim.env.shared import begun_source, keep_map
from uniscene_sim.errors import InputError, shown
from uniscene_sim.interfaces import LayoutSource
from uniscene_sim.layout import Style
from uniscene_sim.limits.bounds import Bound
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.towns.blocks import BlockRoad, make_blocks
from uniscene_sim.maps.towns.streets import DRIVABLE
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.scenario import Criterion, EgoSpec, Scenario, Spawn, TrafficSpec
from uniscene_sim.scenario_files.parameters import Parameter

__all__ = ["BlockDrive", "MapDrive", "map_drive"]

TOWNS, LANES = Bound(1, 2**31, whole=True), Bound(1, 4, whole=True)
_SPLIT_SEEDS = 2**31  # of each split, see `env.settings.SPLITS`
_ROUTE_M, _DURATION_S = (200.0, 350.0), 150.0
_VEHICLES_PER_KM, _PEDESTRIANS = (0.0, 8.0), 12
_SPEED_MPS = (8.0, 14.0)
_WEATHERS = ("clear", "clear", "cloudy", "overcast", "rain", "fog")
_CRITERIA = (
    Criterion("collision"), Criterion("off_road"), Criterion("red_light"), Criterion("route_completion", 0.95)
)  # fmt: skip
#: Towns used last, by maker and seed: what is worked out of a map is some megabytes, and takes longer than the map.
_towns: LastUsed[StaticMap] = LastUsed(24)


class MapDrive:
    """Drives through maps that a seed makes, with a random start and route, ambient traffic, weather and hour.

    Args:
        name: used in `info`, and of what seeds make the maps.
        make: the map of a seed.
        count: how many maps there are: further seeds drive on these, too. None for one to each seed.
    """

    live = False
    seed = 0
    parameters: Mapping[str, Parameter] = MappingProxyType({})

    def __init__(self, name: str, make: Callable[[int], StaticMap], count: int | None):
        self.name, self._make, self._count = name, make, count
        self.map_ref = f"{name}:{count}"

    @property
    def map(self) -> StaticMap:
        """That of seed 0."""
        return self.map_of(0)

    def map_of(self, seed: int) -> StaticMap:
        """The map of an episode."""
        town = self._town(seed)
        return _towns.get((self.name, town), lambda: self._make(town))

    def _town(self, seed: int) -> int:
        """Seed of the map of an episode: the first seeds of each split make those that there are."""
        first = seed - seed % _SPLIT_SEEDS
        return seed if self._count is None else first + (seed - first) % self._count

    def open(self, seed: int, parameters: Mapping[str, Any] | None = None) -> LayoutSource:
        """The source of an episode."""
        return begun_source(self.scenario_of(seed), keep_map(self.map_of(seed)), seed)

    def scenario_of(self, seed: int) -> Scenario:
        """What happens in an episode."""
        return scenario_of(self.name, seed)

    def close(self) -> None:
        """Nothing to leave."""


class BlockDrive(MapDrive):
    """Drives through all blocks of a road.

    Args:
        sequence: letters of blocks, or how many a seed draws, see `maps.towns.blocks`.
        lanes: in each direction, None for 1 to 3 by the seed.
        count: see `MapDrive`.
    """

    def __init__(self, sequence: str | int, lanes: int | None, count: int | None):
        name = f"blocks:{sequence}" + (f",{lanes}" if lanes else "")
        super().__init__(name, lambda seed: self._road(seed).map, count)
        self._sequence, self._lanes = sequence, lanes
        self._road(0)  # told at once if it cannot be laid

    def _road(self, seed: int) -> BlockRoad:
        return make_blocks(seed, self._sequence, self._lanes)

    def scenario_of(self, seed: int) -> Scenario:
        """What happens in an episode: from the beginning of the first block to the end of the last."""
        road, drawn = self._road(self._town(seed)), super().scenario_of(seed)
        x, y, yaw = road.start
        ego = replace(drawn.ego, spawn=Spawn(x, y, float(np.rad2deg(yaw))), goal=road.goal, route_m=None)
        duration_s = _DURATION_S + 30.0 * len(road.sequence)
        return replace(drawn, ego=ego, duration_s=duration_s)


def scenario_of(name: str, seed: int) -> Scenario:
    """What happens in an episode: drawn by the seed."""
    rng = np.random.default_rng([seed, 23])
    speed = float(rng.uniform(*_SPEED_MPS))
    return Scenario(
        name=name,
        map=Path(name),
        seed=seed,
        duration_s=_DURATION_S,
        ego=EgoSpec(Spawn(random=True), min(speed, 8.0), speed, route_m=float(round(rng.uniform(*_ROUTE_M)))),
        traffic=TrafficSpec(float(rng.uniform(*_VEHICLES_PER_KM)), int(rng.integers(_PEDESTRIANS + 1)), spread=0.1),
        style=Style(_WEATHERS[int(rng.integers(len(_WEATHERS)))], float(rng.uniform(6.0, 22.0))),
        criteria=_CRITERIA,
    )


def map_drive(given: Any, towns: int | None, lanes: int | None) -> MapDrive:
    """The drive of the settings `map`, `towns` and `lanes`.

    Args:
        given: "town", "blocks:SCXT", "blocks:7", or a map file.
        towns: how many towns or roads there are in each split, None for one to each seed.
        lanes: of roads of blocks, in each direction; None draws them.

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
        return BlockDrive(int(blocks) if blocks.isdecimal() else blocks, lanes, towns)
    if given == "town":
        return MapDrive("town", partial(make_town, plan=DRIVABLE), towns)
    if towns is not None:
        raise InputError(f'is for map="town" or "blocks:...", got it with map={shown(str(given))}', field="towns")
    load_map(given)  # told at once if it cannot be read
    return MapDrive(Path(given).name, lambda _: load_map(given), 1)
