"""Cells and features of a scene: those of tiles are cached, those of agents are made for each sweep."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.lidar.learned.cpu_unet import cpu_features, receptive_rings
from uniscene_sim.lidar.learned.network import SparseSdfNet
from uniscene_sim.lidar.learned.ray_samples import AgentGrids, agent_grids
from uniscene_sim.lidar.learned.voxels import (
    CellGrid,
    Cells,
    agent_cells,
    cell_grid,
    is_ground_label,
    join_cells,
    tile_cells,
)
from uniscene_sim.tile import TILE_CELLS, TileSource

__all__ = ["VoxelScene", "VoxelSceneCache", "tile_features"]

_TILES = 96  # cached tiles of each store
_MAX_BYTES = 2 << 30  # of each store's cached scenes
_AT_ONCE = 8  # tiles per call of the network, which share their margins
_ROOM = 1 << 15  # initial capacity for cells of agents


class VoxelScene:
    """The N visible cells of some tiles, followed by room for those of agents.

    Args:
        indices: (ix, iy) of the tiles.
        parts: cells of each tile.
        width: channels of the features.
        device: torch device of the features.

    Attributes:
        count: N.
        grid: of the tiles' cells.
        ijk: int32 (N + room, 3).
        label: uint8 (N + room,) OccClass.
        ground: bool (N + room,).
        features: (N + room, width), valid for tiles with `has_features`.
        ends: int64, end of each tile's rows.
        has_features: by tile.
    """

    def __init__(self, indices: Sequence[tuple[int, int]], parts: list[Cells], width: int, device: torch.device):
        cells = join_cells(parts)
        self.count = cells.visible_count
        self.grid: CellGrid = cell_grid(cells)
        self.ijk = np.concatenate([cells.ijk[: cells.visible_count], np.zeros((_ROOM, 3), np.int32)])
        self.label = np.concatenate([cells.label[: cells.visible_count], np.zeros(_ROOM, np.uint8)])
        self.ground = is_ground_label(self.label)
        self.ground[self.count :] = False
        self.features = torch.empty((len(self.ijk), width), device=device)
        self.ends = np.cumsum([p.visible_count for p in parts])
        self.indices = list(indices)
        self.has_features = [False] * len(parts)

    @property
    def nbytes(self) -> int:
        return self.grid.cells.nbytes + self.ijk.nbytes + self.features.nbytes

    def place_agents(self, net: SparseSdfNet, agents: np.ndarray) -> AgentGrids:
        """Write the cells and features of agents AGENT_DTYPE (A,) behind those of the tiles."""
        cells = [agent_cells(agent) for agent in agents]
        count = sum(len(c.ijk) for c in cells)
        if count > len(self.ijk) - self.count:
            self._grow(count)
        at = slice(self.count, self.count + count)
        if count:
            self.ijk[at] = np.concatenate([c.ijk for c in cells])
            self.label[at] = np.concatenate([c.label for c in cells])
            group = np.repeat(np.arange(len(cells), dtype=np.int32), [len(c.ijk) for c in cells])
            self.features[at] = _features(net, self.ijk[at], self.label[at], group, self.features.device)
        return agent_grids([c.ijk for c in cells], self.count)

    def _grow(self, count: int) -> None:
        more = self.count + 2 * count - len(self.ijk)
        self.ijk = np.concatenate([self.ijk, np.zeros((more, 3), np.int32)])
        self.label = np.concatenate([self.label, np.zeros(more, np.uint8)])
        self.ground = np.concatenate([self.ground, np.zeros(more, np.bool_)])
        self.features = torch.cat([self.features, self.features.new_empty((more, self.features.shape[1]))])


CellsOf = Callable[[Any, int, int], Cells]


def _packed_cells(store: TileSource, ix: int, iy: int) -> Cells:
    return tile_cells(store.get(ix, iy), deep=False)


class _StoreCache(NamedTuple):
    """Cached cells, features and scenes of one store, least recently used first."""

    cells: OrderedDict[tuple[int, int], Cells]
    features: OrderedDict[tuple[int, int], Tensor]
    scenes: OrderedDict[tuple[tuple[int, int], ...], VoxelScene]


class VoxelSceneCache:
    """Scenes by store and tiles. Features are a function of a tile and its neighbours, whatever was requested before.

    Args:
        net: network of the features.
        device: torch device of the features.
        cells_of: function of a store and a tile index (ix, iy) to cells; called from several threads.
    """

    def __init__(self, net: SparseSdfNet, device: torch.device, cells_of: CellsOf | None = None):
        self._net, self._device = net, device
        self._cells_of = cells_of or _packed_cells
        self._worlds: WeakKeyDictionary[Any, _StoreCache] = WeakKeyDictionary()

    def of(self, store: Any, indices: Sequence[tuple[int, int]]) -> VoxelScene:
        """The scene of some tiles of a store."""
        if store not in self._worlds:
            self._worlds[store] = _StoreCache(OrderedDict(), OrderedDict(), OrderedDict())
        world, key = self._worlds[store], tuple(indices)
        if key not in world.scenes:
            parts = list(self._cells(store, world, key).values())
            width = self._net.config.widths[0]
            world.scenes[key] = VoxelScene(key, parts, width, self._device)
            while len(world.scenes) > 1 and sum(scene.nbytes for scene in world.scenes.values()) > _MAX_BYTES:
                world.scenes.popitem(last=False)
        world.scenes.move_to_end(key)
        return world.scenes[key]

    def ensure_features(self, store: Any, scene: VoxelScene, rows: np.ndarray) -> None:
        """Compute missing features of the tiles whose cells are in `rows` (any shape; -1: none)."""
        used = np.zeros(len(scene.has_features) + 1, np.bool_)
        used[np.searchsorted(scene.ends, np.unique(rows[(rows >= 0) & (rows < scene.count)]), side="right")] = True
        new = [n for n in np.flatnonzero(used[:-1]).tolist() if not scene.has_features[n]]
        made = self._features(store, self._worlds[store], [scene.indices[n] for n in new])
        for n, features in zip(new, made, strict=True):
            scene.features[scene.ends[n] - len(features) : scene.ends[n]] = features
            scene.has_features[n] = True

    def _cells(self, store: Any, world: _StoreCache, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Cells]:
        new = [index for index in wanted if index not in world.cells]
        made = dict(zip(new, map_threads(lambda index: self._cells_of(store, *index), new), strict=True))
        cells = {index: made[index] if index in made else world.cells[index] for index in wanted}
        for index in wanted:
            world.cells[index] = cells[index]
            world.cells.move_to_end(index)
        _trim(world.cells, _TILES)
        return cells

    def _features(self, store: Any, world: _StoreCache, wanted: Sequence[tuple[int, int]]) -> list[Tensor]:
        made = {index: world.features[index] for index in wanted if index in world.features}
        new = [index for index in wanted if index not in made]
        for first in range(0, len(new), _AT_ONCE):
            some = new[first : first + _AT_ONCE]
            parts = self._cells(store, world, _with_neighbours(some))
            made |= zip(some, tile_features(self._net, some, parts, self._device), strict=True)
        for index in wanted:
            world.features[index] = made[index]
            world.features.move_to_end(index)
        _trim(world.features, _TILES)
        return [made[index] for index in wanted]


def tile_features(
    net: SparseSdfNet, wanted: Sequence[tuple[int, int]], parts: dict[tuple[int, int], Cells], device: torch.device
) -> list[Tensor]:
    """Features of the visible cells of tiles, as they would be in the whole world.

    Args:
        net: the network.
        wanted: indices (ix, iy) of T tiles.
        parts: cells of these tiles and of their neighbours, of which only the receptive field is used.
        device: torch device of the network.

    Returns:
        T tensors float32 (visible cells of the tile, width).
    """
    own = join_cells([parts[index] for index in wanted])
    others = join_cells([parts[index] for index in sorted(set(parts) - set(wanted))])
    away = np.empty(others.visible_count, np.int32)
    corners = np.array(wanted, np.int64) * TILE_CELLS
    map_threads(lambda rows: _distance_to_tiles(others.ijk, corners, away, *rows), row_ranges(len(away)))
    rings = receptive_rings(len(net.config.widths))
    margin = np.flatnonzero(away <= net.config.reach)
    margin = margin[np.argsort(np.searchsorted(rings, away[margin]), kind="stable")]
    ijk, label = (
        np.concatenate([getattr(own, k)[: own.visible_count], getattr(others, k)[margin]]) for k in ("ijk", "label")
    )
    within = [own.visible_count + int((away <= ring).sum()) for ring in rings]
    made = _features(net, ijk, label, np.zeros(len(ijk), np.int32), device, within)
    return [part.clone() for part in made[: own.visible_count].split([parts[index].visible_count for index in wanted])]


@njit(cache=True, nogil=True)
def _distance_to_tiles(ijk, corners, away, first, last):
    """Write the distance (cells) of cells (N, 3) to the nearest of some tiles, by their corners (T, 2)."""
    for n in range(first, last):
        away[n] = 2**30
        for c in range(corners.shape[0]):
            i, j = ijk[n, 0] - corners[c, 0], ijk[n, 1] - corners[c, 1]
            away[n] = min(away[n], max(-i, i - TILE_CELLS + 1, -j, j - TILE_CELLS + 1))


def _with_neighbours(indices: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """These tiles and their neighbours."""
    return sorted({(i + a, j + b) for i, j in indices for a in (-1, 0, 1) for b in (-1, 0, 1)})


def _features(
    net: SparseSdfNet,
    ijk: np.ndarray,
    label: np.ndarray,
    group: np.ndarray,
    device: torch.device,
    within: Sequence[int] | None = None,
) -> Tensor:
    if device.type == "cpu":
        return torch.from_numpy(cpu_features(net, ijk, label, group, within))
    with torch.no_grad():
        return net.features(
            torch.from_numpy(ijk).to(device), torch.from_numpy(label.astype(np.int64)).to(device),
            torch.from_numpy(group).to(device),
        )  # fmt: skip


def _trim(kept: OrderedDict[Any, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
