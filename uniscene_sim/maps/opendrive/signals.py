"""Traffic lights, signs, stop lines and signal programs of an OpenDRIVE file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from uniscene_sim.geometry import point_in_polygon, wrap_angle
from uniscene_sim.maps.elements import Crossing, Lane, Signal, SignalProgram, StopLine
from uniscene_sim.maps.opendrive.bodies import placed_corners
from uniscene_sim.maps.opendrive.objects import outline
from uniscene_sim.maps.opendrive.road_xml import RoadRecord, XmlMap
from uniscene_sim.maps.opendrive.speeds_xml import MPS_OF_UNIT

__all__ = ["read_signals"]

Key = tuple[str, int, int]
_FASTEST = 1000.0  # no limit is as great, in any unit
_APPROACH_M = 60.0  # a light controls the end of a lane at most this far ahead


def _kind(record: dict[str, Any]) -> str:
    code, name = record.get("type", ""), record.get("name", "").lower()
    if code in ("1000001", "1000009", "1000010", "1000011"):
        return "traffic_light"
    if code in ("206", "R1-1") or "sign_stop" in name:
        return "stop"
    if code in ("205", "R1-2") or "sign_yield" in name:
        return "yield"
    if code in ("274", "R2-1") or (code == "c" and record.get("subtype") == "31"):
        return "speed"
    return "other"


def _speed_sign(record: dict[str, Any]) -> dict[str, Any] | None:
    """A speed sign of CARLA's towns, which are objects called Speed_90 (km/h) on the side of the traffic that they
    address."""
    name = record.get("name", "")
    if not name.startswith("Speed_") or not name[6:].isdigit():
        return None
    sides = [(-999, -1)] if record["t"] < 0 else [(1, 999)]
    return {**record, "type": "274", "value": name[6:], "unit": "km/h", "validity": sides}


def _speed(record: dict[str, Any]) -> float:
    try:
        value = float(record.get("value", 0.0))
    except ValueError:
        return 0.0
    if not value < _FASTEST:
        return 0.0
    if value <= 0:
        digits = "".join(c for c in record.get("name", "") if c.isdigit())
        value = float(digits or 0.0)
    if record.get("type") == "c":  # Sweden writes tens of km/h
        value *= 10
    return value * MPS_OF_UNIT.get(record.get("unit", "").strip().lower() or "km/h", 1 / 3.6)


def _lanes_here(road: RoadRecord, record: dict[str, Any], index: dict[Key, int], lanes: Sequence[Lane]) -> list[int]:
    """Driving lanes to which a signal, or a reference to one, applies at its place."""
    number = max((n for n, section in enumerate(road.sections) if section.s0 <= record["s"] + 1e-6), default=0)
    ids = sorted(k for k in road.sections[number].lanes if k) if road.sections else []
    if record["validity"]:
        ids = [k for k in ids if any(min(v) <= k <= max(v) for v in record["validity"])]
    elif record.get("orientation") in ("+", "-"):
        negative = (record["orientation"] == "+") != road.left_hand
        ids = [k for k in ids if (k < 0) == negative]
    found = [index[road.id, number, k] for k in ids if (road.id, number, k) in index]
    return [i for i in found if lanes[i].kind in ("driving", "bidirectional")]


def _approaches(start: int, lanes: Sequence[Lane]) -> list[int]:
    """Lanes outside a junction that lead into a lane of it, or else the lane itself up to the next junction ahead."""
    if lanes[start].junction:
        seen, todo, out = {start}, [start], []
        while todo:
            for p in lanes[todo.pop()].predecessors:
                if p in seen:
                    continue
                seen.add(p)
                if lanes[p].junction:
                    todo.append(p)
                else:
                    out.append(p)
        return sorted(out)
    lane, covered = start, 0.0
    while covered < _APPROACH_M:
        ahead = lanes[lane].successors
        if not ahead:
            break
        if any(lanes[a].junction for a in ahead):
            return [lane]
        lane = ahead[0]
        covered += lanes[lane].length
    return [start]


def _pose_at(lane: Lane, s: float) -> tuple[np.ndarray, float, float]:
    """Centre (3,), m, heading, rad, and width, m, of a lane at s."""
    along = lane.s
    centre = np.array([np.interp(s, along, lane.centre[:, k]) for k in range(3)])
    return centre, float(np.interp(s, along, np.unwrap(lane.heading))), float(np.interp(s, along, lane.width))


def _stop_line_at(lane: Lane, s: float, signal: int) -> StopLine:
    centre, heading, width = _pose_at(lane, s)
    normal = np.array([-np.sin(heading), np.cos(heading), 0.0])
    half = 0.5 * max(width, 2.0)
    return StopLine(np.stack([centre + half * normal, centre - half * normal]), lane.index, float(s), signal)


def _drawn_stop_lines(xml: XmlMap) -> list[np.ndarray]:
    """End points (2, 3), m, of stop lines that the file draws, as objects or as signals of type 294."""
    lines = []
    for road in xml.roads.values():
        for record in road.objects:
            if "stopline" not in (record.get("name", "") + record.get("type", "")).lower().replace(" ", ""):
                continue
            if record["cornerRoad"] or record["cornerLocal"]:
                corners = np.array([road.point(s, t, dz)[:3] for s, t, dz in record["cornerRoad"]])
                if not len(corners):
                    corners = placed_corners(road, record, np.array(record["cornerLocal"]))
            else:
                corners = outline(road, record)
            gaps = np.linalg.norm(corners[:, None] - corners[None], axis=2)
            lines.append(corners[list(np.unravel_index(int(gaps.argmax()), gaps.shape))])
        for record in road.signals:
            if record.get("type") == "294":
                half = 0.5 * max(record["width"], 2.5)
                lines.append(np.array([road.point(record["s"], record["t"] + side * half)[:3] for side in (1, -1)]))
    return lines


def _crossed_at(lane: Lane, line: np.ndarray) -> float | None:
    """Arc length at which a lane crosses a drawn line (2, 3), m, on its last 30 m; None if it does not."""
    middle, along = line.mean(axis=0), line[1] - line[0]
    length = float(np.linalg.norm(along[:2]))
    if length < 0.5 or abs(lane.centre[-1, 2] - middle[2]) > 3 or np.linalg.norm(lane.centre[-1] - middle) > 40:
        return None
    along = along[:2] / length
    side = (lane.centre[:, :2] - middle[:2]) @ np.array([-along[1], along[0]])
    cross = np.flatnonzero(side[:-1] * side[1:] <= 0)
    s = lane.s
    for i in cross[::-1]:
        q = side[i] / (side[i] - side[i + 1]) if side[i] != side[i + 1] else 0.0
        point = lane.centre[i, :2] + q * (lane.centre[i + 1, :2] - lane.centre[i, :2])
        if abs((point - middle[:2]) @ along) <= 0.5 * length + 0.3 and s[-1] - s[i] < 30:
            return float(s[i] + q * (s[i + 1] - s[i]))
    return None


def _stop_s(lane: Lane, lanes: Sequence[Lane], painted: list[np.ndarray], crossings: Sequence[Crossing]) -> float:
    """Arc length at which traffic of an approach stops: at the line drawn across it or an adjacent lane, else before a
    crossing, else just before the end of the lane."""
    s = lane.s
    for side in ("", "left", "right"):
        beside = lane if not side else lanes[getattr(lane, side)] if getattr(lane, side) >= 0 else None
        drawn = [x for x in (_crossed_at(beside, line) for line in painted) if x is not None] if beside else []
        if beside and drawn:
            return float(np.clip(s[-1] - (beside.length - max(drawn)), 0.0, s[-1]))
    stop = s[-1] - 0.5
    for crossing in crossings:
        middle = crossing.polygon.mean(axis=0)
        if np.linalg.norm(middle - lane.centre[-1]) > 25:
            continue
        for i in np.flatnonzero(s > s[-1] - 15):
            if point_in_polygon(lane.centre[i, 0], lane.centre[i, 1], crossing.polygon):
                stop = min(stop, s[i] - 1.2)
                break
    return float(np.clip(stop, 0.0, s[-1]))


def _axis(i: int, signals: list[Signal], lanes: Sequence[Lane]) -> float:
    """Direction of a light's approach, rad, modulo half a turn."""
    return float(lanes[signals[i].lanes[0]].heading[-1] if signals[i].lanes else signals[i].yaw) % np.pi


def _aligned(one: float, two: float) -> bool:
    return abs((one - two + np.pi / 2) % np.pi - np.pi / 2) < np.pi / 4


def _by_heading(junction: list[int], signals: list[Signal], lanes: Sequence[Lane]) -> tuple[tuple[int, ...], ...]:
    """Phases of a junction without controllers: approaches that face each other are green together."""
    groups: list[tuple[float, list[int]]] = []
    for i in junction:
        axis = _axis(i, signals, lanes)
        for mean, members in groups:
            if _aligned(axis, mean):
                members.append(i)
                break
        else:
            groups.append((axis, [i]))
    phases = tuple(tuple(members) for _, members in groups)
    return phases if len(phases) > 1 else (*phases, ())  # alone: an empty phase, in which pedestrians cross


def _in_order(identity: str) -> tuple[bool, int, str]:
    """Sorts ids: those that are numbers first."""
    is_number = identity.removeprefix("-").isdecimal()
    return not is_number, int(identity) if is_number else 0, identity


def _programs(xml: XmlMap, signals: list[Signal], lanes: Sequence[Lane]) -> tuple[SignalProgram, ...]:
    every = [signal for signal in signals if signal.kind == "traffic_light"]
    lights = {signal.id: signal.index for signal in reversed(every)}  # of several with one id, the first

    def junction_of(i: int) -> str:
        for lane in signals[i].lanes:
            for ahead in lanes[lane].successors:
                if lanes[ahead].junction:
                    return lanes[ahead].junction
        return str(-1 - i)

    claimed: dict[str, str] = {}
    for jid, listed in xml.junction_controllers.items():
        for controller, _ in listed:
            claimed.setdefault(controller, jid)
    by_junction: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
    taken: set[int] = set()
    for name, (sequence, ids) in xml.controllers.items():
        members = tuple(lights[i] for i in ids if i in lights and lights[i] not in taken)
        if members:
            taken.update(members)
            by_junction.setdefault(claimed.get(name, junction_of(members[0])), []).append((sequence, members))
    loose: dict[str, list[int]] = {}
    for i in (light.index for light in every):
        if i not in taken:
            loose.setdefault(junction_of(i), []).append(i)
    for jid in [j for j in by_junction if j in loose]:
        # Lights without a controller at a junction that has some: green with those opposite, or in their own phase.
        for phase in _by_heading(loose.pop(jid), signals, lanes):
            axis = _axis(phase[0], signals, lanes) if phase else 0.0
            for k, (sequence, members) in enumerate(by_junction[jid]):
                if phase and _aligned(axis, _axis(members[0], signals, lanes)):
                    by_junction[jid][k] = (sequence, (*members, *phase))
                    break
            else:
                if phase:
                    by_junction[jid].append((len(by_junction[jid]), phase))
    programs = []
    for jid in sorted(by_junction, key=_in_order):
        phases = tuple(members for _, members in sorted(by_junction[jid], key=lambda item: item[0]))
        programs.append(SignalProgram(phases if len(phases) > 1 else (*phases, ())))
    programs += [SignalProgram(_by_heading(loose[jid], signals, lanes)) for jid in sorted(loose, key=_in_order)]
    return tuple(programs)


def read_signals(
    lanes: Sequence[Lane], index: dict[Key, int], xml: XmlMap, crossings: Sequence[Crossing]
) -> tuple[tuple[StopLine, ...], tuple[Signal, ...], tuple[SignalProgram, ...]]:
    """Stop lines, signals and signal programs.

    Args:
        lanes: all lanes, linked.
        index: position of each lane by road, section and lane id.
        xml: the file.
        crossings: pedestrian crossings, before which traffic stops.
    """
    ruled: dict[str, list[int]] = {}
    for road in xml.roads.values():
        road.signals += [sign for sign in map(_speed_sign, road.objects) if sign]
        for record in road.references:
            ruled.setdefault(record.get("id", ""), []).extend(_lanes_here(road, record, index, lanes))
    painted = _drawn_stop_lines(xml)
    roadside = _Roadside(lanes)
    signals: list[Signal] = []
    stops: dict[int, StopLine] = {}
    for road in xml.roads.values():
        for record in road.signals:
            sid, kind = record.get("id", ""), _kind(record)
            if record.get("type") in ("294", "1000003"):
                continue
            # Of several signals with one id, references are to the first.
            here = [*_lanes_here(road, record, index, lanes), *ruled.pop(sid, [])]
            if not here and kind != "traffic_light":
                here = _lanes_here(road, {**record, "validity": []}, index, lanes)
                here = here or _lanes_here(road, {**record, "validity": [], "orientation": "none"}, index, lanes)
            if kind in ("traffic_light", "stop", "yield"):
                here = [a for i in here for a in _approaches(i, lanes)]
            here = sorted(set(here))
            x, y, z, heading = road.point(record["s"], record["t"])
            if here:
                yaw = float(lanes[here[0]].heading[-1]) + np.pi
            else:
                yaw = heading + record["hOffset"] + (np.pi if record.get("orientation") != "-" else 0.0)
            value = _speed(record) if kind == "speed" else 0.0
            foot = roadside(np.array([x, y, z]))
            signal = Signal(len(signals), sid, kind, foot, float(wrap_angle(yaw)), tuple(here), value)
            signals.append(signal)
            if kind in ("traffic_light", "stop"):
                rules = signal.index if kind == "traffic_light" else -1
                for i in here:
                    if i not in stops or (stops[i].signal < 0 <= rules):
                        at = _stop_s(lanes[i], lanes, painted, crossings)
                        if not any(lanes[a].junction for a in lanes[i].successors):
                            at = _s_before(lanes[i], signal.position)  # a light between junctions
                        stops[i] = _stop_line_at(lanes[i], at, rules)
    for i in _stencilled(lanes, xml):
        if i not in stops:
            stops[i] = _stop_line_at(lanes[i], _stop_s(lanes[i], lanes, painted, crossings), -1)
    return tuple(stops[i] for i in sorted(stops)), tuple(signals), _programs(xml, signals, lanes)


class _Roadside:
    """Moves a pole that the file places on a carriageway to the nearest place beside it."""

    def __init__(self, lanes: Sequence[Lane]):
        driving = [lane for lane in lanes if lane.kind in ("driving", "bidirectional") and lane.width.max() > 0.5]
        self.points = np.concatenate([lane.centre for lane in driving]) if driving else np.zeros((0, 3))
        self.half = 0.5 * np.concatenate([lane.width for lane in driving]) if driving else np.zeros(0)

    def clearance(self, at: np.ndarray) -> np.ndarray:
        """Distance (N,), m, of places (N, 3) from the nearest driving lane of their deck."""
        near = np.abs(self.points[:, 2] - at[0, 2]) < 3.0
        near &= np.linalg.norm(self.points[:, :2] - at[0, :2], axis=1) < 60.0
        if not near.any():
            return np.full(len(at), np.inf)
        gaps = np.linalg.norm(at[:, None, :2] - self.points[None, near, :2], axis=2) - self.half[near]
        nearest: np.ndarray = gaps.min(axis=1)
        return nearest

    def __call__(self, foot: np.ndarray) -> np.ndarray:
        if self.clearance(foot[None])[0] > 0.3:
            return foot
        angle = np.arange(32) * (2 * np.pi / 32)
        ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(32)], axis=1)
        places = np.concatenate([foot[None], *(foot + radius * ring for radius in np.arange(0.5, 25.0, 0.5))])
        clear = np.flatnonzero(self.clearance(places) > 0.8)
        return places[clear[0]] if len(clear) else foot


def _s_before(lane: Lane, position: np.ndarray) -> float:
    """Arc length one metre before the point of a lane that is nearest to a place (3,), m."""
    i = int(np.argmin(np.linalg.norm(lane.centre[:, :2] - position[:2], axis=1)))
    return float(max(lane.s[i] - 1.0, 0.0))


def _stencilled(lanes: Sequence[Lane], xml: XmlMap) -> list[int]:
    """Approach lanes on which STOP is painted."""
    found = []
    ends = np.array([lane.centre[-1] for lane in lanes])
    approach = np.array(
        [
            lane.kind == "driving" and not lane.junction and any(lanes[a].junction for a in lane.successors)
            for lane in lanes
        ]
    )
    for road in xml.roads.values():
        for record in road.objects:
            if "stencil_stop" not in record.get("name", "").lower():
                continue
            x, y, z, _ = road.point(record["s"], record["t"])
            near = np.flatnonzero(approach & (np.linalg.norm(ends - (x, y, z), axis=1) < 20)).tolist()
            gaps = [np.linalg.norm(lanes[i].centre - (x, y, z), axis=1).min() for i in near]
            if gaps and min(gaps) < 1.6:
                found.append(near[int(np.argmin(gaps))])
    return sorted(set(found))
