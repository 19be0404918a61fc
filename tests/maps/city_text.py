"""Small models of cities as CityJSON: prisms with flat or gabled roofs, and flat areas made of triangles."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any


class CityText:
    """A model while it is written; places in m of some projection."""

    def __init__(self, projection: str = "urn:ogc:def:crs:EPSG::25833"):
        self.vertices: list[list[float]] = []
        self.objects: dict[str, Any] = {}
        self.head = {"type": "CityJSON", "version": "1.1", "metadata": {"referenceSystem": projection}}

    def house(self, name: str, x: float, y: float, size: tuple[float, float], height: float, gabled: bool = False,
              foot: float = 0.0, **attributes: Any) -> None:  # fmt: skip
        """A house of LoD 1, or with a gabled roof along x of LoD 2, whose eaves are 3 m below its top."""
        (a, b), top = size, foot + height
        eaves = top - 3.0 if gabled else top
        low = [self._vertex(*p, foot) for p in ((x, y), (x + a, y), (x + a, y + b), (x, y + b))]
        high = [self._vertex(*p, eaves) for p in ((x, y), (x + a, y), (x + a, y + b), (x, y + b))]
        floor = [[low[0], low[2], low[1]], [low[0], low[3], low[2]]]
        walls = [[low[k], low[(k + 1) % 4], high[(k + 1) % 4], high[k]] for k in range(4)]
        roof = [[high[0], high[1], high[2]], [high[0], high[2], high[3]]]
        if gabled:
            ridge = [self._vertex(x + d, y + b / 2, top) for d in (0.0, a)]
            roof = [[high[0], high[1], ridge[1], ridge[0]], [high[2], high[3], ridge[0], ridge[1]],
                    [high[1], high[2], ridge[1]], [high[3], high[0], ridge[0]]]  # fmt: skip
        faces = [[ring] for ring in (*floor, *walls, *roof)]
        geometry = {"type": "Solid", "lod": "2.0" if gabled else 1, "boundaries": [faces]}
        self.objects[name] = {"type": "Building", "attributes": attributes, "geometry": [geometry]}

    def area(self, name: str, kind: str, corners: list[tuple[float, float]], z: float = 0.0, **attributes: Any) -> None:
        """A flat area, as a fan of triangles."""
        at = [self._vertex(*corner, z) for corner in corners]
        fan = [[[at[0], at[k], at[k + 1]]] for k in range(1, len(at) - 1)]
        geometry = {"type": "MultiSurface", "lod": 1, "boundaries": fan}
        self.objects[name] = {"type": kind, "attributes": attributes, "geometry": [geometry]}

    def text(self) -> str:
        return json.dumps(self.head | {"CityObjects": self.objects, "vertices": self.vertices})

    def write(self, path: Path) -> Path:
        """Write it, packed if the name says so; the path."""
        body = self.text().encode()
        path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)
        return path

    def _vertex(self, x: float, y: float, z: float) -> int:
        self.vertices.append([x, y, z])
        return len(self.vertices) - 1


def small_city(x: float = 0.0, y: float = 0.0) -> CityText:
    """Two houses, a street with a footway, a car park, a canal and a lawn, moved by x, y."""
    city = CityText()
    city.house("flat", x + 10, y + 10, (12, 8), 9.0, foot=0.2, roofType="1000")
    city.house("gabled", x + 30, y + 10, (12, 8), 14.0, gabled=True)
    city.area("street", "Road", [(x, y), (x + 100, y), (x + 100, y + 6), (x, y + 6)], function="rijbaan lokale weg")
    city.area("walk", "Road", [(x, y + 6), (x + 100, y + 6), (x + 100, y + 8), (x, y + 8)], function="voetpad")
    cars = [(x + 60, y + 10), (x + 75, y + 10), (x + 75, y + 20), (x + 60, y + 20)]
    city.area("cars", "Road", cars, function="parkeervlak")
    city.area("canal", "WaterBody", [(x, y - 20), (x + 100, y - 20), (x + 100, y - 8), (x, y - 8)])
    city.area("lawn", "PlantCover", [(x + 80, y + 10), (x + 100, y + 10), (x + 100, y + 30), (x + 80, y + 30)])
    city.area("wall", "GenericCityObject", [(x, y), (x + 1, y), (x + 1, y + 1)])
    return city
