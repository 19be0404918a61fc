"""Crossings and placed objects of an OpenDRIVE file."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from uniscene_sim.maps.elements import Crossing, MapObject
from uniscene_sim.maps.opendrive.outlines import Box, boxes_along, boxes_within
from uniscene_sim.maps.opendrive.road_xml import OutlineRecord, RepeatRecord, RoadRecord, XmlMap

__all__ = ["outline", "placed_corners", "read_crossings", "read_objects"]

_OBJECT_KIND = {
    "tree": "tree", "vegetation": "tree", "pole": "pole", "streetLamp": "pole", "rail-pole": "pole",
    "guide-post": "pole", "barrier": "barrier", "railing": "guard_rail", "building": "building",
    "obstacle": "other", "parkingSpace": "parking_space",
}  # fmt: skip
_DEFAULT_SIZE = {
    "tree": (4.0, 4.0, 7.0),
    "pole": (0.2, 0.2, 6.0),
    "barrier": (2.0, 0.5, 0.9),
    "wall": (1.0, 0.3, 1.0),
    "guard_rail": (4.0, 0.3, 0.8),
}
#: Words in the names of objects of other types, and their kinds.
_NAMED = (("sign", "sign"), ("post", "pole"), ("pole", "pole"), ("cone", "cone"), ("building", "building"),
          ("house", "building"), ("wall", "wall"))  # fmt: skip
_LONGEST_BARRIER_M = 2.5  # longer ones are no single barriers to be set up, but walls
_LINE_M = 0.2  # width of an open outline that has none
_PIECE_M = 4.0  # and its longest pieces
_BEND_M = 2.0  # longest piece of what follows the road
_TREE_M = 4.0  # size of a tree in a planted area
_THINNEST_M = {"building": 2.0, "tree": 4.0}  # strips of an outline
_MOST_COPIES = 2000
#: Names of paint on the road, which is not an object.
_PAINT = (
    "stopline",
    "stencil",
    "solidsingle",
    "soliddouble",
    "dashed",
    "crosswalk",
    "crosshatch",
    "chevron",
    "arrow",
    "line",
)


def outline(road: RoadRecord, record: dict[str, Any]) -> np.ndarray:
    """Corners (N, 3), m, of an object in the map, from its outline, else from its length and width."""
    if len(record["cornerRoad"]) > 2:
        return np.array([road.point(s, t, dz)[:3] for s, t, dz in record["cornerRoad"]])
    corners = np.array([c for c in record["cornerLocal"]])
    if len(corners) < 3:
        a, b = 0.5 * record["length"], 0.5 * record["width"]
        corners = np.array([(-a, -b, 0.0), (a, -b, 0.0), (a, b, 0.0), (-a, b, 0.0)])
    return placed_corners(road, record, corners)


def placed_corners(road: RoadRecord, record: dict[str, Any], corners: np.ndarray) -> np.ndarray:
    """Corners (N, 3), m, in the map, from corners (N, 3) in the object's own frame."""
    x, y, z, heading = road.point(record["s"], record["t"], record["zOffset"])
    c, n = np.cos(heading + record["hdg"]), np.sin(heading + record["hdg"])
    u, v, w = corners.T
    return np.stack([x + c * u - n * v, y + n * u + c * v, z + w], axis=1)


def _open(polygon: np.ndarray) -> np.ndarray:
    """A polygon (N, 3), m, without its repeated last corner, anticlockwise."""
    if len(polygon) > 1 and np.linalg.norm(polygon[0] - polygon[-1]) < 1e-3:
        polygon = polygon[:-1]
    x, y = polygon[:, 0], polygon[:, 1]
    area = np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))
    return polygon if area >= 0 else polygon[::-1].copy()


def read_crossings(corners: list[tuple[float, float, float]], xml: XmlMap) -> tuple[Crossing, ...]:
    """Crossings from carla's flat list of corners (each polygon ends by repeating its first corner), and from the
    objects and signals of the file where that list has none nearby."""
    polygons: list[np.ndarray] = []
    run: list[tuple[float, float, float]] = []
    for corner in corners:
        run.append(corner)
        if len(run) > 3 and np.hypot(corner[0] - run[0][0], corner[1] - run[0][1]) < 1e-3:
            polygons.append(_open(np.array(run)))
            run = []
    known = [p.mean(axis=0) for p in polygons]
    for road in xml.roads.values():
        for record in road.objects:
            if "crosswalk" not in (record.get("type", "") + record.get("name", "")).lower():
                continue
            polygon = _open(outline(road, record))
            middle = polygon.mean(axis=0)
            if all(np.linalg.norm(middle - k) > 1.0 for k in known) and np.ptp(polygon[:, :2], axis=0).max() > 1.0:
                polygons.append(polygon)
                known.append(middle)
        for sign in road.signals:
            depth = _depth(sign)
            if (
                sign.get("type") == "1000003" and depth > 0 and sign["width"] > 1
            ):  # a crossing given as a signal: its width is across the road
                half = 0.5 * sign["width"]
                places = [(-depth / 2, -half), (depth / 2, -half), (depth / 2, half), (-depth / 2, half)]
                polygons.append(
                    _open(np.array([_along_tangent(road, sign["s"], ds, sign["t"] + dt) for ds, dt in places]))
                )
    return tuple(Crossing(p) for p in polygons if len(p) > 2)


def _depth(sign: dict[str, Any]) -> float:
    try:
        return float(sign.get("value", 0.0))
    except ValueError:
        return 0.0


def _along_tangent(road: RoadRecord, s: float, ds: float, t: float) -> tuple[float, float, float]:
    """A point `ds` m along the tangent at s: crossings may extend beyond the end of a road."""
    x, y, z, heading = road.point(s, t)
    return x + ds * float(np.cos(heading)), y + ds * float(np.sin(heading)), z


def _kind(record: dict[str, Any]) -> str:
    name = (record.get("subtype", "") + " " + record.get("name", "")).lower().replace("_", "").replace(" ", "")
    kind = _OBJECT_KIND.get(record.get("type", ""), "other")
    if kind == "barrier" and ("guardrail" in name or "railing" in name):
        return "guard_rail"
    if kind == "other":
        kind = next((k for word, k in _NAMED if word in name), "wall" if record.get("type") == "obstacle" else kind)
    return kind


def _size(record: dict[str, Any], kind: str) -> tuple[float, float, float]:
    default = _DEFAULT_SIZE.get(kind, (1.0, 1.0, 1.0))
    round_m = 2 * record["radius"]
    length, width, height = record["length"] or round_m, record["width"] or round_m, record["height"]
    return (length or default[0], width or default[1], height or default[2])


def read_objects(xml: XmlMap) -> tuple[MapObject, ...]:
    """Placed objects as upright boxes, those with an outline and long ones in several."""
    found: list[MapObject] = []
    groups = 0
    for road in xml.roads.values():
        for record in road.objects:
            label = (record.get("type", "") + " " + record.get("name", "")).lower()
            kind = _kind(record)
            highest = max([record["height"], *(float(h) for o in record["outlines"] for h in o.corners[:, 3])])
            if any(word in label for word in _PAINT) or (kind in ("other", "wall") and not 0.05 < highest):
                continue
            if record.get("name", "").startswith("Speed_"):
                continue  # a signal, see `read_signals`
            boxes = [box for row in record["repeat"] for box in _repeated(road, record, kind, row)]
            if not record["repeat"]:
                boxes = _boxes(road, record, kind, record["s"], record["t"], record["zOffset"])
            groups += len(boxes) > 1
            group = groups if len(boxes) > 1 and kind == "building" else 0
            if kind == "barrier" and (_is_line(record) or max(box.size[0] for box in boxes) > _LONGEST_BARRIER_M):
                kind = "wall"
            found += [MapObject(kind, box.foot, box.yaw, box.size, group) for box in boxes]
    return tuple(found)


def _is_line(record: dict[str, Any]) -> bool:
    """Whether an object is one body along a line."""
    return any(row.distance <= 0 for row in record["repeat"]) or any(len(o.corners) for o in record["outlines"])


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
    rings = [_placed_outline(road, there, o, size[2]) for o in outlines if o.closed]
    if kind == "parking_space":
        return [_around(rings[0])] if rings else []
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
    return max(int(np.ceil(abs(length) / _BEND_M)), 1)


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
        count = min(int(np.floor(last / row.distance + 1e-6)) + 1, _MOST_COPIES)
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
    at = np.linspace(0.0, last, max(int(np.ceil(last / gap - 1e-6)), 1) + 1)[: _MOST_COPIES + 1]
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
