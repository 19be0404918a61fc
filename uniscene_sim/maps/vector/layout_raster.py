"""Lanes, areas and markings of a vector map as a multi-hot BEV raster."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.layout import BevLayout, LayoutSchema
from uniscene_sim.maps.elements import DRIVABLE_KINDS, RoadNetwork
from uniscene_sim.maps.layout_raster import DECK_GAP_M, bev_layout, draw_polygon
from uniscene_sim.maps.once_per_map import once_per_map
from uniscene_sim.maps.vector.triangles import LaneTriangles

__all__ = ["rasterise_lanes"]


def rasterise_lanes(
    network: RoadNetwork,
    triangles: LaneTriangles,
    pose_xyyaw: tuple[float, float, float],
    shape: tuple[int, int],
    resolution_m: float,
    z_hint: float | None,
    schema: LayoutSchema,
) -> BevLayout:
    """Raster of a vector map, without agents: an area covers the cells whose centres lie in it, a line those that it
    passes through.

    Args:
        network: the map.
        triangles: its lanes as triangles.
        pose_xyyaw: x, y (m) and yaw (rad) of the raster's centre in the map frame.
        shape: cells (X, Y).
        resolution_m: size of a cell.
        z_hint: height of the deck to draw, m; None draws all.
        schema: channels.
    """
    data = np.zeros((len(schema.channels), *shape), dtype=np.uint8)
    frame = np.array([*pose_xyyaw, resolution_m])
    hint = np.nan if z_hint is None else float(z_hint)

    def channel(name: str) -> np.ndarray | None:
        return data[schema.index(name)] if name in schema.channels else None

    areas = np.zeros(shape, dtype=np.uint8)
    (x, y, _), reach = pose_xyyaw, 0.71 * resolution_m * max(shape)
    near = triangles.within(x - reach, y - reach, x + reach, y + reach)
    _fill_areas(areas, frame, hint, triangles.corners, triangles.lane, _area_kinds(network), near)
    for bit, name in ((1, "drivable_area"), (2, "walkway"), (4, "carpark_area")):
        if (target := channel(name)) is not None:
            target[:] = (areas & bit) > 0

    lines = _borders(network)
    for k in np.flatnonzero(_bounds_near(lines.bounds, x, y, reach)):
        if (target := channel(lines.channels[k])) is not None:
            _draw_line(target, lines.points[k], frame, hint)
    if (target := channel("stop_line")) is not None:
        for line in network.stop_lines:
            _draw_line(target, line.ends, frame, hint)
    if (target := channel("ped_crossing")) is not None:
        for crossing in network.crossings:
            if np.isnan(hint) or abs(crossing.polygon[:, 2].mean() - hint) < DECK_GAP_M:
                draw_polygon(target, np.ascontiguousarray(crossing.polygon[:, :2]), frame)
    return bev_layout(data, schema, pose_xyyaw, resolution_m, z_hint)


def _area_bits(kind: str) -> int:
    return 2 if kind in ("sidewalk", "walking") else 5 if kind == "parking" else 1 if kind in DRIVABLE_KINDS else 0


@once_per_map
def _area_kinds(network: RoadNetwork) -> np.ndarray:
    """Bits of the areas that each lane belongs to, uint8 (L,): 1 drivable, 2 walkway, 4 parking."""
    return np.array([_area_bits(lane.kind) for lane in network.lanes], dtype=np.uint8)


class _Borders(NamedTuple):
    """Painted borders of driving lanes."""

    channels: list[str]
    points: list[np.ndarray]  # (N, 3) each
    bounds: np.ndarray  # (B, 4) x_min, y_min, x_max, y_max, m


@once_per_map
def _borders(network: RoadNetwork) -> _Borders:
    channels, points = [], []
    for lane in network.lanes:
        for side, mark in ((1, lane.left_mark), (-1, lane.right_mark)):
            if lane.kind != "driving" or mark in ("none", "curb", ""):
                continue
            beside = lane.left if side == 1 else lane.right
            driving = beside >= 0 and network.lanes[beside].kind == "driving"
            divides = side == (-1 if network.left_hand_traffic else 1) and lane.opposite >= 0 and not driving
            if divides or driving:
                channels.append("road_divider" if divides else "lane_divider")
                points.append(lane.border(side))
    bounds = [[*line[:, :2].min(axis=0), *line[:, :2].max(axis=0)] for line in points]
    return _Borders(channels, points, np.array(bounds).reshape(-1, 4))


def _bounds_near(bounds: np.ndarray, x: float, y: float, reach: float) -> np.ndarray:
    """Whether bounds (B, 4), m, come within `reach` of a place: bool (B,)."""
    near_x = (bounds[:, 0] < x + reach) & (bounds[:, 2] > x - reach)
    return near_x & (bounds[:, 1] < y + reach) & (bounds[:, 3] > y - reach)


@njit(cache=True, nogil=True)
def _fill_areas(out, frame, hint, tri, lane, kinds, near):
    """Set the bits of the triangles `near` in every cell whose centre they contain.

    Arguments by group:
        out: uint8 (n, m), bits of `_area_kinds`, changed.
        frame: (4,) x, y (m), yaw (rad) of the centre, resolution (m).
        hint: height of the deck, m; NaN draws all.
        tri, lane: triangles as in `LaneTriangles`, (M, 3, 3) and (M,).
        kinds: uint8 (L,), see `_area_kinds`.
        near: int64 (K,), triangles to draw.
    """
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
                    if not abs(z - hint) >= DECK_GAP_M:
                        out[i, j] |= bits


@njit(cache=True, nogil=True)
def _draw_line(out, points, frame, hint):
    """Set every cell that a polyline (N, 3), m, passes through, by steps of a tenth of a cell."""
    c, s = np.cos(frame[2]), np.sin(frame[2])
    for k in range(points.shape[0] - 1):
        if abs(points[k, 2] - hint) >= DECK_GAP_M:
            continue
        dx, dy = points[k + 1, 0] - points[k, 0], points[k + 1, 1] - points[k, 1]
        steps = int(10 * np.hypot(dx, dy) / frame[3]) + 1
        for q in range(steps + 1):
            x, y = points[k, 0] + dx * q / steps - frame[0], points[k, 1] + dy * q / steps - frame[1]
            i = int(np.floor((c * x + s * y) / frame[3] + 0.5 * out.shape[0]))
            j = int(np.floor((-s * x + c * y) / frame[3] + 0.5 * out.shape[1]))
            if 0 <= i < out.shape[0] and 0 <= j < out.shape[1]:
                out[i, j] = 1
