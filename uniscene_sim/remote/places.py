"""Maps that a server has been sent, and their tiles, which sessions with the same map, seed and engine share."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from threading import Lock
from weakref import WeakValueDictionary

from uniscene_sim import plugins
from uniscene_sim.errors import InputError
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.tile_cache import TileCache
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.remote.limits import ServerLimits
from uniscene_sim.storage.disk_cache import DiskCache
from uniscene_sim.tracing.atlas import PackedTiles
from uniscene_sim.wire.map_bytes import map_of
from uniscene_sim.wire.uniscene.v1.layout_pb2 import Map as MapMessage

__all__ = ["Place", "Places"]

_KEPT = 4  # maps and places that stay when nobody uses them


class Place:
    """A map and a seed, with tiles."""

    def __init__(self, static_map: StaticMap, seed: int, store: TileStore):
        self.map, self.seed, self.store = static_map, seed, store
        self.packed = PackedTiles(store)


class Places:
    """Maps by the hash of their bytes, not by the name that their sender gives them: so nobody can pass off a map, or
    tiles on disk, as another one.

    Args:
        limits: bounds.
        disk: keeps tiles; None to keep none.
    """

    def __init__(self, limits: ServerLimits, disk: DiskCache | None):
        self._limits, self._disk, self._lock = limits, disk, Lock()
        self._maps: OrderedDict[bytes, StaticMap] = OrderedDict()
        self._places: WeakValueDictionary[tuple[bytes, int, str], Place] = WeakValueDictionary()
        self._kept: OrderedDict[tuple[bytes, int, str], Place] = OrderedDict()

    def has_map(self, digest: bytes) -> bool:
        with self._lock:
            return digest in self._maps

    def add_map(self, message: MapMessage, digest: bytes) -> None:
        """Keep a map that was sent.

        Raises:
            InputError: it is damaged, or not the one that was announced.
        """
        if sha256(message.npz).digest() != digest:
            raise InputError("its bytes do not have the hash that was announced", field="map")
        static_map = map_of(message)
        with self._lock:
            self._maps[digest] = static_map
            while len(self._maps) > self._limits.places:
                self._maps.popitem(last=False)

    def place(self, digest: bytes, seed: int, occupancy: str) -> Place:
        """A map that the server holds, with the tiles of an engine.

        Raises:
            InputError: too many are in use.
        """
        key = digest, seed, occupancy
        with self._lock:
            if digest not in self._maps:
                raise InputError("is no longer held, since others sent theirs: open the world again", field="map")
            self._maps.move_to_end(digest)
            place = self._places.get(key)
            if place is None:
                if len(self._places) >= self._limits.places:
                    raise InputError(f"expected at most {self._limits.places} in use at once", field="maps and seeds")
                store = _tile_store(occupancy, self._maps[digest], digest, seed, self._disk)
                place = self._places[key] = Place(self._maps[digest], seed, store)
            self._kept[key] = place
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return place


def _tile_store(occupancy: str, static_map: StaticMap, digest: bytes, seed: int, disk: DiskCache | None) -> TileStore:
    """The tiles of a map and of what edits make of it.

    Args:
        occupancy: name of the engine.
        static_map: the map.
        digest: of its bytes.
        seed: of everything that the map does not determine.
        disk: keeps tiles.
    """
    engine_class = plugins.load_plugin("occupancy", occupancy)

    def store_of(some: StaticMap) -> TileStore:
        engine = plugins.construct("occupancy", engine_class, some, seed)
        name = digest if some is static_map else sha256(digest + some.ref.encode()).digest()
        return TileStore(engine, cache=TileCache.of(engine, name.hex(), seed, disk), remake=store_of)

    return store_of(static_map)
