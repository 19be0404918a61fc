"""Traffic lights, signs and crossings of the streets of an extract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.elements import Crossing, Signal, SignalProgram, StopLine
from uniscene_sim.maps.osm.junctions import turn_between
from uniscene_sim.maps.osm.lanes import Arm, LaneRows
from uniscene_sim.maps.osm.streets import Street, StreetNode

__all__ = ["Control", "is_marked_crossing"]

_BEFORE_M = 45.0  # from the junction, within which a signal on a street is that of the junction
_CROSSING_M = 3.5  # along the street
_STRAIGHT_RAD = 0.6


def is_marked_crossing(tags: dict[str, str]) -> bool:
    """Whether a node is a crossing that is painted on the road."""
    if tags.get("highway") != "crossing" or tags.get("crossing:markings") == "no":
        return False
    return tags.get("crossing", "marked") not in ("unmarked", "no", "informal")


@dataclass
class Control:
    """What rules traffic, so far."""

    crossings: list[Crossing] = field(default_factory=list)
    stops: list[StopLine] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    programs: list[SignalProgram] = field(default_factory=list)
    used: set[int] = field(default_factory=set)  # nodes of signals that a junction has taken

    def add_crossings(self, street: Street, line: np.ndarray, z: np.ndarray) -> None:
        """Crossings over a street with a smooth line (N, 2), m, and heights (N,), m."""
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        scale = along[-1] / max(street.length, 1e-6)
        for node in street.nodes:
            if not is_marked_crossing(node.place.tags):
                continue
            s = float(np.clip(node.s_m * scale, 1.0, max(along[-1] - 1.0, 1.0)))
            x, y, up = (float(np.interp(s, along, v)) for v in (*line.T, z))
            ahead = [np.interp(s + 1, along, v) - np.interp(s - 1, along, v) for v in line.T]
            way = np.array([*ahead, 0.0]) / max(float(np.hypot(*ahead)), 1e-6)
            right = np.array([way[1], -way[0], 0.0])
            a, b = street.section.kerb(0), street.section.kerb(1)
            half = 0.5 * _CROSSING_M
            middle = np.array([x, y, up])
            corners = [middle + a * right - half * way, middle + a * right + half * way,
                       middle - b * right + half * way, middle - b * right - half * way]  # fmt: skip
            self.crossings.append(Crossing(np.array(corners)))

    def rule(self, rows: LaneRows, arms: Sequence[Arm], lit_nodes: set[int]) -> None:
        """Traffic lights or signs of a junction.

        Args:
            rows: its lanes.
            arms: its streets.
            lit_nodes: nodes of the junction itself that are tagged as traffic lights.
        """
        before = {id(arm): self._signal_nodes(arm, "traffic_signals") for arm in arms}
        facing = [arm for arm in arms if arm.ingoing]
        if len(facing) < 2 and not lit_nodes:
            return
        if (lit_nodes or any(before.values())) and len(arms) > 2:
            self.used |= lit_nodes | {node.place.id for nodes in before.values() for node in nodes}
            self._lights(rows, facing)
            return
        for arm in facing:
            for tag, kind in (("stop", "stop"), ("give_way", "yield")):
                if self._signal_nodes(arm, tag):
                    self._sign(rows, arm, kind)
                    break

    def _signal_nodes(self, arm: Arm, tag: str) -> list[StreetNode]:
        """Nodes with a tag on the way into a junction, that are meant for it."""
        street, found = arm.street, []
        first = street.ends[0] == arm.node
        length = street.length
        for node in street.nodes:
            if node.place.tags.get("highway") != tag:
                continue
            way = node.place.tags.get(f"{tag}:direction", node.place.tags.get("traffic_signals:direction",
                  node.place.tags.get("direction", "")))  # fmt: skip
            if way in ("forward", "backward") and (way == "forward") == first and street.ways[0] == street.ways[1]:
                continue
            gap = node.s_m if first else length - node.s_m
            if gap < min(_BEFORE_M, 0.5 * length + 1.0) and arm.ingoing:
                found.append(node)
        return found

    def _lights(self, rows: LaneRows, arms: Sequence[Arm]) -> None:
        index = {id(arm): len(self.signals) + k for k, arm in enumerate(arms)}
        for arm in arms:
            self._stop_lines(rows, arm, index[id(arm)])
            self._post(rows, arm, "traffic_light")
        pairs: list[tuple[int, ...]] = []
        for arm in arms:
            mine = index[id(arm)]
            if any(mine in pair for pair in pairs):
                continue
            with_it = [index[id(other)] for other in arms if other is not arm
                       and abs(turn_between(arm, other)) < _STRAIGHT_RAD
                       and not any(index[id(other)] in pair for pair in pairs)]  # fmt: skip
            pairs.append((mine, *with_it[:1]))
        self.programs.append(SignalProgram(tuple(pairs)))

    def _sign(self, rows: LaneRows, arm: Arm, kind: str) -> None:
        if kind == "stop":
            self._stop_lines(rows, arm, -1)
        self._post(rows, arm, kind)

    def _post(self, rows: LaneRows, arm: Arm, kind: str) -> None:
        side = 1 if rows.hand > 0 else 0
        foot, _ = arm.at(-rows.hand * (arm.kerb_m[side] + 0.6), True)
        number = len(self.signals)
        self.signals.append(Signal(number, str(number), kind, foot, float(wrap_angle(arm.out)), tuple(arm.ingoing)))

    def _stop_lines(self, rows: LaneRows, arm: Arm, signal: int) -> None:
        crossed = self._crossed(arm)
        for lane in arm.ingoing:
            row = rows.rows[lane]
            s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(row["centre"][:, :2], axis=0).T))])
            at = float(max(s[-1] - crossed, 0.3 * s[-1]))
            x, y, z, yaw, wide = (np.interp(at, s, v) for v in (*row["centre"].T, np.unwrap(row["heading"]),
                                                                row["width"]))  # fmt: skip
            across = 0.5 * wide * np.array([-np.sin(yaw), np.cos(yaw), 0.0])
            self.stops.append(StopLine(np.array([x, y, z]) + np.stack([across, -across]), lane, at, signal))

    def _crossed(self, arm: Arm) -> float:
        """How far before the end of its lanes traffic stops, m: before the crossings there."""
        back = 1.0
        for crossing in self.crossings[-400:]:
            away = (crossing.polygon.mean(axis=0) - arm.place)[:2] @ [np.cos(arm.out), np.sin(arm.out)]
            aside = (crossing.polygon.mean(axis=0) - arm.place)[:2] @ [-np.sin(arm.out), np.cos(arm.out)]
            if 0.0 < away < 14.0 and abs(aside) < 3.0:
                back = max(back, away + 0.5 * _CROSSING_M + 1.0)
        return back
