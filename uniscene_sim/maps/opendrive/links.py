"""Successors and predecessors of lanes: the links of the file, checked against and completed by where lane
ends join."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.elements import Lane
from uniscene_sim.maps.opendrive.road_xml import RoadLink, RoadRecord, XmlMap

__all__ = ["link_lanes"]

Key = tuple[str, int, int]
#: Ends closer than this join, m; linked ends farther apart than the second do not; headings differ by less, rad.
JOIN_M, MAX_GAP_M, MAX_TURN_RAD = 0.6, 3.0, 0.6


def _declared(xml: XmlMap) -> Iterator[tuple[Key, Key]]:
    """Pairs of lanes that the file links, in order of travel."""
    for one, two, at_end in _links(xml):
        road = xml.roads[one[0]]
        yield (one, two) if road.forward(road.sections[one[1]].lanes[one[2]]) == at_end else (two, one)


def _links(xml: XmlMap) -> Iterator[tuple[Key, Key, bool]]:
    """A lane, the lane that it is linked to, and whether the link is at the end of greater s of the first."""
    for road in xml.roads.values():
        for n, section in enumerate(road.sections):
            for lane in section.lanes.values():
                for name, link, step in (("predecessor", lane.predecessor, -1), ("successor", lane.successor, 1)):
                    if link is None or not lane.id:
                        continue
                    if 0 <= n + step < len(road.sections):
                        yield (road.id, n, lane.id), (road.id, n + step, link), step > 0
                    elif name in road.link and road.link[name].element == "road" and road.link[name].id in xml.roads:
                        other = road.link[name]
                        m = _section_met(xml.roads[other.id], other, step > 0)
                        yield (road.id, n, lane.id), (other.id, m, link), step > 0
    for junction, connections in xml.connections.items():
        for incoming, connecting, contact, lane_links in connections:
            if incoming not in xml.roads or connecting not in xml.roads:
                continue
            m = 0 if contact == "start" else len(xml.roads[connecting].sections) - 1
            road = xml.roads[incoming]
            for source, target in lane_links:
                for name, n in (("predecessor", 0), ("successor", len(road.sections) - 1)):
                    other_end = road.link.get(name)
                    if other_end and (other_end.element, other_end.id) == ("junction", junction):
                        if source in road.sections[n].lanes:
                            yield (incoming, n, source), (connecting, m, target), name == "successor"


def _section_met(road: RoadRecord, link: RoadLink, follows: bool) -> int:
    """Number of the section of a road that another one meets, which it leads to (`follows`) or comes from."""
    if link.s is None:
        return 0 if link.contact == "start" else len(road.sections) - 1
    after = int(np.argmin([abs(section.s0 - link.s) for section in road.sections]))
    return after if follows == (link.direction != "-") else max(after - 1, 0)


def link_lanes(lanes: list[Lane], index: dict[Key, int], xml: XmlMap) -> list[Lane]:
    """The lanes with successors and predecessors set; `index` maps (road, section, lane id) to their position."""
    starts = np.array([lane.centre[0] for lane in lanes])
    ends = np.array([lane.centre[-1] for lane in lanes])
    first = np.array([lane.heading[0] for lane in lanes])
    last = np.array([lane.heading[-1] for lane in lanes])
    pairs: set[tuple[int, int]] = set()

    def continues(a: int, b: int, reach: float) -> bool:
        return bool(np.linalg.norm(ends[a] - starts[b]) < reach and abs(wrap_angle(last[a] - first[b])) < MAX_TURN_RAD)

    for one, two in _declared(xml):
        if one in index and two in index:
            a, b = index[one], index[two]
            if continues(a, b, MAX_GAP_M):
                pairs.add((a, b))
    with_next, with_previous = {a for a, _ in pairs}, {b for _, b in pairs}
    tree = cKDTree(starts)
    for a, lane in enumerate(lanes):
        for b in tree.query_ball_point(ends[a], JOIN_M):
            missing = a not in with_next or b not in with_previous
            if a != b and missing and lanes[b].kind == lane.kind and continues(a, b, JOIN_M):
                pairs.add((a, b))
    successors: dict[int, list[int]] = {}
    predecessors: dict[int, list[int]] = {}
    for a, b in sorted(pairs):
        successors.setdefault(a, []).append(b)
        predecessors.setdefault(b, []).append(a)
    return [
        replace(lane, successors=tuple(successors.get(i, ())), predecessors=tuple(predecessors.get(i, ())))
        for i, lane in enumerate(lanes)
    ]
