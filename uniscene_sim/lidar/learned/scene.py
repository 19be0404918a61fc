"""The world as a learned LiDAR knows it: cells of tiles with their features, made once, and agents' of the moment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from uniscene_sim.lidar.learned.march import AgentGrids, agent_grids
from uniscene_sim.lidar.learned.network import SparseSdfNet
from uniscene_sim.lidar.learned.voxels import CellGrid, Cells, agent_cells, cell_grid, is_ground, join, tile_cells
from uniscene_sim.occupancy.tiles import TILE_CELLS
from uniscene_sim.tracing.atlas import TileSource

__all__ = ["Scene", "Scenes", "tile_features"]

_TILES, _WORLDS = 96, 4
_MARGIN = 32  # cells of neighbours that a tile is told; what hangs on more is lost
_ROOM = 1 << 15  # cells of agents


class Scene:
    """N cells of some tiles, and room behind them for those of agents.

    Attributes:
        grid: of the tiles' cells.
        ijk: int32 (N + room, 3).
        label: uint8 (N + room,).
        ground: bool (N + room,).
        features: (N + room, width), of tiles that have been asked for.
    """

    def __init__(self, indices: Sequence[tuple[int, int]], parts: list[Cells], width: int, device: torch.device):
        cells = join(parts)
        self.count = cells.seen
        self.grid: CellGrid = cell_grid(cells)
        self.ijk = np.concatenate([cells.ijk[: cells.seen], np.zeros((_ROOM, 3), np.int32)])
        self.label = np.concatenate([cells.label[: cells.seen], np.zeros(_ROOM, np.uint8)])
        self.ground = is_ground(self.label)
        self.ground[self.count :] = False
        self.features = torch.zeros((len(self.ijk), width), device=device)
        self.ends = np.cumsum([p.seen for p in parts])
        self.indices = list(indices)
        self.known = [False] * len(parts)

    def put_agents(self, net: SparseSdfNet, agents: np.ndarray) -> AgentGrids:
        """Lay the cells of agents (N,) AGENT_DTYPE behind those of the tiles."""
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
        self.features = torch.cat([self.features, self.features.new_zeros((more, self.features.shape[1]))])


class _World(NamedTuple):
    """What is known of one store's tiles."""

    cells: OrderedDict[tuple[int, int], Cells]
    features: OrderedDict[tuple[int, int], Tensor]
    scenes: OrderedDict[tuple[tuple[int, int], ...], Scene]


class Scenes:
    """Scenes by store and tiles. Features are a function of a tile and its neighbours, whatever was asked before."""

    def __init__(self, net: SparseSdfNet, device: torch.device):
        self._net, self._device = net, device
        self._worlds: WeakKeyDictionary[Any, _World] = WeakKeyDictionary()

    def of(self, store: TileSource, indices: Sequence[tuple[int, int]]) -> Scene:
        """The scene of some tiles of a store."""
        if store not in self._worlds:
            self._worlds[store] = _World(OrderedDict(), OrderedDict(), OrderedDict())
        world, key = self._worlds[store], tuple(indices)
        if key not in world.scenes:
            parts = [self._cells(store, world, index) for index in key]
            width = self._net.config.widths[0]
            world.scenes[key] = Scene(key, parts, width, self._device)
            _trim(world.scenes, _WORLDS)
        world.scenes.move_to_end(key)
        return world.scenes[key]

    def know(self, store: TileSource, scene: Scene, rows: np.ndarray) -> None:
        """Make sure that features of the cells in these rows are there."""
        used = np.zeros(len(scene.known) + 1, np.bool_)
        used[np.searchsorted(scene.ends, np.unique(rows[rows < scene.count]), side="right")] = True
        for n in np.flatnonzero(used[:-1]):
            if not scene.known[n]:
                start = scene.ends[n - 1] if n else 0
                scene.features[start : scene.ends[n]] = self._features(store, self._worlds[store], scene.indices[n])
                scene.known[n] = True

    def _cells(self, store: TileSource, world: _World, index: tuple[int, int]) -> Cells:
        if index not in world.cells:
            world.cells[index] = tile_cells(store.get(*index))
            _trim(world.cells, _TILES)
        world.cells.move_to_end(index)
        return world.cells[index]

    def _features(self, store: TileSource, world: _World, index: tuple[int, int]) -> Tensor:
        if index not in world.features:
            around = [(index[0] + i, index[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
            parts = {other: self._cells(store, world, other) for other in around}
            world.features[index] = tile_features(self._net, index, parts, self._device)
            _trim(world.features, _TILES)
        world.features.move_to_end(index)
        return world.features[index]


def tile_features(
    net: SparseSdfNet, index: tuple[int, int], parts: dict[tuple[int, int], Cells], device: torch.device
) -> Tensor:
    """Features of the cells of a tile that are seen, as they would be in the whole world.

    Args:
        parts: cells of the tile and its eight neighbours, of which only a margin counts.
    """
    margin = min(net.config.reach, _MARGIN)
    low, high = np.array(index) * TILE_CELLS - margin, (np.array(index) + 1) * TILE_CELLS + margin
    own = parts[index]
    ijk, label = [own.ijk[: own.seen]], [own.label[: own.seen]]
    for other, cells in parts.items():
        if other != index:
            at = cells.ijk[: cells.seen]
            near = ((at[:, :2] >= low) & (at[:, :2] < high)).all(axis=1)
            ijk.append(at[near])
            label.append(cells.label[: cells.seen][near])
    every, labels = np.concatenate(ijk), np.concatenate(label)
    return _features(net, every, labels, np.zeros(len(every), np.int32), device)[: own.seen]


def _features(
    net: SparseSdfNet, ijk: np.ndarray, label: np.ndarray, group: np.ndarray, device: torch.device
) -> Tensor:
    with torch.no_grad():
        return net.features(
            torch.from_numpy(ijk).to(device), torch.from_numpy(label.astype(np.int64)).to(device),
            torch.from_numpy(group).to(device),
        )  # fmt: skip


def _trim(kept: OrderedDict[Any, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
