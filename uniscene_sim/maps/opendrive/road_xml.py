"""The XML of an OpenDRIVE file as plain records: roads, lanes, links, signals, objects, controllers."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.opendrive.cubics import Cubics
from uniscene_sim.maps.opendrive.lateral_profile import LateralProfile, ShapeProfile
from uniscene_sim.maps.opendrive.losses import Losses
from uniscene_sim.maps.opendrive.road_marks import RoadMark, read_road_marks
from uniscene_sim.maps.opendrive.virtual_junctions import cut_main_roads
from uniscene_sim.maps.opendrive.xml_values import finite_number, whole_number

__all__ = [
    "DEFAULT_SPEED_MPS",
    "MAX_LANE_M",
    "LaneRecord",
    "RoadLink",
    "RoadRecord",
    "SectionRecord",
    "XmlMap",
    "read_xml",
]

MAX_LANE_M = 1e7  # all lanes together; a wrong length must not fill the memory
DEFAULT_SPEED_MPS = 50 / 3.6  # where a file gives no limit
_MPS = {"mph": 0.44704, "km/h": 1 / 3.6, "kmh": 1 / 3.6, "kph": 1 / 3.6, "m/s": 1.0, "": 1.0}
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
class OutlineRecord:
    """An outline of an object: corners (N, 4), m, along s and t of the road or u and v of the object (`by_road`), above
    its foot, and height."""

    corners: np.ndarray
    by_road: bool
    closed: bool


@dataclass(frozen=True)
class RepeatRecord:
    """A row of copies of an object from s on, or one long body where the distance between copies is 0, m; what changes
    along it by name (t, height, width, length, zOffset, radius), from the first value to the second."""

    s: float
    length: float
    distance: float
    both: dict[str, tuple[float, float]]
    straight: bool  # from end to end, whatever the bends of the road

    def at(self, name: str, q: float) -> float:
        """A value at a part of the way."""
        start, end = self.both[name]
        return start + q * (end - start)


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


def _cubics(parent: Any, path: str, start: str = "s") -> Cubics:
    """Records of an element; what changes along a road is zero before its first one."""
    cubics = Cubics([]) if parent is None else _records(parent.findall(path), start)
    if start == "s" and cubics.rows[0, 0] > 0:
        return Cubics([(0.0, 0.0, 0.0, 0.0, 0.0), *cubics.rows.tolist()])
    return cubics


def _records(nodes: list[Any], start: str = "s") -> Cubics:
    return Cubics([(finite_number(n, start, 0.0), *(finite_number(n, k, 0.0) for k in "abcd")) for n in nodes])  # type: ignore[misc]


def _speeds(node: Any, losses: Losses) -> list[tuple[float, float | None]]:
    """Limits (m/s; infinite: no limit, None: not told) of the <speed> of a lane, by their places on it, m."""
    found = []
    for n in node.findall("speed"):
        limit = _speed(n)
        if limit is None and _limit_word(n) != "undefined":
            losses.add("speed limits not understood", f"max={n.get('max')!r} unit={n.get('unit')!r}")
        else:
            found.append((finite_number(n, "sOffset", 0.0), limit))
    return sorted(found, key=lambda item: item[0])


def _limit_word(node: Any) -> str:
    return str(node.get("max", "undefined")).strip().lower().replace(" ", "").replace("_", "")


def _speed(node: Any) -> float | None:
    """A limit, m/s; infinite: none; None: not told."""
    if _limit_word(node) == "nolimit":
        return float("inf")
    factor = _MPS.get(node.get("unit", "").strip().lower())
    try:
        value = finite_number(node, "max") * (factor or float("nan"))
    except InputError:
        return None
    return value if 0.5 < value < 150 else None


def _lane(node: Any, losses: Losses) -> LaneRecord:
    kind = node.get("type", "none")
    heights = [finite_number(n, "outer", 0.0) for n in node.findall("height")]
    link = {k: node.find(f"link/{k}") for k in ("predecessor", "successor")}
    return LaneRecord(
        id=whole_number(node, "id"),
        kind=_KIND.get(kind, kind),
        width=_cubics(node, "width", "sOffset"),
        marks=read_road_marks(node, losses),
        speeds=_speeds(node, losses),
        is_level=node.get("level") in ("true", "1"),
        height=heights[0] if heights else 0.0,
        predecessor=None if link["predecessor"] is None else whole_number(link["predecessor"], "id"),
        successor=None if link["successor"] is None else whole_number(link["successor"], "id"),
        reversed=node.get("direction") == "reversed",
    )


def _geometry(node: Any) -> tuple[float, float, float, float, float, str, dict[str, Any]]:
    shape, p = "line", {}
    for child in node:
        if child.tag in ("line", "arc", "spiral", "poly3", "paramPoly3"):
            shape = child.tag
            p = {k: finite_number(child, k) for k in child.attrib if k != "pRange"}
            p["arcLength"] = child.get("pRange", "normalized") == "arcLength"
    s, x, y, hdg, length = (finite_number(node, k) for k in ("s", "x", "y", "hdg", "length"))
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
    record["validity"] = [
        (whole_number(v, "fromLane", 0), whole_number(v, "toLane", 0)) for v in node.findall("validity")
    ]
    record["cornerLocal"] = [
        tuple(finite_number(c, k, 0.0) for k in ("u", "v", "z")) for c in node.findall(".//cornerLocal")
    ]
    record["cornerRoad"] = [
        tuple(finite_number(c, k, 0.0) for k in ("s", "t", "dz")) for c in node.findall(".//cornerRoad")
    ]
    record["outlines"] = [_outline(n, record["height"]) for n in node.iter("outline")]
    record["repeat"] = [_repeat(r, record) for r in node.findall("repeat")]
    return record


def _outline(node: Any, height: float) -> OutlineRecord:
    road = [[finite_number(c, k, 0.0) for k in ("s", "t", "dz")] for c in node.findall("cornerRoad")]
    local = [[finite_number(c, k, 0.0) for k in ("u", "v", "z")] for c in node.findall("cornerLocal")]
    heights = [finite_number(c, "height", height) for c in node.findall("cornerRoad" if road else "cornerLocal")]
    corners = np.column_stack([road or local, heights]) if heights else np.zeros((0, 4))
    return OutlineRecord(corners, bool(road), node.get("closed", "true") not in ("false", "0"))


def _repeat(node: Any, record: dict[str, Any]) -> RepeatRecord:
    """A repeat; what it does not say is as with the object itself."""
    both = {}
    for name, usual in (("t", "t"), ("height", "height"), ("width", "width"), ("length", "length"),
                        ("zOffset", "zOffset"), ("radius", "radius")):  # fmt: skip
        start = finite_number(node, f"{name}Start", record[usual])
        both[name] = (start, finite_number(node, f"{name}End", start))
    s, length, distance = (finite_number(node, k, 0.0) for k in ("s", "length", "distance"))
    return RepeatRecord(s, length, distance, both, node.get("detachFromReferenceLine") in ("true", "1"))


def _lateral(node: Any) -> LateralProfile:
    if node is None:
        return LateralProfile(Cubics([]), (Cubics([]), Cubics([])), ())
    sides = (("left", "both"), ("right", "both"))
    falls = [[n for n in node.findall("crossfall") if n.get("side", "both") in side] for side in sides]
    rows: dict[float, list[tuple[float, float, float, float, float]]] = {}
    for n in node.findall("shape"):
        a, b, c, d = (finite_number(n, k, 0.0) for k in "abcd")
        rows.setdefault(finite_number(n, "s", 0.0), []).append((finite_number(n, "t", 0.0), a, b, c, d))
    shapes = [ShapeProfile(s, Cubics(pieces)) for s, pieces in rows.items()]
    return LateralProfile(_cubics(node, "superelevation"), (_records(falls[0]), _records(falls[1])), shapes)


def _sections(node: Any, length: float, losses: Losses) -> list[SectionRecord]:
    sections = []
    for n in node.findall("lanes/laneSection"):
        section = SectionRecord(finite_number(n, "s", 0.0), length)
        borders: dict[int, Cubics] = {}
        for lane in n.findall(".//lane"):
            record = _lane(lane, losses)
            section.lanes[record.id] = record
            if lane.find("border") is not None and lane.find("width") is None:
                borders[record.id] = _cubics(lane, "border", "sOffset")
            elif record.id and lane.find("width") is None and record.kind != "none":
                where = f"lane {record.id} of road {node.get('id')!r} from s = {section.s0:g}"
                losses.add("lanes without <width> or <border> left out", where)
        _widths_from_borders(section, borders, _cubics(node.find("lanes"), "laneOffset"))
        sections.append(section)
    return sections


def _widths_from_borders(section: SectionRecord, borders: dict[int, Cubics], offset: Cubics) -> None:
    """Set the widths of lanes whose outer borders, by lane id, are given as positions across the road."""
    if not borders:
        return
    middle = Cubics([(row[0] - section.s0, *row[1:]) for row in offset.rows.tolist()])
    for sign in (1, -1):
        inner = middle
        for lane_id in sorted((k for k in section.lanes if sign * k > 0), key=abs):
            lane = section.lanes[lane_id]
            if lane_id in borders:
                lane.width = (borders[lane_id] - inner).scaled(sign)
            inner = borders[lane_id] if lane_id in borders else inner - lane.width.scaled(-sign)


def _geometries(node: Any) -> list[tuple[float, float, float, float, float, str, dict[str, Any]]]:
    geometry = sorted((_geometry(n) for n in node.findall("planView/geometry")), key=lambda g: g[0])
    if not geometry:
        raise InputError("<road> has no <planView> geometry", line=node.sourceline, field="planView")
    geometry = [piece for piece in geometry if piece[4] > 0]
    if not geometry:
        raise InputError("<road> has no geometry longer than 0", line=node.sourceline, field="planView")
    return geometry


def _road(node: Any, losses: Losses) -> RoadRecord:
    length = finite_number(node, "length")
    sections = _sections(node, length, losses)
    if not sections:
        raise InputError("<road> has no <laneSection>", line=node.sourceline, field="lanes")
    if not 0 < length <= MAX_LANE_M:
        why = f"expected a length above 0 and up to {MAX_LANE_M:.0e} m, got {length:g}"
        raise InputError(why, line=node.sourceline, field="length")
    geometry = _geometries(node)
    if not any(any(section.lanes) for section in sections):
        raise InputError("<road> has no lanes beside its centre", line=node.sourceline, field="lanes")
    sections.sort(key=lambda section: section.s0)
    for section, after in pairwise(sections):
        section.s1 = after.s0
    link = {}
    for k in ("predecessor", "successor"):
        n = node.find(f"link/{k}")
        if n is not None and n.get("elementId") is not None:
            s = None if n.get("elementS") is None else finite_number(n, "elementS")
            contact, direction = n.get("contactPoint", ""), n.get("elementDir", "+")
            link[k] = RoadLink(n.get("elementType", "road"), n.get("elementId"), contact, s, direction)
    speeds = []
    for n in node.findall("type"):
        limits = _speeds(n, losses)
        speeds.append((finite_number(n, "s", 0.0), limits[0][1] if limits else None))
    return RoadRecord(
        id=node.get("id", ""),
        junction="" if node.get("junction") == "-1" else node.get("junction", ""),
        length=length,
        left_hand=node.get("rule", "RHT") == "LHT",
        geometry=geometry,
        elevation=_cubics(node.find("elevationProfile"), "elevation"),
        lateral=_lateral(node.find("lateralProfile")),
        lane_offset=_cubics(node.find("lanes"), "laneOffset"),
        sections=sections,
        link=link,
        speeds=sorted(speeds, key=lambda item: item[0]),
        signals=losses.readable("left out", node.findall("signals/signal"), _placed, "signal"),
        references=losses.readable("left out", node.findall("signals/signalReference"), _placed, "signal reference"),
        objects=losses.readable("left out", node.findall("objects/object"), _placed, "object"),
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
    cut_main_roads(root)
    losses = Losses()
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
    return XmlMap(roads, connections, junction_controllers, dict(controllers), losses)


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
