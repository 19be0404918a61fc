"""Classes of other data sets and ours, both ways: one table for each, and what makes look-up tables of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from uniscene_sim.datasets.formats.street import UNKNOWN
from uniscene_sim.errors import InputError
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, AgentClass, OccClass

__all__ = [
    "CARLA_SC",
    "NUSCENES_OCCUPANCY",
    "OCC3D",
    "PANDASET",
    "PANDASET_BOXES",
    "PANDASET_LEFT_OUT",
    "PANDASET_NAMES",
    "SEMANTIC_KITTI",
    "SEMANTIC_KITTI_VOXELS",
    "ClassMap",
]

_O, _A = OccClass, AgentClass


@dataclass(frozen=True)
class ClassMap:
    """The classes of a format.

    Attributes:
        name: of the format.
        ours: `OccClass`, or UNKNOWN, of each of the format's numbers.
        theirs: the format's number of each `OccClass`, where it is not the first that maps to it; None where the
            format has no such class.
    """

    name: str
    ours: Mapping[int, int]
    theirs: Mapping[OccClass, int | None]

    @cached_property
    def to_ours(self) -> np.ndarray:
        """uint8 (highest number + 1,); 254 where the format has no such number."""
        out = np.full(max(self.ours) + 1, _NO_CLASS, np.uint8)
        out[list(self.ours)] = list(self.ours.values())
        return out

    @cached_property
    def to_theirs(self) -> np.ndarray:
        """int32 (21,), by `OccClass`; -1 where the format has no such class."""
        first: dict[int, int | None] = {}
        for number, cls in self.ours.items():
            first.setdefault(cls, number)
        found = [self.theirs[cls] if cls in self.theirs else first.get(cls) for cls in OccClass]
        return np.array([-1 if number is None else number for number in found], np.int32)

    def read(self, numbers: np.ndarray, file: str | Path, field: str) -> np.ndarray:
        """Ours, uint8, of the format's numbers, of any shape.

        Raises:
            InputError: a number that the format does not have.
        """
        table = self.to_ours
        known = (numbers >= 0) & (numbers < len(table))
        out: np.ndarray = table[np.where(known, numbers, 0)]
        known &= out != _NO_CLASS
        if not known.all():
            wrong = int(np.asarray(numbers)[~known].ravel()[0])
            raise InputError(f"unknown label id {wrong}, expected one of {self.name}", file=file, field=field)
        return out


_NO_CLASS = 254


#: PandaSet's labels of boxes that are agents of ours, and those that are none.
PANDASET_BOXES: Mapping[str, AgentClass] = {
    "Car": _A.CAR,
    "Pickup Truck": _A.CAR,
    "Medium-sized Truck": _A.TRUCK,
    "Semi-truck": _A.TRUCK,
    "Towed Object": _A.TRAILER,
    "Motorcycle": _A.MOTORCYCLE,
    "Motorized Scooter": _A.MOTORCYCLE,
    "Other Vehicle - Construction Vehicle": _A.CONSTRUCTION_VEHICLE,
    "Other Vehicle - Uncommon": _A.CAR,
    "Emergency Vehicle": _A.TRUCK,
    "Bus": _A.BUS,
    "Bicycle": _A.BICYCLE,
    "Pedestrian": _A.PEDESTRIAN,
    "Pedestrian with Object": _A.PEDESTRIAN,
    "Cones": _A.TRAFFIC_CONE,
    "Pylons": _A.TRAFFIC_CONE,
    "Road Barriers": _A.BARRIER,
    "Temporary Construction Barriers": _A.BARRIER,
}
PANDASET_LEFT_OUT = frozenset({
    "Other Vehicle - Pedicab", "Personal Mobility Device", "Train", "Trolley", "Tram / Subway", "Animals - Bird",
    "Animals - Other", "Signs", "Construction Signs", "Rolling Containers",
})  # fmt: skip

#: Numbers of PandaSet's classes of points, 1 to 42 in this order.
PANDASET_NAMES = (
    "Smoke", "Exhaust", "Spray or rain", "Reflection", "Vegetation", "Ground", "Road", "Lane Line Marking",
    "Stop Line Marking", "Other Road Marking", "Sidewalk", "Driveway", "Car", "Pickup Truck", "Medium-sized Truck",
    "Semi-truck", "Towed Object", "Motorcycle", "Other Vehicle - Construction Vehicle", "Other Vehicle - Uncommon",
    "Other Vehicle - Pedicab", "Emergency Vehicle", "Bus", "Personal Mobility Device", "Motorized Scooter", "Bicycle",
    "Train", "Trolley", "Tram / Subway", "Pedestrian", "Pedestrian with Object", "Animals - Bird", "Animals - Other",
    "Pylons", "Road Barriers", "Signs", "Cones", "Construction Signs", "Temporary Construction Barriers",
    "Rolling Containers", "Building", "Other Static Object",
)  # fmt: skip
_PANDASET_STATIC = {
    "Smoke": UNKNOWN, "Exhaust": UNKNOWN, "Spray or rain": UNKNOWN, "Reflection": UNKNOWN,
    "Vegetation": _O.VEGETATION, "Ground": _O.TERRAIN, "Road": _O.DRIVEABLE_SURFACE,
    "Lane Line Marking": _O.LANE_DIVIDER, "Stop Line Marking": _O.DRIVEABLE_SURFACE,
    "Other Road Marking": _O.DRIVEABLE_SURFACE, "Sidewalk": _O.SIDEWALK, "Driveway": _O.DRIVEABLE_SURFACE,
    "Signs": _O.MANMADE, "Construction Signs": _O.MANMADE, "Building": _O.MANMADE, "Other Static Object": _O.MANMADE,
}  # fmt: skip
_PANDASET_AGENTS = {name: int(AGENT_OCC_CLASS[cls]) for name, cls in PANDASET_BOXES.items()}
PANDASET = ClassMap(
    "PandaSet's 0 to 42",
    {0: UNKNOWN}
    | {n: (_PANDASET_STATIC | _PANDASET_AGENTS).get(name, _O.OTHERS) for n, name in enumerate(PANDASET_NAMES, 1)},
    {_O.MANMADE: 41, _O.OTHER_FLAT: 6, _O.PED_CROSSING: 10, _O.ROAD_DIVIDER: 8, _O.OTHERS: 42, _O.TRAFFIC_CONE: 37,
     _O.FREE: None},
)  # fmt: skip

#: SemanticKITTI's, of points and voxels; who rides a bicycle is of it, as in Occ3D. Numbers from 252 on are of what
#: moves. Of points, 0 is what nobody labelled; of voxels, what is empty.
_SEMANTIC_KITTI: dict[int, int] = {
    0: UNKNOWN, 1: UNKNOWN, 10: _O.CAR, 11: _O.BICYCLE, 13: _O.BUS, 15: _O.MOTORCYCLE, 16: _O.OTHERS, 18: _O.TRUCK,
    20: _O.OTHERS, 30: _O.PEDESTRIAN, 31: _O.BICYCLE, 32: _O.MOTORCYCLE, 40: _O.DRIVEABLE_SURFACE,
    44: _O.DRIVEABLE_SURFACE, 48: _O.SIDEWALK, 49: _O.OTHER_FLAT, 50: _O.MANMADE, 51: _O.MANMADE, 52: _O.MANMADE,
    60: _O.LANE_DIVIDER, 70: _O.VEGETATION, 71: _O.VEGETATION, 72: _O.TERRAIN, 80: _O.MANMADE, 81: _O.MANMADE,
    99: _O.OTHERS, 252: _O.CAR, 253: _O.BICYCLE, 254: _O.PEDESTRIAN, 255: _O.MOTORCYCLE, 256: _O.OTHERS, 257: _O.BUS,
    258: _O.TRUCK, 259: _O.OTHERS,
}  # fmt: skip
_KITTI_LACKS = {
    _O.OTHERS: 99, _O.BARRIER: 51, _O.CONSTRUCTION_VEHICLE: 20, _O.TRAILER: 20, _O.TRAFFIC_CONE: 99,
    _O.PED_CROSSING: 60, _O.ROAD_DIVIDER: 60,
}  # fmt: skip
SEMANTIC_KITTI = ClassMap("SemanticKITTI's", _SEMANTIC_KITTI, {**_KITTI_LACKS, _O.FREE: None})
SEMANTIC_KITTI_VOXELS = ClassMap("SemanticKITTI's", {**_SEMANTIC_KITTI, 0: _O.FREE}, {**_KITTI_LACKS, _O.FREE: 0})

#: nuScenes' classes, as both Occ3D and nuScenes-Occupancy have them; what they call others and noise differs.
_NUSCENES = {k: k for k in range(1, 17)}
_ON_ROAD = {_O.PED_CROSSING: 11, _O.ROAD_DIVIDER: 11, _O.LANE_DIVIDER: 11}
OCC3D = ClassMap("Occ3D's 0 to 17", {0: _O.OTHERS, **_NUSCENES, 17: _O.FREE}, _ON_ROAD)
#: Of the voxels that a file lists; what it does not list is free.
NUSCENES_OCCUPANCY = ClassMap(
    "nuScenes-Occupancy's 0 to 16", {0: UNKNOWN, **_NUSCENES}, {**_ON_ROAD, _O.OTHERS: 0, _O.FREE: None}
)

#: CarlaSC's: the semantic tags of CARLA 0.9.13. Their ground is what is neither road nor walkway.
CARLA_SC = ClassMap(
    "CarlaSC's 0 to 22",
    {
        0: _O.FREE, 1: _O.MANMADE, 2: _O.MANMADE, 3: _O.OTHERS, 4: _O.PEDESTRIAN, 5: _O.MANMADE, 6: _O.LANE_DIVIDER,
        7: _O.DRIVEABLE_SURFACE, 8: _O.SIDEWALK, 9: _O.VEGETATION, 10: _O.CAR, 11: _O.MANMADE, 12: _O.MANMADE,
        13: UNKNOWN, 14: _O.OTHER_FLAT, 15: _O.MANMADE, 16: _O.OTHER_FLAT, 17: _O.BARRIER, 18: _O.MANMADE,
        19: _O.OTHERS, 20: _O.OTHERS, 21: _O.OTHER_FLAT, 22: _O.TERRAIN,
    },
    {
        _O.BICYCLE: 10, _O.BUS: 10, _O.CONSTRUCTION_VEHICLE: 10, _O.MOTORCYCLE: 10, _O.TRAILER: 10, _O.TRUCK: 10,
        _O.TRAFFIC_CONE: 20, _O.PED_CROSSING: 6, _O.ROAD_DIVIDER: 6,
    },
)  # fmt: skip
