"""Lights, signs and spawn points of a map: as much of OpenDRIVE as that needs.

Reference lines are followed through lines and arcs; other geometries are taken as straight from where they begin.
Heights are zero. All results are in CARLA's frame: y to the right, degrees clockwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from xml.etree import ElementTree

_LIGHT_TYPES = {"1000001"}
_SIGN_TYPES = {"205": "traffic.yield", "206": "traffic.stop"}


@dataclass(frozen=True)
class Signal:
    """`type_id` of the actor; signals with the same `group` belong to one junction."""

    id: str
    type_id: str
    location: tuple[float, float, float]
    yaw_deg: float
    group: str


@dataclass(frozen=True)
class MapActors:
    signals: list[Signal] = field(default_factory=list)
    spawn_points: list[tuple[tuple[float, float, float], float]] = field(default_factory=list)  # location, yaw


def read_map(text: str) -> MapActors:
    """What is in the text, or nothing if it is no XML."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return MapActors()
    found = MapActors()
    groups = {
        control.get("signalId", ""): controller.get("id", "")
        for controller in root.iter("controller")
        for control in controller.iter("control")
    }
    for road in root.iter("road"):
        for signal in road.iter("signal"):
            kind = "traffic.traffic_light" if signal.get("type") in _LIGHT_TYPES else ""
            kind = kind or _SIGN_TYPES.get(signal.get("type", ""), "")
            if kind:
                x, y, heading = _place(road, float(signal.get("s", 0)), float(signal.get("t", 0)))
                if signal.get("orientation") == "-":
                    heading += math.pi
                name = signal.get("id", "")
                yaw = -math.degrees(heading)
                found.signals.append(Signal(name, kind, (x, -y, 0.0), yaw, groups.get(name, name)))
        if road.get("junction", "-1") == "-1":
            _add_spawn_points(road, found)
    return found


def _add_spawn_points(road: ElementTree.Element, found: MapActors) -> None:
    """One in the middle of each driving lane next to the reference line, if it holds a vehicle at all."""
    length = float(road.get("length", 0))
    if length < 15.0:
        return
    section = road.find("lanes/laneSection")
    for lane in section.iter("lane") if section is not None else ():
        number, width = int(lane.get("id", 0)), lane.find("width")
        if abs(number) == 1 and lane.get("type") == "driving" and width is not None:
            offset = math.copysign(float(width.get("a", 3.5)) / 2, number)
            x, y, heading = _place(road, length / 2, offset)
            if number > 0:
                heading += math.pi
            found.spawn_points.append(((x, -y, 0.0), -math.degrees(heading)))


def _place(road: ElementTree.Element, s: float, t: float) -> tuple[float, float, float]:
    """x, y and heading (rad) at (s, t), in the frame of OpenDRIVE."""
    pieces = [g for g in road.iter("geometry") if float(g.get("s", 0)) <= s + 1e-6]
    piece = pieces[-1] if pieces else next(road.iter("geometry"))
    x, y, heading = (float(piece.get(name, 0)) for name in ("x", "y", "hdg"))
    along, arc = s - float(piece.get("s", 0)), piece.find("arc")
    if arc is not None:
        curvature = float(arc.get("curvature", 0))
        turn = along * curvature
        chord = 2.0 * math.sin(turn / 2) / curvature if curvature else along
        x, y = x + chord * math.cos(heading + turn / 2), y + chord * math.sin(heading + turn / 2)
        heading += turn
    else:
        x, y = x + along * math.cos(heading), y + along * math.sin(heading)
    return x - t * math.sin(heading), y + t * math.cos(heading), heading
