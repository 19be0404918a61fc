"""Static maps and agents as a multi-hot BEV raster, at any pose."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from uniscene_sim.geometry import Pose, box_corners, point_in_polygon
from uniscene_sim.layout import BevLayout, LayoutSchema
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.once import once_a_map
from uniscene_sim.world.surface import DRIVABLE_KINDS

if TYPE_CHECKING:
    from uniscene_sim.world.map import StaticMap, VectorMap
    from uniscene_sim.world.painted import PaintedMap

__all__ = ["rasterise", "rasterise_cells", "rasterise_lanes"]

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
_DECK_GAP_M = 3.0


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
        schema: channels; those that nothing here can fill stay empty.
        agents: (N,) AGENT_DTYPE, drawn by their boxes: a cell is theirs when its centre is. Boxes are a cell thick at
            least, and the cell of their middle is always theirs.
    """
    layout = static_map.rasterise(pose_xyyaw, shape, resolution_m, z_hint, schema)
    names, frame = layout.schema.channels, np.array([*pose_xyyaw, resolution_m])
    if agents is None:
        return layout
    reach = 0.71 * resolution_m * max(shape) + 0.5 * agents["size"][:, :2].sum(axis=1)
    off = agents["pos"][:, :2] - np.array(pose_xyyaw[:2])
    for agent in agents[np.hypot(off[:, 0], off[:, 1]) < reach]:
        name = _CHANNEL_OF_AGENT.get(AgentClass(int(agent["cls"])), "")
        if name in names and (z_hint is None or abs(agent["pos"][2] - z_hint) < 2 * _DECK_GAP_M):
            (x, y, _), (length, width, _) = agent["pos"], agent["size"]
            length, width = max(length, resolution_m), max(width, resolution_m)
            _draw_polygon(layout.data[names.index(name)], box_corners(x, y, agent["rpy"][2], length, width), frame)
            _draw_middle(layout.data[names.index(name)], x, y, frame)
    return layout


def rasterise_lanes(
    vector_map: VectorMap,
    pose_xyyaw: tuple[float, float, float],
    shape: tuple[int, int],
    resolution_m: float,
    z_hint: float | None,
    schema: LayoutSchema,
) -> BevLayout:
    """Raster of a vector map alone: a cell belongs to an area when its centre does, and to a line when the line passes
    through it."""
    data = np.zeros((len(schema.channels), *shape), dtype=np.uint8)
    frame = np.array([*pose_xyyaw, resolution_m])
    hint = np.nan if z_hint is None else float(z_hint)
    surface = vector_map.surface

    def channel(name: str) -> np.ndarray | None:
        return data[schema.index(name)] if name in schema.channels else None

    areas = np.zeros(shape, dtype=np.uint8)
    (x, y, _), reach = pose_xyyaw, 0.71 * resolution_m * max(shape)
    near = surface.triangles_in(x - reach, y - reach, x + reach, y + reach)
    _fill_areas(areas, frame, hint, surface.tri, surface.tri_lane, _area_kinds(vector_map), near)
    for bit, name in ((1, "drivable_area"), (2, "walkway"), (4, "carpark_area")):
        if (target := channel(name)) is not None:
            target[:] = (areas & bit) > 0

    lines = _borders(vector_map)
    for k in np.flatnonzero(_meet(lines.bounds, x, y, reach)):
        if (target := channel(lines.channels[k])) is not None:
            _draw_line(target, lines.points[k], frame, hint)
    if (target := channel("stop_line")) is not None:
        for line in vector_map.stop_lines:
            _draw_line(target, line.ends, frame, hint)
    if (target := channel("ped_crossing")) is not None:
        for crossing in vector_map.crossings:
            if np.isnan(hint) or abs(crossing.polygon[:, 2].mean() - hint) < _DECK_GAP_M:
                _draw_polygon(target, np.ascontiguousarray(crossing.polygon[:, :2]), frame)
    return _layout(data, schema, pose_xyyaw, resolution_m, z_hint)


def rasterise_cells(
    painted: PaintedMap,
    pose_xyyaw: tuple[float, float, float],
    shape: tuple[int, int],
    resolution_m: float,
    z_hint: float | None,
    schema: LayoutSchema,
) -> BevLayout:
    """Raster of a painted map alone: each cell is what the painted cell that holds its centre is."""
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
    return _layout(data, schema, pose_xyyaw, resolution_m, z_hint)


def _layout(
    data: np.ndarray, schema: LayoutSchema, pose: tuple[float, float, float], resolution_m: float, z: float | None
) -> BevLayout:
    corner = (-0.5 * resolution_m * data.shape[1], -0.5 * resolution_m * data.shape[2])
    return BevLayout(data, schema, resolution_m, Pose(pose[0], pose[1], z or 0.0, yaw=pose[2]), corner)


def _area_bits(kind: str) -> int:
    return 2 if kind in ("sidewalk", "walking") else 5 if kind == "parking" else 1 if kind in DRIVABLE_KINDS else 0


@once_a_map
def _area_kinds(vector_map: StaticMap) -> np.ndarray:
    """Bits uint8 (L,) of each lane."""
    return np.array([_area_bits(lane.kind) for lane in vector_map.lanes], dtype=np.uint8)


class _Borders(NamedTuple):
    """Painted borders of driving lanes."""

    channels: list[str]
    points: list[np.ndarray]  # (N, 3) each
    bounds: np.ndarray  # (B, 4) x_min, y_min, x_max, y_max, m


@once_a_map
def _borders(vector_map: StaticMap) -> _Borders:
    channels, points = [], []
    for lane in vector_map.lanes:
        for side, mark in ((1, lane.left_mark), (-1, lane.right_mark)):
            if lane.kind != "driving" or mark in ("none", "curb", ""):
                continue
            beside = lane.left if side == 1 else lane.right
            driving = beside >= 0 and vector_map.lanes[beside].kind == "driving"
            divides = side == (-1 if vector_map.left_hand_traffic else 1) and lane.opposite >= 0 and not driving
            if divides or driving:
                channels.append("road_divider" if divides else "lane_divider")
                points.append(lane.border(side))
    bounds = [[*line[:, :2].min(axis=0), *line[:, :2].max(axis=0)] for line in points]
    return _Borders(channels, points, np.array(bounds).reshape(-1, 4))


def _meet(bounds: np.ndarray, x: float, y: float, reach: float) -> np.ndarray:
    """Whether bounds (B, 4) come within `reach` of a place: bool (B,)."""
    near_x = (bounds[:, 0] < x + reach) & (bounds[:, 2] > x - reach)
    return near_x & (bounds[:, 1] < y + reach) & (bounds[:, 3] > y - reach)


@njit(cache=True, nogil=True)
def _fill_areas(out, frame, hint, tri, lane, kinds, near):
    """Bits of all triangles `near` in every cell whose centre they hold."""
    c, s = np.cos(frame[2]), np.sin(frame[2])
    n, m = out.shape
    at = np.empty((3, 2))  # corners in cells
    for t in near:
        bits = kinds[lane[t]]
        if not bits:
            continue
        i0, i1, j0, j1 = n, -1, m, -1
        for k in range(3):
            x, y = tri[t, k, 0] - frame[0], tri[t, k, 1] - frame[1]
            at[k, 0], at[k, 1] = (c * x + s * y) / frame[3] + 0.5 * n, (c * y - s * x) / frame[3] + 0.5 * m
            i, j = int(np.floor(at[k, 0])), int(np.floor(at[k, 1]))
            i0, i1, j0, j1 = min(i0, i), max(i1, i), min(j0, j), max(j1, j)
        ax, ay, bx, by, cx, cy = at[0, 0], at[0, 1], at[1, 0], at[1, 1], at[2, 0], at[2, 1]
        per_area = 1.0 / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
        for i in range(max(i0, 0), min(i1, n - 1) + 1):
            x = i + 0.5
            for j in range(max(j0, 0), min(j1, m - 1) + 1):
                y = j + 0.5
                u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * per_area
                v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * per_area
                w = 1.0 - u - v
                if u >= -1e-9 and v >= -1e-9 and w >= -1e-9:
                    z = u * tri[t, 0, 2] + v * tri[t, 1, 2] + w * tri[t, 2, 2]
                    if not abs(z - hint) >= _DECK_GAP_M:
                        out[i, j] |= bits


@njit(cache=True, nogil=True)
def _draw_line(out, points, frame, hint):
    """Every cell that a polyline (N, 3) passes through, by steps of a tenth of a cell."""
    c, s = np.cos(frame[2]), np.sin(frame[2])
    for k in range(points.shape[0] - 1):
        if abs(points[k, 2] - hint) >= _DECK_GAP_M:
            continue
        dx, dy = points[k + 1, 0] - points[k, 0], points[k + 1, 1] - points[k, 1]
        steps = int(10 * np.hypot(dx, dy) / frame[3]) + 1
        for q in range(steps + 1):
            x, y = points[k, 0] + dx * q / steps - frame[0], points[k, 1] + dy * q / steps - frame[1]
            i = int(np.floor((c * x + s * y) / frame[3] + 0.5 * out.shape[0]))
            j = int(np.floor((-s * x + c * y) / frame[3] + 0.5 * out.shape[1]))
            if 0 <= i < out.shape[0] and 0 <= j < out.shape[1]:
                out[i, j] = 1


@njit(cache=True, nogil=True)
def _draw_middle(out, x, y, frame):
    """The cell that holds a place."""
    c, s = np.cos(frame[2]), np.sin(frame[2])
    dx, dy = x - frame[0], y - frame[1]
    i = int(np.floor((c * dx + s * dy) / frame[3] + 0.5 * out.shape[0]))
    j = int(np.floor((c * dy - s * dx) / frame[3] + 0.5 * out.shape[1]))
    if 0 <= i < out.shape[0] and 0 <= j < out.shape[1]:
        out[i, j] = 1


@njit(cache=True, nogil=True)
def _draw_polygon(out, polygon, frame):
    """Every cell whose centre lies in a polygon (N, 2) of the map frame."""
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
