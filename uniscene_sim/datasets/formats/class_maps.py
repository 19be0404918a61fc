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

__all__ = ["PANDASET", "PANDASET_BOXES", "PANDASET_LEFT_OUT", "ClassMap"]

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
_PANDASET_NAMES = (
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
    | {n: (_PANDASET_STATIC | _PANDASET_AGENTS).get(name, _O.OTHERS) for n, name in enumerate(_PANDASET_NAMES, 1)},
    {_O.MANMADE: 41, _O.OTHER_FLAT: 6, _O.PED_CROSSING: 10, _O.ROAD_DIVIDER: 8, _O.OTHERS: 42, _O.TRAFFIC_CONE: 37,
     _O.FREE: None},
)  # fmt: skip
