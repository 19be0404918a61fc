"""Kinds of covers of open ground by what plans call them: OpenStreetMap's tags, and SUMO's types made of them.

What a kind becomes: `wood`, `scrub` and `park` are planted; `grass` and `soil` are painted; `water`, `paved` and
`parking` are areas of their own class.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LAND_USE_KEYS", "cover_of_tags", "cover_of_type"]

#: Values of tags by kind; the first kind that fits counts.
_KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "water": {
        "natural": ("water",), "landuse": ("basin", "reservoir"), "waterway": ("riverbank", "dock", "canal", "river"),
        "leisure": ("swimming_pool",), "amenity": ("fountain",),
    },
    "wood": {"natural": ("wood",), "landuse": ("forest",)},
    "scrub": {"natural": ("scrub", "heath"), "landuse": ("vineyard", "plant_nursery")},
    "park": {
        "leisure": ("park", "garden"), "landuse": ("cemetery", "allotments", "orchard"), "amenity": ("grave_yard",),
    },
    "grass": {
        "landuse": ("grass", "meadow", "village_green", "recreation_ground", "greenfield"),
        "natural": ("grassland", "wetland", "fell"), "leisure": ("pitch", "common", "golf_course", "dog_park"),
    },
    "soil": {
        "landuse": ("farmland", "farm", "farmyard", "construction", "brownfield", "quarry", "landfill", "railway",
                    "flowerbed"),
        "natural": ("sand", "beach", "bare_rock", "scree", "shingle", "mud"), "leisure": ("playground", "track"),
    },
    "parking": {"amenity": ("parking",)},
    "paved": {
        "highway": ("pedestrian", "footway", "platform"), "place": ("square",), "amenity": ("marketplace",),
    },
}  # fmt: skip
#: Keys of tags that tell a kind.
LAND_USE_KEYS = tuple(dict.fromkeys(key for tags in _KINDS.values() for key in tags))
_BY_TAG = {(key, value): kind for kind, tags in _KINDS.items() for key, values in tags.items() for value in values}
#: SUMO's types that are no key and value: those that its import of OpenStreetMap gives.
_TYPES = {
    "forest": "wood", "wood": "wood", "scrub": "scrub", "park": "park", "leisure": "park", "grass": "grass",
    "farm": "soil", "water": "water", "parking": "parking",
}  # fmt: skip


def cover_of_tags(tags: Mapping[str, str]) -> str | None:
    """Kind of an area of OpenStreetMap; None if it covers nothing, or nothing that is known."""
    found = {_BY_TAG.get((key, tags[key])) for key in LAND_USE_KEYS if key in tags}
    return next((kind for kind in _KINDS if kind in found), None)


def cover_of_type(kind: str) -> str | None:
    """Kind of a polygon of SUMO by its type, as `forest` or `landuse.forest`; None if it is not known."""
    key, _, value = kind.partition(".")
    return _TYPES.get(kind) or _BY_TAG.get((key, value))
