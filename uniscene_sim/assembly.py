"""Simulators from the names of engines, for command line, environments and bridges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from uniscene_sim import plugins
from uniscene_sim.errors import InputError, shown
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
    tick_us: int | None = None,
    **engines: str,
) -> Simulator[Source]:
    """The simulator of a source, not yet reset.

    Args:
        source: for example `ScenarioSource.open("cut_in")`.
        rig: sensors.
        trace: what sensor rays are traced through: "tiles", "window" or "window+tiles", see `simulator.TraceMode`.
        window_grid, bev_schema, annotations: what frames hold by default besides sensor records, see `FrameRequest`.
        tile_cache: keeps tiles between runs; None to keep none.
        tick_us: length of a tick; None for the greatest common divisor of the sensors' periods and phases.
        engines: by slot, with or without options: `camera="raycast"`, `lidar="sparse-sdf:model=FOLDER"`. See
            `uniscene_sim.engine_support.options`, and `plugins.DEFAULTS` for slots and default engines.

    Raises:
        InputError: an unknown slot, engine, option, annotation or `trace`, or an argument of another type.
    """
    _require("source", not isinstance(source, str) and hasattr(source, "map"), source, "an open source")
    _require("rig", isinstance(rig, SensorRig), rig, "a SensorRig, such as load_rig makes")
    _require("window_grid", isinstance(window_grid, GridSpec | None), window_grid, "a GridSpec or None")
    _require("bev_schema", isinstance(bev_schema, LayoutSchema | None), bev_schema, "a LayoutSchema or None")
    _require("tile_cache", isinstance(tile_cache, DiskCache | None), tile_cache, "a DiskCache or None")
    several = isinstance(annotations, Iterable) and not isinstance(annotations, str)
    names: list[Any] = list(annotations) if several else [None]
    _require("annotations", all(isinstance(name, str) for name in names), annotations, "a list of names")
    if unknown := [slot for slot in engines if slot not in plugins.ENGINES]:
        raise InputError(f"no slot of engines, expected some of {', '.join(plugins.ENGINES)}", field=unknown[0])
    chosen = plugins.choose_engines(engines, trace)
    named, fields = chosen.names, chosen.fields
    classes = {slot: plugins.load_plugin(slot, name, fields[slot]) for slot, name in named.items()}
    world = source.map, source.seed
    return Simulator(
        source,
        rig,
        tile_store(named["occupancy"], *world, tile_cache),
        {slot: plugins.construct(slot, engine, *(world if slot == "window" else ()), field=fields[slot])
         for slot, engine in classes.items() if slot != "occupancy"},
        trace=cast(TraceMode, chosen.trace),
        request=FrameRequest(window_grid=window_grid, bev_schema=bev_schema, annotations=frozenset(names)),
        tick_us=tick_us,
    )  # fmt: skip


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
        InputError: an unknown engine or option, or the engine cannot be constructed.
    """
    engine_class = plugins.load_plugin("occupancy", occupancy)

    def store_of(some: StaticMap) -> TileStore:
        engine = plugins.construct("occupancy", engine_class, some, seed)
        return TileStore(engine, max_bytes, TileCache.of(engine, some.ref, seed, tile_cache), store_of)

    return store_of(static_map)


def _require(field: str, fits: bool, given: Any, expected: str) -> None:
    if not fits:
        raise InputError(f"expected {expected}, got {shown(given)}", field=field)
