"""The ego-aligned occupancy window: labels and instances of a `GridSpec`, with z as height above the ground."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, MATERIAL_LABEL, Material, OccClass
from uniscene_sim.tile import CELL_M, PAINT_M, TILE_M, TileSource

__all__ = ["ExactWindow", "occupancy_window", "stamp_agent"]

_FREE, _NONE = np.uint8(OccClass.FREE), np.uint8(Material.NONE)
_LABEL = MATERIAL_LABEL


class ExactWindow:
    """A `WindowEngine` that reads each voxel from tiles and agent boxes; it has no state."""

    name = "exact"
    chunk = 1
    latency_ticks = 0

    def __init__(self, static_map: StaticMap, seed: int):
        del static_map, seed  # everything is in the views

    def step(
        self, state: Sequence[Any], views: Sequence[WorldView], grid: GridSpec
    ) -> tuple[Sequence[Any], list[OccupancyGrid]]:
        """The window of each world, at its stamp; `state` is passed through."""
        return state, [occupancy_window(view.atlas.store, view.frame, grid) for view in views]


def occupancy_window(store: TileSource, frame: LayoutFrame, grid: GridSpec) -> OccupancyGrid:
    """Semantic occupancy around the ego.

    Args:
        store: tiles; those that the window intersects are made if they do not exist yet.
        frame: the layout; its agents are drawn as boxes, with their ids as instances.
        grid: the window's voxels, in base_link with the ego's yaw.
    """
    pose = frame.ego_pose
    labels = np.full(grid.shape, _FREE, dtype=np.uint8)
    ground = np.full(grid.shape[:2], np.nan)
    extent = grid.extent
    reach = float(np.hypot(max(abs(extent[0]), abs(extent[3])), max(abs(extent[1]), abs(extent[4]))))
    view = np.array([pose.x, pose.y, pose.z, pose.yaw])
    origin = np.array(grid.origin)
    for ix, iy in store.around(pose.x, pose.y, reach):
        tile = store.get(ix, iy)
        _sample(labels, ground, grid.voxel_m, origin, view, ix, iy, tile.base_z, tile.blocks, tile.materials,
                tile.ground, tile.paint)  # fmt: skip
    instances = np.zeros(grid.shape, dtype=np.uint16)
    agents = frame.agents
    if len(agents):
        near = np.hypot(agents["pos"][:, 0] - pose.x, agents["pos"][:, 1] - pose.y) < reach + 10.0
        for agent in agents[near]:
            stamp_agent(
                labels,
                instances,
                ground,
                grid.voxel_m,
                origin,
                view,
                agent["pos"],
                agent["rpy"][2],
                agent["size"],
                AGENT_OCC_CLASS[agent["cls"]],
                agent["id"],
            )
    return OccupancyGrid(labels, instances, grid, Pose(pose.x, pose.y, pose.z, yaw=pose.yaw), frame.stamp_us)


@njit(cache=True)
def _sample(labels, ground, voxel, origin, view, ix, iy, base_z, blocks, materials, heights, paint):
    """Fill the columns whose centre lies in one tile, by the cell at the centre of each voxel.

    Arguments by group:
        labels: uint8 (X, Y, Z), changed.
        ground: float64 (X, Y) m, height of the ground, changed.
        voxel, origin: size of a voxel, m, and (3,) m, corner of the window in base_link.
        view: (4,) x, y, z (m) and yaw (rad) of base_link.
        ix, iy, base_z, blocks, materials: of the `Tile`.
        heights, paint: `ground` and `paint` of the `Tile`.
    """
    c, s = np.cos(view[3]), np.sin(view[3])
    nx, ny, nz = labels.shape
    for i in range(nx):
        for j in range(ny):
            u, v = origin[0] + (i + 0.5) * voxel, origin[1] + (j + 0.5) * voxel
            x, y = view[0] + c * u - s * v - ix * TILE_M, view[1] + s * u + c * v - iy * TILE_M
            if x < 0 or y < 0 or x >= TILE_M or y >= TILE_M:
                continue
            # The deck nearest to the ego's height is the ground.
            deck, z0, best = 0, 0.0, np.inf
            a, b = min(int(x / 0.2 + 0.5), 320), min(int(y / 0.2 + 0.5), 320)
            for d in range(heights.shape[0]):
                z = heights[d, a, b]
                if not np.isnan(z) and abs(z - view[2]) < best:
                    best, deck, z0 = abs(z - view[2]), d, z
            ground[i, j] = z0
            ci, cj = int(x / CELL_M), int(y / CELL_M)
            for k in range(nz):
                high = origin[2] + (k + 0.5) * voxel
                ck = int(np.floor((z0 + high - base_z) / CELL_M))
                if high < 0 or ck < 0 or ck >= 8 * blocks.shape[2]:
                    continue
                row = blocks[ci // 8, cj // 8, ck // 8]
                if row >= 0:
                    material = materials[row, ci % 8, cj % 8, ck % 8]
                    if material != _NONE:
                        labels[i, j, k] = _LABEL[material]
            k = int(np.floor((-0.5 * voxel - origin[2]) / voxel))
            if 0 <= k < nz:
                labels[i, j, k] = _LABEL[paint[deck, min(int(x / PAINT_M), 639), min(int(y / PAINT_M), 639)]]


@njit(cache=True)
def stamp_agent(labels, instances, ground, voxel, origin, view, pos, yaw, size, label, identity):
    """Mark the voxels whose centre lies in an agent's box. The box is taken to be at least a voxel wide, and always
    covers the voxel of its centre.

    Args:
        labels, instances: uint8 and uint16 (X, Y, Z), changed.
        ground: float64 (X, Y) m, height of the ground in each column.
        voxel: size of a voxel, m.
        origin: (3,) m, corner of the window in base_link.
        view: (4,) x, y, z (m) and yaw (rad) of base_link.
        pos: (3,) m, centre of the box's foot, map frame.
        yaw: of the box, rad.
        size: (3,) m, length, width, height.
        label: OccClass.
        identity: id of the agent.
    """
    c, s = np.cos(view[3]), np.sin(view[3])
    dx, dy = pos[0] - view[0], pos[1] - view[1]
    u, v = c * dx + s * dy, -s * dx + c * dy
    nx, ny, nz = labels.shape
    turn = yaw - view[3]
    ca, sa = np.cos(turn), np.sin(turn)
    half = 0.5 * (abs(size[0]) + abs(size[1]))
    length, width = max(size[0], voxel), max(size[1], voxel)
    ci, cj = int(np.floor((u - origin[0]) / voxel)), int(np.floor((v - origin[1]) / voxel))
    i0, i1 = int((u - half - origin[0]) / voxel) - 1, int((u + half - origin[0]) / voxel) + 1
    j0, j1 = int((v - half - origin[1]) / voxel) - 1, int((v + half - origin[1]) / voxel) + 1
    for i in range(max(i0, 0), min(i1, nx - 1) + 1):
        for j in range(max(j0, 0), min(j1, ny - 1) + 1):
            a, b = origin[0] + (i + 0.5) * voxel - u, origin[1] + (j + 0.5) * voxel - v
            outside = abs(ca * a + sa * b) > 0.5 * length or abs(-sa * a + ca * b) > 0.5 * width
            if outside and (i != ci or j != cj):
                continue
            low = pos[2] - ground[i, j]
            if np.isnan(low) or abs(pos[2] - view[2]) > 8.0:
                continue
            for k in range(nz):
                middle = origin[2] + (k + 0.5) * voxel
                if max(low, 0.0) <= middle < low + max(size[2], voxel):
                    labels[i, j, k] = label
                    instances[i, j, k] = identity
