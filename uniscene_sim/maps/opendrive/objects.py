"""Crossings and placed objects of an OpenDRIVE file."""

from __future__ import annotations

from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.elements import Crossing, MapObject
from uniscene_sim.maps.opendrive.bodies import bodies, placed_corners
from uniscene_sim.maps.opendrive.road_xml import RoadRecord, XmlMap

__all__ = ["outline", "read_crossings", "read_objects"]

_OBJECT_KIND = {
    "tree": "tree", "vegetation": "tree", "pole": "pole", "streetLamp": "pole", "rail-pole": "pole",
    "guide-post": "pole", "barrier": "barrier", "railing": "guard_rail", "building": "building",
    "obstacle": "other", "parkingSpace": "parking_space",
}  # fmt: skip
#: Words in the names of objects of other types, and their kinds.
_NAMED = (("sign", "sign"), ("post", "pole"), ("pole", "pole"), ("cone", "cone"), ("building", "building"),
          ("house", "building"), ("wall", "wall"))  # fmt: skip
_LONGEST_BARRIER_M = 2.5  # longer ones are no single barriers to be set up, but walls
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


def read_objects(xml: XmlMap) -> tuple[MapObject, ...]:
    """Placed objects as upright boxes, those with an outline and long ones in several."""
    found: list[MapObject] = []
    groups = 0
    for road in xml.roads.values():
        for record in road.objects:
            label = (record.get("type", "") + " " + record.get("name", "")).lower()
            kind = _kind(record)
            if any(word in label for word in _PAINT) or (kind in ("other", "wall") and _height(record) <= 0.05):
                continue
            if record.get("name", "").startswith("Speed_"):
                continue  # a signal, see `read_signals`
            try:
                boxes = bodies(road, record, kind)
            except InputError as error:
                xml.losses.add("left out", f"object {record.get('id')!r} of road {road.id!r} ({error})")
                continue
            if not boxes:
                xml.losses.add("left out", f"object {record.get('id')!r} of road {road.id!r} (it has no extent there)")
            groups += len(boxes) > 1
            group = groups if len(boxes) > 1 and kind == "building" else 0
            if kind == "barrier" and (
                _is_line(record) or max((box.size[0] for box in boxes), default=0.0) > _LONGEST_BARRIER_M
            ):
                kind = "wall"
            found += [MapObject(kind, box.foot, box.yaw, box.size, group) for box in boxes]
    return tuple(found)


def _height(record: dict[str, Any]) -> float:
    """The greatest height, m, that is told of an object."""
    corners = [float(h) for o in record["outlines"] for h in o.corners[:, 3]]
    repeated = [h for row in record["repeat"] for h in row.both["height"]]
    return float(max(record["height"], *corners, *repeated, 0.0))


def _is_line(record: dict[str, Any]) -> bool:
    """Whether an object is one body along a line."""
    return any(row.distance <= 0 for row in record["repeat"]) or any(len(o.corners) for o in record["outlines"])
