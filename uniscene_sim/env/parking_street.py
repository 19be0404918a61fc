"""A street with one gap among parked cars, another one for each seed: where `UniSceneParking-v0` parks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from uniscene_sim.env.shared import begun_source, keep_map
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import AgentSpec, Criterion, EgoSpec, Scenario, Spawn
from uniscene_sim.scenario_files.parameters import Parameter
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["PARKING", "Bay", "ParkingDrive", "bay_of"]

#: The name under which `drive_of` knows it.
PARKING = "parking"
_KERB_X, _LANE_X, _MIDDLE_Y = 4.6, 1.75, 46.0  # of a street of urban_grid that leads north, m
_DURATION_S = 30.0
_ROUTE_M = 40.0


@dataclass(frozen=True)
class Bay:
    """A gap at the kerb: its middle, x and y (m), in which the ego shall stand along the street, and its length, m."""

    x: float
    y: float
    yaw: float
    length_m: float


def bay_of(seed: int) -> Bay:
    """The gap of a seed."""
    random = np.random.default_rng([seed, 1])
    return Bay(_KERB_X, _MIDDLE_Y + random.uniform(-3.0, 3.0), 0.5 * np.pi, random.uniform(7.2, 9.0))


def _scenario(seed: int) -> Scenario:
    """The ego stands in the lane, about beside the gap; two parked cars bound it, and one more stands behind each."""
    bay, random = bay_of(seed), np.random.default_rng([seed, 2])
    lengths = random.uniform(3.9, 4.9, 4)
    front, rear = bay.y + 0.5 * bay.length_m, bay.y - 0.5 * bay.length_m
    gap = 0.5 * bay.length_m / 6.0
    middles = [front + 0.5 * lengths[0], rear - 0.5 * lengths[1]]
    middles += [front + lengths[0] + gap + 0.5 * lengths[2], rear - lengths[1] - gap - 0.5 * lengths[3]]
    cars = tuple(
        AgentSpec(
            f"parked_{k}", "car", Spawn(x=_KERB_X + random.uniform(-0.1, 0.1), y=float(y), yaw_deg=90.0, free=True),
            behaviour="parked", size=(float(length), 1.85, 1.5),
        )
        for k, (y, length) in enumerate(zip(middles, lengths, strict=True))
    )  # fmt: skip
    ahead = bay.y + random.uniform(-6.0, 9.0) - EgoVehicle().rear_axle_to_centre_m
    spawn = Spawn(
        x=_LANE_X + random.uniform(-0.3, 0.3), y=float(ahead), yaw_deg=90.0 + random.uniform(-8.0, 8.0), free=True
    )
    ego = EgoSpec(spawn, speed_mps=0.0, target_speed_mps=3.0, route_m=_ROUTE_M)
    criteria = (Criterion("collision"), Criterion("off_road"))
    return Scenario(
        PARKING,
        data_dir("scenarios") / "maps" / "urban_grid.npz",
        seed,
        _DURATION_S,
        ego,
        agents=cars,
        criteria=criteria,
    )


class ParkingDrive:
    """Episodes in which the ego is to park, see `env.drives.Drive`."""

    name, seed, live = PARKING, 0, False
    parameters: Mapping[str, Parameter] = MappingProxyType({})

    def __init__(self) -> None:
        self._map = keep_map(load_map(_scenario(0).map))

    @property
    def map(self) -> StaticMap:
        return self._map

    @property
    def map_ref(self) -> str:
        return self._map.ref

    def open(self, seed: int, parameters: Mapping[str, Any] | None = None) -> ScenarioSource:
        return begun_source(_scenario(seed), self._map, seed)

    def close(self) -> None:
        """Nothing to leave."""
