"""The cells of a painted map as a multi-hot BEV raster."""

from __future__ import annotations

import numpy as np

from uniscene_sim.layout import BevLayout, LayoutSchema
from uniscene_sim.maps.layout_raster import bev_layout
from uniscene_sim.maps.painted.cells import PaintedRaster

__all__ = ["rasterise_cells"]


def rasterise_cells(
    painted: PaintedRaster,
    pose_xyyaw: tuple[float, float, float],
    shape: tuple[int, int],
    resolution_m: float,
    z_hint: float | None,
    schema: LayoutSchema,
) -> BevLayout:
    """Raster of a painted map, without agents: each cell takes the value of the painted cell at its centre.

    Args:
        painted: the map.
        pose_xyyaw: x, y (m) and yaw (rad) of the raster's centre in the map frame.
        shape: cells (X, Y).
        resolution_m: size of a cell.
        z_hint: height of the raster's pose, m; None is 0.
        schema: channels.
    """
    data = np.zeros((len(schema.channels), *shape), dtype=np.uint8)
    x, y, yaw = pose_xyyaw
    u, v = np.meshgrid(*((np.arange(n) + 0.5 - 0.5 * n) * resolution_m for n in shape), indexing="ij")
    c, s = np.cos(yaw), np.sin(yaw)
    i = np.floor((x + c * u - s * v - painted.origin[0]) / painted.resolution_m).astype(np.int64)
    j = np.floor((y + s * u + c * v - painted.origin[1]) / painted.resolution_m).astype(np.int64)
    inside = (i >= 0) & (j >= 0) & (i < painted.raster.shape[1]) & (j < painted.raster.shape[2])
    for name, cells in zip(painted.channels, painted.raster, strict=True):
        if name in schema.channels:
            data[schema.index(name)][inside] = cells[i[inside], j[inside]]
    return bev_layout(data, schema, pose_xyyaw, resolution_m, z_hint)
