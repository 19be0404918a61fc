"""Occupancy windows as sensors trace them: the voxels of the grid within its box, beyond it tiles or nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.tile import Tile
from uniscene_sim.tracing.atlas import AtlasArrays, TileAtlas, WindowArrays

__all__ = ["WindowAtlas", "no_tiles", "outside", "window_arrays"]


class WindowAtlas(TileAtlas):
    """An occupancy window, with the tiles of another atlas beyond its box.

    Args:
        window: the voxels.
        beyond: what rays hit outside of the window.
        layout: the tiles of the layout, None if they are those beyond.
    """

    def __init__(self, window: WindowArrays, beyond: TileAtlas, layout: TileAtlas | None = None):
        super().__init__(beyond.tiles)
        self._traced, self._beyond, self._layout = window, beyond, layout or beyond

    @property
    def layout_arrays(self) -> AtlasArrays:
        return self._layout.layout_arrays

    @property
    def arrays(self) -> AtlasArrays:
        """The atlas for kernels; valid until the next `update` of the tiles."""
        return self._beyond.arrays._replace(occupancy=self._traced)

    def update(self, x: float, y: float, radius_m: float) -> None:
        """Update the tiles beyond the window."""
        self._beyond.update(x, y, radius_m)


def window_arrays(grid: OccupancyGrid, ego_pose: Pose) -> WindowArrays:
    """A window for kernels, on the plane on which the ego stands.

    Its z is height above ground, so the ground is a plane in it: on a slope, its bottom is parallel to the road at the
    ego.

    Args:
        grid: the window; its pose is level, with the ego's yaw.
        ego_pose: pose_map_from_base at the stamp of the window.
    """
    level = Pose(ego_pose.x, ego_pose.y, ego_pose.z, yaw=ego_pose.yaw)
    tilted = ego_pose.roll != 0.0 or ego_pose.pitch != 0.0
    pose = ego_pose.compose(level.inverse().compose(grid.pose)) if tilted else grid.pose
    axes, corner = pose.rotation.T / grid.grid.voxel_m, pose.apply(np.array(grid.grid.origin))
    voxels = grid.labels.astype(np.uint32)
    voxels |= grid.instances.astype(np.uint32) << np.uint32(8)
    return WindowArrays(voxels.reshape(-1), np.concatenate([axes.ravel(), corner, grid.labels.shape]))


def outside(layout: LayoutFrame, window: WindowArrays) -> LayoutFrame:
    """The layout with only those agents whose box centre is outside a window, since the others are in its voxels."""
    agents = layout.agents
    centre = agents["pos"] + 0.5 * agents["size"] * np.array([0.0, 0.0, 1.0])
    axes, corner, shape = window.frame[:9].reshape(3, 3), window.frame[9:12], window.frame[12:]
    index = (centre - corner) @ axes.T
    within = ((index >= 0.0) & (index < shape)).all(axis=1)
    return replace(layout, agents=agents[~within])


@cache
def no_tiles() -> TileAtlas:
    """An atlas without tiles, in which rays hit nothing."""
    atlas = TileAtlas(_NoTiles())
    atlas.update(0.0, 0.0, 0.0)
    return atlas


class _NoTiles:
    def get(self, ix: int, iy: int) -> Tile:
        raise LookupError((ix, iy))

    def around(self, x: float, y: float, radius_m: float) -> list[tuple[int, int]]:
        return []
