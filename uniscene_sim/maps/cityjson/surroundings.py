"""What a model of a city tells of buildings, trees and covers, as `Surroundings`; and of streets, as areas.

Types are CityJSON's own. What roads and plants are is told by words, of which those of the Dutch register BGT and
English ones are known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from uniscene_sim.compute.keyed_random import key_of
from uniscene_sim.maps.cityjson.city_file import City, CityObject
from uniscene_sim.maps.cityjson.outlines import facing, outlines, pitched_share
from uniscene_sim.maps.street_plans.surroundings import Building, Cover, Surroundings, Tree

__all__ = ["CityAreas", "city_areas"]

_MOST_M = 500.0
_UNEVEN_M = 1.0  # of the floors of houses, above which it is told that the ground is flat
_WORDS = ("function", "class", "usage", "plus_fysiekvoorkomen", "bgt_fysiekvoorkomen")  # attributes that say what it is
#: Kind of a road, of plants, and of land by a word.
_ROADS = {"voet": "paved", "foot": "paved", "sidewalk": "paved", "pedestrian": "paved", "walk": "paved",
          "parke": "parking", "parking": "parking", "fiets": "cycleway", "cycle": "cycleway"}  # fmt: skip
_PLANTS = {"bos": "wood", "wood": "wood", "forest": "wood", "heester": "scrub", "struik": "scrub", "shrub": "scrub"}
_LAND = {"verhard": "paved", "paved": "paved", "zand": "soil", "soil": "soil", "bouwland": "soil", "gras": "grass"}
_UNPAVED = ("onverhard", "unpaved")
_FLAT_ROOFS = ("1000", "flat")


@dataclass(frozen=True)
class CityAreas:
    """What a city has on its ground."""

    beside: Surroundings
    roads: tuple[Cover, ...]  # of the kinds `carriageway` and `cycleway`
    ground_m: float  # height of the floors of most houses


def city_areas(city: City, place: Callable[[np.ndarray], np.ndarray] = lambda xy: xy) -> CityAreas:
    """Buildings, plants, covers and roads of a city; what is told but not drawn is noted in its losses.

    Args:
        city: the model.
        place: leads from its coordinates (N, 2) to those of a map.
    """
    buildings, trees, covers, roads = list[Building](), list[Tree](), list[Cover](), list[Cover]()
    floors = []
    for item in city.objects:
        number = int(key_of("city", item.id)) >> 11
        if item.kind in ("Building", "BuildingPart"):
            found = _buildings(item, number, place)
            buildings += found
            floors += [_low(item)] * len(found)
            if not found:
                city.losses.add("left out, for they have no outline", f"object {item.id!r}")
        elif item.kind == "SolitaryVegetationObject":
            corners = np.concatenate([face.rings[0] for face in item.faces])
            tall = float(np.ptp(corners[:, 2]))
            trees.append(Tree(number, place(corners[:, :2].mean(axis=0)[None])[0], tall if tall > 0.5 else None))
        elif (kind := _kind(item)) is not None:
            of_kind = roads if kind in ("carriageway", "cycleway") else covers
            of_kind += [Cover(number, kind, _placed(rings, place)) for rings in outlines(item.faces)]
        else:
            city.losses.add("objects of kinds that are not drawn", item.kind)
    if floors and np.ptp(floors) > _UNEVEN_M:
        city.losses.add("heights of the ground not used, it is flat", f"{min(floors):.1f} to {max(floors):.1f} m")
    ground = float(np.median(floors)) if floors else 0.0
    return CityAreas(Surroundings(tuple(buildings), tuple(trees), tuple(covers)), tuple(roads), ground)


def _buildings(item: CityObject, number: int, place: Callable[[np.ndarray], np.ndarray]) -> list[Building]:
    """A building for each outline of the floor; of the roof where there is no floor."""
    floor = facing(item.faces, up=False) if item.solid else []
    corners = np.concatenate([ring for face in item.faces for ring in face.rings])
    height = float(np.ptp(corners[:, 2]))
    told = item.attributes.get("measuredHeight")
    if height < 0.5 and isinstance(told, int | float):
        height = float(told)
    known = height if 0.5 <= height < _MOST_M else None
    found = outlines(floor) or outlines(facing(item.faces, up=True)) or outlines(item.faces)
    return [Building(number + k, _placed(rings, place), known, _roof(item)) for k, rings in enumerate(found)]


def _roof(item: CityObject) -> str:
    """Whether the roof is flat or pitched; empty if that is not known."""
    if item.lod >= 2 and facing(item.faces, up=True):
        return "pitched" if pitched_share(item.faces) > 0.5 else "flat"
    told = str(item.attributes.get("roofType", "")).lower()
    return "" if not told else "flat" if told in _FLAT_ROOFS else "pitched"


def _low(item: CityObject) -> float:
    return min(float(face.rings[0][:, 2].min()) for face in item.faces)


def _placed(rings: Sequence[np.ndarray], place: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, ...]:
    return tuple(np.round(place(ring), 4) for ring in rings)


def _kind(item: CityObject) -> str | None:
    """Kind of a cover, or of a road; None of what is not drawn."""
    words = " ".join(str(item.attributes[key]).lower() for key in _WORDS if key in item.attributes)
    if item.kind in ("WaterBody", "Waterway"):
        return "water"
    if item.kind in ("Road", "Square", "TransportSquare"):
        plain = "carriageway" if item.kind == "Road" else "paved"
        return next((kind for word, kind in _ROADS.items() if word in words), plain)
    if item.kind == "PlantCover":
        return next((kind for word, kind in _PLANTS.items() if word in words), "grass")
    if item.kind == "LandUse":
        if any(word in words for word in _UNPAVED):
            return "soil"
        return next((kind for word, kind in _LAND.items() if word in words), "yard")
    return None
