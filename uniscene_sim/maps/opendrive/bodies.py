"""Bodies of objects at their places along roads: boxes by their size, outlines and repeats."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.opendrive.outlines import Box, boxes_along, boxes_within
from uniscene_sim.maps.opendrive.placed_xml import OutlineRecord, RepeatRecord
from uniscene_sim.maps.opendrive.road_xml import RoadRecord

__all__ = ["bodies", "placed_corners"]

_DEFAULT_SIZE = {
    "tree": (4.0, 4.0, 7.0),
    "pole": (0.2, 0.2, 6.0),
    "barrier": (2.0, 0.5, 0.9),
    "wall": (1.0, 0.3, 1.0),
    "guard_rail": (4.0, 0.3, 0.8),
}
_LINE_M = 0.2  # width of an open outline that has none
_PIECE_M = 4.0  # and its longest pieces
_BEND_M = 2.0  # longest piece of what follows the road
_TREE_M = 4.0  # size of a tree in a planted area
_THINNEST_M = {"building": 2.0, "tree": 4.0}  # strips of an outline
_MOST_COPIES = 20_000


def bodies(road: RoadRecord, record: dict[str, Any], kind: str) -> list[Box]:
    """The boxes of an object, copies and parts of it.

    Args:
        road: its road.
        record: the object.
        kind: see `MapObject`.
    """
    if record["repeat"]:
        return [box for row in record["repeat"] for box in _repeated(road, record, kind, row)]
    return _boxes(road, record, kind, record["s"], record["t"], record["zOffset"])


def placed_corners(road: RoadRecord, record: dict[str, Any], corners: np.ndarray) -> np.ndarray:
    """Corners (N, 3), m, in the map, from corners (N, 3) in the object's own frame."""
    x, y, z, heading = road.point(record["s"], record["t"], record["zOffset"])
    c, n = np.cos(heading + record["hdg"]), np.sin(heading + record["hdg"])
    u, v, w = corners.T
    return np.stack([x + c * u - n * v, y + n * u + c * v, z + w], axis=1)


def _size(record: dict[str, Any], kind: str) -> tuple[float, float, float]:
    default = _DEFAULT_SIZE.get(kind, (1.0, 1.0, 1.0))
    round_m = 2 * record["radius"]
    length, width, height = record["length"] or round_m, record["width"] or round_m, record["height"]
    return (length or default[0], width or default[1], height or default[2])


def _boxes(road: RoadRecord, record: dict[str, Any], kind: str, s: float, t: float, z_offset: float) -> list[Box]:
    """The body of one object at a place of its road.

    Args:
        road: the road.
        record: the object.
        kind: of the object, see `MapObject`.
        s, t: where it stands, m.
        z_offset: above the road, m.
    """
    size = _size(record, kind)
    outlines = [o for o in record["outlines"] if len(o.corners) > (2 if o.closed else 1)]
    if not outlines or kind == "pole":
        x, y, z, heading = road.point(s, t, z_offset)
        return [
            Box(np.array([x, y, z]), heading + record["hdg"], (*size[:2], 0.0 if kind == "parking_space" else size[2]))
        ]
    there = {**record, "s": s, "t": t, "zOffset": z_offset}
    if kind == "parking_space":
        return [_around(_placed_outline(road, there, outlines[0], size[2]))]
    rings = [_placed_outline(road, there, o, size[2]) for o in outlines if o.closed]
    boxes = boxes_within(rings, _THINNEST_M.get(kind, 0.5)) if rings else []
    for o in outlines:
        if not o.closed:
            boxes += boxes_along(_placed_outline(road, there, o, size[2]), record["width"] or _LINE_M, _PIECE_M)
    return [part for box in boxes for part in _crowns(box)] if kind == "tree" else boxes


def _placed_outline(road: RoadRecord, record: dict[str, Any], o: OutlineRecord, height: float) -> np.ndarray:
    """Corners (N, 4) of an outline in the map: x, y, z of the foot, and height, m. Lines given along the road bend with
    it."""
    corners = o.corners
    heights = np.where(corners[:, 3] > 0, corners[:, 3], height)
    if not o.by_road:
        return np.column_stack([placed_corners(road, record, corners[:, :3]), heights])
    corners = np.column_stack([corners[:, :3], heights])
    if not o.closed:
        parts = [a + q * (b - a) for a, b in pairwise(corners) for q in np.arange(0, 1, 1 / _bends(b[0] - a[0]))]
        corners = np.array([*parts, corners[-1]])
    return np.array([(*road.point(s, t, dz)[:3], h) for s, t, dz, h in corners.tolist()])


def _bends(length: float) -> int:
    return max(min(int(np.ceil(abs(length) / _BEND_M)), _MOST_COPIES), 1)


def _around(ring: np.ndarray) -> Box:
    """The flat box around an outline (N, 4), m, along its longest edge."""
    way = np.roll(ring, -1, axis=0)[:, :2] - ring[:, :2]
    along = way[int(np.argmax(np.hypot(way[:, 0], way[:, 1])))]
    along = along / max(float(np.hypot(*along)), 1e-9)
    axes = np.array([along, (-along[1], along[0])])
    local = ring[:, :2] @ axes.T
    x, y = 0.5 * (local.min(axis=0) + local.max(axis=0)) @ axes
    length, width = np.ptp(local, axis=0).tolist()
    return Box(np.array([x, y, ring[:, 2].mean()]), float(np.arctan2(along[1], along[0])), (length, width, 0.0))


def _crowns(box: Box) -> list[Box]:
    """A planted area as single trees."""
    n, m = (max(round(side / _TREE_M), 1) for side in box.size[:2])
    c, s = np.cos(box.yaw), np.sin(box.yaw)
    size = (box.size[0] / n, box.size[1] / m, box.size[2])
    places = [((i + 0.5) * size[0] - 0.5 * box.size[0], (k + 0.5) * size[1] - 0.5 * box.size[1])
              for i in range(n) for k in range(m)]  # fmt: skip
    return [Box(box.foot + np.array([c * u - s * v, s * u + c * v, 0.0]), box.yaw, size) for u, v in places]


def _repeated(road: RoadRecord, record: dict[str, Any], kind: str, row: RepeatRecord) -> list[Box]:
    """Copies of an object along its road, or one body that follows it."""
    last = min(row.length, road.length - row.s)
    if row.distance > 0:
        count = int(np.floor(last / row.distance + 1e-6)) + 1
        if count > _MOST_COPIES:
            raise InputError(f"expected up to {_MOST_COPIES} copies, got {count:.3g}", field="repeat")
        boxes: list[Box] = []
        for k in range(count):
            q = min(k * row.distance / max(row.length, 1e-6), 1.0)
            sizes = {name: row.at(name, q) for name in ("length", "width", "height", "radius")}
            place = row.s + k * row.distance, row.at("t", q), row.at("zOffset", q)
            boxes += _boxes(road, record | sizes, kind, *place)
        return boxes
    if last <= 0:
        return []
    gap = {"guard_rail": max(min(_size(record, kind)[0], 4.0), 1.0), "tree": _TREE_M}.get(kind, _BEND_M)
    at = np.linspace(0.0, last, min(max(int(np.ceil(last / gap - 1e-6)), 1), _MOST_COPIES) + 1)
    across = float(np.ptp([c for o in record["outlines"] for c in o.corners[:, 1].tolist()] or [0.0]))
    default = _size(record, kind)
    line, wide = np.empty((len(at), 4)), np.empty(len(at))
    for k, along in enumerate(at.tolist()):
        q = along / row.length
        line[k, :3] = road.point(row.s + along, row.at("t", q), row.at("zOffset", q))[:3]
        wide[k], line[k, 3] = row.at("width", q) or across or default[1], row.at("height", q) or default[2]
    if row.straight:
        line[:, :3] = line[0, :3] + np.linspace(0, 1, len(at))[:, None] * (line[-1, :3] - line[0, :3])
    return list(boxes_along(line, wide))
