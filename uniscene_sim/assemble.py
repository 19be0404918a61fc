"""A simulator from names: what the command line, the env and the bridges share."""

from __future__ import annotations

from dataclasses import replace

from uniscene_sim import plugins
from uniscene_sim.disk_cache import DiskCache
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.layout import LayoutSchema
from uniscene_sim.occupancy.tile_cache import TileCache
from uniscene_sim.rig import SensorRig
from uniscene_sim.simulator import Simulator
from uniscene_sim.world.opendrive import load_map
from uniscene_sim.world.scenario import Scenario
from uniscene_sim.world.source import ScenarioSource

__all__ = ["assemble"]


def assemble(
    scenario: Scenario,
    rig: SensorRig,
    *,
    seed: int | None = None,
    occupancy: str = "procedural",
    camera: str = "raycast",
    lidar: str = "raycast",
    window_grid: GridSpec | None = DEFAULT_GRID,
    bev_schema: LayoutSchema | None = LayoutSchema(),  # noqa: B008 - frozen
    tile_cache: DiskCache | None = None,
) -> Simulator:
    """The simulator of a scenario, not yet reset.

    Args:
        scenario: as loaded; its map is read from disk.
        rig: sensors.
        seed: replaces the scenario's.
        occupancy, camera, lidar: names of engines.
        window_grid, bev_schema: what else to make each tick, None for nothing.
        tile_cache: where tiles are kept between runs, None for nowhere.

    Raises:
        InputError: an unknown engine, an unreadable map, a spawn off the road.
    """
    engines = {
        slot: plugins.load_engine(slot, name)
        for slot, name in (("occupancy", occupancy), ("camera", camera), ("lidar", lidar))
    }
    if seed is not None:
        scenario = replace(scenario, seed=seed)
    static_map = load_map(scenario.map)
    tiles = engines["occupancy"](static_map, scenario.seed)
    return Simulator(
        ScenarioSource(scenario, static_map),
        static_map,
        rig,
        tiles,
        engines["camera"](),
        engines["lidar"](),
        window_grid=window_grid,
        bev_schema=bev_schema,
        tile_cache=TileCache.of(tiles, static_map.ref, scenario.seed, tile_cache),
    )
