"""What all environments of a process share, so that each costs little and memory stays bounded: the beginnings of
episodes, and packed tiles. What no world uses any longer is kept for a while, as long as there is room."""

from __future__ import annotations

from typing import cast

from uniscene_sim.assembly import tile_store
from uniscene_sim.compute.last_used import LastUsed
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.scenario import Scenario
from uniscene_sim.storage.disk_cache import cache_folder, user_cache
from uniscene_sim.tracing.atlas import PackedTiles
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["begun_source", "forget", "keep_map", "packed_tiles"]

_MAPS, _EPISODES, _PLACES = 4, 256, 32
_EPISODE_BYTES, _TILE_BYTES = 64 << 20, 512 << 20
#: Bound of the tiles of one place that are not packed: they come back from the disk.
_STORE_BYTES = 128 << 20


class _OfMap:
    """A map, and the episodes on it that were begun last; its own bound lets go of all of them together."""

    def __init__(self, static_map: StaticMap):
        self.map = static_map
        self.sources: LastUsed[ScenarioSource] = LastUsed(
            _EPISODES, _EPISODE_BYTES, lambda source: source.state.paths.nbytes + source.state.bodies.nbytes
        )


_maps: LastUsed[_OfMap] = LastUsed(_MAPS)
_places: LastUsed[PackedTiles] = LastUsed(
    _PLACES, _TILE_BYTES, lambda tiles: tiles.reserved_nbytes + cast(TileStore, tiles.store).nbytes
)


def keep_map(static_map: StaticMap) -> StaticMap:
    """The map, which stays in memory while it is among those used last."""
    return _of(static_map).map


def _of(static_map: StaticMap) -> _OfMap:
    return _maps.get(id(static_map), lambda: _OfMap(static_map))  # no other has its id while it is kept


def begun_source(scenario: Scenario, static_map: StaticMap, seed: int) -> ScenarioSource:
    """A scenario at its first moment. What never changes of an episode (places, routes, tracks, rules) is worked out
    once, and shared by all who open the same one.

    Raises:
        InputError: a spawn off the road, or no way to a goal.
    """
    sources, key = _of(static_map).sources, (scenario.name, str(scenario.file), seed)
    found = sources.get(key, lambda: ScenarioSource(scenario, static_map, seed))
    if found.given != scenario:  # another one of the same name
        found = sources.put(key, ScenarioSource(scenario, static_map, seed))
    return found.again()


def packed_tiles(occupancy: str, engine: object, static_map: StaticMap, seed: int, owner: object) -> PackedTiles:
    """The tiles of a map, packed for tracing.

    All who want the same share them: in the whole process if the engine says that its tiles hang on map and seed alone
    (`of_map_and_seed`), else those of one owner.

    Args:
        occupancy: name of the engine, with or without options.
        engine: its class.
        static_map: the map.
        seed: of everything that the map does not determine.
        owner: shares them at least with itself.
    """
    whose = cache_folder("tiles") if getattr(engine, "of_map_and_seed", False) else owner
    key = occupancy, static_map.ref, seed, whose
    return _places.get(
        key, lambda: PackedTiles(tile_store(occupancy, static_map, seed, user_cache("tiles"), _STORE_BYTES))
    )


def forget() -> None:
    """Keep nothing that no environment uses."""
    _maps.clear()
    _places.clear()
