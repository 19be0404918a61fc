"""Lanes of a map from those of a network, sampled every metre and linked as its connections say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from uniscene_sim.maps.elements import Crossing, Lane
from uniscene_sim.maps.street_plans.near_roads import NearRoads
from uniscene_sim.maps.street_plans.paving import Strip, area_strips, paved
from uniscene_sim.maps.street_plans.standing import WALKED
from uniscene_sim.maps.street_plans.surroundings import Surroundings
from uniscene_sim.maps.sumo.net import Edge, NetLane, SumoNet

__all__ = ["NetLanes", "lanes_of"]

_KERB_M = 0.15
_BESIDE_M = 6.0  # between the innermost lanes of the two directions of a road


@dataclass(frozen=True)
class NetLanes:
    """Lanes and crossings of a map, and where the lanes of the network have gone."""

    lanes: tuple[Lane, ...]
    crossings: tuple[Crossing, ...]
    number: dict[str, int]  # index by id of the network


def lanes_of(net: SumoNet, beside: Surroundings) -> NetLanes:
    """All lanes of a network: those of edges, those that lead through junctions, pavement around them; and car parks of
    what lies beside."""
    rows: list[dict[str, Any]] = []
    number: dict[str, int] = {}
    crossings: list[Crossing] = []
    for road, edge in enumerate(net.edges):
        if edge.function == "crossing":
            crossings += [Crossing(_band(lane)) for lane in edge.lanes]
        elif edge.function == "walkingarea":
            for lane in edge.lanes:
                area = paved([lane.line[:, :2]], "sidewalk", float(lane.line[:, 2].mean()))
                _fill(rows, area, f"w{road}", _junction_of(edge))
        else:
            _add_edge(rows, number, edge, str(road), net.left_hand, _junction_of(edge))
    _link(rows, number, net)
    _pair(rows, number, net)
    driven = {end for edge in net.edges if any(lane.kind == "driving" for lane in edge.lanes) for end in edge.ends}
    for name, outline in net.junctions.items():
        if name not in driven:
            continue  # paths meet there
        _fill(rows, paved([outline], "border"), f"j{name}", name)
    near = NearRoads(_points(rows))
    for cover in beside.covers:
        _fill(rows, area_strips(cover, near), f"c{cover.id}", "")
    linked = (row | {k: tuple(row[k]) for k in ("successors", "predecessors")} for row in rows)
    return NetLanes(tuple(Lane(index=i, **row) for i, row in enumerate(linked)), tuple(crossings), number)


def _points(rows: Sequence[dict[str, Any]]) -> np.ndarray:
    """Points (N, 2), m, on what people drive or walk on, a few metres apart."""
    lines = [row["centre"][::4, :2] for row in rows if row["kind"] in WALKED]
    return np.concatenate(lines) if lines else np.zeros((0, 2))


def _junction_of(edge: Edge) -> str:
    """Junction of an edge by its id: inner ones are called ":JUNCTION_NUMBER"."""
    return edge.id[1:].rsplit("_", 1)[0] if edge.id.startswith(":") else ""


def _row(key: tuple[str, int, int], kind: str, line: np.ndarray, yaw: np.ndarray, width: float, junction: str,
         **more: Any) -> dict[str, Any]:  # fmt: skip
    return {"key": key, "kind": kind, "centre": line, "heading": yaw, "width": np.full(len(line), width),
            "left_mark": "none", "right_mark": "none", "successors": [], "predecessors": [], "junction": junction,
            "height": _KERB_M if kind == "sidewalk" else 0.0, **more}  # fmt: skip


def _sampled(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line (N, 3), m, sampled every metre, and its headings, rad, round at corners."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line[:, :2], axis=0).T))])
    at = np.linspace(0.0, along[-1], max(int(np.ceil(along[-1])), 1) + 1)
    fine = np.stack([np.interp(at, along, line[:, k]) for k in range(3)], axis=1)
    ahead = np.stack([np.interp(at + 0.75, along, line[:, k]) - np.interp(at - 0.75, along, line[:, k])
                      for k in range(2)], axis=1)  # fmt: skip
    return fine, np.arctan2(ahead[:, 1], ahead[:, 0])


def _add_edge(rows: list[dict[str, Any]], number: dict[str, int], edge: Edge, road: str, left_hand: bool,
              junction: str) -> None:  # fmt: skip
    """The lanes of an edge side by side; they are listed from the kerb to the middle."""
    inner, outer = ("right", "left") if left_hand else ("left", "right")
    before: int | None = None
    for k, lane in enumerate(edge.lanes):
        if not lane.kind:
            before = None
            continue
        line, yaw = _sampled(lane.line)
        key = (road, 0, -(len(edge.lanes) - k))
        rows.append(_row(key, lane.kind, line, yaw, lane.width_m, junction, speed_limit_mps=lane.speed_mps))
        number[lane.id] = here = len(rows) - 1
        if before is not None:
            rows[before][inner], rows[here][outer] = here, before
            if rows[before]["kind"] == rows[here]["kind"] == "driving" and not junction:
                rows[before][f"can_change_{inner}"] = rows[here][f"can_change_{outer}"] = True
                rows[before][f"{inner}_mark"] = rows[here][f"{outer}_mark"] = "broken"
        before = here


def _link(rows: list[dict[str, Any]], number: dict[str, int], net: SumoNet) -> None:
    """Lanes lead into those that lead through the junction, and these on by connections of their own. One that has no
    length is none; one that has no connection leads where the way through it does."""
    for link in net.connections:
        _join(rows, number.get(link.before, -1), number.get(link.via if link.via in number else link.after, -1))
    for link in net.connections:
        via = number.get(link.via, -1)
        if via >= 0 and not rows[via]["successors"]:
            _join(rows, via, number.get(link.after, -1))


def _join(rows: list[dict[str, Any]], a: int, b: int) -> None:
    if a >= 0 and b >= 0 and b not in rows[a]["successors"]:
        rows[a]["successors"].append(b)
        rows[b]["predecessors"].append(a)


def _pair(rows: list[dict[str, Any]], number: dict[str, int], net: SumoNet) -> None:
    """Edges that lead back and forth between two junctions are one road, if their innermost lanes touch."""
    by_ends: dict[tuple[str, str], list[Edge]] = {}
    for edge in net.edges:
        if edge.function == "normal":
            by_ends.setdefault(edge.ends, []).append(edge)
    side = "right" if net.left_hand else "left"
    for (a, b), edges in by_ends.items():
        for edge in edges:
            mine = _innermost(edge, number)
            for other in by_ends.get((b, a), ()):
                theirs = _innermost(other, number)
                if mine is None or theirs is None or rows[mine].get("opposite", -1) >= 0:
                    continue
                gap = np.hypot(*(rows[mine]["centre"][0] - rows[theirs]["centre"][-1])[:2])
                if gap < _BESIDE_M and gap < rows[mine]["width"][0] + rows[theirs]["width"][0]:
                    wide = len(edge.lanes) + len(other.lanes) > 5
                    rows[mine]["opposite"], rows[theirs]["opposite"] = theirs, mine
                    for row in (rows[mine], rows[theirs]):
                        row[f"{side}_mark"] = "solid_solid" if wide else "broken"


def _innermost(edge: Edge, number: dict[str, int]) -> int | None:
    found = [number[lane.id] for lane in edge.lanes if lane.kind == "driving" and lane.id in number]
    return found[-1] if found else None


def _band(lane: NetLane) -> np.ndarray:
    """Corners (4, 3), m, of a crossing along the line of its lane."""
    a, b = lane.line[0], lane.line[-1]
    way = (b - a) / max(float(np.hypot(*(b - a)[:2])), 1e-6)
    aside = 0.5 * lane.width_m * np.array([-way[1], way[0], 0.0])
    return np.array([a - aside, b - aside, b + aside, a + aside])


def _fill(rows: list[dict[str, Any]], strips: Sequence[Strip], road: str, junction: str) -> None:
    """Add strips as lanes that lead nowhere."""
    for k, strip in enumerate(strips):
        yaw = np.full(len(strip.centre), strip.yaw)
        rows.append(_row((road, 0, -k - 1), strip.kind, strip.centre, yaw, strip.width_m, junction))
