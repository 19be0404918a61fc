"""Outlines from above of what is given as faces, most of them triangles: the edges that no two faces share."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from uniscene_sim.maps.cityjson.city_file import Face
from uniscene_sim.maps.street_plans.footprints import ring_area
from uniscene_sim.maps.street_plans.rings import inside_rings

__all__ = ["facing", "outlines", "pitched_share"]

_FLAT_M2 = 1e-3  # seen from above; less is a wall
_LEAST_M2 = 0.5  # of an outline
_SLOPE = 0.2  # rise over run of a slanted roof
_Point = tuple[int, int]  # mm


def facing(faces: Iterable[Face], up: bool) -> list[Face]:
    """The faces that look up, or down."""
    side = 1 if up else -1
    return [face for face in faces if side * ring_area(face.rings[0][:, :2]) > _FLAT_M2]


def pitched_share(faces: Iterable[Face]) -> float:
    """Share, of the area seen from above, of faces that are slanted."""
    flat = slanted = 0.0
    for face in facing(faces, up=True):
        ring = face.rings[0]
        normal = np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0)
        if np.hypot(normal[0], normal[1]) > _SLOPE * abs(normal[2]):
            slanted += 0.5 * abs(normal[2])
        else:
            flat += 0.5 * abs(normal[2])
    return slanted / (flat + slanted) if flat + slanted else 0.0


def outlines(faces: Iterable[Face]) -> list[tuple[np.ndarray, ...]]:
    """Outlines of all that faces cover, each an outer ring (N, 2), m, and its holes; largest first."""
    edges: dict[_Point, list[_Point]] = {}
    for face in faces:
        area = ring_area(face.rings[0][:, :2])
        if abs(area) <= _FLAT_M2:
            continue
        for ring in face.rings:
            points = [(int(x), int(y)) for x, y in np.round(1e3 * ring[:: 1 if area > 0 else -1, :2]).tolist()]
            for a, b in zip(points, points[1:] + points[:1], strict=True):
                if a in edges.get(b, ()):
                    edges[b].remove(a)
                elif a != b:
                    edges.setdefault(a, []).append(b)
    rings = [1e-3 * np.array(ring, dtype=np.float64) for ring in _chains(edges) if len(ring) >= 3]
    areas = [ring_area(ring) for ring in rings]
    outer = sorted((k for k, area in enumerate(areas) if area > _LEAST_M2), key=lambda k: areas[k])
    holes: dict[int, list[np.ndarray]] = {}
    for ring, area in zip(rings, areas, strict=True):
        if area < -_LEAST_M2:
            x, y = ring.mean(axis=0)[:, None]
            around = next((k for k in outer if areas[k] > -area and inside_rings(x, y, [rings[k]])[0]), None)
            if around is not None:
                holes.setdefault(around, []).append(ring)
    return [(rings[k], *holes.get(k, ())) for k in reversed(outer)]


def _chains(edges: dict[_Point, list[_Point]]) -> Iterable[list[_Point]]:
    """Closed rings of directed edges, which are used up; what does not close is left out."""
    for start in list(edges):
        while edges[start]:
            ring, at = [start], edges[start].pop()
            while at != start and edges.get(at):
                ring.append(at)
                at = edges[at].pop()
            if at == start:
                yield ring
