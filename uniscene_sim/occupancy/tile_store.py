"""`TileStore`: tiles in memory of bounded size, fetched on demand or ahead."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock, RLock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np
from tqdm import tqdm

from uniscene_sim.compute.compiled import njit
from uniscene_sim.errors import InputError
from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import BLOCK_CELLS, BLOCKS_Z, CELL_M, TILE_M, Tile

if TYPE_CHECKING:
    from uniscene_sim.interfaces import OccupancyEngine
    from uniscene_sim.maps.edited_map import EditedMap
    from uniscene_sim.maps.static_map import StaticMap
    from uniscene_sim.occupancy.tile_cache import TileCache

__all__ = ["MOST_BYTES", "TileStore", "tiles_along", "tiles_around"]

#: Default bound of the tiles that a store holds in memory.
MOST_BYTES = 512 << 20
_EMPTY = int(Material.NONE)
_AHEAD = 4  # tiles fetched in the background at once
_SQUARE_M = 8.0  # points are gathered in squares of this size


class TileStore:
    """Tiles in memory; the least recently used are dropped when `max_bytes` are exceeded, and are the same when fetched
    again. Worlds in several threads may share a store.

    Args:
        engine: makes tiles.
        max_bytes: bound of the tiles held in memory.
        cache: where tiles are looked up before they are made, and stored afterwards.
        remake: the store of another map, made alike; without it the map cannot be edited.

    Attributes:
        made, from_cache: tiles fetched so far, by where they came from.
        largest: most blocks, bricks, decks and edges that any of them had.
        waits: how often `get` had to wait for a tile that was not in memory.
    """

    def __init__(
        self,
        engine: OccupancyEngine,
        max_bytes: int = MOST_BYTES,
        cache: TileCache | None = None,
        remake: Callable[[StaticMap], TileStore] | None = None,
    ):
        self.engine, self.max_bytes, self.cache, self._remake = engine, max_bytes, cache, remake
        self._edited: WeakValueDictionary[str, TileStore] = WeakValueDictionary()  # by identity of the map
        self._unedited: TileStore | None = None  # where tiles beside `_own` come from
        self._own: frozenset[tuple[int, int]] = frozenset()
        self._tiles: OrderedDict[tuple[int, int], Tile] = OrderedDict()
        self._pending: dict[tuple[int, int], Future[tuple[Tile, bool]]] = {}
        self._missing: WeakKeyDictionary[object, list[tuple[int, int]]] = WeakKeyDictionary()  # by requester
        self._worker: ThreadPoolExecutor | None = None
        self._lock, self._engine_lock = RLock(), Lock()
        self.nbytes = 0
        self.made = self.from_cache = self.waits = 0
        self.largest = (0, 0, 0, 0)

    def edited(self, edited: EditedMap) -> TileStore:
        """The store of this one's map with edits: tiles that the edits do not touch are this store's.

        Raises:
            InputError: it cannot make tiles of another map.
        """
        if not edited.tiles:
            return self
        if self._remake is None:
            raise InputError(
                "these tiles cannot follow an edit of the map; expected those of `tile_store`", field="map"
            )
        with self._lock:
            store = self._edited.get(edited.map.ref)
            if store is None:
                store = self._edited[edited.map.ref] = self._remake(edited.map)
                store._unedited, store._own = self, edited.tiles
            return store

    def get(self, ix: int, iy: int) -> Tile:
        """The tile of an index, made if it does not exist yet."""
        key = (ix, iy)
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
                return self._tiles[key]
            future = self._pending.pop(key, None)
            self.waits += future is None or not future.done()
            return self._keep(future.result() if future and not future.cancel() else self._fetch(key))

    def ahead(self, wanted: Iterable[tuple[int, int]], requester: object = None) -> None:
        """Fetch tiles in the background, in the order given. Earlier requests that are still pending are cancelled,
        except those of other requesters, such as the worlds that share a store."""
        with self._lock:
            self._order([key for key in wanted if key not in self._tiles][:_AHEAD], requester or self)

    def _order(self, missing: list[tuple[int, int]], requester: object) -> None:
        self._missing[requester] = missing
        needed = {key for keys in self._missing.values() for key in keys}
        for key in list(self._pending):
            future = self._pending[key]
            if future.done() and not future.exception():
                self._keep(self._pending.pop(key).result())
            elif key not in needed and future.cancel():
                del self._pending[key]
        for key in missing:
            if key not in self._pending and key not in self._tiles:
                self._worker = self._worker or ThreadPoolExecutor(1, "tiles")
                self._pending[key] = self._worker.submit(self._fetch, key)

    def prefetch(self, wanted: Iterable[tuple[int, int]], progress: bool = False) -> None:
        """Fetch tiles now."""
        for ix, iy in tqdm(wanted, desc="tiles", unit="tile", disable=None if progress else True):
            self.get(ix, iy)

    def around(self, x: float, y: float, radius_m: float) -> list[tuple[int, int]]:
        """Indices of the tiles that intersect a disc (m), by row."""
        return tiles_around(x, y, radius_m)

    def solid(self, xyz: np.ndarray) -> np.ndarray:
        """Whether points (N, 3), m, of the map frame lie in a solid cell, bool (N,); exact at 0.1 m. Ground does not
        count."""
        xyz = np.ascontiguousarray(xyz, float)
        out = np.zeros(len(xyz), dtype=np.bool_)
        index = np.floor(xyz[:, :2] / TILE_M).astype(int)
        one = len(index) and (index == index[0]).all()
        for ix, iy in [tuple(index[0].tolist())] if one else set(map(tuple, index.tolist())):
            tile = self.get(ix, iy)
            _solid(tile.blocks, tile.materials, tile.brick_of, tile.bricks, ix, iy, tile.base_z, xyz, out)
        return out

    def _fetch(self, key: tuple[int, int]) -> tuple[Tile, bool]:
        """A tile, and whether it had to be made."""
        if self._unedited and key not in self._own:
            return self._unedited.get(*key), False
        if self.cache and (tile := self.cache.load(*key)):
            return tile, False
        with self._engine_lock:
            tile = self.engine.tile(*key)
        if self.cache:
            self.cache.save(tile)
        return tile, True

    def _keep(self, fetched: tuple[Tile, bool]) -> Tile:
        tile, made = fetched
        self.made += made
        self.from_cache += not made
        self.largest = tuple(map(max, self.largest, tile.counts))  # type: ignore[assignment]
        self._tiles[tile.index] = tile
        self.nbytes += tile.nbytes
        while self.nbytes > self.max_bytes and len(self._tiles) > 1:
            self.nbytes -= self._tiles.popitem(last=False)[1].nbytes
        return tile


def tiles_around(x: float, y: float, radius_m: float) -> list[tuple[int, int]]:
    """Indices of the tiles that intersect a disc (m), by row."""
    low_x, high_x = int((x - radius_m) // TILE_M), int((x + radius_m) // TILE_M)
    low_y, high_y = int((y - radius_m) // TILE_M), int((y + radius_m) // TILE_M)
    out = []
    for ix in range(low_x, high_x + 1):
        for iy in range(low_y, high_y + 1):
            dx = max(ix * TILE_M - x, 0.0, x - (ix + 1) * TILE_M)
            dy = max(iy * TILE_M - y, 0.0, y - (iy + 1) * TILE_M)
            if dx * dx + dy * dy <= radius_m * radius_m:
                out.append((ix, iy))
    return out


def tiles_along(points: np.ndarray, radius_m: float) -> list[tuple[int, int]]:
    """Indices of the tiles within `radius_m` of any of the points (N, 2 or more), m, in the order of the points.

    Points are gathered in squares first, so some tiles up to 12 m farther are among them.
    """
    squares = dict.fromkeys(map(tuple, (points[:, :2] // _SQUARE_M).tolist()))
    found: dict[tuple[int, int], None] = {}
    reach = radius_m + 0.71 * _SQUARE_M
    for i, j in squares:
        found.update(dict.fromkeys(tiles_around((i + 0.5) * _SQUARE_M, (j + 0.5) * _SQUARE_M, reach)))
    return list(found)


@njit(cache=True)
def _solid(blocks, materials, brick_of, bricks, ix, iy, base_z, xyz, out):
    """Write to `out`, bool (N,), whether each of the points `xyz` (N, 3), m, that lie in one tile is in a solid cell.

    Arguments by group:
        blocks, materials, brick_of, bricks: of the `Tile`.
        ix, iy, base_z: its index, and the bottom of its cells, m.
    """
    sub_m = CELL_M / 4
    for n in range(xyz.shape[0]):
        if np.floor(xyz[n, 0] / TILE_M) != ix or np.floor(xyz[n, 1] / TILE_M) != iy:
            continue
        u = int(np.floor((xyz[n, 0] - ix * TILE_M) / sub_m))
        v = int(np.floor((xyz[n, 1] - iy * TILE_M) / sub_m))
        w = int(np.floor((xyz[n, 2] - base_z) / sub_m))
        if w < 0 or w >= 4 * BLOCKS_Z * BLOCK_CELLS:
            continue
        i, j, k = u // 4, v // 4, w // 4
        row = blocks[i // BLOCK_CELLS, j // BLOCK_CELLS, k // BLOCK_CELLS]
        if row < 0 or materials[row, i % BLOCK_CELLS, j % BLOCK_CELLS, k % BLOCK_CELLS] == _EMPTY:
            continue
        brick = brick_of[row, i % BLOCK_CELLS, j % BLOCK_CELLS, k % BLOCK_CELLS]
        bit = np.uint64(16 * (u % 4) + 4 * (v % 4) + w % 4)
        out[n] = brick < 0 or (bricks[brick] >> bit) & np.uint64(1) != 0
