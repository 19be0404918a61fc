"""What an extract tells of everything beside the streets, as `Surroundings`."""

from __future__ import annotations

import numpy as np

from uniscene_sim.maps.osm.extract import Area, OsmExtract, area_name
from uniscene_sim.maps.osm.values import height_m, length_m
from uniscene_sim.maps.street_plans.land_use import cover_of_tags
from uniscene_sim.maps.street_plans.surroundings import Building, Cover, Surroundings, Tree

__all__ = ["read_surroundings"]

_ROW_M = 8.0  # between the trees of a row
_PITCHED = ("gabled", "hipped", "half-hipped", "gambrel", "mansard", "pyramidal", "saltbox", "skillion")
_OPEN = ("roof", "carport", "no", "ruins", "construction", "bridge", "collapsed", "demolished")


def read_surroundings(extract: OsmExtract) -> Surroundings:
    """Buildings, trees and covers; what hangs in the air or lies below the ground is left out."""
    losses = extract.losses
    buildings, covers = list[Building](), list[Cover]()
    for area in extract.areas:
        tags = area.tags
        if tags.get("building", "no") not in _OPEN:
            if _is_afloat(tags):
                losses.add("left out, for they stand on nothing or below the ground", _named(area))
                continue
            buildings.append(Building(area.id, area.rings, height_m(tags), _roof(tags)))
        elif tags.get("building", "no") not in ("no", "ruins", "construction"):
            losses.add("left out, for they have no walls", _named(area))
        elif "building:part" in tags:
            losses.add("parts of buildings not told apart", _named(area))
        elif kind := cover_of_tags(tags):
            inside = kind == "parking" and tags.get("parking", "surface") not in ("surface", "street_side", "lane")
            if inside or _is_below(tags):
                losses.add("left out, for they lie in houses or below the ground", _named(area))
                continue
            covers.append(Cover(area.id, kind, area.rings))
    return Surroundings(tuple(buildings), tuple(_trees(extract)), tuple(covers))


def _roof(tags: dict[str, str]) -> str:
    """Whether a roof is flat or pitched; empty where it is not told, or has other shapes."""
    shape = tags.get("roof:shape", "")
    return "flat" if shape == "flat" else "pitched" if shape in _PITCHED else ""


def _is_afloat(tags: dict[str, str]) -> bool:
    """Whether a building does not stand on the ground of its own plot."""
    try:
        raised = float(tags.get("min_height", "0").split()[0]) > 0 or float(tags.get("building:min_level", "0")) > 0
    except (ValueError, IndexError):
        raised = False
    return raised or _is_below(tags) or tags.get("layer", "0").startswith("-")


def _is_below(tags: dict[str, str]) -> bool:
    """Whether an area is told to lie below the ground; a layer alone says that a bridge leads over it."""
    return tags.get("location") == "underground" or tags.get("tunnel", "no") != "no" or tags.get("indoor", "no") != "no"


def _named(area: Area) -> str:
    """An area by the way or relation that it was made of."""
    return area_name(area.id)


def _trees(extract: OsmExtract) -> list[Tree]:
    found = [
        Tree(place.id, place.xy, length_m(place.tags, "height", 90.0), length_m(place.tags, "diameter_crown", 40.0))
        for place in extract.places if place.tags.get("natural") == "tree"
    ]  # fmt: skip
    single = np.array([tree.place for tree in found]).reshape(-1, 2)
    for way in extract.ways:
        if way.tags.get("natural") != "tree_row":
            continue
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(way.xy, axis=0).T))])
        for k, s in enumerate(np.arange(0.0, along[-1] + 1e-6, _ROW_M).tolist()):
            place = np.array([np.interp(s, along, way.xy[:, i]) for i in range(2)])
            if len(single) and np.hypot(*(single - place).T).min() < 0.5 * _ROW_M:
                continue  # mapped one by one as well
            found.append(Tree(way.id * 1000 + k, place, length_m(way.tags, "height", 90.0)))
    return found
