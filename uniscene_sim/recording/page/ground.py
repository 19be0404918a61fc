"""A map around a drive as shapes for the page: lanes, their marks, crossings, stop lines, lights, houses, trees; of a
painted map, its picture."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from uniscene_sim.geometry import box_corners
from uniscene_sim.maps.elements import DRIVABLE_KINDS, Lane
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.recording.page.drive import NEAR_M, as_integers

__all__ = ["bends", "flat", "ground_of"]

_STRAIGHT_M = 0.04  # points nearer to the line between others are left out
_WALKS = ("sidewalk", "walking")
_MOST_CELLS = 1000
#: Of a painted map: channels in the order of painting, and their colours.
_PAINTED = {
    "drivable_area": (120, 124, 132), "carpark_area": (134, 122, 138), "walkway": (168, 158, 168),
    "ped_crossing": (226, 226, 222), "lane_divider": (240, 240, 240), "road_divider": (236, 188, 52),
    "stop_line": (226, 70, 60), "road_block": (200, 60, 60), "building": (150, 120, 100), "vegetation": (100, 150, 90),
}  # fmt: skip


def ground_of(static_map: StaticMap, way: np.ndarray, near_m: float = NEAR_M) -> dict[str, Any]:
    """What lies within `near_m` of a way (M, 2), m; places in cm, flat lists x, y, x, y, ..."""
    if not static_map.lanes:
        return {"picture": _picture(static_map, way, near_m)}
    near = _Near(way, near_m)
    lanes = [lane for lane in static_map.lanes if near(lane.centre[:, :2])]
    return {
        "lanes": [shape for lane in lanes if (shape := _lane(lane)) is not None],
        "crossings": [flat(c.polygon) for c in static_map.crossings if near(c.polygon[:, :2])],
        "stops": [flat(line.ends) for line in static_map.stop_lines if near(line.ends[:, :2])],
        "signals": [
            {"index": s.index, "at": flat(s.position[None]), "yaw": round(s.yaw * 1000)}
            for s in static_map.signals if s.kind == "traffic_light" and near(s.position[None, :2])
        ],
        "houses": [
            flat(box_corners(o.position[0], o.position[1], o.yaw, o.size[0], o.size[1]))
            for o in static_map.objects if o.kind == "building" and near(o.position[None, :2])
        ],
        "trees": [
            flat(o.position[None])
            for o in static_map.objects if o.kind == "tree" and near(o.position[None, :2])
        ],
    }  # fmt: skip


class _Near:
    """Whether one of some points (N, 2), m, is near a way (M, 2), m."""

    def __init__(self, way: np.ndarray, near_m: float):
        self._tree, self._near_m = cKDTree(np.unique(np.round(way), axis=0)), near_m

    def __call__(self, points: np.ndarray) -> bool:
        gaps, _ = self._tree.query(points, distance_upper_bound=self._near_m)
        return bool(np.isfinite(gaps).any())


def _lane(lane: Lane) -> dict[str, Any] | None:
    """Its two borders, and the marks on them; the mark between two lanes belongs to the one on its right."""
    kind = "road" if lane.kind in DRIVABLE_KINDS else "walk" if lane.kind in _WALKS else "strip"
    left, right = lane.border(1)[:, :2], lane.border(-1)[:, :2]
    keep = bends(np.concatenate([left, right], axis=1))
    marks = [lane.left_mark, lane.right_mark if lane.right < 0 else "none"]
    if lane.junction:
        marks = ["none", "none"]
    return {"kind": kind, "left": flat(left[keep]), "right": flat(right[keep]), "marks": marks}


def bends(line: np.ndarray) -> np.ndarray:
    """Indices of the points (N, D) that a line needs, by Douglas and Peucker."""
    keep, open_parts = {0, len(line) - 1}, [(0, len(line) - 1)]
    while open_parts:
        a, b = open_parts.pop()
        if b - a < 2:
            continue
        part, chord = line[a + 1 : b] - line[a], line[b] - line[a]
        along = np.clip(part @ chord / max(float(chord @ chord), 1e-12), 0.0, 1.0)
        off = np.linalg.norm(part - along[:, None] * chord, axis=1)
        if off.max() > _STRAIGHT_M:
            middle = a + 1 + int(off.argmax())
            keep.add(middle)
            open_parts += [(a, middle), (middle, b)]
    return np.array(sorted(keep))


def flat(points: np.ndarray) -> list[int]:
    """x and y of points (N, 2 or more), m, as one list in cm."""
    return as_integers(points[:, :2].ravel(), 100)


def _picture(static_map: StaticMap, way: np.ndarray, near_m: float) -> dict[str, Any]:
    """The painted cells as PNG, north up, and its corners, cm."""
    low, high = way.min(axis=0) - near_m, way.max(axis=0) + near_m
    cell = max(0.25, float((high - low).max()) / _MOST_CELLS)
    columns, rows = (int(n) for n in np.ceil((high - low) / cell))
    middle = low + 0.5 * cell * np.array([columns, rows])
    bev = static_map.rasterise((float(middle[0]), float(middle[1]), 0.0), (columns, rows), cell)
    rgba = np.zeros((columns, rows, 4), np.uint8)
    for name, colour in _PAINTED.items():
        if name in bev.schema.channels:
            rgba[bev.data[bev.schema.index(name)] > 0] = (*colour, 255)
    body = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgba.transpose(1, 0, 2)[::-1])).quantize(64).save(body, "png", optimize=True)
    corners = np.array([low, low + cell * np.array([columns, rows])])
    return {"png": base64.b64encode(body.getvalue()).decode(), "corners": flat(corners)}
