"""Files of OpenStreetMap taken apart: streets as polylines, and everything else that a map is made of, in metres.

`osmium` reads them, whatever they are called of `.osm`, `.osm.gz`, `.osm.xml.gz`, `.osm.bz2` and `.osm.pbf`; it puts
the rings of multipolygons together and expands no entities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.cityjson.city_file import city_files, city_ref
from uniscene_sim.maps.frame_origin import REACH_M
from uniscene_sim.maps.geo_reference import GeoReference
from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.street_plans.land_use import LAND_USE_KEYS
from uniscene_sim.storage.input_file import MIB, read_input, reading, require_regular

__all__ = ["MOST_OSM", "OSM_SUFFIXES", "Area", "OsmExtract", "Place", "Turn", "Way", "area_name", "is_osm", "osm_ref",
           "read_extract"]  # fmt: skip

OSM_SUFFIXES = (".osm", ".osm.gz", ".osm.bz2", ".osm.xml", ".osm.xml.gz", ".osm.pbf")
MOST_OSM = 512 * MIB
_MOST_ELEMENTS = 20_000_000
_WHAT = "an extract of OpenStreetMap"
_FORMAT = "2"  # of what the reader makes, part of the identity of its maps
_WAY_TAGS = ("highway", "barrier")
_AREA_TAGS = ("building", "building:part", "area:highway", *LAND_USE_KEYS)
_POINT_TAGS = ("highway", "natural", "barrier", "crossing")


@dataclass(frozen=True)
class Way:
    """A line with tags."""

    id: int
    nodes: tuple[int, ...]
    xy: np.ndarray  # (N, 2) m
    tags: dict[str, str]


@dataclass(frozen=True)
class Area:
    """A closed outline with tags."""

    id: int
    rings: tuple[np.ndarray, ...]  # (N, 2) m each, not closed; rings within rings are holes
    tags: dict[str, str]


@dataclass(frozen=True)
class Place:
    """A node with tags."""

    id: int
    xy: np.ndarray  # (2,) m
    tags: dict[str, str]


@dataclass(frozen=True)
class Turn:
    """A turn from one way into another at a node that is forbidden, or the only one that is allowed."""

    from_way: int
    via: int
    to_way: int
    only: bool


@dataclass(frozen=True)
class OsmExtract:
    """What maps are made of, in metres of a projection whose middle is the extract's."""

    ways: tuple[Way, ...]  # with highway or barrier, tree rows
    areas: tuple[Area, ...]
    places: tuple[Place, ...]
    turns: tuple[Turn, ...]
    geo_reference: GeoReference
    losses: Losses


@dataclass
class _Raw:
    """The same in degrees while a file is read."""

    ways: dict[int, tuple[list[int], list[tuple[float, float]], dict[str, str]]] = field(default_factory=dict)
    areas: dict[int, tuple[list[list[tuple[float, float]]], dict[str, str]]] = field(default_factory=dict)
    places: dict[int, tuple[tuple[float, float], dict[str, str]]] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    losses: Losses = field(default_factory=Losses)


def area_name(number: int) -> str:
    """What an area of some id was made of."""
    return f"way {number // 2}" if number % 2 == 0 else f"relation {number // 2}"


def is_osm(path: str | Path) -> bool:
    """Whether a file is called as extracts of OpenStreetMap are."""
    return str(path).lower().endswith(OSM_SUFFIXES)


def osm_ref(path: str | Path) -> str:
    """Identity of the map of an extract and of cities beside it: of their content and of what the reader makes of
    it."""
    sha = hashlib.sha256(_FORMAT.encode() + read_input(path, MOST_OSM, _WHAT))
    for file in city_files(path):
        sha.update(city_ref(file).encode())
    return sha.hexdigest()


def read_extract(path: str | Path) -> OsmExtract:
    """Read an extract.

    Raises:
        InputError: the file is damaged, cut off, too large or empty, or has no roads; or osmium is not installed.
    """
    path = require_regular(path, MOST_OSM, _WHAT)
    try:
        import osmium
    except ModuleNotFoundError:
        raise InputError("reading OpenStreetMap needs osmium (install uniscene_sim[maps])", file=path) from None
    raw = _Raw()
    with reading(path, _WHAT):
        wanted = osmium.filter.KeyFilter(*_WAY_TAGS, *_AREA_TAGS, "natural", "type")
        elements = osmium.FileProcessor(str(path)).with_locations().with_areas().with_filter(wanted)
        for n, element in enumerate(elements):
            if n > _MOST_ELEMENTS:
                raise InputError(f"expected up to {_MOST_ELEMENTS:,} elements; cut out what is wanted", file=path)
            _take(raw, element)
    if not any("highway" in tags for _, _, tags in raw.ways.values()):
        raise InputError("has no roads; expected ways with the tag highway", file=path, field="highway")
    return _in_metres(raw)


def _take(raw: _Raw, element: Any) -> None:
    """Keep what maps are made of."""
    if element.is_node():
        if "ele" in element.tags:
            raw.losses.add("heights of the ground not used, it is flat", f"node {element.id}")
        if any(key in element.tags for key in _POINT_TAGS) and element.location.valid():
            raw.places[element.id] = ((element.lon, element.lat), dict(element.tags))
    elif element.is_way():
        if element.tags.get("natural") == "coastline":
            raw.losses.add("not drawn, for the sea has no outline", f"way {element.id}")
        if element.tags.get("waterway") in ("river", "stream", "canal") and not element.is_closed():
            raw.losses.add("waters not drawn that have a middle alone", f"way {element.id}")
        if any(key in element.tags for key in _WAY_TAGS) or element.tags.get("natural") == "tree_row":
            _take_way(raw, element)
    elif element.is_area():
        if any(key in element.tags for key in _AREA_TAGS):
            rings = [_degrees(ring) for outer in element.outer_rings()
                     for ring in (outer, *element.inner_rings(outer))]  # fmt: skip
            if not rings:
                what = "way" if element.from_way() else "relation"
                raw.losses.add("left out, for their outlines cross themselves", f"{what} {element.orig_id()}")
                return
            raw.areas[element.id] = (rings, dict(element.tags))
    elif element.is_relation() and element.tags.get("type", "").startswith("restriction"):
        _take_turn(raw, element)


def _take_way(raw: _Raw, way: Any) -> None:
    nodes, places = [], []
    for node in way.nodes:
        if node.location.valid():
            nodes.append(node.ref)
            places.append((node.lon, node.lat))
    if len(nodes) < len(way.nodes):
        raw.losses.add("drawn without nodes that the file does not hold", f"way {way.id}")
    if len(nodes) < 2:
        raw.losses.add("left out, for they have fewer than two nodes", f"way {way.id}")
        return
    raw.ways[way.id] = (nodes, places, dict(way.tags))


def _take_turn(raw: _Raw, relation: Any) -> None:
    rule = relation.tags.get("restriction", "")
    roles = {member.role: (member.type, member.ref) for member in relation.members}
    if not rule.startswith(("no_", "only_")) or not {"from", "via", "to"} <= set(roles):
        return
    if roles["via"][0] != "n":
        raw.losses.add("turns not ruled, for the rule leads over a way", f"relation {relation.id}")
        return
    raw.turns.append(Turn(roles["from"][1], roles["via"][1], roles["to"][1], rule.startswith("only_")))


def _degrees(ring: Any) -> list[tuple[float, float]]:
    return [(node.lon, node.lat) for node in ring][:-1]


def _in_metres(raw: _Raw) -> OsmExtract:
    from pyproj import Transformer

    streets = np.array([p for _, places, tags in raw.ways.values() if "highway" in tags for p in places])
    lon, lat = np.round(np.median(streets, axis=0), 4).tolist()
    projection = f"+proj=tmerc +lat_0={lat:g} +lon_0={lon:g} +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"
    to_metres = Transformer.from_crs("EPSG:4326", projection, always_xy=True)

    def lines(groups: list[list[tuple[float, float]]]) -> Iterator[np.ndarray]:
        if not groups:
            return
        flat = np.array([p for group in groups for p in group]).reshape(-1, 2)
        x, y = to_metres.transform(flat[:, 0], flat[:, 1])
        ends = np.cumsum([len(group) for group in groups])[:-1]
        yield from np.split(np.round(np.stack([x, y], axis=1), 4), ends)

    def is_near(xy: np.ndarray, what: str) -> bool:
        near = bool((np.abs(xy) < REACH_M).all())  # not where the projection has no such place, either
        if not near:
            raw.losses.add("left out, for they lie far from the rest", what)
        return near

    ways = [Way(i, tuple(nodes), xy, tags) for (i, (nodes, _, tags)), xy in
            zip(raw.ways.items(), lines([p for _, p, _ in raw.ways.values()]), strict=True)
            if is_near(xy, f"way {i}")]  # fmt: skip
    rings = lines([ring for rings, _ in raw.areas.values() for ring in rings])
    areas = [Area(i, tuple(next(rings) for _ in of), tags) for i, (of, tags) in raw.areas.items()]
    areas = [area for area in areas if is_near(np.concatenate(area.rings), area_name(area.id))]
    points = lines([[p] for p, _ in raw.places.values()])
    places = [Place(i, next(points)[0], tags) for i, (_, tags) in raw.places.items()]
    places = [place for place in places if is_near(place.xy, f"node {place.id}")]
    return OsmExtract(tuple(ways), tuple(areas), tuple(places), tuple(raw.turns), GeoReference(projection), raw.losses)
