"""Extracts of OpenStreetMap as `VectorMap`s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from uniscene_sim.maps.cityjson.city_file import city_files
from uniscene_sim.maps.cityjson.reader import with_cities
from uniscene_sim.maps.elements import RoadNetwork
from uniscene_sim.maps.losses import Losses, warn_of_losses
from uniscene_sim.maps.osm.beside import read_surroundings
from uniscene_sim.maps.osm.control import Control
from uniscene_sim.maps.osm.curves import smooth_line
from uniscene_sim.maps.osm.extract import OsmExtract, osm_ref, read_extract
from uniscene_sim.maps.osm.junctions import TurnRules, dead_end, fitted, junction_cuts, make_junction
from uniscene_sim.maps.osm.lanes import Arm, LaneRows
from uniscene_sim.maps.osm.levels import street_heights
from uniscene_sim.maps.osm.room import between_houses
from uniscene_sim.maps.osm.streets import StreetGraph, reachable, street_graph
from uniscene_sim.maps.osm.walkways import add_squares, add_walkways
from uniscene_sim.maps.precision import rounded_network
from uniscene_sim.maps.street_plans.near_roads import NearRoads
from uniscene_sim.maps.street_plans.standing import WALKED, ground_covers, knows_trees, road_samples, standing_objects
from uniscene_sim.maps.vector.vector_map import VectorMap

__all__ = ["network_of", "read_osm"]


def read_osm(path: str | Path) -> VectorMap:
    """The map of an extract, with an InputWarning for each kind of loss.

    Raises:
        InputError: the file is damaged or has no roads, or osmium is not installed.
    """
    extract = read_extract(path)
    network = network_of(extract, _name(path), osm_ref(path), city_files(path))
    warn_of_losses(network.losses, path)
    return VectorMap(**vars(network))


def _name(path: str | Path) -> str:
    return Path(path).name.split(".")[0]


def network_of(extract: OsmExtract, name: str, ref: str, cities: Sequence[Path] = ()) -> RoadNetwork:
    """Everything that a map holds, of an extract.

    Args:
        extract: of OpenStreetMap.
        name, ref: of the map.
        cities: files of models of cities beside it.
    """
    losses = extract.losses
    beside = with_cities(read_surroundings(extract), cities, extract.geo_reference, losses)
    graph = street_graph(extract)
    graph = replace(graph, streets=between_houses(graph.streets, beside.buildings))
    hand = -1 if any(way.tags.get("driving_side") == "left" for way in extract.ways) else 1
    rows, control = LaneRows(hand), Control()
    _add_streets(rows, control, graph, extract)
    add_walkways(rows, extract.ways, losses)
    add_squares(rows, beside.covers, NearRoads(road_samples(rows.lanes(), WALKED)[::4]))
    _note_unused_signals(control, extract, losses)
    lanes = rows.lanes()
    roads_km = sum(lane.length for lane in lanes if lane.kind == "driving") / 2e3
    objects = standing_objects(beside, lanes, losses)
    complete = ("building",) * bool(beside.buildings) + ("tree",) * knows_trees(beside.trees, roads_km)
    network = RoadNetwork(
        name, lanes, tuple(control.crossings), tuple(control.stops), tuple(control.signals), tuple(control.programs),
        left_hand_traffic=hand < 0, geo_reference=extract.geo_reference, source_ref=ref, losses=losses.sentences(),
        complete_kinds=complete, covers=ground_covers(beside.covers),
    )  # fmt: skip
    return replace(rounded_network(network), objects=objects)


def _add_streets(rows: LaneRows, control: Control, graph: StreetGraph, extract: OsmExtract) -> None:
    """Lanes of all streets and junctions, and what rules the traffic on them."""
    name = {node: key for key, nodes in graph.junctions.items() for node in nodes}
    lines = [smooth_line(street.line) for street in graph.streets]
    leading: dict[int, list[tuple[int, int]]] = {}  # streets that lead away from each junction, and their ends
    for k, street in enumerate(graph.streets):
        for end in (0, 1):
            leading.setdefault(name[street.ends[end]], []).append((k, end))
    cuts = np.zeros((len(graph.streets), 2))
    for around in leading.values():
        leaving = [(graph.streets[k], lines[k]) if end == 0 else (graph.streets[k].reversed(), lines[k][::-1])
                   for k, end in around]  # fmt: skip
        for (k, end), cut in zip(around, junction_cuts(leaving), strict=True):
            cuts[k, end] = cut
    ends: list[tuple[Arm, Arm]] = []
    heights = street_heights(graph, lines)
    for k, (street, line, z) in enumerate(zip(graph.streets, lines, heights, strict=True)):
        length = float(np.hypot(*np.diff(line, axis=0).T).sum())
        ends.append(rows.street(street, line, z, fitted((cuts[k, 0], cuts[k, 1]), length)))
        control.add_crossings(street, line, z)
    lit = {place.id for place in extract.places if place.tags.get("highway") == "traffic_signals"}
    turning = {place.id for place in extract.places if place.tags.get("highway") in ("turning_circle", "turning_loop")}
    rules = TurnRules(extract.turns)
    for key, around in leading.items():
        arms = [ends[k][end] for k, end in around]
        nodes = graph.junctions[key]
        if len(arms) == 1:
            if arms[0].node in turning or 1 < arms[0].street.section.grade < 5:
                dead_end(rows, arms[0], str(key))
            continue
        arms.sort(key=lambda arm: (rows.hand * arm.out) % (2 * np.pi))
        middle = np.mean([arm.place for arm in arms], axis=0) if len(nodes) > 1 else _node_place(arms[0])
        make_junction(rows, arms, str(key), middle, reachable(graph.joints.get(key, ()), nodes), rules)
        control.rule(rows, arms, lit & set(nodes))


def _node_place(arm: Arm) -> np.ndarray:
    """Place (3,), m, of the node that a street ends at."""
    line = arm.street.line
    x, y = line[0] if arm.street.ends[0] == arm.node else line[-1]
    return np.array([x, y, arm.place[2]])


def _note_unused_signals(control: Control, extract: OsmExtract, losses: Losses) -> None:
    for place in extract.places:
        if place.tags.get("highway") == "traffic_signals" and place.id not in control.used:
            losses.add("traffic lights that belong to no junction", f"node {place.id}")
