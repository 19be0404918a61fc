"""`PaintedTiles`: tiles in the colours that a learned model gives them, or completes what pictures left unseen.

A tile is painted on a canvas that reaches 9.6 m into its neighbours, from noise that belongs to the place in the world.
What far is does not matter to the networks, so two tiles agree along their border, and a tile depends on itself and
its eight neighbours alone, in whatever order tiles are asked for.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import replace

import numpy as np

from uniscene_sim.camera.splat.appearance import GAMMA, Appearance, ColouredTile, colour_codes, geometry_key
from uniscene_sim.camera.splat.learned.conditions import COLUMN_M, KEPT, SplatConditions, columns_of, splat_conditions
from uniscene_sim.camera.splat.learned.model import PainterModel
from uniscene_sim.camera.splat.splats import Splats
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
_REMEMBERED = 256  # tiles whose columns are remembered, of 1 MB each
_GRAIN = 53  # use of random numbers
_ENOUGH = 0.3  # share of a latent cell's splats that pictures must have shown for it to be known


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
        self.recorded = model.recorded or pictured is not None
        self._source = source_key(__name__)
        self._columns: OrderedDict[tuple[int, int], tuple[Tile, np.ndarray]] = OrderedDict()

    def coloured(self, index: tuple[int, int], store: TileSource) -> ColouredTile:
        """A tile in its colours.

        Args:
            index: of the tile.
            store: where it and its neighbours come from.
        """
        tile = store.get(*index)
        found = self._pictured.coloured(index, store) if self._pictured else None
        if found is None:
            splats = tile_splats(tile)
            self._remember(index, tile, splats)
            found = ColouredTile(np.zeros((TILE_BLOCKS,) * 2, np.bool_), splats, np.zeros(len(splats), np.bool_))
        codes, pane = self._look(index, found, splat_conditions(found.splats, tile), self._canvas(index, store))
        painted = ~found.seen & ~KEPT[found.splats.material]
        albedo, material = found.splats.albedo.copy(), found.splats.material.copy()
        albedo[painted] = (codes[painted] / np.float32(255.0)) ** np.float32(GAMMA)
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
        latents = self.model.encode(columns, given[found.seen], colour_codes(found.splats.albedo[found.seen]))
        side = latents.shape[1]
        cell = (given.place[:, :2] / (_PATCH * COLUMN_M)).astype(np.int64).clip(0, side - 1) @ (side, 1)
        count = np.bincount(cell, minlength=side * side)
        share = np.bincount(cell, found.seen, side * side) / np.maximum(count, 1)
        return latents, (share > _ENOUGH).reshape(side, side)

    def _canvas(self, index: tuple[int, int], store: TileSource) -> np.ndarray:
        """What stands in the columns of a tile and around it, float32 (C, 104, 104)."""
        rows = [[self._of_tile((index[0] + i, index[1] + j), store) for j in (-1, 0, 1)] for i in (-1, 0, 1)]
        around = np.concatenate([np.concatenate(row, axis=2) for row in rows], axis=1)
        cut = slice(_SIDE - _MARGIN, 2 * _SIDE + _MARGIN)
        return np.ascontiguousarray(around[:, cut, cut])

    def _of_tile(self, index: tuple[int, int], store: TileSource) -> np.ndarray:
        """Columns of a tile, found anew where it has become another one."""
        tile, known = store.get(*index), self._columns.get(index)
        if known is None or known[0] is not tile:
            return self._remember(index, tile, tile_splats(tile))
        self._columns.move_to_end(index)
        return known[1]

    def _remember(self, index: tuple[int, int], tile: Tile, splats: Splats) -> np.ndarray:
        columns = columns_of(splat_conditions(splats, tile))
        self._columns[index] = tile, columns
        self._columns.move_to_end(index)
        while len(self._columns) > _REMEMBERED:
            self._columns.popitem(last=False)
        return columns


def _shifted(given: SplatConditions) -> SplatConditions:
    """Splats of a tile from the corner of its canvas."""
    rim = np.float32(_MARGIN * COLUMN_M)
    return replace(given, place=given.place + np.array([rim, rim, 0.0], np.float32))
