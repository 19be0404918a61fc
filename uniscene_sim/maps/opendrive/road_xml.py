"""The XML of an OpenDRIVE file as plain records: roads, lanes, links, signals, objects, controllers."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.opendrive.header import Header, place_roads

__all__ = ["Cubics", "RoadRecord", "XmlMap", "read_xml"]

_MPS = {"mph": 0.44704, "km/h": 1 / 3.6, "m/s": 1.0, "": 1.0}
#: Other names of lanes on which through traffic drives.
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
_KIND = {"walking": "sidewalk", "bikeLane": "biking"} | dict.fromkeys(_DRIVING, "driving")


class Cubics:
    """Piecewise cubic a + b ds + c ds2 + d ds3, each piece valid from its own start; zero if there is none."""

    def __init__(self, rows: list[tuple[float, float, float, float, float]]):
        self.rows = np.array(sorted(rows, key=lambda row: row[0]) or [(0.0, 0.0, 0.0, 0.0, 0.0)])

    def __call__(self, s: np.ndarray | float) -> np.ndarray:
        s = np.asarray(s, dtype=np.float64)
        row = self.rows[np.clip(np.searchsorted(self.rows[:, 0], s, side="right") - 1, 0, None)]
        ds = s - row[..., 0]
        value: np.ndarray = row[..., 1] + ds * (row[..., 2] + ds * (row[..., 3] + ds * row[..., 4]))
        return value


@dataclass
class LaneRecord:
    """A lane of a section; marks are (ds, mark name, colour, laneChange) of its outer border."""

    id: int
    kind: str
    width: Cubics
    marks: list[tuple[float, str, str, str]]
    speed_mps: float | None = None
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


@dataclass
class RoadRecord:
    """A road; `link` maps predecessor/successor to (element type, id, contact point)."""

    id: int
    junction: int
    length: float
    left_hand: bool
    geometry: list[tuple[float, float, float, float, float, str, dict[str, Any]]]
    elevation: Cubics
    superelevation: Cubics
    lane_offset: Cubics
    sections: list[SectionRecord]
    link: dict[str, tuple[str, int, str]]
    speeds: list[tuple[float, float]]
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
        z = float(self.elevation(s)) + t * float(np.sin(self.superelevation(s))) + h
        return x - t * float(np.sin(heading)), y + t * float(np.cos(heading)), z, heading

    def lane_t(self, section: SectionRecord, lane_id: int, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lateral position (N,) of a lane's centre, and its width (N,), at arc lengths s (N,), m."""
        sign = 1 if lane_id > 0 else -1
        ds = np.asarray(s) - section.s0
        inner = np.zeros_like(ds)
        for k in range(1, abs(lane_id)):
            if sign * k in section.lanes:
                inner = inner + section.lanes[sign * k].width(ds)
        width = np.maximum(section.lanes[lane_id].width(ds), 0.0)
        return self.lane_offset(s) + sign * (inner + 0.5 * width), width

    def forward(self, lane: LaneRecord) -> bool:
        """Whether traffic on a lane follows the direction of the reference line."""
        return ((lane.id < 0) != self.left_hand) != lane.reversed

    def speed_at(self, s: float) -> float | None:
        """Speed limit, m/s, from the road's type at s; None if there is none."""
        limit = None
        for start, value in self.speeds:
            if start <= s + 1e-6:
                limit = value
        return limit


@dataclass
class XmlMap:
    """Everything in a file that is used."""

    roads: dict[int, RoadRecord]
    connections: dict[int, list[tuple[int, int, str, list[tuple[int, int]]]]]  # junction -> (incoming, connecting, ...)
    junction_controllers: dict[int, list[tuple[str, int]]]  # junction -> (controller id, sequence)
    controllers: dict[str, tuple[int, list[str]]]  # controller -> (sequence, signal ids)
    header: Header
    text: str  # the file with its roads in the map frame


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


def _num(node: Any, name: str, default: float | None = None) -> float:
    text = node.get(name)
    if text is None and default is not None:
        return default
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise InputError(f"<{node.tag}> needs a number, got {text!r}", line=node.sourceline, field=name) from None
    if not np.isfinite(value):
        raise InputError(f"<{node.tag}> must be finite, got {text!r}", line=node.sourceline, field=name)
    return value


def _int(node: Any, name: str, default: int | None = None) -> int:
    return int(_num(node, name, None if default is None else float(default)))


def _cubics(parent: Any, path: str, start: str = "s") -> Cubics:
    if parent is None:
        return Cubics([])
    return Cubics([(_num(n, start, 0.0), *(_num(n, k, 0.0) for k in "abcd")) for n in parent.findall(path)])  # type: ignore[misc]


def _speed(node: Any) -> float | None:
    text = node.get("max")
    try:
        value = float(text) * _MPS.get(node.get("unit", ""), 1.0)
    except (TypeError, ValueError):
        return None  # "no limit", "undefined"
    return value if 0.5 < value < 150 else None


def _lane(node: Any) -> LaneRecord:
    kind = node.get("type", "none")
    marks = [
        (_num(m, "sOffset", 0.0), m.get("type", "none"), m.get("color", "standard"), m.get("laneChange", ""))
        for m in node.findall("roadMark")
    ]
    speeds = [v for v in (_speed(n) for n in node.findall("speed")) if v is not None]
    heights = [_num(n, "outer", 0.0) for n in node.findall("height")]
    link = {k: node.find(f"link/{k}") for k in ("predecessor", "successor")}
    return LaneRecord(
        id=_int(node, "id"),
        kind=_KIND.get(kind, kind),
        width=_cubics(node, "width", "sOffset"),
        marks=sorted(marks),
        speed_mps=speeds[0] if speeds else None,
        height=heights[0] if heights else 0.0,
        predecessor=None if link["predecessor"] is None else _int(link["predecessor"], "id"),
        successor=None if link["successor"] is None else _int(link["successor"], "id"),
        reversed=node.get("direction") == "reversed",
    )


def _geometry(node: Any) -> tuple[float, float, float, float, float, str, dict[str, Any]]:
    shape, p = "line", {}
    for child in node:
        if child.tag in ("line", "arc", "spiral", "poly3", "paramPoly3"):
            shape = child.tag
            p = {k: _num(child, k) for k in child.attrib if k != "pRange"}
            p["arcLength"] = child.get("pRange", "normalized") == "arcLength"
    s, x, y, hdg, length = (_num(node, k) for k in ("s", "x", "y", "hdg", "length"))
    return s, x, y, hdg, length, shape, p


def _placed(node: Any) -> dict[str, Any]:
    """A signal, reference or object as a dictionary of its attributes, with its validity and outlines."""
    record: dict[str, Any] = dict(node.attrib)
    for name in ("s", "t", "zOffset", "hOffset", "hdg", "length", "width", "height", "radius"):
        try:
            value = float(node.get(name, 0.0))
            record[name] = value if np.isfinite(value) else 0.0
        except ValueError:
            record[name] = 0.0
    record["validity"] = [(_int(v, "fromLane", 0), _int(v, "toLane", 0)) for v in node.findall("validity")]
    record["cornerLocal"] = [tuple(_num(c, k, 0.0) for k in ("u", "v", "z")) for c in node.findall(".//cornerLocal")]
    record["cornerRoad"] = [tuple(_num(c, k, 0.0) for k in ("s", "t", "dz")) for c in node.findall(".//cornerRoad")]
    record["repeat"] = [
        {
            **{k: _num(r, k, -1.0) for k in ("s", "length", "distance", "heightStart", "widthStart")},
            **{k: _num(r, k, record["t"]) for k in ("tStart", "tEnd")},
            "zOffsetStart": _num(r, "zOffsetStart", record["zOffset"]),
        }
        for r in node.findall("repeat")
    ]
    return record


def _road(node: Any) -> RoadRecord:
    length = _num(node, "length")
    sections = [SectionRecord(_num(n, "s", 0.0), length) for n in node.findall("lanes/laneSection")]
    for section, n in zip(sections, node.findall("lanes/laneSection"), strict=True):
        for lane in n.findall(".//lane"):
            record = _lane(lane)
            section.lanes[record.id] = record
    if not sections:
        raise InputError("<road> has no <laneSection>", line=node.sourceline, field="lanes")
    if length <= 0:
        raise InputError(f"<road> must be longer than 0, got {length:g}", line=node.sourceline, field="length")
    sections.sort(key=lambda section: section.s0)
    for section, after in pairwise(sections):
        section.s1 = after.s0
    link = {}
    for k in ("predecessor", "successor"):
        n = node.find(f"link/{k}")
        if n is not None and n.get("elementId") is not None:
            link[k] = (n.get("elementType", "road"), _int(n, "elementId"), n.get("contactPoint", ""))
    speeds = []
    for n in node.findall("type"):
        limits = [v for v in (_speed(x) for x in n.findall("speed")) if v is not None]
        if limits:
            speeds.append((_num(n, "s", 0.0), limits[0]))
    geometry = sorted((_geometry(n) for n in node.findall("planView/geometry")), key=lambda g: g[0])
    if not geometry:
        raise InputError("<road> has no <planView> geometry", line=node.sourceline, field="planView")
    return RoadRecord(
        id=_int(node, "id"),
        junction=_int(node, "junction", -1),
        length=length,
        left_hand=node.get("rule", "RHT") == "LHT",
        geometry=geometry,
        elevation=_cubics(node.find("elevationProfile"), "elevation"),
        superelevation=_cubics(node.find("lateralProfile"), "superelevation"),
        lane_offset=_cubics(node.find("lanes"), "laneOffset"),
        sections=sections,
        link=link,
        speeds=sorted(speeds),
        signals=[_placed(n) for n in node.findall("signals/signal")],
        references=[_placed(n) for n in node.findall("signals/signalReference")],
        objects=[_placed(n) for n in node.findall("objects/object")],
    )


def read_xml(path: str | Path) -> XmlMap:
    """Read a file; InputError if it is not OpenDRIVE or has no roads."""
    from lxml import etree

    try:
        root = etree.parse(
            str(path), etree.XMLParser(resolve_entities=False, huge_tree=True, no_network=True)
        ).getroot()
    except (OSError, etree.XMLSyntaxError) as error:
        raise InputError(f"expected an OpenDRIVE XML file: {str(error).splitlines()[0]}", file=path) from None
    for node in root.iter():
        if isinstance(node.tag, str) and "}" in node.tag:
            node.tag = node.tag.rsplit("}", 1)[1]
    if root.tag != "OpenDRIVE":
        raise InputError(f"expected <OpenDRIVE> at the root, got <{root.tag}>", file=path)
    header = place_roads(root)
    try:
        roads = {road.id: road for road in map(_road, root.findall("road"))}
        connections: dict[int, list[tuple[int, int, str, list[tuple[int, int]]]]] = {}
        junction_controllers: dict[int, list[tuple[str, int]]] = {}
        for junction in root.findall("junction"):
            jid = _int(junction, "id")
            connections[jid] = [
                (
                    _int(c, "incomingRoad", -1),
                    _int(c, "connectingRoad", -1),
                    c.get("contactPoint", "start"),
                    [(_int(k, "from"), _int(k, "to")) for k in c.findall("laneLink")],
                )
                for c in junction.findall("connection")
            ]
            junction_controllers[jid] = [
                (c.get("id", ""), _int(c, "sequence", 0)) for c in junction.findall("controller")
            ]
        controllers = {
            c.get("id", ""): (
                _int(c, "sequence", 0),
                list(dict.fromkeys(k.get("signalId", "") for k in c.findall("control"))),
            )
            for c in root.findall("controller")
        }
    except InputError as error:
        raise InputError(str(error), file=path) from None
    if not roads:
        raise InputError("the file has no <road>", file=path, field="road")
    text = etree.tostring(root, encoding="unicode")
    return XmlMap(roads, connections, junction_controllers, controllers, header, text)
