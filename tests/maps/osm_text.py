"""Small extracts of OpenStreetMap as text: nodes by metres east and north of a place in Berlin."""

from __future__ import annotations

from math import cos, radians
from xml.sax.saxutils import quoteattr

LAT, LON = 52.48, 13.43
_PER_DEGREE_M = 111_250.0


class Extract:
    """An extract while it is written."""

    def __init__(self):
        self.parts: list[str] = []
        self.nodes: dict[tuple[float, float], int] = {}
        self._next = 1

    def node(self, x: float, y: float, **tags: str) -> int:
        """The node at a place, m; one for each place, unless it has tags of its own."""
        if (x, y) in self.nodes and not tags:
            return self.nodes[x, y]
        number = self.nodes[x, y] = self._new()
        lat, lon = LAT + y / _PER_DEGREE_M, LON + x / _PER_DEGREE_M / cos(radians(LAT))
        self.parts.append(f'<node id="{number}" lat="{lat:.8f}" lon="{lon:.8f}">{_tags(tags)}</node>')
        return number

    def way(self, places: list[tuple[float, float]], number: int | None = None, **tags: str) -> int:
        """A way along places, m."""
        number = self._new() if number is None else number
        refs = "".join(f'<nd ref="{self.node(*place)}"/>' for place in places)
        self.parts.append(f'<way id="{number}">{refs}{_tags(tags)}</way>')
        return number

    def area(self, places: list[tuple[float, float]], **tags: str) -> int:
        """A closed way."""
        return self.way([*places, places[0]], **tags)

    def relation(self, members: list[tuple[str, int, str]], **tags: str) -> int:
        """A relation of members: type, id, role."""
        number = self._new()
        inside = "".join(f'<member type="{kind}" ref="{ref}" role="{role}"/>' for kind, ref, role in members)
        self.parts.append(f'<relation id="{number}">{inside}{_tags(tags)}</relation>')
        return number

    def text(self) -> str:
        """The file: nodes, then ways, then relations."""
        order = ("<node", "<way", "<relation")
        parts = sorted(self.parts, key=lambda part: next(i for i, tag in enumerate(order) if part.startswith(tag)))
        return f'<?xml version="1.0"?><osm version="0.6">{"".join(parts)}</osm>'

    def write(self, path):
        """Write it; the path."""
        path.write_text(self.text())
        return path

    def _new(self) -> int:
        self._next += 1
        return self._next


def crossroads(**tags: str) -> Extract:
    """Two streets of 200 m that cross, and the tags of both."""
    extract = Extract()
    tags = {"highway": "residential", "sidewalk": "both"} | tags
    extract.way([(-100.0, 0.0), (0.0, 0.0), (100.0, 0.0)], **tags)
    extract.way([(0.0, -100.0), (0.0, 0.0), (0.0, 100.0)], **tags)
    return extract


def _tags(tags: dict[str, str]) -> str:
    return "".join(f"<tag k={quoteattr(k.replace('__', ':'))} v={quoteattr(v)}/>" for k, v in tags.items())
