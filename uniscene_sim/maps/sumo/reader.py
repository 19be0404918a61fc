"""Road networks of SUMO as `VectorMap`s, with the polygons that lie beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from uniscene_sim.maps.cityjson.city_file import city_files
from uniscene_sim.maps.cityjson.reader import with_cities
from uniscene_sim.maps.elements import RoadNetwork
from uniscene_sim.maps.frame_origin import network_near_origin
from uniscene_sim.maps.losses import warn_of_losses
from uniscene_sim.maps.precision import rounded_network
from uniscene_sim.maps.street_plans.standing import ground_covers, knows_trees, standing_objects
from uniscene_sim.maps.sumo.control import control_of
from uniscene_sim.maps.sumo.lanes import lanes_of
from uniscene_sim.maps.sumo.net import net_ref, read_net
from uniscene_sim.maps.sumo.polygons import polygon_files, read_polygons
from uniscene_sim.maps.vector.vector_map import VectorMap

__all__ = ["read_sumo"]


def read_sumo(path: str | Path) -> VectorMap:
    """The map of a network and of the polygons beside it, with an InputWarning for each kind of loss.

    Raises:
        InputError: a file that is damaged or something else, or a network without lanes.
    """
    net, files = read_net(path), polygon_files(path)
    losses = net.losses
    cities = city_files(path)
    beside = with_cities(read_polygons(files, losses), cities, net.geo_reference, losses)
    made = lanes_of(net, beside)
    control = control_of(net, made, losses)
    objects = standing_objects(beside, made.lanes, losses)
    roads_km = sum(lane.length for lane in made.lanes if lane.kind == "driving") / 2e3
    complete = ("building",) * bool(beside.buildings) + ("tree",) * knows_trees(beside.trees, roads_km)
    network = RoadNetwork(
        Path(path).name.split(".")[0], made.lanes, made.crossings, control.stops, control.signals, control.programs,
        left_hand_traffic=net.left_hand, geo_reference=net.geo_reference, source_ref=net_ref([path, *files, *cities]),
        losses=losses.sentences(), complete_kinds=complete, covers=ground_covers(beside.covers),
    )  # fmt: skip
    network = network_near_origin(replace(rounded_network(network), objects=objects))
    warn_of_losses(network.losses, path)
    return VectorMap(**vars(network))
