"""`SplatWorld`: the tiles of a store as splats, made once for each tile and lit once for each sun."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from uniscene_sim.camera.splat.appearance import TileColours
from uniscene_sim.camera.splat.patch import RECORDED, Patch, pack_patch
from uniscene_sim.camera.splat.project import Placement
from uniscene_sim.camera.splat.relight import light_patch
from uniscene_sim.camera.splat.splats import merge_splats
from uniscene_sim.camera.splat.surfaces import tile_splats
from uniscene_sim.compute.threads import map_threads
from uniscene_sim.interfaces import Atlas
from uniscene_sim.tile import CELL_M, TILE_M, Tile, TileSource
from uniscene_sim.tracing.atlas import AtlasArrays, slot_of

__all__ = ["SplatWorld"]

_LEVELS_M = (0.1, CELL_M, 0.8, 1.6, 3.2)
_MOST_TILES = 48  # of up to 20 MB
_PART = 8192  # splats that are lit at once
_SLACK_M = 0.01  # of distances, which kernels round in another way
_IN_PLACE = np.eye(3)


@dataclass
class _TileSplats:
    tile: Tile
    patch: Patch
    recorded: bool  # whether its colours hold their light
    #: By sun and neighbours: the light of its splats, and the first of them that has been lit
    lights: dict[tuple[bytes, int], tuple[np.ndarray, int]] = field(default_factory=dict)


class SplatWorld:
    """Splats of the tiles of one store; worlds in several threads may share it.

    Args:
        store: where tiles come from.
        colours: of tiles; where there are none they are those of materials.

    Attributes:
        unpainted: tiles so far that have no colours of their own.
    """

    def __init__(self, store: TileSource, colours: TileColours | None = None):
        self._store, self._colours = store, colours
        self.unpainted: set[tuple[int, int]] = set()
        self._tiles: dict[tuple[int, int], _TileSplats] = {}
        self._lock = Lock()

    def patches(
        self,
        atlas: Atlas,
        sun: np.ndarray,
        centre: np.ndarray,
        reach_m: float,
        far_m: float,
        level_px: float,
        focal_px: float,
    ) -> list[tuple[Patch, Placement]]:
        """All patches around a place, lit as far as their levels of detail are needed, in the order of their tiles.

        Args:
            atlas: the tiles.
            sun: float64 (3,), unit vector.
            centre: float64 (3,) m, of the cameras.
            reach_m: how far from it they may be.
            far_m: their range.
            level_px: size of splats that is fine enough.
            focal_px: longest focal length.
        """
        arrays = atlas.arrays
        low = arrays.window_at
        shown = [(int(low[0] + i), int(low[1] + j)) for i, j in np.argwhere(arrays.window >= 0)]
        with self._lock:
            near = [index for index in shown if _distance(index, centre) <= far_m + reach_m]
            found = [self._tile(index) for index in near]
            out = []
            for (ix, iy), splats in zip(near, found, strict=True):
                placement = _placement(ix, iy)
                away = _nearest_chunk_m(splats.patch, centre - placement.shift) - reach_m - _SLACK_M
                level = int(np.searchsorted(splats.patch.level_m[1:] * focal_px, level_px * away, side="right"))
                out.append((self._lit(splats, arrays, ix, iy, sun, level), placement))
            while len(self._tiles) > _MOST_TILES and next(iter(self._tiles)) not in near:
                self._tiles.pop(next(iter(self._tiles)))
        return out

    def _tile(self, index: tuple[int, int]) -> _TileSplats:
        """The splats of a tile, made anew where the tile is another one."""
        tile, known = self._store.get(*index), self._tiles.pop(index, None)
        if known is None or known.tile is not tile:
            painted = self._colours.coloured(index, self._store) if self._colours else None
            if self._colours and painted is None:
                self.unpainted.add(index)
            levels = [tile_splats(tile) if painted is None else painted.splats]
            for size in _LEVELS_M[1:]:
                levels.append(merge_splats(levels[-1], size))
            recorded = painted is not None and self._colours is not None and self._colours.recorded
            known = _TileSplats(tile, pack_patch(levels, _LEVELS_M), recorded)
            if recorded:
                known.patch.light[:, 0] = RECORDED
        self._tiles[index] = known  # the latest is the last
        return known

    def _lit(self, splats: _TileSplats, arrays: AtlasArrays, ix: int, iy: int, sun: np.ndarray, level: int) -> Patch:
        """The patch with light from a level on. It depends on which neighbours there are, and on nothing farther."""
        if splats.recorded:
            return splats.patch
        around = sum(1 << k for k in range(9) if slot_of(arrays, ix + k // 3 - 1, iy + k % 3 - 1) >= 0)
        key, patch = (sun.tobytes(), around), splats.patch
        light, done = splats.lights.pop(key, (np.ones_like(patch.light), len(patch.light)))
        wanted = int(patch.first[min(level, len(patch.first) - 1), 0])
        lit = patch._replace(light=light)
        if wanted < done:
            parts = [(k, min(k + _PART, done)) for k in range(wanted, done, _PART)]
            map_threads(lambda part: light_patch(arrays, lit, ix * TILE_M, iy * TILE_M, sun, *part), parts)
        splats.lights[key] = light, min(wanted, done)
        while len(splats.lights) > 3:
            splats.lights.pop(next(iter(splats.lights)))
        return lit


def _distance(index: tuple[int, int], centre: np.ndarray) -> float:
    """From a place to the nearest point of a tile, m."""
    dx = max(index[0] * TILE_M - centre[0], 0.0, centre[0] - (index[0] + 1) * TILE_M)
    dy = max(index[1] * TILE_M - centre[1], 0.0, centre[1] - (index[1] + 1) * TILE_M)
    return float(np.hypot(dx, dy))


def _nearest_chunk_m(patch: Patch, at: np.ndarray) -> float:
    """Least distance from a place to the sphere of a chunk, m; negative within one. A tall one reaches far aside."""
    there = patch.bounds[patch.bounds[:, 3] >= 0.0].astype(np.float64)
    return float((np.linalg.norm(there[:, :3] - at, axis=1) - there[:, 3]).min(initial=np.inf))


def _placement(ix: int, iy: int) -> Placement:
    shift = np.array([ix * TILE_M, iy * TILE_M, 0.0])
    return Placement(_IN_PLACE, shift, _IN_PLACE, -1, 0, _IN_PLACE)
