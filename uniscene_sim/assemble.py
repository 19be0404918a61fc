"""A simulator from names: what the command line, the env and the bridges share."""

from __future__ import annotations

from collections.abc import Sequence

from uniscene_sim import plugins
from uniscene_sim.annotations.annotator import Annotator
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.layout import LayoutSchema
from uniscene_sim.occupancy.tile_cache import TileCache
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.rig import SensorRig
from uniscene_sim.simulator import Simulator, Source
from uniscene_sim.storage.disk_cache import DiskCache

__all__ = ["assemble"]


def assemble(
    source: Source,
    rig: SensorRig,
    *,
    occupancy: str = "procedural",
    camera: str = "raycast",
    lidar: str = "raycast",
    window_grid: GridSpec | None = DEFAULT_GRID,
    bev_schema: LayoutSchema | None = LayoutSchema(),  # noqa: B008 - frozen
    annotations: Sequence[str] = (),
    tile_cache: DiskCache | None = None,
) -> Simulator[Source]:
    """The simulator of a source, not yet reset.

    Args:
        source: what knows the world, as `ScenarioSource.open("cut_in")`.
        rig: sensors.
        occupancy, camera, lidar: names of engines.
        window_grid, bev_schema: what else to make each tick, None for nothing.
        annotations: what to tell of the images and sweeps beside them: "flow", "boxes", "lanes".
        tile_cache: where tiles are kept between runs, None for nowhere.

    Raises:
        InputError: an unknown engine or annotation.
    """
    engines = {
        slot: plugins.load_plugin(slot, name)
        for slot, name in (("occupancy", occupancy), ("camera", camera), ("lidar", lidar))
    }
    tiles = engines["occupancy"](source.map, source.seed)
    return Simulator(
        source,
        rig,
        TileStore(tiles, cache=TileCache.of(tiles, source.map.ref, source.seed, tile_cache)),
        engines["camera"](),
        engines["lidar"](),
        window_grid=window_grid,
        bev_schema=bev_schema,
        annotator=Annotator(rig, source.map, annotations) if annotations else None,
    )
