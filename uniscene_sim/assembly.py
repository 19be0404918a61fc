"""A simulator from names: what the command line, the env and the bridges share."""

from __future__ import annotations

from collections.abc import Sequence

from uniscene_sim import plugins
from uniscene_sim.frames import FrameRequest
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.layout import LayoutSchema
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.tile_cache import TileCache
from uniscene_sim.occupancy.tile_store import MOST_BYTES, TileStore
from uniscene_sim.rig import SensorRig
from uniscene_sim.simulator import Simulator, Source
from uniscene_sim.storage.disk_cache import DiskCache

__all__ = ["assemble", "tile_store"]


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
        occupancy, camera, lidar: engines by name, with options or not, as "sparse-sdf:model=FOLDER"; see
            `uniscene_sim.engines.options`.
        window_grid, bev_schema, annotations: what else ticks make by default, see `FrameRequest`.
        tile_cache: where tiles are kept between runs, None for nowhere.

    Raises:
        InputError: an unknown engine, option or annotation.
    """
    cameras, lidars = plugins.load_plugin("camera", camera), plugins.load_plugin("lidar", lidar)
    return Simulator(
        source,
        rig,
        tile_store(occupancy, source.map, source.seed, tile_cache),
        cameras(),
        lidars(),
        request=FrameRequest(window_grid=window_grid, bev_schema=bev_schema, annotations=frozenset(annotations)),
    )


def tile_store(
    occupancy: str,
    static_map: StaticMap,
    seed: int,
    tile_cache: DiskCache | None = None,
    max_bytes: int = MOST_BYTES,
) -> TileStore:
    """The tiles of a map as an engine makes them.

    Args:
        occupancy: name of the engine, with options or not.
        static_map: the map.
        seed: of what is planned where the map is silent.
        tile_cache: where tiles are kept between runs, None for nowhere.
        max_bytes: bound of the tiles held in memory.

    Raises:
        InputError: an unknown engine or option.
    """
    engine = plugins.load_plugin("occupancy", occupancy)(static_map, seed)
    return TileStore(engine, max_bytes, TileCache.of(engine, static_map.ref, seed, tile_cache))
