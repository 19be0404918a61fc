"""The XML of an OpenDRIVE file as plain records: roads, lanes, links, signals, objects, controllers."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.elements import DRIVABLE_KINDS
from uniscene_sim.maps.frame_origin import FARTHEST_M
from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.opendrive.cubics import Cubics
from uniscene_sim.maps.opendrive.cubics_xml import read_cubics, read_lateral
from uniscene_sim.maps.opendrive.header import Header, place_roads
from uniscene_sim.maps.opendrive.lane_borders import widths_from_borders
from uniscene_sim.maps.opendrive.lateral_profile import LateralProfile
from uniscene_sim.maps.opendrive.placed_xml import read_placed
from uniscene_sim.maps.opendrive.road_marks import RoadMark, read_road_marks
from uniscene_sim.maps.opendrive.speeds_xml import read_speeds
from uniscene_sim.maps.opendrive.virtual_junctions import cut_main_roads
from uniscene_sim.maps.xml_values import finite_number, whole_number
from uniscene_sim.storage.input_file import MIB, read_input

__all__ = [
    "DEFAULT_SPEED_MPS",
    "MAX_LANE_M",
    "MOST_XODR",
    "LaneRecord",
    "RoadLink",
    "RoadRecord",
    "SectionRecord",
    "XmlMap",
    "read_xml",
]

MOST_XODR = 256 * MIB  # bytes of a file
MAX_LANE_M = 1e7  # all lanes together; a wrong length must not fill the memory
_MAX_ROAD_M = 1e5
_JOINT_M = 0.01  # what is this near is at the same place
_SHORT_M = 0.5  # a reference line that is shorter by less than this is as long as its road
_BEYOND_M = 1.0  # what lies beyond the end of its road by less than this lies at its end
_MOST_LANES = 200  # on a side
DEFAULT_SPEED_MPS = 50 / 3.6  # where a file gives no limit
#: Other names of lanes on which through traffic drives.
#: Pieces of reference lines, and the numbers that they need.
_SHAPES: dict[str, tuple[str, ...]] = {
    "line": (), "arc": ("curvature",), "spiral": ("curvStart", "curvEnd"), "poly3": ("a", "b", "c", "d"),
    "paramPoly3": ("aU", "bU", "cU", "dU", "aV", "bV", "cV", "dV"),
}  # fmt: skip
_DRIVING = {
    "entry",
    "exit",
    "onRamp",
    "offRamp",
    "connectingRamp",
    "slipLane",
    "HOV",
    "bus",
    "taxi",
    "mwyEntry",
    "mwyExit",
}
_OTHER = DRIVABLE_KINDS | {
    "none", "sidewalk", "restricted", "median", "curb", "tram", "rail", "special1", "special2", "special3", "shared",
}  # fmt: skip
_KIND = {kind.lower(): kind for kind in _OTHER} | {"walking": "sidewalk", "bikelane": "biking"}
_KIND |= {kind.lower(): "driving" for kind in _DRIVING}


@dataclass
class LaneRecord:
    """A lane of a section; marks are those of its outer border."""

    id: int
    kind: str
    width: Cubics
    marks: list[RoadMark]
    speeds: list[tuple[float, float | None]] = field(default_factory=list)  # (ds, m/s, None: that of the road)
    is_level: bool = False  # across, whatever the tilt of the road
    height: float = 0.0
    predecessor: int | None = None
    successor: int | None = None
    reversed: bool = False


@dataclass
class SectionRecord:
    """A lane section from s0 to s1, lanes by id (0 is the centre)."""

    s0: float
    s1: float
    lanes: dict[int, LaneRecord] = field(default_factory=dict)


@dataclass(frozen=True)
class RoadLink:
    """What comes before or after a road: the start or end of a road, a place `s` on one that is entered in direction
    + or -, or a junction."""

    element: str  # road or junction
    id: str
    contact: str = ""  # start or end
    s: float | None = None
    direction: str = ""


@dataclass
class RoadRecord:
    """A road; `link` by predecessor and successor."""

    id: str
    junction: str  # empty outside
    length: float
    left_hand: bool
    geometry: list[tuple[float, float, float, float, float, str, dict[str, Any]]]
    elevation: Cubics
    lateral: LateralProfile
    lane_offset: Cubics
    sections: list[SectionRecord]
    link: dict[str, RoadLink]
    speeds: list[tuple[float, float | None]]  # by s: m/s, None: not told
    signals: list[dict[str, Any]] = field(default_factory=list)
    references: list[dict[str, Any]] = field(default_factory=list)
    objects: list[dict[str, Any]] = field(default_factory=list)

    def reference(self, s: float) -> tuple[float, float, float]:
        """x, y (m) and heading (rad) of the reference line at s, m."""
        s = min(max(s, 0.0), self.length)
        piece = self.geometry[0]
        for candidate in self.geometry:
            if candidate[0] <= s + 1e-9:
                piece = candidate
        s0, x, y, hdg, length, shape, p = piece
        u, v, turn = _local(shape, p, min(s - s0, length), length)
        c, n = np.cos(hdg), np.sin(hdg)
        return x + c * u - n * v, y + n * u + c * v, hdg + turn

    def point(self, s: float, t: float, h: float = 0.0) -> tuple[float, float, float, float]:
        """x, y, z (m) and heading (rad) of a point given along (s), across (t) and above (h) the road, m."""
        x, y, heading = self.reference(s)
        beside, above = (float(v) for v in self.lateral.place(np.array(s), np.array(t), h))
        z = float(self.elevation(s)) + above
        return x - beside * float(np.sin(heading)), y + beside * float(np.cos(heading)), z, heading

    def lane_span(self, section: SectionRecord, lane_id: int, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lateral positions (N,), m, of a lane's inner and outer border at arc lengths s (N,), m."""
        sign = 1 if lane_id > 0 else -1
        ds = np.asarray(s) - section.s0
        inner = np.zeros_like(ds)
        for k in range(1, abs(lane_id)):
            if sign * k in section.lanes:
                inner = inner + section.lanes[sign * k].width(ds)
        width = np.maximum(section.lanes[lane_id].width(ds), 0.0)
        return self.lane_offset(s) + sign * inner, self.lane_offset(s) + sign * (inner + width)

    def forward(self, lane: LaneRecord) -> bool:
        """Whether traffic on a lane follows the direction of the reference line."""
        return ((lane.id < 0) != self.left_hand) != lane.reversed

    def speed_limits(self, section: SectionRecord, lane: LaneRecord) -> list[tuple[float, float]]:
        """Speed limits of a lane (s at which each begins, m; m/s), by rising s."""
        own = [(section.s0 + ds, limit) for ds, limit in lane.speeds]
        starts = {max(s, section.s0) for s, _ in (*own, *self.speeds) if s < section.s1} | {section.s0}
        found: list[tuple[float, float]] = []
        for s in sorted(starts):
            limit = _last(own, s)
            if limit is None:
                limit = _last(self.speeds, s)
            if limit is None:
                limit = DEFAULT_SPEED_MPS
            if not found or found[-1][1] != limit:
                found.append((s, limit))
        return found


@dataclass
class XmlMap:
    """Everything in a file that is used."""

    roads: dict[str, RoadRecord]
    connections: dict[str, list[tuple[str, str, str, list[tuple[int, int]]]]]  # junction -> (incoming, connecting, ...)
    junction_controllers: dict[str, list[tuple[str, int]]]  # junction -> (controller id, sequence)
    controllers: dict[str, tuple[int, list[str]]]  # controller -> (sequence, signal ids)
    header: Header
    losses: Losses


def _last(values: list[tuple[float, float | None]], s: float) -> float | None:
    """The value that holds at `s`, of values that each hold from a place on."""
    return next((value for start, value in reversed(values) if start <= s + 1e-6), None)


def _local(shape: str, p: dict[str, Any], ds: float, length: float) -> tuple[float, float, float]:
    """Position and turn after `ds` along a piece of the reference line, in the frame of its start."""
    if shape == "arc" and abs(p["curvature"]) > 1e-12:
        k = p["curvature"]
        return np.sin(k * ds) / k, (1 - np.cos(k * ds)) / k, k * ds
    if shape == "spiral":
        k0, k1 = p["curvStart"], (p["curvEnd"] - p["curvStart"]) / max(length, 1e-9)
        nodes, weights = np.polynomial.legendre.leggauss(24)
        u = 0.5 * ds * (nodes + 1)
        angle = k0 * u + 0.5 * k1 * u * u
        w = 0.5 * ds * weights
        return float(w @ np.cos(angle)), float(w @ np.sin(angle)), k0 * ds + 0.5 * k1 * ds * ds
    if shape == "poly3":
        a, b, c, d = p["a"], p["b"], p["c"], p["d"]
        return ds, a + ds * (b + ds * (c + ds * d)), float(np.arctan(b + ds * (2 * c + 3 * d * ds)))
    if shape == "paramPoly3":
        q = ds if p["arcLength"] else ds / max(length, 1e-9)
        u = p["aU"] + q * (p["bU"] + q * (p["cU"] + q * p["dU"]))
        v = p["aV"] + q * (p["bV"] + q * (p["cV"] + q * p["dV"]))
        du, dv = p["bU"] + q * (2 * p["cU"] + 3 * q * p["dU"]), p["bV"] + q * (2 * p["cV"] + 3 * q * p["dV"])
        return u, v, float(np.arctan2(dv, du))
    return ds, 0.0, 0.0


def _lane(node: Any, losses: Losses) -> LaneRecord:
    kind = node.get("type", "none").strip()
    if kind.lower() not in _KIND:
        losses.add("lane types not understood", repr(kind))
    heights = losses.readable(
        "left out", node.findall("height"), lambda n: finite_number(n, "outer", 0.0), "lane height"
    )
    link = {
        k: losses.readable("left out", node.findall(f"link/{k}"), lambda n: whole_number(n, "id"), "lane link")
        for k in ("predecessor", "successor")
    }
    return LaneRecord(
        id=_lane_id(node),
        kind=_KIND.get(kind.lower(), kind),
        width=read_cubics(node, "width", "sOffset"),
        marks=read_road_marks(node, losses),
        speeds=read_speeds(node, losses),
        is_level=node.get("level") in ("true", "1"),
        height=heights[0] if heights else 0.0,
        predecessor=next(iter(link["predecessor"]), None),
        successor=next(iter(link["successor"]), None),
        reversed=node.get("direction") == "reversed",
    )


def _lane_id(node: Any) -> int:
    number = whole_number(node, "id")
    if abs(number) > _MOST_LANES:
        raise InputError(
            f"<lane> needs a number from -{_MOST_LANES} to {_MOST_LANES}, got {float(number):g}", field="id"
        )
    return number


def _geometry(node: Any) -> tuple[float, float, float, float, float, str, dict[str, Any]]:
    s, x, y, hdg, length = (finite_number(node, k) for k in ("s", "x", "y", "hdg", "length"))
    if not max(abs(x), abs(y)) <= FARTHEST_M:
        why = f"expected x, y within {FARTHEST_M / 1e3:,.0f} km, got {x:g}, {y:g}"
        raise InputError(why, line=node.sourceline, field="geometry")
    if length > _MAX_ROAD_M:  # carla would sample all of it
        why = f"<geometry> needs a length up to {_MAX_ROAD_M:g} m, got {length:g}"
        raise InputError(why, line=node.sourceline, field="length")
    for child in node:
        if child.tag in _SHAPES:
            p: dict[str, Any] = {k: finite_number(child, k) for k in _SHAPES[child.tag]}
            p["arcLength"] = child.get("pRange", "normalized") == "arcLength"
            return s, x, y, hdg, length, child.tag, p
    raise InputError(f"<geometry> needs one of {', '.join(_SHAPES)}", line=node.sourceline, field="geometry")


def _sections(node: Any, length: float, losses: Losses) -> list[SectionRecord]:
    sections = []
    for n in node.findall("lanes/laneSection"):
        section = SectionRecord(max(finite_number(n, "s", 0.0), 0.0), length)
        widths, borders = {}, {}
        for lane in n.findall(".//lane"):
            record = _lane(lane, losses)
            if record.id in section.lanes:
                where = f"of road {node.get('id')!r} from s = {section.s0:g}"
                losses.add("left out", f"lane {record.id} {where} (id: another lane has it, too)")
                continue
            section.lanes[record.id] = record
            if lane.find("border") is not None and lane.find("width") is None:
                borders[record.id] = read_cubics(lane, "border", "sOffset")
            else:
                widths[record.id] = record.width
                if record.id and lane.find("width") is None and record.kind not in ("none", "driving"):
                    where = f"lane {record.id} of road {node.get('id')!r} from s = {section.s0:g}"
                    losses.add("lanes without <width> or <border> left out", where)
        offset = read_cubics(node.find("lanes"), "laneOffset")
        middle = Cubics([(row[0] - section.s0, *row[1:]) for row in offset.rows.tolist()])
        for lane_id, width in (widths_from_borders(widths, borders, middle) if borders else {}).items():
            section.lanes[lane_id].width = width
        sections.append(section)
    sections.sort(key=lambda section: section.s0)
    for section, after in pairwise(sections):
        section.s1 = min(after.s0, length)
    for section in sections:
        if section.s1 <= section.s0:
            losses.add("lane sections of no length left out", f"that of road {node.get('id')!r} at s = {section.s0:g}")
    sections = [section for section in sections if section.s1 > section.s0]
    if sections and sections[0].s0 > _JOINT_M:
        losses.add("stretches without lanes", f"road {node.get('id')!r} before s = {sections[0].s0:g}")
    return sections


def _geometries(node: Any) -> list[tuple[float, float, float, float, float, str, dict[str, Any]]]:
    geometry = sorted((_geometry(n) for n in node.findall("planView/geometry")), key=lambda g: g[0])
    if not geometry:
        raise InputError("<road> has no <planView> geometry", line=node.sourceline, field="planView")
    geometry = [piece for piece in geometry if piece[4] > 0]
    if not geometry:
        raise InputError("<road> has no geometry longer than 0", line=node.sourceline, field="planView")
    if geometry[0][0] > _JOINT_M:
        why = f"<planView> begins at s = {geometry[0][0]:g}, expected 0"
        raise InputError(why, line=node.sourceline, field="planView")
    return [(0.0, *geometry[0][1:]), *geometry[1:]]


def _road(node: Any, losses: Losses) -> RoadRecord:
    length = finite_number(node, "length")
    if not 0 < length <= _MAX_ROAD_M:
        why = f"expected a length above 0 and up to {_MAX_ROAD_M:g} m, got {length:g}"
        raise InputError(why, line=node.sourceline, field="length")
    geometry = _geometries(node)
    end = max(s + piece for s, _, _, _, piece, _, _ in geometry)
    if end < length - _SHORT_M:
        losses.add("stretches without <planView> left out", f"road {node.get('id')!r} from s = {end:g} to {length:g}")
        length = end
    sections = _sections(node, length, losses)
    if not sections:
        raise InputError("<road> has no <laneSection>", line=node.sourceline, field="lanes")
    if not any(any(section.lanes) for section in sections):
        raise InputError("<road> has no lanes beside its centre", line=node.sourceline, field="lanes")
    links = [n for k in ("predecessor", "successor") for n in node.findall(f"link/{k}")[:1] if n.get("elementId")]
    speeds = []
    for n in node.findall("type"):
        limits = read_speeds(n, losses)
        places = losses.readable("left out", [n], lambda x: finite_number(x, "s", 0.0), "road type")
        speeds += [(s, limits[0][1] if limits else None) for s in places]

    def placed(n: Any) -> dict[str, Any]:
        record = read_placed(n)
        if not -_BEYOND_M <= record["s"] <= length + _BEYOND_M:
            raise InputError(f"expected a place on its road of {length:g} m, got {record['s']:g}", field="s")
        return record

    return RoadRecord(
        id=node.get("id", ""),
        junction="" if node.get("junction") == "-1" else node.get("junction", ""),
        length=length,
        left_hand=node.get("rule", "RHT") == "LHT",
        geometry=geometry,
        elevation=read_cubics(node.find("elevationProfile"), "elevation"),
        lateral=read_lateral(node.find("lateralProfile")),
        lane_offset=read_cubics(node.find("lanes"), "laneOffset"),
        sections=sections,
        link=dict(losses.readable("left out", links, _link, "road link")),
        speeds=sorted(speeds, key=lambda item: item[0]),
        signals=losses.readable("left out", node.findall("signals/signal"), placed, "signal"),
        references=losses.readable("left out", node.findall("signals/signalReference"), placed, "signal reference"),
        objects=losses.readable("left out", node.findall("objects/object"), placed, "object"),
    )


def _link(node: Any) -> tuple[str, RoadLink]:
    s = None if node.get("elementS") is None else finite_number(node, "elementS")
    contact, direction = node.get("contactPoint", ""), node.get("elementDir", "+")
    return node.tag, RoadLink(node.get("elementType", "road"), node.get("elementId"), contact, s, direction)


def read_xml(path: str | Path) -> XmlMap:
    """Read a file; InputError if it is not OpenDRIVE or has no roads."""
    from lxml import etree

    body = read_input(path, MOST_XODR, "an OpenDRIVE file")
    try:
        # Without `huge_tree`, which lifts the bounds of depth and of what entities may grow to.
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        why = f"expected an OpenDRIVE XML file: {error.msg}"
        raise InputError(why, file=path, line=error.lineno) from None
    rules = root.getroottree().docinfo.internalDTD
    if rules is not None and any(rules.iterentities()):
        raise InputError("defines entities, expected plain OpenDRIVE XML", file=path, field="DOCTYPE")
    for node in root.iter():
        if isinstance(node.tag, str) and "}" in node.tag:
            node.tag = node.tag.rsplit("}", 1)[1]
    if root.tag != "OpenDRIVE":
        raise InputError(f"expected <OpenDRIVE> at the root, got <{root.tag}>", file=path)
    losses = Losses()
    header = place_roads(root, losses)
    cut_main_roads(root)
    roads: dict[str, RoadRecord] = {}
    for road in losses.readable("left out", root.findall("road"), lambda node: _road(node, losses), "road"):
        if road.id in roads:
            losses.add("left out", f"road {road.id!r} (id: another road has it, too)")
        else:
            roads[road.id] = road
    if not roads:
        why = "; ".join(losses.sentences()) or "the file has no <road>"
        raise InputError(f"nothing to drive on: {why}", file=path, field="road")
    junctions = root.findall("junction")
    connections = {
        n.get("id", ""): losses.readable("left out", n.findall("connection"), _connection, "connection")
        for n in junctions
    }
    junction_controllers = {
        n.get("id", ""): losses.readable("left out", n.findall("controller"), _sequence, "controller")
        for n in junctions
    }
    controllers = losses.readable("left out", root.findall("controller"), _controller, "controller")
    return XmlMap(roads, connections, junction_controllers, dict(controllers), header, losses)


def _connection(node: Any) -> tuple[str, str, str, list[tuple[int, int]]]:
    """Incoming and connecting road, contact point of the latter, and pairs of lanes. In a direct junction the roads
    meet without a connecting one."""
    links = [(whole_number(k, "from"), whole_number(k, "to")) for k in node.findall("laneLink")]
    to = node.get("connectingRoad", node.get("linkedRoad", ""))
    return node.get("incomingRoad", ""), to, node.get("contactPoint", "start"), links


def _sequence(node: Any) -> tuple[str, int]:
    return node.get("id", ""), whole_number(node, "sequence", 0)


def _controller(node: Any) -> tuple[str, tuple[int, list[str]]]:
    signals = list(dict.fromkeys(k.get("signalId", "") for k in node.findall("control")))
    return node.get("id", ""), (whole_number(node, "sequence", 0), signals)
