"""`TileCache`: the tiles of one world on disk, keyed by everything that they depend on."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from uniscene_sim.storage.disk_cache import DiskCache
from uniscene_sim.tile import (
    BLOCK_CELLS,
    BLOCKS_Z,
    EDGES_A_CELL,
    GROUND_SAMPLES,
    PAINT_BLOCK,
    PAINT_CELLS,
    TILE_BLOCKS,
    TILE_CELLS,
    Tile,
)

if TYPE_CHECKING:
    from uniscene_sim.interfaces import OccupancyEngine

__all__ = ["TileCache"]

_FORMAT = 2
_HEAD = struct.Struct(
    "<d4I"
)  # base_z; number of blocks, bricks, decks and rows of edges; the arrays are aligned to eight bytes
_CELLS = (BLOCK_CELLS,) * 3
_DTYPES = {"bricks": "<u8", "blocks": "<i4", "brick_of": "<i4", "ground": "<f4", "edge_of": "<i4", "materials": "|u1",
           "paint": "|u1", "edges": "|i1"}  # fmt: skip


class TileCache:
    """Tiles on disk, keyed by the map, the seed, the engine's name, options and `cache_key`, the format and the index.

    Args:
        disk: where they are stored.
        map_ref: identity of the map.
        seed: of the world.
        engine: makes the tiles.
    """

    def __init__(self, disk: DiskCache, map_ref: str, seed: int, engine: OccupancyEngine):
        self.disk = disk
        options = getattr(engine, "option_text", "")
        self._world = (_FORMAT, map_ref, seed, engine.name, engine.cache_key, *([options] if options else []))

    @classmethod
    def of(cls, engine: OccupancyEngine, map_ref: str, seed: int, disk: DiskCache | None) -> TileCache | None:
        """The cache of a world; None without a disk cache, and for an engine that has no `cache_key`.

        Args:
            engine: makes the tiles.
            map_ref: identity of the map.
            seed: of the world.
            disk: where they are stored.
        """
        return cls(disk, map_ref, seed, engine) if disk and getattr(engine, "cache_key", None) else None

    def load(self, ix: int, iy: int) -> Tile | None:
        """A tile, bit for bit as it was saved; None if it is missing or damaged."""
        name = self._name(ix, iy)
        body = self.disk.read(name)
        if body is None:
            return None
        try:
            return _decode((ix, iy), body)
        except (zlib.error, struct.error, ValueError) as error:
            self.disk.warn_unusable(name, f"holds no tile ({error})")
            return None

    def save(self, tile: Tile) -> None:
        """Store a tile.

        Raises:
            ValueError: an array of the tile has the wrong dtype or shape, see `Tile`.
        """
        self.disk.write(self._name(*tile.index), _encode(tile))

    def _name(self, ix: int, iy: int) -> str:
        return hashlib.sha256(json.dumps([*self._world, ix, iy]).encode()).hexdigest()


def _shapes(blocks: int, bricks: int, decks: int, edges: int) -> dict[str, tuple[int, ...]]:
    return {
        "bricks": (bricks,),
        "blocks": (TILE_BLOCKS, TILE_BLOCKS, BLOCKS_Z),
        "brick_of": (blocks, *_CELLS),
        "ground": (decks, GROUND_SAMPLES, GROUND_SAMPLES),
        "edge_of": (decks, TILE_CELLS, TILE_CELLS),
        "materials": (blocks, *_CELLS),
        "paint": (decks, PAINT_CELLS, PAINT_CELLS),
        "edges": (edges, PAINT_BLOCK, PAINT_BLOCK, 4 * EDGES_A_CELL),
    }


def _encode(tile: Tile) -> bytes:
    parts = [_HEAD.pack(tile.base_z, *tile.counts)]
    for name, shape in _shapes(*tile.counts).items():
        array = getattr(tile, name)
        if array.dtype != _DTYPES[name] or array.shape != shape:
            wrong = f"expected {name} {_DTYPES[name]} {shape}, got {array.dtype.str} {array.shape}"
            raise ValueError(f"tile {tile.index}: {wrong}")
        parts.append(array.tobytes())
    return zlib.compress(b"".join(parts), 1)


def _decode(index: tuple[int, int], body: bytearray) -> Tile:
    # Kernels are compiled for writeable arrays, so the bytes become a bytearray.
    data = bytearray(zlib.decompress(body))
    base_z, *counts = _HEAD.unpack_from(data)
    arrays, at = {}, _HEAD.size
    for name, shape in _shapes(*counts).items():
        array = np.frombuffer(data, _DTYPES[name], count=int(np.prod(shape)), offset=at)
        arrays[name], at = array.reshape(shape), at + array.nbytes
    if at != len(data):
        raise ValueError(f"expected {at} bytes, got {len(data)}")
    return Tile(index, base_z, **arrays)
