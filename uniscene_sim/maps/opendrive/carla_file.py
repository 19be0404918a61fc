"""The part of an OpenDRIVE file that `carla.Map` is needed for, written so that it can read it.

It takes small whole numbers for ids and knows neither lane borders nor junctions without connecting roads, and a bad
road or object costs the whole map. So it gets the lines and lanes of the roads that were read, and their crossings.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from uniscene_sim.maps.opendrive.cubics import Cubics
from uniscene_sim.maps.opendrive.road_xml import LaneRecord, RoadRecord, XmlMap

__all__ = ["carla_text", "road_numbers"]

_MISSING = LaneRecord(id=0, kind="none", width=Cubics([]), marks=[])


def road_numbers(xml: XmlMap) -> dict[str, int]:
    """Numbers of the roads for carla, by their ids: the ids themselves where these are such numbers."""
    numbers = {road: int(road) for road in xml.roads if road.isdecimal() and len(road) < 9 and str(int(road)) == road}
    free = iter(set(range(len(xml.roads))) - set(numbers.values()))
    return {road: numbers[road] if road in numbers else next(free) for road in xml.roads}


def carla_text(xml: XmlMap, only: str | None = None) -> str:
    """An OpenDRIVE file with these numbers, of all roads or only one."""
    root = etree.Element("OpenDRIVE")
    etree.SubElement(root, "header", revMajor="1", revMinor="4")
    numbers = road_numbers(xml)
    for road in xml.roads.values():
        if only is None or road.id == only:
            _add_road(root, numbers[road.id], road)
    text: str = etree.tostring(root, encoding="unicode")
    return text


def _add(parent: Any, tag: str, **values: Any) -> Any:
    return etree.SubElement(parent, tag, {k: v if isinstance(v, str) else repr(v) for k, v in values.items()})


def _add_cubics(parent: Any, tag: str, cubics: Cubics, start: str = "s") -> None:
    for s, a, b, c, d in cubics.rows.tolist():
        _add(parent, tag, **{start: s}, a=a, b=b, c=c, d=d)


def _add_road(root: Any, number: int, road: RoadRecord) -> None:
    rule = "LHT" if road.left_hand else "RHT"
    node = _add(root, "road", name="", length=road.length, id=number, junction="-1", rule=rule)
    plan = _add(node, "planView")
    for s, x, y, hdg, length, shape, values in road.geometry:
        piece = _add(_add(plan, "geometry", s=s, x=x, y=y, hdg=hdg, length=length), shape)
        for name, value in values.items():
            if name == "arcLength":
                piece.set("pRange", "arcLength" if value else "normalized")
            else:
                piece.set(name, repr(value))
    _add_cubics(_add(node, "elevationProfile"), "elevation", road.elevation)
    lanes = _add(node, "lanes")
    _add_cubics(lanes, "laneOffset", road.lane_offset)
    for section in road.sections:
        part = _add(lanes, "laneSection", s=section.s0)
        for side, sign in (("left", 1), ("center", 0), ("right", -1)):
            group = _add(part, side)
            if side == "center":
                _add(group, "lane", id=0, type="none", level="false")
                continue
            most = max((sign * k for k in section.lanes), default=0)
            for lane_id in sorted((sign * k for k in range(1, most + 1)), reverse=True):
                found = section.lanes.get(lane_id, _MISSING)  # carla wants them without gaps
                lane = _add(group, "lane", id=lane_id, type=found.kind, level="false")
                _add_cubics(lane, "width", found.width, "sOffset")
    objects = _add(node, "objects")
    for record in road.objects:
        if record.get("type") == "crosswalk" and record["cornerLocal"]:
            thing = _add(objects, "object", **{k: v for k, v in record.items() if isinstance(v, (str, float))})
            outline = _add(thing, "outline")
            for u, v, z in record["cornerLocal"]:
                _add(outline, "cornerLocal", u=u, v=v, z=z)
