"""Simulators from the names of engines, for command line, environments and bridges."""

from __future__ import annotations

from collections.abc import Sequence

from uniscene_sim import plugins
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.layout import LayoutSchema
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.tile_cache import TileCache
from uniscene_sim.occupancy.tile_store import MOST_BYTES, TileStore
from uniscene_sim.rig import SensorRig
from uniscene_sim.simulator import Simulator, Source, TraceMode
from uniscene_sim.storage.disk_cache import DiskCache

__all__ = ["assemble", "tile_store"]


def assemble(
    source: Source,
    rig: SensorRig,
    *,
    trace: TraceMode = "tiles",
    window_grid: GridSpec | None = DEFAULT_GRID,
    bev_schema: LayoutSchema | None = LayoutSchema(),  # noqa: B008 - frozen
    annotations: Sequence[str] = (),
    tile_cache: DiskCache | None = None,
    **engines: str,
) -> Simulator[Source]:
    """The simulator of a source, not yet reset.

    Args:
        source: for example `ScenarioSource.open("cut_in")`.
        rig: sensors.
        trace: what sensor rays are traced through: "tiles", "window" or "window+tiles", see `simulator.TraceMode`.
        window_grid, bev_schema, annotations: what frames hold by default besides sensor records, see `FrameRequest`.
        tile_cache: keeps tiles between runs; None to keep none.
        engines: by slot, with or without options: `camera="raycast"`, `lidar="sparse-sdf:model=FOLDER"`. See
            `uniscene_sim.engine_support.options`, and `plugins.DEFAULTS` for slots and default engines.

    Raises:
        InputError: an unknown slot, engine, option, annotation or `trace`.
    """
    if unknown := [slot for slot in engines if slot not in plugins.ENGINES]:
        raise InputError(f"no slot of engines, expected some of {', '.join(plugins.ENGINES)}", field=unknown[0])
    named = plugins.DEFAULTS | engines
    classes = {slot: plugins.load_plugin(slot, name) for slot, name in named.items()}
    windows, sensors = classes.pop("window"), {s: c for s, c in classes.items() if s != "occupancy"}
    return Simulator(
        source,
        rig,
        tile_store(named["occupancy"], source.map, source.seed, tile_cache),
        {"window": windows(source.map, source.seed), **{slot: made() for slot, made in sensors.items()}},
        trace=trace,
        request=FrameRequest(window_grid=window_grid, bev_schema=bev_schema, annotations=frozenset(annotations)),
    )


def tile_store(
    occupancy: str,
    static_map: StaticMap,
    seed: int,
    tile_cache: DiskCache | None = None,
    max_bytes: int = MOST_BYTES,
) -> TileStore:
    """The tiles of a map, made by an occupancy engine.

    Args:
        occupancy: name of the engine, with or without options.
        static_map: the map.
        seed: of everything that the map does not determine.
        tile_cache: keeps tiles between runs; None to keep none.
        max_bytes: limit of the tiles held in memory.

    Raises:
        InputError: an unknown engine or option.
    """
    engine = plugins.load_plugin("occupancy", occupancy)(static_map, seed)
    return TileStore(engine, max_bytes, TileCache.of(engine, static_map.ref, seed, tile_cache))
