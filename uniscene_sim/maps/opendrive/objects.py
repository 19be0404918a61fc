"""Crossings and placed objects of an OpenDRIVE file."""

from __future__ import annotations

from typing import Any

import numpy as np

from uniscene_sim.maps.elements import Crossing, MapObject
from uniscene_sim.maps.opendrive.road_xml import RoadRecord, XmlMap

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
    "guard_rail": (4.0, 0.3, 0.8),
}
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
    kind, name = _OBJECT_KIND.get(record.get("type", ""), "other"), record.get("name", "").lower()
    if kind == "other":
        return "sign" if "sign" in name else "pole" if "post" in name or "pole" in name else kind
    return kind


def _size(record: dict[str, Any], kind: str) -> tuple[float, float, float]:
    default = _DEFAULT_SIZE.get(kind, (1.0, 1.0, 1.0))
    round_m = 2 * record["radius"]
    length, width, height = record["length"] or round_m, record["width"] or round_m, record["height"]
    return (length or default[0], width or default[1], height or default[2])


def read_objects(xml: XmlMap) -> tuple[MapObject, ...]:
    """Placed objects; repeated ones are expanded."""
    found: list[MapObject] = []
    for road in xml.roads.values():
        for record in road.objects:
            label = (record.get("type", "") + " " + record.get("name", "")).lower()
            kind = _kind(record)
            if any(word in label for word in _PAINT) or (kind == "other" and record["height"] <= 0.05):
                continue
            if record.get("name", "").startswith("Speed_"):
                continue  # a signal, see `read_signals`
            length, width, height = _size(record, kind)
            if kind == "parking_space":
                height = 0.0
            repeats = record["repeat"]
            if not repeats:
                x, y, z, heading = road.point(record["s"], record["t"], record["zOffset"])
                if len(record["cornerRoad"]) > 2 or len(record["cornerLocal"]) > 2:
                    corners = outline(road, record)
                    x, y = corners[:, :2].mean(axis=0)
                    c, n = np.cos(heading + record["hdg"]), np.sin(heading + record["hdg"])
                    offset = corners[:, :2] - (x, y)
                    length, width = float(np.ptp(offset @ (c, n))), float(np.ptp(offset @ (-n, c)))
                found.append(MapObject(kind, np.array([x, y, z]), heading + record["hdg"], (length, width, height)))
            for row in repeats:
                gap = row["distance"] if row["distance"] > 0 else max(min(length, 4.0), 1.0)
                count = max(1, int(np.floor(row["length"] / gap + 1e-6)) + (row["distance"] > 0))
                high = row["heightStart"] if row["heightStart"] > 0 else height
                along = length if row["distance"] > 0 else gap
                wide = row["widthStart"] if row["widthStart"] > 0 else width
                for k in range(min(count, 2000)):
                    s = row["s"] + gap * (k + (0.0 if row["distance"] > 0 else 0.5))
                    if s > road.length:
                        break
                    q = min((s - row["s"]) / max(row["length"], 1e-6), 1.0)
                    t = row["tStart"] + q * (row["tEnd"] - row["tStart"])
                    x, y, z, heading = road.point(s, t, max(row["zOffsetStart"], 0.0))
                    found.append(MapObject(kind, np.array([x, y, z]), heading + record["hdg"], (along, wide, high)))
    return tuple(found)
