"""Panels of one modality each, RGB uint8 (size, size, 3): LiDAR from above and in perspective, occupancy, layout."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.frames import LidarSweep, OccupancyGrid
from uniscene_sim.geometry import Pose, box_corners
from uniscene_sim.layout import BevLayout, EgoVehicle, LayoutFrame
from uniscene_sim.taxonomy import OCC_RGB, OccClass

__all__ = ["bev_panel", "lidar_from_above", "lidar_in_perspective", "occupancy_panel"]

_BACKGROUND = (16, 18, 22)
_EGO = (90, 220, 255)
_LAYOUT_RGB = {
    "drivable_area": (70, 72, 78), "carpark_area": (92, 80, 96), "walkway": (128, 112, 128),
    "ped_crossing": (214, 214, 210), "lane_divider": (150, 150, 170), "road_divider": (236, 188, 52),
    "stop_line": (226, 70, 60), "road_block": (200, 60, 60), "car": (255, 158, 0), "truck": (255, 99, 71),
    "construction_vehicle": (233, 150, 70), "bus": (255, 127, 80), "trailer": (255, 140, 0), "barrier": (140, 150, 170),
    "motorcycle": (255, 61, 99), "bicycle": (220, 20, 60), "pedestrian": (80, 120, 255), "traffic_cone": (236, 96, 28),
}  # fmt: skip
_ROUTE = (60, 210, 120)
_FREE = int(OccClass.FREE)
_EGO_LABEL = len(OccClass)  # pseudo-class of the ego
_OCC_RGB = np.concatenate([OCC_RGB, np.array([_EGO], np.uint8)])


def bev_panel(bev: BevLayout, layout: LayoutFrame, size: int) -> np.ndarray:
    """The layout's channels in class colours with route and ego, forward up."""
    rgb = np.full((*bev.data.shape[1:], 3), _BACKGROUND, dtype=np.uint8)
    for name, colour in _LAYOUT_RGB.items():
        if name in bev.schema.channels:
            rgb[bev.data[bev.schema.index(name)] > 0] = colour
    picture = _fit(rgb[::-1, ::-1], size)
    scale = size / (bev.data.shape[1] * bev.resolution_m)
    _draw_route(picture, layout, scale)
    _draw_ego(picture, layout.ego_vehicle, scale)
    return picture


def lidar_from_above(
    sweep: LidarSweep, pose: Pose, vehicle: EgoVehicle, size: int, range_m: float = 45.0
) -> np.ndarray:
    """Points in class colours from above, base_link in the middle, forward up.

    Args:
        sweep: the points.
        pose: base_link <- sensor.
        vehicle: the ego.
        size: of the panel, px.
        range_m: distance from the middle to the border.
    """
    picture = np.full((size, size, 3), _BACKGROUND, dtype=np.uint8)
    points = pose.apply(sweep.xyz)
    scale = 0.5 * size / range_m
    row = np.floor(0.5 * size - points[:, 0] * scale).astype(int)
    column = np.floor(0.5 * size - points[:, 1] * scale).astype(int)
    inside = (row >= 0) & (column >= 0) & (row < size) & (column < size)
    order = np.argsort(points[inside, 2], kind="stable")
    picture[row[inside][order], column[inside][order]] = _bright(sweep.label)[inside][order]
    _draw_ego(picture, vehicle, scale)
    return picture


def lidar_in_perspective(sweep: LidarSweep, pose: Pose, vehicle: EgoVehicle, size: int) -> np.ndarray:
    """Points in class colours and the ego's box, from behind and above.

    Args:
        sweep: the points.
        pose: base_link <- sensor.
        vehicle: the ego.
        size: of the panel, px.
    """
    picture = np.full((size, size, 3), _BACKGROUND, dtype=np.uint8)
    body, body_rgb = _ego_points(vehicle)
    points = np.concatenate([pose.apply(sweep.xyz), body]) - np.array([-16.0, 0.0, 11.0])
    tilt = np.radians(24.0)
    ahead = np.cos(tilt) * points[:, 0] - np.sin(tilt) * points[:, 2]
    up = np.sin(tilt) * points[:, 0] + np.cos(tilt) * points[:, 2]
    seen = ahead > 1.0
    focal = 0.75 * size
    column = np.floor(0.5 * size - focal * points[seen, 1] / ahead[seen]).astype(int)
    row = np.floor(0.42 * size - focal * up[seen] / ahead[seen]).astype(int)
    colour, depth = np.concatenate([_bright(sweep.label), body_rgb])[seen], ahead[seen]
    order = np.argsort(-depth, kind="stable")
    for down in (0, 1):  # near points are two pixels tall
        keep = order[
            (row[order] + down >= 0) & (row[order] + down < size) & (column[order] >= 0) & (column[order] < size)
        ]
        keep = keep if down == 0 else keep[depth[keep] < 30.0]
        picture[row[keep] + down, column[keep]] = colour[keep]
    return picture


def occupancy_panel(grid: OccupancyGrid, vehicle: EgoVehicle, size: int) -> np.ndarray:
    """The voxels in class colours and the ego's box, from behind and above."""
    middle, spec = vehicle.rear_axle_to_centre_m, grid.grid
    reach = ((middle, vehicle.length_m), (0.0, vehicle.width_m), (0.5 * vehicle.height_m, vehicle.height_m))
    inside = [np.abs(spec.centres(axis) - at) < 0.5 * extent for axis, (at, extent) in enumerate(reach)]
    labels = grid.labels.copy()
    labels[np.ix_(*inside)] = _EGO_LABEL
    out = np.empty((size, size, 3), dtype=np.uint8)
    _render_voxels(labels, spec.voxel_m, np.array(spec.origin), _OCC_RGB, out)
    return out


def _ego_points(vehicle: EgoVehicle) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) m on the roof, rear and sides of the ego's box, and their colours uint8 (N, 3)."""
    u = np.linspace(0.0, 1.0, 60)
    a, b = (g.ravel() for g in np.meshgrid(u, u))
    one, zero = np.ones_like(a), np.zeros_like(a)
    faces = [(a, b, one), (zero, a, b), (a, zero, b), (a, one, b)]
    unit = np.concatenate([np.stack(f, axis=1) for f in faces])
    size = np.array([vehicle.length_m, vehicle.width_m, vehicle.height_m])
    low = np.array([vehicle.rear_axle_to_centre_m - 0.5 * vehicle.length_m, -0.5 * vehicle.width_m, 0.0])
    shade = np.repeat([1.0, 0.7, 0.55, 0.55], len(a))
    return low + unit * size, (shade[:, None] * np.array(_EGO)).astype(np.uint8)


def _bright(label: np.ndarray) -> np.ndarray:
    """Class colours uint8 (N, 3), brightened for the dark background."""
    bright: np.ndarray = np.maximum(OCC_RGB, 70)[label]
    return bright


def _fit(rgb: np.ndarray, size: int) -> np.ndarray:
    rows = (np.arange(size) + 0.5) * rgb.shape[0] / size
    columns = (np.arange(size) + 0.5) * rgb.shape[1] / size
    return np.ascontiguousarray(rgb[rows.astype(int)][:, columns.astype(int)])


def _draw_route(picture: np.ndarray, layout: LayoutFrame, scale: float) -> None:
    """Draw the route as a line two pixels wide, base_link in the middle; `scale` in px/m."""
    if len(layout.route) < 2:
        return
    route = layout.ego_pose.inverse().apply(layout.route)[:, :2]
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(route, axis=0).T))])
    at = np.arange(0.0, along[-1], 0.5 / scale)
    half = 0.5 * picture.shape[0]
    row = np.floor(half - np.interp(at, along, route[:, 0]) * scale).astype(int)
    column = np.floor(half - np.interp(at, along, route[:, 1]) * scale).astype(int)
    for right in (0, 1):
        inside = (row >= 0) & (row < picture.shape[0]) & (column + right >= 0) & (column + right < picture.shape[1])
        picture[row[inside], column[inside] + right] = _ROUTE


def _draw_ego(picture: np.ndarray, vehicle: EgoVehicle, scale: float) -> None:
    corners = box_corners(vehicle.rear_axle_to_centre_m, 0.0, 0.0, vehicle.length_m, vehicle.width_m)
    middle = 0.5 * picture.shape[0]
    top, bottom = (int(middle - v * scale) for v in (corners[:, 0].max(), corners[:, 0].min()))
    left, right = (int(middle - v * scale) for v in (corners[:, 1].max(), corners[:, 1].min()))
    picture[top : bottom + 1, left : right + 1] = _EGO


@njit(cache=True)
def _render_voxels(labels, voxel, origin, colours, out):
    """Traverse the grid along each pixel's ray up to the first voxel that is not free.

    Args:
        labels: uint8 (X, Y, Z).
        voxel: edge, m.
        origin: float64 (3,) m, corner of the grid, base_link frame.
        colours: uint8 (classes, 3).
        out: uint8 (size, size, 3), written.
    """
    size = out.shape[0]
    tilt = np.radians(33.0)
    ct, st = np.cos(tilt), np.sin(tilt)
    eye = np.array([-52.0, 0.0, 34.0])
    nx, ny, nz = labels.shape
    box = np.array([nx, ny, nz])
    for r in range(size):
        for q in range(size):
            a, b = (0.5 * size - q - 0.5) / (0.85 * size), (0.5 * size - r - 0.5) / (0.85 * size)
            d = np.array([ct + st * b, a, -st + ct * b])
            d /= np.sqrt(d[0] ** 2 + d[1] ** 2 + d[2] ** 2)
            p = (eye - origin) / voxel
            near, far, axis = 0.0, 1e9, 2
            for k in range(3):
                if abs(d[k]) < 1e-12:
                    d[k] = 1e-12
                t0, t1 = -p[k] / d[k], (box[k] - p[k]) / d[k]
                if t0 > t1:
                    t0, t1 = t1, t0
                if t0 > near:
                    near, axis = t0, k
                far = min(far, t1)
            shade = 0.0
            label = _FREE
            if near < far:
                here = p + d * (near + 1e-7)
                i, j, k = (
                    min(max(int(here[0]), 0), nx - 1),
                    min(max(int(here[1]), 0), ny - 1),
                    min(max(int(here[2]), 0), nz - 1),
                )
                while 0 <= i < nx and 0 <= j < ny and 0 <= k < nz:
                    if labels[i, j, k] != _FREE:
                        label = labels[i, j, k]
                        shade = 1.0 if axis == 2 else 0.72 if axis == 0 else 0.58
                        break
                    tx = ((i + (d[0] > 0)) - p[0]) / d[0]
                    ty = ((j + (d[1] > 0)) - p[1]) / d[1]
                    tz = ((k + (d[2] > 0)) - p[2]) / d[2]
                    if tx <= ty and tx <= tz:
                        i += 1 if d[0] > 0 else -1
                        axis = 0
                    elif ty <= tz:
                        j += 1 if d[1] > 0 else -1
                        axis = 1
                    else:
                        k += 1 if d[2] > 0 else -1
                        axis = 2
            for c in range(3):
                out[r, q, c] = np.uint8(_BACKGROUND[c] if label == _FREE else colours[label, c] * shade)
