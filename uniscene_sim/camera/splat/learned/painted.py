"""`PaintedTiles`: tiles in the colours that a learned model gives them, or completes what pictures left unseen.

A tile is painted on a canvas that reaches 9.6 m into its neighbours, from noise that belongs to the place in the world.
What far is does not matter to the networks, so two tiles agree along their border, and a tile depends on itself and
its eight neighbours alone, in whatever order tiles are asked for. What pictures showed of a tile is completed within
that tile: of its neighbours only what stands there counts.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import replace
from threading import Lock
from weakref import WeakKeyDictionary, ref

import numpy as np

from uniscene_sim.camera.splat.appearance import Appearance, ColouredTile, colour_codes, geometry_key, linear_colours
from uniscene_sim.camera.splat.learned.conditions import COLUMN_M, KEPT, SplatConditions, columns_of, splat_conditions
from uniscene_sim.camera.splat.learned.model import PainterModel
from uniscene_sim.camera.splat.surfaces import tile_splats
from uniscene_sim.occupancy.learned.tile_latents import world_noise
from uniscene_sim.storage.disk_cache import DiskCache
from uniscene_sim.storage.source_key import source_key
from uniscene_sim.taxonomy import MATERIAL_LABEL, Material, OccClass
from uniscene_sim.tile import TILE_BLOCKS, TILE_M, Tile, TileSource

__all__ = ["PaintedTiles"]

_MARGIN = 12  # columns: six latent cells
_SIDE = int(TILE_M / COLUMN_M)
_PATCH = 2  # columns along a latent cell
_CELLS, _RIM = _SIDE // _PATCH, _MARGIN // _PATCH
_REMEMBERED = 256  # tiles of a store whose columns are remembered, of 1 MB each
_GRAIN = 53  # use of random numbers
_ENOUGH = 0.3  # share of a latent cell's splats that pictures must have shown for it to be known


#: By index: what stands in the columns of a tile, for as long as it is that tile.
_Columns = OrderedDict[tuple[int, int], tuple[ref[Tile], np.ndarray]]


class PaintedTiles:
    """Colours of tiles by a model.

    Args:
        model: the painter.
        seed: of its noise.
        pictured: colours that are known; what pictures showed stays, the rest is painted to fit.
        cache: keeps what was painted between runs; None to keep none.

    Attributes:
        recorded: whether colours hold the light that they were seen in.
    """

    def __init__(
        self,
        model: PainterModel,
        seed: int = 0,
        pictured: Appearance | None = None,
        cache: DiskCache | None = None,
    ):
        self.model, self.seed, self._pictured, self._cache = model, seed, pictured, cache
        self.recorded = model.recorded
        self._source = source_key(__name__)
        self._columns: WeakKeyDictionary[TileSource, _Columns] = WeakKeyDictionary()
        self._lock = Lock()

    def coloured(self, index: tuple[int, int], store: TileSource) -> ColouredTile:
        """A tile in its colours.

        Args:
            index: of the tile.
            store: where it and its neighbours come from.

        Raises:
            InputError: the colours of its pictures are damaged.
        """
        tile = store.get(*index)
        found = self._pictured.coloured(index, store) if self._pictured else None
        if found is None:
            splats = tile_splats(tile)
            found = ColouredTile(np.zeros((TILE_BLOCKS,) * 2, np.bool_), splats, np.zeros(len(splats), np.bool_))
        given = splat_conditions(found.splats, tile)
        columns = self._canvas(index, store, None if found.fine.any() else given)
        codes, pane = self._look(index, found, given, columns)
        painted = ~found.seen & ~KEPT[found.splats.material]
        albedo, material = found.splats.albedo.copy(), found.splats.material.copy()
        albedo[painted] = linear_colours(codes[painted])
        house = painted & (MATERIAL_LABEL[material] == OccClass.MANMADE)
        material[house] = OccClass.MANMADE
        if not self.recorded:
            material[house & pane] = Material.WINDOW
        return replace(found, splats=replace(found.splats, albedo=albedo, material=material))

    def _look(
        self, index: tuple[int, int], found: ColouredTile, given: SplatConditions, columns: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the splats of a tile look like: codes uint8 (N, 3), and window panes bool (N,)."""
        n, key = len(given), ""
        if self._cache is not None:
            key = self._key(index, found, columns)
            body = self._cache.read(key)
            if body is not None and len(body) == 3 * n + -(-n // 8):
                rest = np.frombuffer(body, np.uint8)
                return rest[: 3 * n].reshape(n, 3), np.unpackbits(rest[3 * n :], count=n).astype(np.bool_)
        given = _shifted(given)
        i, j = (_CELLS * k - _RIM for k in index)
        noise = world_noise(self.seed, self.model.latent_channels, i, j, _CELLS + 2 * _RIM)
        latents = self.model.generate(columns, noise, *self._known(columns, given, found))
        made = self.model.paint(latents, columns, given)
        grain = np.random.default_rng([_GRAIN, self.seed, *(k % 2**32 for k in index)])
        off = self.model.grain * made.spread * grain.standard_normal(n, np.float32)
        codes = np.rint(255.0 * np.clip(made.codes + off[:, None], 0.0, 1.0)).astype(np.uint8)
        pane = made.pane > 0.5
        if self._cache is not None:
            self._cache.write(key, codes.tobytes() + np.packbits(pane).tobytes())
        return codes, pane

    def _key(self, index: tuple[int, int], found: ColouredTile, columns: np.ndarray) -> str:
        """Name of what is painted, by all that it depends on."""
        whole = hashlib.sha256(f"{self._source} {self.model.sha256} {self.model.device} {self.seed} {index}".encode())
        whole.update(geometry_key(found.splats) + columns.tobytes() + found.seen.tobytes())
        whole.update(found.splats.albedo[found.seen].tobytes())
        return whole.hexdigest()

    def _known(
        self, columns: np.ndarray, given: SplatConditions, found: ColouredTile
    ) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
        """Latents (c, x, y) where pictures showed enough of a canvas, and where that is, bool (x, y)."""
        if not found.seen.any():
            return None, None
        seen = found.seen & ~KEPT[found.splats.material]  # as in training
        latents = self.model.encode(columns, given[seen], colour_codes(found.splats.albedo[seen]))
        side = latents.shape[1]
        cell = (given.place[:, :2] / (_PATCH * COLUMN_M)).astype(np.int64).clip(0, side - 1) @ (side, 1)
        count = np.bincount(cell, minlength=side * side)
        share = np.bincount(cell, seen, side * side) / np.maximum(count, 1)
        return latents, (share > _ENOUGH).reshape(side, side)

    def _canvas(self, index: tuple[int, int], store: TileSource, own: SplatConditions | None = None) -> np.ndarray:
        """What stands in the columns of a tile and around it, float32 (C, 104, 104); `own`: the tile's, if known."""
        rows = [
            [self._of_tile((index[0] + i, index[1] + j), store, None if i or j else own) for j in (-1, 0, 1)]
            for i in (-1, 0, 1)
        ]
        around = np.concatenate([np.concatenate(row, axis=2) for row in rows], axis=1)
        cut = slice(_SIDE - _MARGIN, 2 * _SIDE + _MARGIN)
        return np.ascontiguousarray(around[:, cut, cut])

    def _of_tile(self, index: tuple[int, int], store: TileSource, given: SplatConditions | None) -> np.ndarray:
        """Columns of a tile, found anew where it has become another one."""
        tile = store.get(*index)
        with self._lock:
            columns = self._columns.setdefault(store, OrderedDict())
            known = columns.pop(index, None)
            if known is None or known[0]() is not tile:
                known = ref(tile), columns_of(given or splat_conditions(tile_splats(tile), tile))
            columns[index] = known  # the latest is the last
            while len(columns) > _REMEMBERED:
                columns.popitem(last=False)
        return known[1]


def _shifted(given: SplatConditions) -> SplatConditions:
    """Splats of a tile from the corner of its canvas."""
    rim = np.float32(_MARGIN * COLUMN_M)
    return replace(given, place=given.place + np.array([rim, rim, 0.0], np.float32))
