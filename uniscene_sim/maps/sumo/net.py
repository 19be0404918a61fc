"""Road networks of SUMO taken apart: edges with their lanes, how these connect, junctions, programs of lights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.limits.bounds import LANE_WIDTH_M
from uniscene_sim.maps.geo_reference import GeoReference, MapOffset
from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.xml_file import xml_root
from uniscene_sim.maps.xml_values import finite_number, whole_number
from uniscene_sim.storage.input_file import MIB, read_input

__all__ = ["MOST_NET", "SUMO_SUFFIXES", "Connection", "Edge", "NetLane", "SumoNet", "is_sumo", "net_ref", "read_net",
           "read_shape"]  # fmt: skip

SUMO_SUFFIXES = (".net.xml", ".net.xml.gz")
MOST_NET = 512 * MIB
_WHAT = "a road network of SUMO (.net.xml)"
_FORMAT = "2"  # of what the reader makes, part of the identity of its maps
_WIDTH_M = 3.2  # of lanes that tell none
_NOT_ROADS = frozenset({"tram", "rail_urban", "rail", "rail_electric", "rail_fast", "ship", "cable_car", "subway",
                        "aircraft", "drone", "container"})  # fmt: skip
_CARS = frozenset({"passenger", "private", "taxi", "truck", "evehicle", "hov"})
_SLOW_CARS = frozenset({"delivery", "motorcycle", "moped"})


@dataclass(frozen=True)
class NetLane:
    """A lane of an edge."""

    id: str
    kind: str  # driving, bus, biking, sidewalk; empty where nothing on a road may drive
    line: np.ndarray  # (N, 3) m
    width_m: float
    speed_mps: float


@dataclass(frozen=True)
class Edge:
    """An edge: its lanes from the right to the left."""

    id: str
    function: str  # normal, internal, crossing, walkingarea
    ends: tuple[str, str]  # junctions; empty for internal ones
    lanes: tuple[NetLane, ...]


@dataclass(frozen=True)
class Connection:
    """Where a lane leads to, and what rules it."""

    before: str  # ids of lanes
    after: str
    via: str  # lane inside the junction; empty if none
    light: str  # id of a program, empty if none
    link: int  # its index there
    state: str  # M has priority, m yields, s stops, ...


@dataclass(frozen=True)
class SumoNet:
    """A network."""

    edges: tuple[Edge, ...]
    connections: tuple[Connection, ...]
    junctions: dict[str, np.ndarray]  # outline (N, 2), m, by id
    programs: dict[str, tuple[tuple[float, str], ...]]  # duration, s, and state of each phase
    left_hand: bool
    geo_reference: GeoReference | None
    losses: Losses


def is_sumo(path: str | Path) -> bool:
    """Whether a file is called as networks of SUMO are."""
    return str(path).lower().endswith(SUMO_SUFFIXES)


def net_ref(paths: Sequence[str | Path]) -> str:
    """Identity of the map of a network and of the files that lie beside it."""
    sha = hashlib.sha256(_FORMAT.encode())
    for path in paths:
        sha.update(hashlib.sha256(read_input(path, MOST_NET, _WHAT)).digest())
    return sha.hexdigest()


def read_net(path: str | Path) -> SumoNet:
    """Read a network.

    Raises:
        InputError: the file is damaged, too large, no network, or has no lanes.
    """
    root = xml_root(path, MOST_NET, _WHAT, "net")
    losses = Losses()
    edges = losses.readable("left out", root.findall("edge"), lambda node: _edge(node, losses), "edge")
    known: dict[str, Edge] = {}
    for edge in edges:
        if edge.id in known:
            losses.add("left out, for their ids occur before", f"edge {edge.id!r}")
        elif edge.lanes:
            known[edge.id] = edge
    if not any(edge.function == "normal" for edge in known.values()):
        raise InputError("has no roads; expected edges with lanes", file=path, field="edge")
    connections = losses.readable("left out", root.findall("connection"), _connection, "connection")
    junctions = losses.readable("drawn without pavement", root.findall("junction"), _junction, "junction")
    programs = losses.readable("left out", root.findall("tlLogic"), _program, "tlLogic")
    return SumoNet(
        tuple(known.values()), tuple(connections), dict(j for j in junctions if len(j[1]) > 2), dict(programs),
        root.get("lefthand", "false") == "true", _geo_reference(root, losses), losses,
    )  # fmt: skip


def read_shape(node: Any, name: str = "shape") -> np.ndarray:
    """Points (N, 3), m, of an attribute "x,y[,z] x,y[,z] ...".

    Raises:
        InputError: something else stands there.
    """
    text = node.get(name, "")
    try:
        points = [tuple(map(float, point.split(","))) for point in text.split()]
        rows = np.array([(*p, 0.0) if len(p) == 2 else p for p in points], dtype=np.float64).reshape(-1, 3)
    except ValueError:
        raise InputError(f"<{node.tag}> needs places x,y or x,y,z, got {text[:40]!r}", line=node.sourceline,
                         field=name) from None  # fmt: skip
    if not (np.abs(rows) < 1e8).all():
        raise InputError(f"<{node.tag}> has places that are not finite or far off", line=node.sourceline, field=name)
    return rows


def _edge(node: Any, losses: Losses) -> Edge:
    function = node.get("function", "normal")
    lanes = [lane for lane in node.findall("lane")]
    lanes.sort(key=lambda lane: whole_number(lane, "index", 0))
    read = [lane for k in lanes if (lane := _lane(k, function == "walkingarea")) is not None]
    if len(read) < len(lanes):
        losses.add("left out, for they have no length", f"lane of edge {node.get('id')!r}")
    if read and not any(lane.kind for lane in read):
        losses.add("left out, for nothing drives or walks there", f"edge {node.get('id')!r}")
        read = []
    return Edge(node.get("id", ""), function, (node.get("from", ""), node.get("to", "")), tuple(read))


def _lane(node: Any, is_area: bool) -> NetLane | None:
    line = read_shape(node)
    step = np.hypot(*np.diff(line[:, :2], axis=0).T)
    line = line[np.concatenate([[True], step > 0.01])] if len(line) else line
    if len(line) < (3 if is_area else 2):
        return None
    width = finite_number(node, "width", _WIDTH_M)
    if not 0.0 < width <= LANE_WIDTH_M.most:
        raise InputError(f"expected {LANE_WIDTH_M}, got {width:g}", line=node.sourceline, field="width")
    speed = finite_number(node, "speed", 13.9)
    return NetLane(node.get("id", ""), _kind(node), line, width, max(speed, 0.5))


def _kind(node: Any) -> str:
    """Kind of a lane by what may use it."""
    allow, disallow = node.get("allow"), set(node.get("disallow", "").split())
    if "all" in disallow:
        return ""
    if allow is None or allow == "all":
        return "driving" if "passenger" not in disallow else "bus" if "pedestrian" in disallow else "sidewalk"
    allowed = set(allow.split())
    if allowed & _CARS:
        return "driving"
    if "pedestrian" in allowed:
        return "sidewalk"
    if allowed & _SLOW_CARS:
        return "driving"
    if "bicycle" in allowed:
        return "biking"
    if allowed & {"bus", "coach", "emergency", "authority"}:
        return "bus"
    return "" if allowed <= _NOT_ROADS else "shoulder"


def _connection(node: Any) -> Connection:
    before = f"{node.get('from', '')}_{whole_number(node, 'fromLane')}"
    after = f"{node.get('to', '')}_{whole_number(node, 'toLane')}"
    link = whole_number(node, "linkIndex", -1)
    return Connection(before, after, node.get("via", ""), node.get("tl", ""), link, node.get("state", ""))


def _junction(node: Any) -> tuple[str, np.ndarray]:
    if node.get("type") == "internal":
        return node.get("id", ""), np.zeros((0, 2))
    return node.get("id", ""), read_shape(node)[:, :2]


def _program(node: Any) -> tuple[str, tuple[tuple[float, str], ...]]:
    phases = [(finite_number(phase, "duration"), phase.get("state", "")) for phase in node.findall("phase")]
    if not phases or any(duration < 0 or not state for duration, state in phases):
        raise InputError("expected phases with a duration and a state", line=node.sourceline, field="phase")
    return node.get("id", ""), tuple(phases)


def _geo_reference(root: Any, losses: Losses) -> GeoReference | None:
    node = root.find("location")
    projection = node.get("projParameter", "!") if node is not None else "!"
    if projection in ("!", "-", ".", ""):
        return None
    try:
        x, y = (float(v) for v in node.get("netOffset", "0,0").split(",")[:2])
    except ValueError:
        losses.add("drawn without its place on the earth", f"netOffset {node.get('netOffset')!r}")
        return None
    return GeoReference(projection.strip(), MapOffset(-x, -y))
