"""Models of cities as maps: alone, and as the houses beside a road network.

Alone, a city has streets that nothing knows the lanes of: areas that vehicles may be on, on which nothing drives by
itself. Beside an extract of OpenStreetMap or a network of SUMO its houses take the place of the plan's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.cityjson.city_file import city_ref, read_city
from uniscene_sim.maps.cityjson.surroundings import city_areas
from uniscene_sim.maps.elements import Lane, RoadNetwork
from uniscene_sim.maps.frame_origin import network_near_origin
from uniscene_sim.maps.geo_reference import GeoReference
from uniscene_sim.maps.losses import Losses, warn_of_losses
from uniscene_sim.maps.precision import rounded_network
from uniscene_sim.maps.street_plans.near_roads import NearRoads
from uniscene_sim.maps.street_plans.paving import Strip, area_strips, paved
from uniscene_sim.maps.street_plans.standing import ground_covers, knows_trees, standing_objects
from uniscene_sim.maps.street_plans.surroundings import Surroundings
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.storage.input_file import reading

__all__ = ["read_cityjson", "with_cities"]

_ROAD_LANES = {"carriageway": "border", "cycleway": "biking"}
_KERB_M = 0.13


def read_cityjson(path: str | Path) -> VectorMap:
    """The map of a city, with an InputWarning for each kind of loss.

    Raises:
        InputError: the file is damaged or something else, or has no roads, squares or footways.
    """
    city = read_city(path)
    areas = city_areas(city)
    losses = city.losses
    rows: list[dict[str, Any]] = []
    for road in areas.roads:
        _add(rows, paved(road.rings, _ROAD_LANES[road.kind]), f"r{road.id}")
    near = NearRoads(np.concatenate([np.zeros((0, 2)), *(row["centre"][::4, :2] for row in rows)]))
    for cover in areas.beside.covers:
        _add(rows, area_strips(cover, near), f"c{cover.id}")
    if not rows:
        raise InputError("has no roads or squares; put it beside an extract of OpenStreetMap, as NAME.city.json beside "
                         "NAME.osm", file=path)  # fmt: skip
    losses.add("streets without lanes, nothing drives on them by itself", "the whole map")
    lanes = tuple(Lane(index=k, **row) for k, row in enumerate(rows))
    objects = standing_objects(areas.beside, lanes, losses)
    complete = ("building",) * bool(areas.beside.buildings) + ("tree",) * knows_trees(areas.beside.trees, 1.0)
    network = RoadNetwork(
        Path(path).name.split(".")[0], lanes, source_ref=city_ref(path), losses=losses.sentences(),
        geo_reference=GeoReference(city.projection) if city.projection else None, complete_kinds=complete,
        covers=ground_covers(areas.beside.covers),
    )  # fmt: skip
    network = network_near_origin(replace(rounded_network(network), objects=objects))
    warn_of_losses(network.losses, path)
    return VectorMap(**vars(network))


def _add(rows: list[dict[str, Any]], strips: Sequence[Strip], road: str) -> None:
    """Add strips as lanes that lead nowhere."""
    for k, strip in enumerate(strips):
        n = len(strip.centre)
        rows.append({
            "key": (road, 0, -k - 1), "kind": strip.kind, "centre": strip.centre, "heading": np.full(n, strip.yaw),
            "width": np.full(n, strip.width_m), "left_mark": "none", "right_mark": "none",
            "height": _KERB_M if strip.kind == "sidewalk" else 0.0,
        })  # fmt: skip


def with_cities(
    beside: Surroundings, files: Sequence[Path], geo_reference: GeoReference | None, losses: Losses
) -> Surroundings:
    """Surroundings of a road network with the buildings of cities beside it, in place of its own around them.

    Args:
        beside: what the network's own plan tells.
        files: models of cities.
        geo_reference: of the network.
        losses: what is left out is noted here.

    Raises:
        InputError: a file is damaged or something else.
    """
    for file in files:
        city = read_city(file)
        if geo_reference is None or not city.projection:
            losses.add("not used, for it or the map does not say where on earth it lies", file.name)
            continue
        with reading(file, "a model of a city in a known projection"):
            buildings = city_areas(city, _between(city.projection, geo_reference)).beside.buildings
        if not buildings:
            continue
        corners = np.concatenate([building.rings[0] for building in buildings])
        low, high = corners.min(axis=0), corners.max(axis=0)
        others = [b for b in beside.buildings if not _is_within(b.rings[0].mean(axis=0), low, high)]
        beside = replace(beside, buildings=(*others, *buildings))
    return beside


def _is_within(place: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    return bool(((low <= place) & (place <= high)).all())


def _between(projection: str, geo_reference: GeoReference) -> Callable[[np.ndarray], np.ndarray]:
    """Leads from the coordinates of a city to those of a map."""
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    try:
        transform = Transformer.from_crs(projection, geo_reference.projection, always_xy=True)
    except ProjError as error:
        raise InputError(f"expected a projection that PROJ knows ({error})", field="referenceSystem") from None
    back = geo_reference.offset.inverse()

    def place(xy: np.ndarray) -> np.ndarray:
        x, y = back.apply(*transform.transform(xy[:, 0], xy[:, 1]))
        return np.stack([x, y], axis=1)

    return place
