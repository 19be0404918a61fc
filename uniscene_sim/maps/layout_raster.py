"""A static map and agents as a multi-hot BEV raster, at any pose."""

from __future__ import annotations

import math

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.geometry import Pose, box_corners, point_in_polygon
from uniscene_sim.layout import BevLayout, LayoutSchema
from uniscene_sim.limits import bounds
from uniscene_sim.limits.memory import require_memory
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass

__all__ = ["DECK_GAP_M", "bev_layout", "draw_polygon", "rasterise"]

_CHANNEL_OF_AGENT = {
    AgentClass.CAR: "car",
    AgentClass.TRUCK: "truck",
    AgentClass.CONSTRUCTION_VEHICLE: "construction_vehicle",
    AgentClass.BUS: "bus",
    AgentClass.TRAILER: "trailer",
    AgentClass.MOTORCYCLE: "motorcycle",
    AgentClass.BICYCLE: "bicycle",
    AgentClass.PEDESTRIAN: "pedestrian",
    AgentClass.BARRIER: "barrier",
    AgentClass.TRAFFIC_CONE: "traffic_cone",
}
DECK_GAP_M = 3.0  # crossings and agents this near in height are of the same deck


def rasterise(
    static_map: StaticMap,
    pose_xyyaw: tuple[float, float, float],
    shape: tuple[int, int],
    resolution_m: float,
    z_hint: float | None = None,
    schema: LayoutSchema | None = None,
    agents: np.ndarray | None = None,
) -> BevLayout:
    """Multi-hot raster of a map and agents, centred on a pose.

    Args:
        static_map: the map.
        pose_xyyaw: x, y (m) and yaw (rad) of the raster's centre in the map frame; its rows run along x forward.
        shape: cells (X, Y).
        resolution_m: size of a cell.
        z_hint: height of the deck to draw, m; None draws all.
        schema: channels; those that neither map nor agents fill stay empty.
        agents: (N,) AGENT_DTYPE. A box covers the cells whose centres lie in it; it is drawn at least one cell wide,
            and always covers the cell of its centre.

    Raises:
        InputError: a number out of its bounds, or a raster that no memory holds.
    """
    shape = bounds.CELLS.row(tuple(shape), "shape")
    bounds.VOXEL_M.number(resolution_m, "resolution_m")
    channels = len((schema or LayoutSchema()).channels)
    require_memory(math.prod(shape) * channels, f"{channels} channels of {shape} cells", field="shape")
    layout = static_map.rasterise(pose_xyyaw, shape, resolution_m, z_hint, schema)
    names, frame = layout.schema.channels, np.array([*pose_xyyaw, resolution_m])
    if agents is None:
        return layout
    reach = 0.71 * resolution_m * max(shape) + 0.5 * agents["size"][:, :2].sum(axis=1)
    off = agents["pos"][:, :2] - np.array(pose_xyyaw[:2])
    for agent in agents[np.hypot(off[:, 0], off[:, 1]) < reach]:
        name = _CHANNEL_OF_AGENT.get(AgentClass(int(agent["cls"])), "")
        if name in names and (z_hint is None or abs(agent["pos"][2] - z_hint) < 2 * DECK_GAP_M):
            (x, y, _), (length, width, _) = agent["pos"], agent["size"]
            length, width = max(length, resolution_m), max(width, resolution_m)
            draw_polygon(layout.data[names.index(name)], box_corners(x, y, agent["rpy"][2], length, width), frame)
            _draw_middle(layout.data[names.index(name)], x, y, frame)
    return layout


def bev_layout(
    data: np.ndarray, schema: LayoutSchema, pose: tuple[float, float, float], resolution_m: float, z: float | None
) -> BevLayout:
    """A layout, centred on a pose, from its cells.

    Args:
        data: uint8 (C, X, Y), the cells.
        schema: channels, C.
        pose: x, y (m) and yaw (rad) of the centre in the map frame.
        resolution_m: size of a cell.
        z: height of the pose, m; None is 0.
    """
    corner = (-0.5 * resolution_m * data.shape[1], -0.5 * resolution_m * data.shape[2])
    return BevLayout(data, schema, resolution_m, Pose(pose[0], pose[1], z or 0.0, yaw=pose[2]), corner)


@njit(cache=True, nogil=True)
def _draw_middle(out, x, y, frame):
    """Set the cell that holds a place."""
    c, s = np.cos(frame[2]), np.sin(frame[2])
    dx, dy = x - frame[0], y - frame[1]
    i = int(np.floor((c * dx + s * dy) / frame[3] + 0.5 * out.shape[0]))
    j = int(np.floor((c * dy - s * dx) / frame[3] + 0.5 * out.shape[1]))
    if 0 <= i < out.shape[0] and 0 <= j < out.shape[1]:
        out[i, j] = 1


@njit(cache=True, nogil=True)
def draw_polygon(out, polygon, frame):
    """Set every cell of `out`, uint8 (X, Y), whose centre lies in a polygon (N, 2), m, of the map frame; `frame` (4,)
    is the raster's centre x, y (m), yaw (rad) and resolution (m)."""
    c, s = np.cos(frame[2]), np.sin(frame[2])
    local = np.empty_like(polygon)
    for k in range(polygon.shape[0]):
        x, y = polygon[k, 0] - frame[0], polygon[k, 1] - frame[1]
        local[k, 0] = (c * x + s * y) / frame[3] + 0.5 * out.shape[0]
        local[k, 1] = (-s * x + c * y) / frame[3] + 0.5 * out.shape[1]
    i0, i1 = max(int(local[:, 0].min()), 0), min(int(local[:, 0].max()), out.shape[0] - 1)
    j0, j1 = max(int(local[:, 1].min()), 0), min(int(local[:, 1].max()), out.shape[1] - 1)
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            if point_in_polygon(i + 0.5, j + 0.5, local):
                out[i, j] = 1
