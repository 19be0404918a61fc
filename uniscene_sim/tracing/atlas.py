"""The tiles in sensor range, packed into flat arrays for kernels."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from uniscene_sim.compute.compiled import inlined, njit
from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import (
    BLOCK_CELLS,
    BLOCKS_Z,
    CELL_M,
    EDGES_A_CELL,
    GROUND_SAMPLES,
    PAINT_BLOCK,
    PAINT_CELLS,
    TILE_BLOCKS,
    TILE_CELLS,
    TILE_M,
    Tile,
    TileSource,
)

__all__ = ["BEYOND", "BLOCK_M", "NO_WINDOW", "AtlasArrays", "PackedTiles", "TileAtlas", "WindowArrays", "slot_of"]

BLOCK_M = CELL_M * BLOCK_CELLS
BEYOND = -2  # slot of tiles outside the window
_EMPTY = int(Material.NONE)
_CLUSTER_M = 1.6  # cells of lamp material this near belong to one lamp
_SAMPLES_A_BLOCK = (GROUND_SAMPLES - 1) // TILE_BLOCKS


class WindowArrays(NamedTuple):
    """An occupancy window, traced in place of tiles within its box; without voxels if there is none.

    Two flat arrays, since every value that kernels pass on costs time for each ray.
    """

    voxels: np.ndarray  # uint32 (X * Y * Z,), OccClass + 256 instance
    #: float64 (15,): voxel axes <- map axes (3, 3), 1/m; the corner of voxel (0, 0, 0) (3,), m, map frame; X, Y, Z
    frame: np.ndarray


NO_WINDOW = WindowArrays(np.zeros(0, np.uint32), np.zeros(15))


class AtlasArrays(NamedTuple):
    """S slots of tiles, P blocks, K bricks and G ground decks in pools; a column is 3.2 m square in x and y."""

    window_at: np.ndarray  # int64 (2,), tile index of window[0, 0]
    window: np.ndarray  # int32 (W, H), slot of each tile, -1 if none
    z_range: np.ndarray  # float64 (2,) m, lowest and highest of everything in the window
    base_z: np.ndarray  # float64 (S,) m
    blocks: np.ndarray  # int32 (S, 20, 20, 24), row of `materials`, -1 if empty
    cells_lo: np.ndarray  # float32 (S, 20, 20) m, lowest cell of each column, inf if none
    cells_hi: np.ndarray  # float32 (S, 20, 20) m, highest, -inf if none
    top: np.ndarray  # float32 (S, 20, 20) m, highest of cells and ground: rays above it skip the column
    decks: np.ndarray  # int32 (S, 2), first row of `ground` and number of decks
    materials: np.ndarray  # uint8 (P, 8, 8, 8)
    density: np.ndarray  # uint8 (P, 2, 2, 2), share of solid cells in cubes of 1.6 m, times 255
    brick_of: np.ndarray  # int32 (P, 8, 8, 8), row of `bricks`, -1 if the cell is full
    bricks: np.ndarray  # uint64 (K,)
    ground: np.ndarray  # float32 (G, 321, 321) m
    ground_lo: np.ndarray  # float32 (G, 20, 20) m, lowest sample of each column, inf if none
    ground_hi: np.ndarray  # float32 (G, 20, 20) m, highest, -inf if none
    paint: np.ndarray  # uint8 (G, 640, 640)
    edge_of: np.ndarray  # int32 (G, 160, 160), row of `edges` for blocks of 4 x 4 cells of paint, -1 if none
    edges: np.ndarray  # int8 (E, 4, 4, 8), see `Tile`
    lamps: np.ndarray  # float64 (L, 3) m, street lights
    occupancy: WindowArrays = NO_WINDOW


@inlined
def slot_of(a: AtlasArrays, tile_x, tile_y):
    """Slot of a tile, -1 if it is absent, `BEYOND` outside the window."""
    wx, wy = tile_x - a.window_at[0], tile_y - a.window_at[1]
    if wx < 0 or wx >= a.window.shape[0] or wy < 0 or wy >= a.window.shape[1]:
        return BEYOND
    return np.int64(a.window[wx, wy])


class _Pool:
    """Rows of parallel arrays, allocated in runs: first fit; capacity doubles if none fits."""

    def __init__(self, **rows: tuple[tuple[int, ...], type]):
        self.arrays: dict[str, np.ndarray] = {
            name: np.zeros((1, *shape), dtype) for name, (shape, dtype) in rows.items()
        }
        self.capacity = 1
        self._runs: dict[int, int] = {}

    @property
    def used(self) -> int:
        """Rows up to the last one in use."""
        return max((start + count for start, count in self._runs.items()), default=0)

    @property
    def nbytes(self) -> int:
        """Memory of the rows in use."""
        return int(sum(self._runs.values()) * sum(array[0].nbytes for array in self.arrays.values()))

    def place(self, count: int) -> int:
        """Allocate a run of `count` rows; returns the first one."""
        at = 0
        for start, length in sorted(self._runs.items()):
            if start - at >= count:
                break
            at = start + length
        self.reserve(at + count)
        if count:
            self._runs[at] = count
        return at

    def reserve(self, capacity: int) -> None:
        """Make room for `capacity` rows. Rows that are not used yet take address space, but no memory. Rows are copied
        into new arrays; the old ones stay valid for whoever still holds them."""
        if capacity > self.capacity:
            used, self.capacity = self.used, max(capacity, 2 * self.capacity)
            for name, array in self.arrays.items():
                self.arrays[name] = np.zeros((self.capacity, *array.shape[1:]), array.dtype)
                self.arrays[name][:used] = array[:used]

    def free(self, start: int, count: int) -> None:
        """Free a run of `count` rows."""
        if count:
            del self._runs[start]


class PackedTiles:
    """Tiles of a store, each packed once for all atlases that show it, which may be in several threads.

    Attributes:
        store: where tiles are fetched from.
    """

    def __init__(self, store: TileSource):
        self.store = store
        column = (TILE_BLOCKS, TILE_BLOCKS)
        self._tiles = _Pool(
            base_z=((), np.float64),
            blocks=((*column, BLOCKS_Z), np.int32),
            cells_lo=(column, np.float32),
            cells_hi=(column, np.float32),
            top=(column, np.float32),
            decks=((2,), np.int32),
        )
        cells = (BLOCK_CELLS,) * 3
        self._blocks = _Pool(materials=(cells, np.uint8), brick_of=(cells, np.int32), density=((2, 2, 2), np.uint8))
        self._bricks = _Pool(bricks=((), np.uint64))
        self._ground = _Pool(
            ground=((GROUND_SAMPLES, GROUND_SAMPLES), np.float32),
            ground_lo=(column, np.float32),
            ground_hi=(column, np.float32),
            paint=((PAINT_CELLS, PAINT_CELLS), np.uint8),
            edge_of=((TILE_CELLS, TILE_CELLS), np.int32),
        )
        self._edges = _Pool(edges=((PAINT_BLOCK, PAINT_BLOCK, 4 * EDGES_A_CELL), np.int8))
        self._pools = self._tiles, self._blocks, self._bricks, self._ground, self._edges
        self._where: dict[
            tuple[int, int], tuple[tuple[int, ...], tuple[int, ...]]
        ] = {}  # first row and number of rows by pool
        self._range: dict[tuple[int, int], tuple[float, float]] = {}
        self._lamps: dict[tuple[int, int], np.ndarray] = {}
        self._kept: WeakKeyDictionary[TileAtlas, set[tuple[int, int]]] = WeakKeyDictionary()
        self._rows: dict[str, np.ndarray] | None = None
        self._lock = RLock()

    def __len__(self) -> int:
        return len(self._where)

    @property
    def nbytes(self) -> int:
        """Memory of the packed tiles."""
        return sum(pool.nbytes for pool in self._pools)

    @property
    def reserved_nbytes(self) -> int:
        """Memory of all rows, also of those that are not in use."""
        return sum(array.nbytes for pool in self._pools for array in pool.arrays.values())

    @property
    def rows(self) -> dict[str, np.ndarray]:
        """The rows of all pools in use; the same arrays until a tile is added or dropped."""
        with self._lock:
            if self._rows is None:
                self._rows = {name: array[: pool.used] for pool in self._pools for name, array in pool.arrays.items()}
            return self._rows

    def show(
        self, atlas: TileAtlas, kept: set[tuple[int, int]], shown: Sequence[tuple[int, int]], room: int
    ) -> dict[str, np.ndarray]:
        """Pack the tiles that an atlas keeps from now on, and drop those that no atlas keeps any longer.

        Args:
            atlas: the atlas.
            kept: tiles that it keeps.
            shown: those of them that it shows.
            room: most tiles that it ever keeps, reserved at its first call.

        Returns:
            The fields of `AtlasArrays` that depend on the shown tiles.
        """
        with self._lock:
            new = {index: self.store.get(*index) for index in sorted(kept) if index not in self._where}
            first = atlas not in self._kept
            self._kept[atlas] = kept
            needed = {index for tiles in self._kept.values() for index in tiles}
            for index in [i for i in self._where if i not in needed]:
                self._drop(index)
            if first and new:
                self.reserve(len(self) + room, [tile.counts for tile in new.values()])
            for index, tile in new.items():
                self._add(index, tile)
            return self._window(shown)

    def reserve(self, tiles: int, counts: Sequence[tuple[int, ...]]) -> None:
        """Make room for a number of tiles, each with the largest `counts` of those given, see `Tile.counts`."""
        with self._lock:
            self._rows = None
            for pool, most in zip(self._pools, (1, *np.max(counts, axis=0).tolist()), strict=True):
                pool.reserve(tiles * most)

    def _window(self, tiles: Sequence[tuple[int, int]]) -> dict[str, np.ndarray]:
        indices = np.array(tiles, dtype=np.int64).reshape(-1, 2)
        at = indices.min(axis=0) if len(tiles) else np.zeros(2, np.int64)
        shape = indices.max(axis=0) - at + 1 if len(tiles) else (1, 1)
        window = np.full(tuple(int(n) for n in shape), -1, np.int32)
        for index in tiles:
            window[index[0] - at[0], index[1] - at[1]] = self._where[index][0][0]
        ranges = np.array([self._range[i] for i in tiles]).reshape(-1, 2)
        return {
            "window_at": at,
            "window": window,
            "z_range": np.array([ranges[:, 0].min(initial=np.inf), ranges[:, 1].max(initial=-np.inf)]),
            "lamps": np.concatenate([self._lamps[i] for i in tiles] or [np.zeros((0, 3))]),
        }

    def _add(self, index: tuple[int, int], tile: Tile) -> None:
        self._rows = None
        rows = (1, *tile.counts)
        starts = tuple(pool.place(count) for pool, count in zip(self._pools, rows, strict=True))
        self._where[index] = starts, rows
        (slot, block, brick, deck, edge), (_, n_blocks, n_bricks, n_decks, n_edges) = starts, rows
        t, b, g = self._tiles.arrays, self._blocks.arrays, self._ground.arrays
        t["base_z"][slot] = tile.base_z
        np.copyto(t["blocks"][slot], tile.blocks)
        t["blocks"][slot][tile.blocks >= 0] += block
        b["materials"][block : block + n_blocks] = tile.materials
        brick_of = b["brick_of"][block : block + n_blocks]
        np.copyto(brick_of, tile.brick_of)
        brick_of[brick_of >= 0] += brick
        self._bricks.arrays["bricks"][brick : brick + n_bricks] = tile.bricks
        decks = slice(deck, deck + n_decks)
        g["ground"][decks] = tile.ground
        g["paint"][decks] = tile.paint
        g["edge_of"][decks] = np.where(tile.edge_of >= 0, tile.edge_of + edge, -1)
        self._edges.arrays["edges"][edge : edge + n_edges] = tile.edges
        for row in range(deck, deck + n_decks):
            _ground_range(g["ground"][row], g["ground_lo"][row], g["ground_hi"][row])
        _cells_range(tile.blocks, tile.base_z, t["cells_lo"][slot], t["cells_hi"][slot])
        # a centimetre more, so that neither rounding nor the slack of hits excludes anything
        highest = g["ground_hi"][decks].max(axis=0, initial=-np.inf) + np.float32(0.01)
        np.maximum(t["cells_hi"][slot], highest, out=t["top"][slot])
        t["decks"][slot] = deck, n_decks
        low = min(float(t["cells_lo"][slot].min()), float(g["ground_lo"][decks].min(initial=np.inf)))
        high = max(float(t["cells_hi"][slot].max()), float(g["ground_hi"][decks].max(initial=-np.inf)))
        self._range[index] = low, high
        _density(tile.materials, b["density"][block : block + n_blocks])
        self._lamps[index] = _lamps(tile)

    def _drop(self, index: tuple[int, int]) -> None:
        self._rows = None
        del self._range[index], self._lamps[index]
        for pool, start, count in zip(self._pools, *self._where.pop(index), strict=True):
            pool.free(start, count)


class TileAtlas:
    """The tiles around a point, kept up to date as the point moves.

    The window holds exactly the tiles that the last `update` requested, so hits depend neither on where the point has
    been nor on other atlases of the same tiles. Tiles up to one tile farther stay packed in case it turns back.

    Args:
        tiles: a store, or packed tiles that it shares with the atlases of other worlds.
    """

    def __init__(self, tiles: TileSource | PackedTiles):
        self.tiles = tiles if isinstance(tiles, PackedTiles) else PackedTiles(tiles)
        self._kept: set[tuple[int, int]] = set()
        self._shown: tuple[tuple[int, int], ...] | None = None
        self._window: dict[str, np.ndarray] | None = None

    @property
    def store(self) -> TileSource:
        """Where tiles are fetched from."""
        return self.tiles.store

    @property
    def arrays(self) -> AtlasArrays:
        """The atlas for kernels; valid until the next `update`."""
        if self._window is None:
            raise RuntimeError("call update() before tracing")
        return AtlasArrays(**self._window, **self.tiles.rows)  # type: ignore[arg-type]

    @property
    def layout_arrays(self) -> AtlasArrays:
        """The tiles of the layout for kernels, whatever rays are traced through: their paint is the road's."""
        return self.arrays

    def update(self, x: float, y: float, radius_m: float) -> None:
        """Show every tile within `radius_m` of (x, y), m, and drop those more than a tile farther."""
        wanted = tuple(sorted(self.tiles.store.around(x, y, radius_m)))
        if wanted == self._shown:
            return
        kept = {*wanted, *(i for i in self._kept if _distance(i, x, y) <= radius_m + TILE_M)}
        self._window = self.tiles.show(self, kept, wanted, self._most(radius_m))
        self._kept, self._shown = kept, wanted

    def reserve(self, radius_m: float, counts: Sequence[tuple[int, ...]]) -> None:
        """Make room for as many tiles as are ever packed at once, each with the largest `counts` (blocks, bricks,
        decks, edges) of those given, so that no array has to be copied during a run."""
        self.tiles.reserve(self._most(radius_m), counts)

    def _most(self, radius_m: float) -> int:
        """Most tiles that it ever keeps at once."""
        return len(self.tiles.store.around(0.0, 0.0, radius_m + TILE_M)) + 4


def _distance(index: tuple[int, int], x: float, y: float) -> float:
    """Distance from a point to the nearest point of a tile, m."""
    dx = max(index[0] * TILE_M - x, 0.0, x - (index[0] + 1) * TILE_M)
    dy = max(index[1] * TILE_M - y, 0.0, y - (index[1] + 1) * TILE_M)
    return float(np.hypot(dx, dy))


def _lamps(tile: Tile) -> np.ndarray:
    """Street lamps (L, 3), m: the centre of each cluster of lamp material, whatever engine made it."""
    block, *cell = np.nonzero(tile.materials == Material.LAMP)
    if not len(block):
        return np.zeros((0, 3))
    place = np.empty((len(tile.materials), 3), np.int64)
    at = np.argwhere(tile.blocks >= 0)
    place[tile.blocks[tuple(at.T)]] = at
    cells = place[block] * BLOCK_CELLS + np.column_stack(cell)
    corner = np.array([tile.index[0] * TILE_M, tile.index[1] * TILE_M, tile.base_z])
    middles = corner + (cells + 0.5) * CELL_M
    left, found = middles[np.lexsort(cells.T)], []
    while len(left):
        near = np.abs(left - left[0]).max(axis=1) < _CLUSTER_M
        found.append(left[near].mean(axis=0))
        left = left[~near]
    return np.array(found)


@njit(cache=True)
def _density(materials: np.ndarray, density: np.ndarray) -> None:
    """Share of solid cells in each eighth of a block, times 255: from materials uint8 (P, 8, 8, 8) into uint8 (P, 2, 2,
    2)."""
    half = BLOCK_CELLS // 2
    for p in range(materials.shape[0]):
        for e in range(8):
            i, j, k = e >> 2, (e >> 1) & 1, e & 1
            full = 0
            for u in range(half):
                for v in range(half):
                    for w in range(half):
                        full += materials[p, i * half + u, j * half + v, k * half + w] != _EMPTY
            density[p, i, j, k] = (255 * full) // (half * half * half)


@njit(cache=True)
def _ground_range(ground: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Lowest and highest sample of each column, edges included: from ground (321, 321), m, into (20, 20) each. NaN
    samples are ignored."""
    for bx in range(TILE_BLOCKS):
        for by in range(TILE_BLOCKS):
            lo, hi = np.inf, -np.inf
            for i in range(bx * _SAMPLES_A_BLOCK, (bx + 1) * _SAMPLES_A_BLOCK + 1):
                for j in range(by * _SAMPLES_A_BLOCK, (by + 1) * _SAMPLES_A_BLOCK + 1):
                    z = ground[i, j]
                    if z < lo:
                        lo = z
                    if z > hi:
                        hi = z
            low[bx, by], high[bx, by] = lo, hi


@njit(cache=True)
def _cells_range(blocks: np.ndarray, base_z: float, low: np.ndarray, high: np.ndarray) -> None:
    """Bottom of the lowest and top of the highest non-empty block of each column: from blocks int32 (20, 20, 24) into
    (20, 20), m, each.

    A centimetre is added on both sides, so that rounding to float32 excludes nothing.
    """
    for bx in range(TILE_BLOCKS):
        for by in range(TILE_BLOCKS):
            lo, hi = np.inf, -np.inf
            for bz in range(BLOCKS_Z):
                if blocks[bx, by, bz] >= 0:
                    lo = min(lo, base_z + bz * BLOCK_M - 0.01)
                    hi = max(hi, base_z + (bz + 1) * BLOCK_M + 0.01)
            low[bx, by], high[bx, by] = lo, hi
